"""Nose, mouth, folds of the skin: what lies in the skin and takes the light with it."""

import numpy as np

from fec_jax.data.synthetic.canvas import bump, edge, ellipse, paint, ramp
from fec_jax.data.synthetic.head import Head

_LIPSTICK = np.array(
    [(190, 60, 70), (205, 85, 90), (170, 45, 60), (200, 100, 95), (150, 40, 55), (214, 110, 120)], np.float32
)


def stroke(d: np.ndarray, width: float | np.ndarray, px: float) -> np.ndarray:
    """A soft line of half-width `width` where `d` is 0; thinner than a pixel it turns faint, not narrow."""
    wide = np.maximum(width, 0.9 * px)
    t = d / wide
    t = np.maximum(1 - t * t, 0)
    return (t * t) * (width / wide)


def nose(head: Head) -> None:
    """Ridge, tip and wings in the relief; nostrils and the shadow below in the colour."""
    p, male = head.people, head.people.has("Male")
    wide = p.between("nose wide", 0.78, 1.15) + 0.06 * male
    tip = p.between("nose tip", 0.128, 0.152)
    shift = 0.016 * head.yaw
    head.relief(0.4 * shift, 0.03, 0.055, 0.13, p.between("ridge", 0.014, 0.023))
    head.relief(0.9 * shift, tip - 0.03, 0.07, 0.08, 0.012)
    head.relief(shift, tip, 0.055, 0.045, p.between("tip high", 0.020, 0.03))
    for side in (-1, 1):
        head.relief(shift + side * 0.038 * wide, tip + 0.012, 0.03, 0.032, 0.013)
    w = head.canvas.window(-0.1, 0.1, 0.08, 0.24)
    part = head.albedo[:, :, w.ys, w.xs]
    u = w.u - shift
    under = bump(u, w.v - tip - 0.045, 0.075 * wide, 0.032)
    part *= (1 - 0.17 * under)[:, None]
    wing = stroke(np.hypot((np.abs(u) - 0.036 * wide) / 0.023, (w.v - tip - 0.01) / 0.026) - 1, 0.35, head.px / 0.025)
    wing *= ramp(np.abs(u), 0.036 * wide, 0.05 * wide) * p.between("wings", 0.10, 0.22)
    part *= (1 - wing)[:, None]
    hole = edge(
        ellipse(np.abs(u) - 0.021 * wide, w.v - tip - 0.030 + 0.18 * np.abs(u), 0.0125 * wide, 0.006), head.px, 0.009
    )
    paint(part, head.skin * np.array([0.34, 0.24, 0.22], np.float32)[None, :, None, None], hole * 0.75)


def mouth(head: Head) -> None:
    """Lips, and with Smiling raised corners, teeth, full cheeks and folds beside them."""
    p, px = head.people, head.px
    smile, male, young = p.has("Smiling"), p.has("Male"), p.has("Young")
    wide = p.between("mouth wide", 0.070, 0.083) * (1 + smile * p.between("smile wide", 0.24, 0.38))
    lift = (1 - smile) * p.between("corners", -0.002, 0.008) - smile * p.between("smile lift", 0.022, 0.032)
    upper = p.between("upper lip", 0.012, 0.020) * (1 - 0.2 * smile) * (1 - 0.25 * male) * (0.65 + 0.35 * young)
    lower = p.between("lower lip", 0.018, 0.027) * (1 - 0.15 * smile) * (1 - 0.2 * male) * (0.7 + 0.3 * young)
    gap = smile * p.between("smile gap", 0.016, 0.030)
    mu, mv = 0.010 * head.yaw, head.mouth_v - 0.004 * smile

    for side in (-1, 1):
        head.relief(side * 0.15, 0.142, 0.085, 0.060, 0.014 * smile)
        head.relief(side * 0.115 + 0 * mu, mv - 0.028, 0.03, 0.03, -0.003 * smile)
    head.relief(mu, mv - 0.034, 0.014, 0.035, -0.004)
    head.relief(mu, mv + 0.055, 0.07, 0.028, -0.009)
    head.relief(mu, mv + 0.022, 0.06, 0.025, 0.010)
    head.relief(mu, mv - 0.010, 0.07, 0.018, 0.005)

    w = head.canvas.window(-0.14, 0.14, 0.15, 0.36)
    part = head.albedo[:, :, w.ys, w.xs]
    x = (w.u - mu) / wide
    s = x * x
    round_ = np.maximum(1 - s, 0)
    bow = np.maximum(1 - s * 18, 0)
    line = mv + lift * s + 0.003 * bow * (1 - smile)
    full = round_ * (1.12 - 0.12 * round_)
    top = line - upper * full * (1.18 - 0.34 * bow * bow)
    opening = gap * np.sqrt(round_) * (0.4 + 0.6 * round_)
    bottom = line + opening + lower * full
    natural = head.skin * np.array([0.86, 0.58, 0.57], np.float32)[None, :, None, None]
    made_up = (1 - male) * p.between("lipstick", 0.35, 1.0)
    lips = natural + made_up[:, None] * 0.75 * (p.pick("lipstick", _LIPSTICK) - natural)
    pale = (1 - made_up) * (0.12 + 0.4 * (1 - young))  # lips lose their colour with age
    lips = lips + pale[:, None] * (head.skin - natural)
    cover = edge(np.minimum(w.v - top, bottom - w.v), px, 0.006) * ramp(round_, 0.0, 0.12)
    tone = 0.84 + 0.26 * np.clip((w.v - line - opening) / lower, 0, 1)
    grooves = 0.05 * np.sin(w.u * 620) * min(1.0, max(0.0, 0.0045 / px - 0.5))
    paint(part, lips * (tone + grooves)[:, None], cover * (0.72 + 0.2 * made_up))
    shade_below = stroke(w.v - bottom - 0.012, 0.016, px) * ramp(round_, 0.2, 0.7)
    part *= (1 - 0.16 * shade_below)[:, None]

    # The open mouth: dark, with the upper teeth, which darken towards the corners.
    hole = edge(np.minimum(w.v - line, line + opening - w.v), px) * ramp(round_, 0.0, 0.05) * smile
    paint(part, np.array([0.22, 0.07, 0.07], np.float32)[None, :, None, None], hole)
    teeth = edge(line + opening * 0.9 - w.v, px, 0.004) * hole * ramp(round_, 0.02, 0.35)
    gaps = np.cos((w.u - mu) * np.float32(2 * np.pi / 0.021))
    between = np.maximum(-gaps - 0.9, 0) * 10 * min(1.0, max(0.0, 0.012 / px - 0.9)) * 0.25
    white = (0.86 + 0.14 * round_ - between) * (0.82 + 0.18 * np.clip((w.v - line) / 0.008, 0, 1))
    tooth = np.array([0.99, 0.965, 0.91], np.float32)[None, :, None, None]
    paint(part, tooth * white[:, None] * p.between("teeth", 0.9, 1.0)[:, None], teeth)
    closed = stroke(w.v - line, 0.0055, px) * ramp(round_, -0.01, 0.1) * (1 - smile)
    corner = stroke(np.hypot((np.abs(w.u - mu) - wide * 1.0) / 1.2, w.v - mv - lift), 0.014, px)
    part *= (1 - 0.6 * closed)[:, None]
    part *= (1 - 0.22 * corner)[:, None]


