"""Eyes, eyebrows and glasses."""

import numpy as np

from fec_jax.data.synthetic.canvas import EYE_X, bump, edge, paint, ramp, shade
from fec_jax.data.synthetic.features import stroke
from fec_jax.data.synthetic.head import Head
from fec_jax.data.synthetic.textures import strands

_IRIS = np.array([(58, 38, 26), (78, 50, 30), (104, 72, 40), (94, 100, 60), (86, 118, 92), (84, 124, 150),
                  (104, 150, 188), (118, 132, 140)], np.float32)  # fmt: skip
_FRAMES = np.array([(22, 22, 24), (40, 28, 24), (92, 56, 32), (120, 120, 124), (150, 118, 66), (34, 46, 92),
                    (120, 28, 36)], np.float32)  # fmt: skip


def brows(head: Head) -> None:
    """Eyebrows in the colour of the hair, in the skin (before the light); thicker, straighter and lower with Male."""
    p, px, male = head.people, head.px, head.people.has("Male")
    thick = p.between("brow thick", 0.0085, 0.0125) + 0.0065 * male
    arch = p.between("brow arch", 0.012, 0.024) * (1 - 0.45 * male)
    at = p.between("brow v", -0.088, -0.072) + 0.008 * male
    tilt = p.between("brow tilt", -0.12, 0.03)
    inner = p.between("brow inner", 0.036, 0.050)
    dark = head.hair * (0.72 + 0.12 * p.has("Gray_Hair")[:, None])
    density = p.between("brow dense", 0.68, 0.92) - 0.1 * p.has("Gray_Hair")
    for side in (-1, 1):
        w = head.canvas.beside(side, 0.02, 0.215, -0.135, -0.025)
        u = side * w.u
        x = (u - inner) / (0.195 - inner)
        middle = at - tilt * (u - 0.12) - arch * (1 - (2 * x - 1.15) ** 2)
        room = thick * np.clip(1.15 - 0.95 * x * x, 0.15, 1) * ramp(x, -0.10, 0.18)
        hairs = strands(w.v * 0.8 - u * 1.1 * side, p, "brow hair", 190, 1.3 * px)
        cover = edge(room - np.abs(w.v - middle) + 0.0015 * hairs, px, 0.009)
        cover *= ramp(x, -0.08, 0.05) * (1 - ramp(x, 0.93, 1.05)) * density
        part = head.albedo[:, :, w.ys, w.xs]
        paint(part, dark * (1 + 0.25 * hairs)[:, None], cover)


def eyes(head: Head) -> None:
    """Both eyes alike: white, iris, pupil, a glint where the light is, lids and lashes. Made up without Male."""
    p, px = head.people, head.px
    made_up = (1 - p.has("Male")) * p.between("made up", 0.5, 1.0)
    wide = p.between("eye wide", 0.048, 0.056) + 0.002 * made_up
    up = p.between("eye open", 0.020, 0.028) + 0.002 * made_up
    down = p.between("eye low", 0.012, 0.017)
    slant = p.between("eye slant", -0.03, 0.14)
    iris_r = p.between("iris", 0.0215, 0.0255)
    iris = p.pick("iris colour", _IRIS, 0.12, early=1 + 4 * p.unit("skin"))
    gaze_u, gaze_v = p.between("gaze u", -0.010, 0.010), p.between("gaze v", -0.004, 0.003)
    crease = p.between("crease", 0.010, 0.018)
    shadow = p.colour("eye shadow", (0.2, 0.6), (0.25, 0.6))
    white = np.array([0.93, 0.915, 0.90], np.float32)[None, :, None, None]
    lash_ink = np.array([0.07, 0.05, 0.05], np.float32)[None, :, None, None]
    for side in (-1, 1):
        w = head.canvas.beside(side, 0.045, 0.205, -0.075, 0.06)
        lit = np.clip(head.lit[:, w.ys, w.xs], 0.35, 1.1) * 0.9 + 0.08
        u = side * w.u - EYE_X
        v = w.v + slant * u
        x = u / wide
        round_ = 1 - x * x
        arch = np.maximum(round_, 0)
        upper = -up * arch * (1.10 - 0.18 * x - 0.1 * arch)
        lower = down * np.sqrt(arch) * (0.55 + 0.45 * arch) * (1 + 0.15 * x)
        # Lid and crease first, the ball of the eye over them.
        lid = stroke(v - upper + 0.5 * crease, crease, px) * ramp(round_, -0.15, 0.3)
        paint(w.rgb, shadow * lit[:, None], lid * made_up * p.between("eye shadow strong", 0.1, 0.45))
        fold = stroke(v - upper + crease, 0.0045, px) * ramp(round_, -0.25, 0.35)
        shade(w.rgb, 1 - 0.34 * fold)
        inside = np.minimum(v - upper, lower - v)
        cover = edge(inside, px) * ramp(round_, 0.0, 0.1)
        du, dv = u - side * gaze_u, v + 0.001 - gaze_v
        r = np.sqrt(du * du + dv * dv)
        ball = 1.0 - 0.30 * x * x - 0.42 * stroke(v - upper, 0.013, px)
        eye = (white * lit[:, None]) * ball[:, None]
        spokes = np.sin(np.float32(37) * du / (r + 0.004)) * np.sin(np.float32(29) * dv / (r + 0.004) + 1)
        spokes *= min(1.0, max(0.0, 0.006 / px - 0.6))
        tone = (0.9 + 0.45 * np.clip(r / iris_r, 0, 1) + 0.55 * np.clip(dv / iris_r, -0.4, 1) + 0.2 * spokes) * lit
        tone *= 1 - 0.55 * ramp(r / iris_r, 0.75, 1.0)
        tone *= 1 - 0.45 * stroke(v - upper, 0.012, px)
        disc = edge(iris_r - r, px, 0.003)
        eye += disc[:, None] * (iris * tone[:, None] - eye)
        pupil = edge(iris_r * 0.43 - r, px, 0.002)
        eye *= (1 - 0.94 * pupil)[:, None]
        glint = edge(0.0062 - np.hypot(side * du - 0.011 * head.light_x, dv - 0.012 * head.light_y + 0.001), px, 0.003)
        eye += (0.85 * glint)[:, None] * (1 - eye)
        caruncle = ramp(-x, 0.78, 0.98)
        eye += (0.55 * caruncle)[:, None] * (
            head.skin * np.array([0.95, 0.62, 0.6], np.float32)[None, :, None, None] - eye
        )
        paint(w.rgb, eye, cover)
        # Lashes: the upper lid's line, winged when made up; a faint lower one.
        line = stroke(v - upper + 0.001, 0.0052 + 0.0032 * made_up * (1 + 0.5 * x), px) * ramp(
            round_, -0.22 * made_up, 0.12
        )
        paint(w.rgb, lash_ink, line * (0.72 + 0.25 * made_up))
        fringe = (
            stroke(v - upper + 0.007 + 0.1 * np.maximum(u, 0), 0.006, px) * ramp(x, -0.3, 0.6) * ramp(1.25 - x, 0, 0.3)
        )
        hairs = 0.5 + 0.5 * np.sin(u * 520 + v * 260) * min(1.0, max(0.0, 0.006 / px - 0.6))
        paint(w.rgb, lash_ink, fringe * made_up * hairs * 0.75)
        rim = stroke(v - lower, 0.004, px) * ramp(round_, 0.0, 0.3)
        shade(w.rgb, 1 - (0.30 + 0.22 * made_up) * rim)


