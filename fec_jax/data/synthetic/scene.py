"""What surrounds the head: background, neck, clothes, ears."""

import numpy as np

from fec_jax.data.synthetic.canvas import Canvas, bump, edge, ellipse, paint, ramp, shade
from fec_jax.data.synthetic.head import Head
from fec_jax.data.synthetic.people import People
from fec_jax.data.synthetic.textures import texture


def background(people: People, canvas: Canvas) -> None:
    """A backdrop: colour, gradient, glow behind the head, and for some soft shapes or broad stripes."""
    p, x, y = people, canvas.x, canvas.y
    base = p.colour("backdrop", (0.05, 0.6), (0.25, 0.9))
    angle = p.between("backdrop angle", 0, 6.28)
    along = np.cos(angle) * x + np.sin(angle) * y
    glow = bump(x - p.between("glow x", -0.25, 0.25), y + 0.1, 0.75, 0.75)
    tone = 0.86 + p.between("gradient", -0.45, 0.45) * along + p.between("glow", 0.0, 0.3) * glow
    canvas.rgb[:] = base * tone[:, None]
    for k in range(3):
        there = p.chance(f"shape {k}", 0.45)
        r = p.between(f"shape size {k}", 0.08, 0.32)
        d = ellipse(x - p.between(f"shape x {k}", -0.5, 0.5), y - p.between(f"shape y {k}", -0.5, 0.4), r, r * 1.3)
        cover = edge(d, canvas.px, p.between(f"shape soft {k}", 0.03, 0.22)) * there * 0.7
        paint(canvas.rgb, p.colour(f"shape {k}", (0.05, 0.5), (0.2, 0.95)), cover)
    striped = p.chance("striped", 0.15) * p.between("stripes", 0.04, 0.16)
    lean = x + p.between("stripes lean", -0.3, 0.3) * y
    shade(canvas.rgb, 1 + striped * np.sin(lean * p.between("stripes wide", 18, 45) + angle))
    np.clip(canvas.rgb, 0, 1, out=canvas.rgb)


