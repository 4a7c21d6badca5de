"""Hair: behind the head, on it, and the beard."""

import numpy as np

from fec_jax.data.synthetic.canvas import Window, bump, edge, ellipse, paint, ramp, shade
from fec_jax.data.synthetic.head import Head
from fec_jax.data.synthetic.textures import strands, texture


class Hair:
    """The cut of each person: short with Male, else mostly long; with Bald only a ring at the sides."""

    def __init__(self, head: Head):
        p = head.people
        male, bald = p.has("Male"), p.has("Bald")
        self.head, self.px, self.bald = head, head.px, bald
        self.long = p.chance("long hair", 0.82) * (1 - male) * (1 - bald)
        self.volume = (
            p.between("volume", 0.012, 0.026) + self.long * (0.014 + 0.022 * p.unit("full hair")) - 0.006 * bald
        )
        self.curly = p.chance("curly", 0.28) * (1 - bald)
        self.volume = self.volume + self.curly * (0.004 + self.long * 0.03)
        self.quiff = p.between("quiff", -0.6, 0.6) * (1 - self.long)
        self.comb = p.chance("combed", 0.6) * (1 - self.long)
        self.height = (p.between("hair height", 0.022, 0.052) + 0.018 * self.curly) * (1 - bald)
        length = p.between("length", 0.16, 0.62)
        sideburn = p.between("sideburn", 0.015, 0.085)
        self.end = sideburn + self.long * (length - sideburn)
        self.flare = p.between("flare", -0.02, 0.09) * self.long
        bangs = p.chance("bangs", 0.12 + 0.25 * (1 - male))
        line = p.between("hairline", -0.195, -0.150) + bangs * p.between("bangs long", 0.035, 0.065)
        self.line_v = line + bald * (-0.75 - line)
        self.sweep = p.between("sweep", -0.28, 0.28) * (1 - bald)
        self.jagged = (0.004 + 0.007 * bangs) * (1 - bald)
        self.corner = p.between("hair corner", 0.35, 0.9)
        self.peak = p.between("peak", -0.01, 0.016)
        self.part_u = p.between("part", -0.13, 0.13)
        self.wavy = p.between("wavy", 0.0, 0.05)
        self.shine = p.between("shine", 0.12, 0.5)

    def _flow(self, w: Window) -> np.ndarray:
        """A coordinate that is constant along every hair: rays from the parting, or combed across; straight below."""
        rays = (w.u - self.part_u) / (0.12 + np.clip(w.v - self.head.top, 0.0, 0.36))
        soft = texture(self.head.people, "soft", self.head.canvas.r, w.ys, w.xs)
        across = np.sign(self.part_u) * (w.u - self.part_u)
        side = 2.0 * (w.v - self.head.top) + 0.9 * across - 2.4 * across * across
        t = rays + self.comb * ramp(0.02 - w.v, 0.0, 0.1) * (side - rays)
        return t + self.wavy * np.sin(w.v * 26 + w.u * 7) + 0.05 * soft

    def _texture(self, w: Window) -> np.ndarray:
        p, t = self.head.people, self._flow(w)
        straight = strands(t, p, "hair strands", 34, 4.5 * self.px)
        curl = texture(p, "curl", self.head.canvas.r, w.ys, w.xs)
        return straight + self.curly * (0.65 * curl - 0.95 * straight)

    def _outer(self, w: Window, grain: np.ndarray) -> np.ndarray:
        """Distance to the outline of the hair, positive inside."""
        h = self.head
        below = np.maximum(w.v - h.middle, 0)
        wide = h.half + self.volume * (1 - self.bald * (1 - ramp(w.v, -0.2, -0.02)))
        up = np.maximum(h.middle - w.v, 0) / (
            h.middle - h.top + self.height * (1 + self.quiff * np.clip(w.u / h.half, -1, 1))
        )
        x = (w.u + 0.012 * h.yaw) / (wide + self.flare * ramp(below, 0, 0.3))
        x2, y2 = x * x, up * up
        f = np.sqrt(np.maximum(x2 + y2 - 0.3 * np.minimum(x2, 1) * np.minimum(y2, 1), 1e-6))
        rough = 0.0012 + 0.011 * self.curly
        ends = self.end + 0.02 * grain * self.long - w.v - 0.25 * np.maximum(np.abs(w.u) - 0.24, 0)
        return np.minimum((1 - f) * wide + rough * grain, ends)

    def _line(self, w: Window, grain: np.ndarray) -> np.ndarray:
        """Distance to the opening of the hair that shows the face, positive in the hair: rounded above, open below."""
        h, a = self.head, np.abs(w.u + 0.012 * self.head.yaw)
        low = np.float32(-0.05)
        top = self.line_v - self.sweep * w.u * np.clip(1.3 - 4 * a, 0, 1) + self.peak * np.maximum(1 - a / 0.06, 0)
        tall = np.maximum(low - top, 0.02)
        x = a / (h.half * (0.945 - 0.05 * self.long + 0.03 * self.bald))
        y = np.maximum(low - w.v + self.jagged * grain, 0) / tall
        x2, y2 = x * x, y * y
        square = self.corner * np.minimum(x2, 1) * np.minimum(y2, 1)
        f = np.sqrt(np.maximum(x2 + y2 - square, 1e-6))
        slope_x = x * (1 - self.corner * np.minimum(y2, 1)) / h.half
        slope_y = y * (1 - self.corner * np.minimum(x2, 1)) / tall
        return (f - 1) / np.maximum(np.sqrt(slope_x * slope_x + slope_y * slope_y) / f, 2.0)

    def behind(self) -> None:
        """Long hair behind the neck."""
        w = self.head.canvas.window(-0.5, 0.5, -0.05, 0.55)
        grain = self._texture(w)
        cover = edge(self._outer(w, grain), self.px) * self.long
        base = self.head.hair * (self.head.fill + 0.35 * self.head.key)
        paint(w.rgb, base * (0.62 + 0.10 * grain)[:, None], cover)

    def front(self) -> None:
        """Hair on and around the head, with its shadow on the forehead."""
        h = self.head
        w = h.canvas.window(-0.42, 0.42, -0.45, 0.55)
        grain = self._texture(w)
        line, outer = self._line(w, grain), self._outer(w, grain)
        ring = 1 - self.bald * (1 - ramp(w.v, -0.18, -0.04))
        inside = edge(h.inside()[:, w.ys, w.xs], self.px)
        low = edge(line + 0.014, self.px, 0.05) * ramp(-w.v, 0.02, 0.12)
        shade(w.rgb, 1 - 0.26 * low * inside * (1 - self.bald))
        soft = 0.014 + 0.03 * self.bald + 0.014 * self.comb
        cover = edge(np.minimum(line, outer), self.px, 0.004) * edge(line + 0.3 * soft, self.px, soft) * ring
        cover *= 1 - self.bald * 0.12
        # Light on the mass of hair, taken as an ellipsoid; a bright band where it turns towards the light.
        x = w.u / (h.half + self.volume)
        y = (w.v - h.middle) / (h.middle - h.top + self.height)
        y = np.where(y > 0, 0.35 * y, y)
        lam = h.lambert(-0.75 * x, -0.75 * y)
        band = bump(y + 0.52 + 0.25 * x * x, x - 0.5 * h.light_x, 0.30, 1.15)
        tone = 0.80 + 0.30 * grain + self.shine * band * (0.8 + 0.5 * grain)
        tone *= 0.80 + 0.20 * np.clip(line / 0.04, 0, 1)
        colour = h.hair * (h.fill + h.key * lam[:, None]) * tone[:, None]
        colour += (0.10 * self.shine * band * (1 + grain))[:, None]
        paint(w.rgb, np.clip(colour, 0.02, 1), cover)


