"""Planes of pixels in the coordinates of the face, soft-edged shapes on them, and paint.

Face coordinates (u, v): the origin lies midway between the eyes, u points right, v down, the unit is the crop's width.
The eyes are at (-0.12, 0) and (0.12, 0), as in the aligned photos (0.24 apart, at 0.45 of the crop's height).
Everything is float32; planes are [n, h, w] and colours [n, 3, 1, 1] in 0..1.
"""

from dataclasses import dataclass

import numpy as np

from fec_jax.data.synthetic.people import People

EYE_X, EYE_Y = 0.12, 0.45
_MAX_SHIFT, _MAX_TURN, _MAX_SCALE = 0.008, 0.035, 0.03


def edge(distance: np.ndarray, px: float, soft: float | np.ndarray = 0.0) -> np.ndarray:
    """Coverage 0..1 of a shape with `distance` > 0 inside: a ramp as wide as a pixel (`px`), or as `soft` where wider.

    A one-pixel ramp is what averaging many samples per pixel gives, so small pictures look like averaged large ones.
    """
    out = distance * (1 / np.maximum(px, soft)).astype(np.float32) if isinstance(soft, np.ndarray) else None
    if out is None:
        out = distance * np.float32(1 / max(px, float(soft)))  # type: ignore[arg-type]
    out += np.float32(0.5)
    return np.clip(out, 0, 1, out=out)


def ramp(x: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """Smoothstep: 0 below `low`, 1 above `high`."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bump(u: np.ndarray, v: np.ndarray, ru: float | np.ndarray, rv: float | np.ndarray) -> np.ndarray:
    """A smooth hill of height 1 around (0, 0), exactly 0 outside the ellipse of radii `ru`, `rv`."""
    x, y = u / ru, v / rv
    t = 1 - (x * x + y * y)
    np.maximum(t, 0, out=t)
    return t * t


def ellipse(u: np.ndarray, v: np.ndarray, ru: float | np.ndarray, rv: float | np.ndarray) -> np.ndarray:
    """Distance to the rim of an ellipse around (0, 0), positive inside (first order, exact on the rim)."""
    x, y = u / ru, v / rv
    q = x * x + y * y
    gx, gy = x / ru, y / rv
    return (1 - q) / (2 * np.sqrt(gx * gx + gy * gy) + 1e-3)


def paint(rgb: np.ndarray, colour: np.ndarray, cover: np.ndarray) -> None:
    """Lays `colour` ([n, 3, 1, 1] or [n, 3, h, w]) over `rgb` [n, 3, h, w] in place where `cover` [n, h, w] is 1."""
    rgb += cover[:, None] * (colour - rgb)


def shade(rgb: np.ndarray, factor: np.ndarray) -> None:
    """Multiplies `rgb` [n, 3, h, w] by `factor` [n, h, w] in place."""
    rgb *= factor[:, None]


@dataclass
class Window:
    """A part of the canvas: views, so that paint on `rgb` lands on the canvas."""

    u: np.ndarray
    v: np.ndarray
    rgb: np.ndarray
    ys: slice
    xs: slice


class Canvas:
    """A square picture for each of the people, with their pose within the alignment: small turns, scales and shifts."""

    def __init__(self, people: People, resolution_px: int):
        n, r = people.n, resolution_px
        self.n, self.r, self.px = n, r, 1.0 / r
        at = ((np.arange(r) + 0.5) / r).astype(np.float32)
        turn = people.between("turn", -_MAX_TURN, _MAX_TURN)
        scale = people.between("scale", 1 - _MAX_SCALE, 1 + _MAX_SCALE)
        dx = people.between("shift x", -_MAX_SHIFT, _MAX_SHIFT)
        dy = people.between("shift y", -_MAX_SHIFT, _MAX_SHIFT)
        x, y = at[None, None, :] - 0.5 - dx, at[None, :, None] - EYE_Y - dy
        c, s = np.cos(turn) / scale, np.sin(turn) / scale
        self.x, self.y = at[None, None, :] - 0.5, at[None, :, None] - 0.5
        self.u, self.v = c * x + s * y, c * y - s * x
        self.rgb = np.zeros((n, 3, r, r), np.float32)

    def window(self, u0: float, u1: float, v0: float, v1: float) -> Window:
        """The part that holds the box u0..u1, v0..v1 of every person, however they are turned."""
        slack_u = _MAX_SHIFT + _MAX_TURN * max(abs(v0), abs(v1)) + _MAX_SCALE * max(abs(u0), abs(u1))
        slack_v = _MAX_SHIFT + _MAX_TURN * max(abs(u0), abs(u1)) + _MAX_SCALE * max(abs(v0), abs(v1))
        xs = self._span(0.5 + u0 - slack_u, 0.5 + u1 + slack_u)
        ys = self._span(EYE_Y + v0 - slack_v, EYE_Y + v1 + slack_v)
        return Window(self.u[:, ys, xs], self.v[:, ys, xs], self.rgb[:, :, ys, xs], ys, xs)

    def beside(self, side: int, near: float, far: float, v0: float, v1: float) -> Window:
        """The part that holds `near`..`far` from the middle on one `side`: -1 left, 1 right."""
        low, high = sorted((side * near, side * far))
        return self.window(low, high, v0, v1)

    def _span(self, low: float, high: float) -> slice:
        return slice(max(int(np.floor(low * self.r)) - 1, 0), min(int(np.ceil(high * self.r)) + 1, self.r))
