"""Cases: files of which some are damaged, and the command that gets them. A number gives the same case every time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from experiments.robustness import tables, weights_files
from experiments.robustness.damage import BYTES
from experiments.robustness.pictures import PICTURES, encode, usual
from fec_jax.weights.format import Meta, Weights, save_weights

Rng = np.random.Generator
PHOTO = Path(__file__).resolve().parents[2] / "docs" / "astronaut.png"
FACE = (133, 19, 317, 203)  # of that photo, aligned as the networks expect it
SIDE_PX, NETWORK_PX = 96, 8
NAMES = ("Smiling", "Male")
PHOTOS, SMALL_PX = 12, 24  # of a folder to prepare
ALIGNED = {"photo": 0.08, "mask": 0.04, "weights": 0.15}
"""Shares of the cases that search for the face, which takes most of a case's time."""
IN, OUT = "in", "out"


@dataclass
class Case:
    """kind       which file is damaged, in front of which command
    damage     what was done to it
    words      the command, run in the case's folder; inputs are in `IN`, all output goes to `OUT`
    inputs     the files of `IN` by name
    outputs    what must be there if the exit code is 0
    before     files that are in `OUT` already
    """

    kind: str
    damage: str
    words: list[str]
    inputs: dict[str, bytes]
    outputs: list[str]
    before: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Whole:
    """Undamaged: a photo with a face, a mask of its eyes, and a small network's random weights as a file."""

    photo: Image.Image
    mask: Image.Image
    weights: bytes

    @staticmethod
    def made(folder: Path) -> "Whole":
        """Writes the weights' file into `folder` on the way."""
        with Image.open(PHOTO) as image:
            photo = image.convert("RGB").crop(FACE).resize((SIDE_PX, SIDE_PX))
        mask = Image.new("L", photo.size)
        mask.paste(255, (24, 34, 72, 52))
        rng = np.random.default_rng(0)
        meta = Meta(NAMES, NETWORK_PX, {"base": 16, "cap": 4, "latent": 4, "skip": "residual"}, {"base": 16, "cap": 4})
        g, d = (
            jax.tree.map(lambda x: 0.3 * rng.normal(size=x.shape).astype(np.float32), shapes)
            for shapes in (meta.g_shapes(), meta.d_shapes())
        )
        save_weights(folder / "w.safetensors", Weights(g, d, meta))
        return Whole(photo, mask, (folder / "w.safetensors").read_bytes())

    def others(self) -> list[bytes]:
        """Files of other kinds, to splice with."""
        return [
            *(encode(self.photo, kind)[0] for kind in ("PNG", "JPEG", "GIF")),
            self.weights,
            b"image_id,Male\na,1\n",
        ]


def _pick(rng: Rng, among: Sequence[str]) -> str:
    return among[int(rng.integers(len(among)))]


def _picture(image: Image.Image, whole: Whole, rng: Rng) -> tuple[bytes, str, str]:
    """A picture's bytes, the ending of its name, and what was done to it: another form, damage, or both."""
    name = _pick(rng, ["usual", *PICTURES])
    data, suffix = PICTURES[name](image, rng)
    if rng.random() < 0.6:
        how = _pick(rng, list(BYTES))
        return BYTES[how](data, rng, whole.others()), suffix, how
    if rng.random() < 0.1:
        return data, _pick(rng, (".png", ".jpg", ".heic", ".txt", "")), "wrong extension"
    return data, suffix, f"picture: {name}"


def _options(rng: Rng, align: bool) -> list[str]:
    """Options of `fec complete` for one photo as for a folder."""
    words = [] if align else ["--align", "off"]
    for name in NAMES:
        if rng.random() < 0.4:
            words += ["--set", f"{name}={_pick(rng, ('0', '1', '0.5'))}"]
    return words + [word for word in ("--keep-metadata", "--raw") if rng.random() < 0.2]


def _complete(kind: str, whole: Whole, rng: Rng) -> Case:
    """`fec complete` of one photo; `kind` is damaged."""
    files = {kind_: encode(image, "PNG") for kind_, image in (("photo", whole.photo), ("mask", whole.mask))}
    weights, damage = whole.weights, ""
    if kind == "weights":
        weights, damage = _weights(whole, rng)
    else:
        data, suffix, damage = _picture(whole.photo if kind == "photo" else whole.mask, whole, rng)
        files[kind] = data, suffix
    words, outputs = (
        ["complete", f"{IN}/photo{files['photo'][1]}"],
        [f"o{_pick(rng, ('.png', '.png', '.webp', '.jpg'))}"],
    )
    holes = ("mask", "mask", "region", "region", "box", *(["alpha"] if kind == "photo" else []))
    where = "mask" if kind == "mask" else _pick(rng, holes)
    words += {
        "mask": ["--mask", f"{IN}/mask{files['mask'][1]}"],
        "region": ["--region", _pick(rng, ("mouth", "eyes", "nose", "face", "lower-face"))],
        "box": ["--box", "30,30,24,18"],
        "alpha": ["--mask-from", "alpha"],
    }[where]
    if where == "mask":
        words += [word for word in ("--mask-resize", "--invert-mask") if rng.random() < 0.2]
        words += ["--mask-from", "alpha"] if rng.random() < 0.15 else []
    words += _options(rng, align=rng.random() < ALIGNED[kind])
    if "--raw" not in words and rng.random() < 0.1:
        words += ["--vary", _pick(rng, ("all", NAMES[0]))]
    for option, name in (("--show-mask", "hole.png"), ("--json", "facts.json")):
        if rng.random() < 0.3:
            words, outputs = [*words, option, f"{OUT}/{name}"], [*outputs, name]
    before = {outputs[0]: b"there before"} if rng.random() < 0.2 else {}
    words += ["--force"] if before or rng.random() < 0.1 else []
    words += ["--weights", f"{IN}/w.safetensors", "--out", f"{OUT}/{outputs[0]}"]
    inputs = {f"{name}{suffix}": data for name, (data, suffix) in files.items()} | {"w.safetensors": weights}
    return Case(f"{kind}, complete", damage, words, inputs, outputs, before)