def neck_and_clothes(head: Head) -> None:
    """Neck with the shadow of the chin; a shirt, a pullover or a suit with a collar (and with Male a tie)."""
    p, px, male = head.people, head.px, head.people.has("Male")
    w = head.canvas.window(-0.52, 0.52, 0.12, 0.56)
    u, v, a = w.u, w.v, np.abs(w.u)
    wide = p.between("neck", 0.118, 0.145) + 0.020 * male
    foot = np.maximum(v - 0.40, 0)
    half = wide + 1.6 * foot * foot + 0.25 * foot
    cover = edge(half - a, px) * edge(v - 0.15, px)
    x = np.clip(u / half, -1, 1)
    lam = head.lambert(-0.85 * x, 0.15 + 0 * x)
    colour = head.skin * (head.fill + head.key * lam[:, None])
    below = ramp(head.f[:, w.ys, w.xs], 1.0, 1.30)
    colour *= (0.60 + 0.40 * below)[:, None]
    paint(w.rgb, colour, cover)

    kind = p.unit("clothes")
    suit = (kind < 0.5).astype(np.float32)
    vee = ((kind >= 0.5) & (kind < 0.7)).astype(np.float32)
    dark = p.colour("jacket", (0.05, 0.55), (0.08, 0.34))
    bright = p.colour("pullover", (0.1, 0.7), (0.2, 0.85))
    cloth = bright + suit[:, None] * (dark - bright)
    base = p.between("shoulder", 0.355, 0.405)
    shoulder = base + p.between("slope", 0.24, 0.42) * (np.sqrt(a * a + 0.006) - 0.12)
    collar = ellipse(u, v - base - 0.01, wide + 0.012, p.between("neckline", 0.045, 0.085))
    notch = wide + 0.03 - a - p.between("vee", 0.55, 0.8) * np.maximum(v - base, 0)
    open_ = np.maximum(collar, np.where(suit + vee > 0, notch, np.float32(-1)))
    body = edge(v - shoulder, px)
    fold = np.sin(u * 21 + p.between("cloth", 0, 6.28) + 4 * v) * np.sin(u * 9 - 11 * v)
    weave = texture(p, "fine", head.canvas.r, w.ys, w.xs)
    lam = head.lambert(-0.9 * u + 0.06 * fold, -0.25 - 0.5 * (1 - ramp(v - shoulder, 0.0, 0.08)))
    light = head.fill + head.key * lam[:, None]

    # Shirt inside the suit's opening: its collar rises beside the neck, tie below it.
    shirt = p.pick(
        "shirt", np.array([(244, 244, 246), (222, 232, 246), (246, 238, 232), (190, 208, 236)], np.float32), 0.015
    )
    inner = (
        edge(np.minimum(notch + 0.012, np.minimum(v - base + 0.004, wide - 0.002 + 0.5 * (v - base + 0.004) - a)), px)
        * suit
    )
    throat = edge(0.62 * wide - a - 0.62 * np.maximum(v - base - 0.012, 0), px)
    paint(w.rgb, shirt * light, inner * (1 - throat))
    crease = np.abs(
        0.62 * wide - a - 0.62 * np.maximum(v - base - 0.012, 0) + 0.034 + 0.25 * np.maximum(v - base - 0.05, 0)
    )
    shade(w.rgb, 1 - 0.25 * inner * (1 - throat) * edge(0.003 - crease, px, 0.006))
    tie = p.colour("tie", (0.3, 0.9), (0.2, 0.8))
    knot = edge(0.026 + 0.10 * np.maximum(v - base - 0.13, 0) - a, px) * edge(v - base - 0.085 - 0.2 * a, px)
    paint(w.rgb, tie * light, knot * suit * male)
    cover = body * (1 - edge(open_, px))
    seam = edge(0.004 - np.abs(open_ + 0.014), px, 0.008) * (1 - suit)
    lapel = edge(0.003 - np.abs(open_ + 0.055 - 0.25 * np.maximum(v - base - 0.06, 0)), px, 0.006) * suit
    colour = cloth * light * (1 + 0.04 * weave - 0.16 * seam - 0.3 * lapel)[:, None]
    paint(w.rgb, colour, cover)
    shade(w.rgb, 1 - 0.3 * edge(open_, px) * edge(-open_ + 0.02, px, 0.03) * body * (1 - inner))


def ears(head: Head) -> None:
    """Both ears, partly behind the head; some wear earrings (not with Male)."""
    p, px = head.people, head.px
    high, out = p.between("ear high", 0.060, 0.074), p.between("ear out", 0.002, 0.014)
    ring = (1 - p.has("Male")) * p.chance("earring", 0.4)
    metal = p.pick("metal", np.array([(212, 175, 90), (205, 208, 214), (240, 236, 228)], np.float32))
    red = np.array([1.02, 0.92, 0.90], np.float32)[None, :, None, None]
    for side in (-1, 1):
        w = head.canvas.beside(side, 0.2, 0.35, -0.09, 0.18)
        u = side * (w.u + 0.012 * head.yaw) - head.half - out
        v = w.v - 0.025
        cover = edge(ellipse(u + 0.12 * v, v, 0.030, high), px)
        lam = head.lambert(0.3 * side + 8 * side * u, 2.0 * v)
        tone = 1 - 0.35 * bump(u + 0.006, v + 0.008, 0.017, 0.042) - 0.25 * (1 - ramp(u, -0.03, 0.004))
        paint(w.rgb, head.skin * red * (head.fill + 0.85 * head.key * lam[:, None]) * tone[:, None], cover)
        drop = edge(0.0095 - np.hypot(u + 0.006, w.v - 0.025 - high - 0.004), px) * ring
        spark = 0.75 + 0.6 * bump(u + 0.008, w.v - 0.023 - high, 0.007, 0.007)
        paint(w.rgb, metal * spark[:, None], drop)