def folds(head: Head) -> None:
    """Folds from nose to mouth (age, smile), lines of the forehead, bags and crow's feet (age)."""
    p, px = head.people, head.px
    old, smile = 1 - p.has("Young"), p.has("Smiling")
    depth = old * p.between("folds", 0.8, 1.1) * (1 + 0.45 * p.unit("skin"))  # lines show less on dark skin
    for side in (-1, 1):
        w = head.canvas.beside(side, 0.03, 0.17, 0.11, 0.37)
        u, part = side * w.u - 0.006 * side * head.yaw, head.albedo[:, :, w.ys, w.xs]
        t = (w.v - 0.145) / (head.mouth_v + 0.03 - 0.145)
        run = np.clip(t, 0, 1)
        at = 0.056 + 0.062 * run + 0.022 * run * (1 - run) * 2 + 0.012 * smile * run
        ends = ramp(t, -0.12, 0.15) * (1 - ramp(t, 0.75, 1.1))
        fold = stroke(u - at, 0.016 + 0.006 * old, px) * ends
        light = stroke(u - at - 0.016, 0.015, px) * ends
        strength = 0.36 * depth + (1 - 0.6 * old) * 0.15 * smile + 0.03
        part *= (1 + 0.35 * strength * light - strength * fold)[:, None]
        jowl = stroke(u - 0.112 - 0.1 * (w.v - 0.27), 0.010, px) * bump(0 * u, w.v - 0.30, 1, 0.055)
        part *= (1 - 0.16 * depth * jowl)[:, None]

        w = head.canvas.beside(side, 0.04, 0.25, -0.06, 0.13)
        u, part = side * w.u - 0.12, head.albedo[:, :, w.ys, w.xs]
        arc = 1 - (u / 0.075) ** 2
        bag = stroke(w.v - 0.026 - 0.028 * np.maximum(arc, 0), 0.016, px) * np.clip(arc * 2.5, 0, 1)
        puff = bump(u, w.v - 0.036, 0.06, 0.018)
        part *= (1 - depth * (0.38 * bag - 0.10 * puff) - 0.06 * bag)[:, None]
        for lean in (-0.45, 0.0, 0.45):
            foot = stroke(w.v - 0.006 - lean * (u - 0.055) - 0.01 * lean, 0.0055, px)
            foot *= ramp(u, 0.062, 0.078) * (1 - ramp(u, 0.09, 0.118))
            part *= (1 - 0.3 * depth * foot)[:, None]

    w = head.canvas.window(-0.2, 0.2, -0.25, -0.04)
    part = head.albedo[:, :, w.ys, w.xs]
    wave = 0.006 * np.sin(w.u * 23 + p.between("forehead", 0, 6.28)) + 0.25 * w.u * w.u
    across = np.maximum(1 - (w.u / 0.19) ** 2, 0)
    for k in range(3):
        at = p.between(f"line {k}", -0.128, -0.118) - 0.032 * k
        crease = stroke(w.v - at - wave, 0.0065, px) - 0.4 * stroke(w.v - at - wave - 0.010, 0.008, px)
        part *= (1 - (0.30 - 0.04 * k) * depth * crease * across)[:, None]
    frown = stroke(np.abs(w.u) - 0.018 - 0.06 * (w.v + 0.08), 0.006, px) * bump(0 * w.u, w.v + 0.078, 1, 0.036)
    part *= (1 - 0.30 * depth * frown)[:, None]