def glasses(head: Head) -> None:
    """Frames around both eyes, bridge and temples, a faint tint and reflection in the lenses and the frames' shadow."""
    p, px, on = head.people, head.px, head.people.has("Eyeglasses")
    frame = p.pick("frame", _FRAMES)
    thin = p.chance("thin frame", 0.35)
    wide, high = p.between("lens wide", 0.080, 0.096), p.between("lens high", 0.052, 0.074)
    square = p.between("lens square", 0.0, 0.92)
    bar = p.between("frame thick", 0.0085, 0.013) * (1 - thin) + 0.0065 * thin
    drop = p.between("lens v", 0.004, 0.016)
    centre = np.maximum(p.between("lens u", 0.116, 0.124), wide + 0.016)
    tint = on * p.between("lens tint", 0.02, 0.10)
    w = head.canvas.window(-0.31, 0.31, -0.10, 0.13)
    lit = np.clip(head.lit[:, w.ys, w.xs], 0.3, 1.2)

    def ring(dv: float | np.ndarray) -> np.ndarray:
        x, y = (np.abs(w.u) - centre) / wide, (w.v - drop - dv) / high
        y = y * (1 + 0.10 * x * square)
        x2, y2 = x * x, y * y
        f = np.sqrt(np.maximum(x2 + y2 - square * np.minimum(x2, 1) * np.minimum(y2, 1), 1e-6))
        return (1 - f) * np.minimum(wide, high)

    d = ring(0)
    lens = edge(d, px) * on
    shade(w.rgb, 1 - tint * lens)
    streak = bump(w.u * 0.7 - w.v - p.between("reflection", -0.12, 0.12), 0 * w.v, 0.028, 1)
    w.rgb += (lens * streak * p.between("reflects", 0.0, 0.28))[:, None] * (1 - w.rgb)
    reach = head.half + 0.012
    under = edge(bar * 0.5 - np.abs(ring(0.012)), px, 0.016)
    shade(w.rgb, 1 - 0.22 * under * on * edge(reach - np.abs(w.u), px))
    rim = edge(bar * 0.5 - np.abs(d), px)
    bridge_v = drop - 0.018 - 0.010 * (1 - (w.u / 0.03) ** 2)
    inner = centre - wide
    bridge = edge(bar * 0.5 - np.abs(w.v - bridge_v), px) * edge(inner + 0.004 - np.abs(w.u), px)
    arm_u = np.abs(w.u) - centre - wide
    arm = edge(bar * 0.55 - np.abs(w.v - drop + 0.018), px) * edge(arm_u + 0.004, px) * edge(reach - np.abs(w.u), px)
    cover = np.maximum(np.maximum(rim, bridge), arm) * on
    sheen = 0.85 + 0.35 * stroke(d - 0.15 * bar, 0.4 * bar, px) + 0.25 * thin
    paint(w.rgb, frame * (lit * sheen)[:, None], cover)
