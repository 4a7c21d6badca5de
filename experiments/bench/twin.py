"""G, D, VGG16 and the training step in PyTorch, with the same weights: what our own speed is compared with.

Written for this benchmark, the way one writes it in PyTorch: eager or compiled, NCHW, `torch.optim.Adam`, fused kernels
where the library has them. `channels_last` is the other memory format; a benchmark takes the faster one. Growth
"blend" at alpha 1.
"""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
import torch.nn.functional as F  # pyright: ignore[reportMissingImports]

from fec_jax.losses.total import Lambdas
from fec_jax.nets.vgg16 import IMAGENET_MEAN, IMAGENET_STD

Tree = Mapping[str, Any]
T = torch.Tensor


def from_flax(tree: Tree, channels_last: bool = False, device: str = "cpu") -> dict[str, Any]:
    """Flax's parameters as torch's: kernels OIHW, matrices [out, in]."""
    converted = {}
    for name, leaf in tree.items():
        if isinstance(leaf, Mapping):
            converted[name] = from_flax(leaf, channels_last, device)
            continue
        x = torch.from_numpy(np.array(leaf, np.float32))
        x = x.permute(3, 2, 0, 1) if x.ndim == 4 else x.T if x.ndim == 2 else x
        x = x.contiguous(memory_format=torch.channels_last) if channels_last and x.ndim == 4 else x.contiguous()
        converted[name] = x.to(device)
    return converted


def leaves(tree: Tree) -> list[T]:
    """Its tensors, in a fixed order."""
    return [x for leaf in tree.values() for x in (leaves(leaf) if isinstance(leaf, Mapping) else [leaf])]


def to_torch(x: np.ndarray, channels_last: bool = False, device: str = "cpu") -> T:
    """NHWC to NCHW (or, with another memory format, the same)."""
    t = torch.from_numpy(np.array(np.asarray(x).transpose(0, 3, 1, 2), order="C")).to(device)
    return t.contiguous(memory_format=torch.channels_last) if channels_last else t


def to_numpy(x: T) -> np.ndarray:
    """NCHW to NHWC."""
    return x.detach().permute(0, 2, 3, 1).contiguous().numpy()


