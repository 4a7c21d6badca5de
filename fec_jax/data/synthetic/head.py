"""The head: its shape, the light on it, and its skin."""

import numpy as np

from fec_jax.data.synthetic.canvas import Canvas, bump, edge, ramp
from fec_jax.data.synthetic.people import People
from fec_jax.data.synthetic.textures import texture

SKIN = np.array([(242, 210, 190), (236, 196, 172), (226, 180, 150), (208, 155, 122), (180, 124, 92), (143, 94, 68),
                 (108, 70, 51), (84, 55, 43)], np.float32)  # fmt: skip
HAIR = np.array([(24, 20, 20), (38, 28, 24), (62, 42, 30), (92, 62, 40), (128, 88, 54), (176, 134, 84), (214, 178, 122),
                 (140, 66, 34)], np.float32)  # fmt: skip
GREY = np.array([(128, 128, 132), (160, 160, 164), (196, 196, 198), (222, 220, 216)], np.float32)


class Head:
    """Shape, colours and light of each person, and the planes that the parts of the face share.

    `albedo` [n, 3, r, r] is the colour of the skin before light, `height` [n, r, r] its relief towards the viewer (in
    crop widths), `lit` [n, r, r] the light that fell on it (about 1). Parts add to the first two before `render`.
    """

    def __init__(self, people: People, canvas: Canvas):
        self.people, self.canvas, self.px = people, canvas, canvas.px
        male = people.has("Male")
        self.half = people.between("face half", 0.253, 0.272) + 0.012 * male
        self.top = people.between("skull", -0.36, -0.325)
        self.chin = people.between("chin", 0.372, 0.415) + 0.018 * male
        self.middle = np.float32(-0.03)
        self.taper = people.between("taper", 0.22, 0.36) - 0.07 * male
        self.square = people.between("square jaw", 0.0, 0.22) + 0.22 * male
        self.yaw = people.between("yaw", -1, 1)
        self.mouth_v = people.between("mouth v", 0.232, 0.255)
        self.skin = np.clip(people.along("skin", SKIN) * (1 + people.colour("skin tint", (0, 0.08), (0, 0.08))), 0, 1)
        grey = people.has("Gray_Hair")[:, None]
        self.hair = people.pick("hair", HAIR, early=1 + 3 * people.unit("skin"))
        self.own_hair = self.hair
        self.hair = self.hair + grey * (people.pick("grey", GREY, 0.015) - self.hair)
        self.albedo = np.empty_like(canvas.rgb)
        self.albedo[:] = self.skin
        self.f = self._outline(canvas.u, canvas.v)
        self.height = 0.2 * np.sqrt(np.maximum(1.06 - self.f * self.f, 0.02))
        self.lit = np.ones_like(self.height)
        # Light: from where (x right, y down, z to the viewer), how strong against the light of the room, how warm.
        self.light_x = people.between("light x", -0.75, 0.75)
        self.light_y = people.between("light y", -0.75, -0.1)
        self.light_z = np.sqrt(1 / (1 + self.light_x**2 + self.light_y**2))
        strength = people.between("exposure", 0.88, 1.04)
        share = people.between("contrast", 0.4, 0.72)
        warm = people.between("warmth", -1, 1)[:, None]
        tint = np.array([0.05, 0.0, -0.07], np.float32)[None, :, None, None]
        self.key = (strength * share * 1.16)[:, None] * (1 + tint * warm)
        self.fill = (strength * (1.02 - share))[:, None] * (1 - 0.6 * tint * warm)

    def _outline(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Below 1 inside the head, 1 on its rim: an ellipse above, a tapered squircle below: x^2 + t^2 - s x^2 t^2."""
        below = np.maximum(v - self.middle, 0) / (self.chin - self.middle)
        above = np.maximum(self.middle - v, 0) / (self.middle - self.top)
        t2 = below * below + above * above
        x = (u + 0.012 * self.yaw) / (self.half * (1 - self.taper * np.minimum(below, 1) ** 3))
        x2 = x * x
        square = np.where(v > self.middle, self.square, np.float32(0.25))
        return np.sqrt(np.maximum(x2 + t2 - square * np.minimum(x2, 1) * np.minimum(t2, 1), 1e-6))

    def inside(self) -> np.ndarray:
        """Distance to the rim of the head, positive inside, on the whole canvas."""
        return (1 - self.f) * self.half * 0.95

    def relief(self, u: float | np.ndarray, v: float | np.ndarray, ru: float, rv: float, h: float | np.ndarray) -> None:
        """Adds a hill of height `h` with radii `ru`, `rv` around (u, v) to the relief, for every person."""
        lo_u, hi_u = float(np.min(u)) - ru, float(np.max(u)) + ru
        w = self.canvas.window(lo_u, hi_u, float(np.min(v)) - rv, float(np.max(v)) + rv)
        self.height[:, w.ys, w.xs] += h * bump(w.u - u, w.v - v, ru, rv)

    def tint(self, u: float, v: float, ru: float, rv: float, factor: np.ndarray) -> None:
        """Multiplies the skin around (u, v) by `factor` [n, 3, 1, 1], fading out towards the rim of the ellipse."""
        w = self.canvas.window(u - ru, u + ru, v - rv, v + rv)
        self.albedo[:, :, w.ys, w.xs] *= 1 + bump(w.u - u, w.v - v, ru, rv)[:, None] * (factor - 1)

    def features(self) -> None:
        """The relief of sockets, brows, cheeks, chin, and the colour of cheeks, sockets and a shaved jaw."""
        p, male = self.people, self.people.has("Male")
        one = np.ones((p.n, 3, 1, 1), np.float32)
        red = np.array([1.05, 0.86, 0.86], np.float32)[None, :, None, None]
        blush = 1 + (red - 1) * p.between("blush", 0.1, 0.75)[:, None]
        old = (1 - p.has("Young"))[:, None]
        cheeks = p.between("cheeks", 0.006, 0.016)
        for side in (-1, 1):
            self.relief(side * 0.115, -0.012, 0.085, 0.055, -0.014)
            self.relief(side * 0.11, -0.075, 0.1, 0.04, 0.006 + 0.007 * male)
            self.relief(side * 0.15, 0.11, 0.1, 0.085, cheeks)
            self.tint(side * 0.155, 0.12, 0.11, 0.1, blush)
            self.tint(side * 0.12, -0.01, 0.09, 0.06, one * (0.86 - 0.10 * old))
            self.tint(side * 0.135, 0.205, 0.085, 0.10, one * (1 - 0.16 * old))  # hollow below the cheekbone
        self.relief(0, self.chin - 0.065, 0.075, 0.06, 0.016)
        self.relief(0, -0.19, 0.22, 0.13, 0.012)
        w = self.canvas.window(-0.3, 0.3, 0.1, 0.46)
        stubble = male * p.between("shaved", 0.0, 0.16) * (self.own_hair.mean(1) < 0.5)
        cover = ramp(w.v + 0.35 * np.abs(w.u), 0.2, 0.28) * stubble
        bluish = np.array([0.62, 0.68, 0.74], np.float32)[None, :, None, None]
        self.albedo[:, :, w.ys, w.xs] *= 1 + cover[:, None] * (bluish - 1)

    def grain(self) -> None:
        """Blotches, pores and freckles."""
        p = self.people
        w = self.canvas.window(-0.31, 0.31, -0.38, 0.45)
        old = 1 - p.has("Young")
        rough = p.between("rough", 0.012, 0.03) + 0.01 * old
        fine = texture(p, "fine", self.canvas.r, w.ys, w.xs)
        soft = texture(p, "soft", self.canvas.r, w.ys, w.xs)
        part = self.albedo[:, :, w.ys, w.xs]
        part *= (1 + rough * fine + 0.022 * soft)[:, None]
        part[:, 1:] *= (1 - (0.018 + 0.02 * old) * soft)[:, None]
        self.height[:, w.ys, w.xs] += (0.0006 * fine) * (0.3 + 0.4 * old)
        freckled = p.chance("freckled", 0.35) * p.between("freckles", 0.25, 0.7)
        spots = texture(p, "spots", self.canvas.r, w.ys, w.xs)
        where = bump(w.u, w.v - 0.09, 0.3, 0.22) + 0.12
        brown = np.array([0.68, 0.5, 0.4], np.float32)[None, :, None, None]
        part *= 1 + (spots * where * freckled)[:, None] * (brown - 1)

    def render(self) -> None:
        """Lights the relief (Lambert and a soft gloss) and lays the head on the canvas."""
        w = self.canvas.window(-0.31, 0.31, -0.38, 0.45)
        h = self.height[:, w.ys, w.xs]
        slope_u, slope_v = np.zeros_like(h), np.zeros_like(h)
        slope_u[:, :, 1:-1] = (h[:, :, 2:] - h[:, :, :-2]) * (0.5 / self.px)
        slope_v[:, 1:-1] = (h[:, 2:] - h[:, :-2]) * (0.5 / self.px)
        lam = self.lambert(slope_u, slope_v)
        colour = self.albedo[:, :, w.ys, w.xs] * (self.fill + self.key * lam[:, None])
        colour[:, 0] += 0.10 * self.skin[:, 0] * np.clip(lam * (1 - lam), 0, 1)
        gloss = np.maximum(lam, 0) ** 2
        gloss *= gloss
        gloss *= gloss * gloss
        gloss *= self.people.between("gloss", 0.03, 0.15)
        colour += gloss[:, None] * (1 - 0.4 * colour)
        self.lit[:, w.ys, w.xs] = (self.fill + self.key * lam[:, None]).mean(1)
        cover = edge(self.inside()[:, w.ys, w.xs], self.px)
        w.rgb[:] += cover[:, None] * (colour - w.rgb)

    def lambert(self, slope_u: np.ndarray, slope_v: np.ndarray) -> np.ndarray:
        """Cosine between the light and a surface with these slopes (height per width, to the viewer), 0 in shadow."""
        up = (1 - self.light_x * slope_u - self.light_y * slope_v) * self.light_z
        up /= np.sqrt(1 + slope_u * slope_u + slope_v * slope_v)
        return np.maximum(up, 0, out=up)