def _beard_cover(head: Head, w: Window, grain: np.ndarray) -> np.ndarray:
    p = head.people
    a = np.abs(w.u - 0.008 * head.yaw)
    goatee = p.chance("goatee", 0.35)
    over = np.maximum(a - 0.095, 0)
    upper = head.mouth_v - 0.042 + 0.1 * np.maximum(a - 0.02, 0) - p.between("cheek beard", 5.0, 7.5) * over * over
    d = w.v - upper
    wide = p.between("goatee wide", 0.102, 0.125)
    d = np.minimum(d, (1 - goatee) * 1.0 + goatee * ellipse(a, w.v - head.mouth_v - 0.045, wide, 0.115))
    return edge(d + 0.005 * grain, head.px, 0.022)


def beard_behind(head: Head) -> None:
    """The part of a full beard that stands out beyond the jaw; before the head is laid on."""
    p, w = head.people, head.canvas.window(-0.34, 0.34, 0.02, 0.5)
    on = (1 - p.has("No_Beard")) * p.chance("bushy", 0.5)
    grain = strands(w.u + 0.4 * w.v * np.sign(w.u), p, "beard out", 130, 1.4 * head.px)
    out = edge(head.inside()[:, w.ys, w.xs] + 0.016 + 0.004 * grain, head.px, 0.012)
    cover = _beard_cover(head, w, grain) * out * on
    base = head.hair * (head.fill + 0.55 * head.key) * 0.8
    paint(w.rgb, base * (0.9 + 0.2 * grain)[:, None], cover)


def beard(head: Head) -> None:
    """Beard and moustache in the skin, before lips and light: full, or around the mouth only."""
    p, w = head.people, head.canvas.window(-0.3, 0.3, 0.0, 0.46)
    on = 1 - p.has("No_Beard")
    grain = strands(w.u * (1 + 0.8 * w.v) + 0.15 * np.sin(9 * w.v), p, "beard", 150, 1.4 * head.px)
    grain = 0.6 * grain + 0.7 * texture(p, "curl", head.canvas.r, w.ys, w.xs)
    density = p.between("beard dense", 0.78, 0.97)
    colour = head.hair * (0.95 - 0.35 * head.hair.mean(1, keepdims=True))
    alike = 1 - np.abs(colour.mean(1) - head.skin.mean(1)) / 0.3
    colour = colour * (1 - 0.55 * np.clip(alike, 0, 1)[:, None])  # a beard of the colour of the skin would not show
    chin_gap = bump(w.u, w.v - head.mouth_v - 0.05, 0.05, 0.02) * 0.35
    cover = _beard_cover(head, w, grain) * np.clip(density + 0.10 * grain - chin_gap, 0, 1) * on
    part = head.albedo[:, :, w.ys, w.xs]
    paint(part, colour * (0.92 + 0.26 * grain)[:, None] + 0.01, cover)