def _plain(p: Tree, x: T) -> T:
    kernel = p["kernel"]
    return F.conv2d(x, kernel, p.get("bias"), padding=kernel.shape[2] // 2)


def _norm(p: Tree, x: T) -> T:
    return F.instance_norm(x, weight=p["scale"], bias=p["bias"], eps=1e-5)


def _conv(p: Tree, x: T) -> T:
    x = _plain(p["Conv_0"], x)
    return F.leaky_relu(_norm(p["InstanceNorm_0"], x) if "InstanceNorm_0" in p else x, 0.2)


def _dense(p: Tree, x: T) -> T:
    return F.linear(x, p["kernel"], p["bias"])


def _merge(p: Tree, x: T, skip: T) -> T:
    block = p["ResidualBlock_0"]
    y = _plain(block["Conv_1"], _conv(block["Conv_0"], skip))
    return _conv(p["Conv_0"], x + skip + _norm(block["InstanceNorm_0"], y))


def _flat(x: T) -> T:
    return x.permute(0, 2, 3, 1).reshape(len(x), -1)  # Flax flattens h, w, c


def generator(p: Tree, masked: T, mask: T, attrs: T, px: int) -> T:
    """The residual generator at full alpha."""
    skips: dict[int, T] = {}
    x = F.leaky_relu(_plain(p[f"from_rgb_{px}"], torch.cat([masked, mask], 1)), 0.2)
    r = px
    while r > 4:
        skips[r] = _conv(p[f"encode_{r}"]["Conv_0"], x)
        x = F.avg_pool2d(_conv(p[f"encode_{r}"]["Conv_1"], skips[r]), 2)
        r //= 2
    skips[4] = _conv(p["encode_4"], x)
    z = F.leaky_relu(_dense(p["to_latent"], _flat(skips[4])), 0.2)
    x = F.leaky_relu(_dense(p["from_latent"], torch.cat([z, 2 * attrs - 1], 1)), 0.2)
    x = x.reshape(len(x), 4, 4, -1).permute(0, 3, 1, 2)
    if masked.is_contiguous(memory_format=torch.channels_last):
        x = x.contiguous(memory_format=torch.channels_last)
    x = _merge(p["merge_4"], _conv(p["decode_4"], x), skips[4])
    while r < px:
        r *= 2
        block = p[f"decode_{r}"]
        x = _merge(block["Merge_0"], _conv(block["Conv_0"], F.interpolate(x, scale_factor=2.0)), skips[r])
    return _plain(p[f"to_rgb_{px}"], x)


def discriminator(p: Tree, x: T, px: int) -> tuple[T, T]:
    """Logits: real or fake, and the attributes."""
    x, r = F.leaky_relu(_plain(p[f"from_rgb_{px}"], x), 0.2), px
    while r > 4:
        x = F.avg_pool2d(_conv(p[f"down_{r}"]["Conv_1"], _conv(p[f"down_{r}"]["Conv_0"], x)), 2)
        r //= 2
    x = F.leaky_relu(_dense(p["dense_4"], _flat(_conv(p["conv_4"], x))), 0.2)
    return _dense(p["real_head"], x)[:, 0], _dense(p["attr_head"], x)


def relu2_2(p: Tree, x: T) -> T:
    """See `fec_jax.nets.vgg16`."""
    mean, std = (torch.tensor(of, device=x.device)[:, None, None] for of in (IMAGENET_MEAN, IMAGENET_STD))
    x = ((x + 1) / 2 - mean) / std
    x = F.max_pool2d(F.relu(_plain(p["conv1_2"], F.relu(_plain(p["conv1_1"], x)))), 2)
    return F.relu(_plain(p["conv2_2"], F.relu(_plain(p["conv2_1"], x))))


def rim(mask: T) -> T:
    """See `fec_jax.masks.holes.rim`."""
    edge = F.max_pool2d(mask, 3, 1, 1) + F.max_pool2d(-mask, 3, 1, 1)
    return F.avg_pool2d(edge, 7, 1, 3)


def d_losses(d: Tree, w: Lambdas, real: T, fake: T, attrs: T, px: int) -> tuple[T, T]:
    """D's adversarial loss, and all that it learns from."""
    logit, attr = discriminator(d, torch.cat([real, fake]), px)
    b = len(real)
    d_loss = F.softplus(-logit[:b]).mean() + F.softplus(logit[b:]).mean()
    return d_loss, d_loss + w.attr * F.binary_cross_entropy_with_logits(attr[:b], attrs)


def g_losses(d: Tree, vgg: Tree, w: Lambdas, real: T, fake: T, mask: T, wanted: T, px: int) -> T:
    """G's five losses, weighted."""
    logit, attr = discriminator(d, fake, px)
    difference = (fake - real).abs()
    per_pixel = difference.mean(1, keepdim=True)
    hole = (mask * per_pixel).sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp_min(1e-6)
    context = ((1 - mask) * per_pixel).sum((1, 2, 3)) / (1 - mask).sum((1, 2, 3)).clamp_min(1e-6)
    with torch.no_grad():
        of_real = relu2_2(vgg, real)
    return (
        w.adv * F.softplus(-logit).mean()
        + w.attr * F.binary_cross_entropy_with_logits(attr, wanted)
        + w.rec * (0.7 * hole + 0.3 * context).mean()
        + w.feat * (relu2_2(vgg, fake) - of_real).square().mean()
        + w.bdy * (rim(mask) * difference).mean()
    )


class Training:
    """The training step: D's update, then G's with all five losses, then G's average.

    dtype: of the convolutions (autocast); parameters and losses are float32. compiled: networks and losses are, by
    `torch.compile`, with their gradients.
    """

    def __init__(
        self,
        g: Tree,
        d: Tree,
        vgg: Tree,
        lambdas: Lambdas,
        px: int,
        channels_last: bool,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        compiled: bool = False,
    ) -> None:
        self.g, self.d, self.vgg = (from_flax(tree, channels_last, device) for tree in (g, d, vgg))
        self.average = [x.clone() for x in leaves(self.g)]
        for x in (*leaves(self.g), *leaves(self.d)):
            x.requires_grad_()
        fused = device != "cpu"
        self.g_adam = torch.optim.Adam(leaves(self.g), 1e-3, (0.9, 0.99), fused=fused)
        self.d_adam = torch.optim.Adam(leaves(self.d), 1e-3, (0.5, 0.99), fused=fused)
        self.lambdas, self.px = lambdas, px
        self._cast = functools.partial(torch.autocast, device, dtype, enabled=dtype != torch.float32)
        wrap = torch.compile if compiled else lambda function: function
        self._generator, self._d_losses, self._g_losses = map(wrap, (generator, d_losses, g_losses))

    def step(self, real: T, mask: T, attrs: T, wanted: T) -> tuple[T, T]:
        """Losses of G and D of this step, before it."""
        w, px = self.lambdas, self.px
        with self._cast():
            fake = self._generator(self.g, real * (1 - mask), mask, wanted, px).float()
            d_loss, d_total = self._d_losses(self.d, w, real, fake.detach(), attrs, px)
        self.d_adam.zero_grad(set_to_none=True)
        d_total.backward()
        self.d_adam.step()

        for x in leaves(self.d):
            x.requires_grad_(False)
        with self._cast():
            g_loss = self._g_losses(self.d, self.vgg, w, real, fake, mask, wanted, px)
        self.g_adam.zero_grad(set_to_none=True)
        g_loss.backward()
        self.g_adam.step()
        for x in leaves(self.d):
            x.requires_grad_()
        with torch.no_grad():
            torch._foreach_lerp_(self.average, [x.detach() for x in leaves(self.g)], 0.01)
        return g_loss.detach(), d_loss.detach()