def _weights(whole: Whole, rng: Rng) -> tuple[bytes, str]:
    if rng.random() < 0.3:
        name = _pick(rng, list(BYTES))
        return BYTES[name](whole.weights, rng, whole.others()), name
    name = _pick(rng, list(weights_files.METADATA))
    return weights_files.changed(whole.weights, name, rng), f"safetensors: {name}"


def _folder(whole: Whole, rng: Rng) -> Case:
    """`fec complete` of a folder, with damaged photos and masks, at times with a damaged report of an earlier run."""
    inputs, before, damages = {"w.safetensors": whole.weights}, {}, []
    for i in range(4):
        data, suffix = usual(whole.photo, rng)
        if i < 2:
            data, suffix, damage = _picture(whole.photo, whole, rng)
            damages.append(damage)
        inputs[f"photos/{i}{suffix}"] = data
        mask, suffix = encode(whole.mask, "PNG")
        if i == 2:
            mask, suffix, damage = _picture(whole.mask, whole, rng)
        inputs[f"masks/{i}{suffix}"] = mask
    if rng.random() < 0.3:
        rows = b"file,status,score,seconds,message\n2.png,done,0.5,1,\n3.png,started,,,\n"
        before = {"report.csv": BYTES[_pick(rng, list(BYTES))](rows, rng, whole.others()), "2.png": b"there before"}
    where = _pick(rng, ("masks", "mask", "region"))
    words = {
        "masks": ["--masks", f"{IN}/masks"],
        "mask": ["--mask", f"{IN}/masks/0.png"],
        "region": ["--region", "eyes"],
    }
    options = [
        *words[where],
        *_options(rng, align=rng.random() < ALIGNED["photo"]),
        *(["--force"] if rng.random() < 0.2 else []),
    ]
    words = ["complete", f"{IN}/photos", *options, "--weights", f"{IN}/w.safetensors", "--out", OUT]
    return Case("folder, complete", damages[0], words, inputs, ["report.csv"], before)


def _prepare(kind: str, whole: Whole, rng: Rng) -> Case:
    """`fec prepare folder`, with a damaged table or a damaged photo; the photos have labels and splits."""
    rows = [["image_id", "split", "person", *NAMES]]
    inputs, align = {}, kind == "photo" and rng.random() < ALIGNED["photo"]
    for i in range(PHOTOS):
        small = Image.fromarray(rng.integers(0, 256, (SMALL_PX, SMALL_PX, 3), np.uint8))
        inputs[f"p{i:02d}.png"] = encode(whole.photo if align else small, "PNG")[0]
        split = "test" if i % 4 == 3 else "validation" if i % 4 == 2 else "train"
        rows.append([f"p{i:02d}.png", split, f"person {i // 2}", str(i % 2), str(i // 2 % 2)])
    table, damage = "\n".join(",".join(row) for row in rows).encode(), ""
    if kind == "photo":
        data, suffix, damage = _picture(whole.photo, whole, rng)
        del inputs["p00.png"]
        inputs[f"p00{suffix}"] = data
    elif rng.random() < 0.75:
        name = _pick(rng, list(tables.ROWS))
        table, damage = tables.written(tables.ROWS[name](rows, rng), rng), f"table: {name}"
    else:
        damage = _pick(rng, list(BYTES))
        table = BYTES[damage](table, rng, whole.others())
    inputs["attributes.csv"] = table
    words = ["prepare", "folder", IN, "--out", OUT, "--resolution", "8"]
    words += (["--keep", "Smiling"] if rng.random() < 0.2 else []) + (["--align"] if align else [])
    return Case(f"{kind}, prepare", damage, words, inputs, ["4px", "8px", "report.json"])


KINDS: dict[str, Callable[[Whole, Rng], Case]] = {
    "photo, complete": lambda whole, rng: _complete("photo", whole, rng),
    "mask, complete": lambda whole, rng: _complete("mask", whole, rng),
    "weights, complete": lambda whole, rng: _complete("weights", whole, rng),
    "folder, complete": _folder,
    "table, prepare": lambda whole, rng: _prepare("table", whole, rng),
    "photo, prepare": lambda whole, rng: _prepare("photo", whole, rng),
}
SHARES = (0.28, 0.16, 0.22, 0.06, 0.2, 0.08)


def case(whole: Whole, seed: int, number: int) -> Case:
    """Case `number` of `seed`."""
    rng = np.random.default_rng([seed, number])
    return KINDS[list(KINDS)[int(rng.choice(len(KINDS), p=SHARES))]](whole, rng)
