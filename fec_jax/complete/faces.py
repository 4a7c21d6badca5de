"""Finding faces, whatever their size and turn, and their eyes precisely enough for the networks.

YuNet (W. Wu et al., *YuNet: A Tiny Millisecond-level Face Detector*, 2023) through OpenCV; its file and licence are in
`assets`. It is trained on faces of 10 to 300 px, so a photo is shown to it at several sizes, and if that finds nothing
where the hole is, larger and turned by quarters. Its eye points are off by 5 % of their distance at one look.
`precise` looks again, at the upright crop, at three sizes and mirrored, and takes the mean.
"""

import functools
import math
import threading
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from fec_jax.complete.align import Alignment, Square, around_eyes, box_of, cut_out
from fec_jax.complete.opencv import cv2
from fec_jax.types import UserError

MODEL = "face_detection_yunet_2023mar.onnx"
SURE = 0.6
"""Least score of a face: faces mostly have .8 and above, patterns that are none seldom more than .5."""
SIDES_PX = (320, 640)
"""The photo's longer side, as the detector first sees it."""
LARGER_PX = (1280, 2560)
"""The same, if no face was found at the hole: faces in a crowd."""
AROUND = 4
"""A search around the hole alone is this many times as wide: a face is one to four times as wide as a hole in it."""
UPRIGHT_PX = 192
"""Side of the face's surroundings in `upright`."""
LOOKS_PX = (224, 256, 320)
"""Sides of the upright crop in `precise`. Below 200 px YuNet calls tilted eyes level: it sees 1 of 7 degrees."""
MOST_LOOKS = 4
"""Rounds of `precise`: each takes out seven tenths of a tilt."""
SEEN = Alignment(apart=0.2526, middle=(0.4984, 0.4351))
"""Where `precise` sees the eyes of crops that are right by `Alignment()`: mean of 314 training photos."""
POINTS = ((0.38, 0.45), (0.62, 0.45), (0.498, 0.578), (0.385, 0.685), (0.612, 0.685))
"""Where crops that are right have eyes, nose and corners of the mouth, by the same photos; the nose and mouth of a face
of which only the eyes are known."""

_LOCK = threading.Lock()


@dataclass(frozen=True)
class Face:
    """A face in a photo, in the photo's pixels.

    points  [5, 2]: eyes (left and right as the upright face is seen), tip of the nose, corners of the mouth
    box     [x, y, width, height] around it, upright in the photo
    sure    the detector's score, 0 to 1; 1 if a person gave the eyes
    """

    points: Float[np.ndarray, "5 2"]
    box: Float[np.ndarray, "4"]
    sure: float

    @property
    def eyes(self) -> Float[np.ndarray, "2 2"]:
        """Left and right, as the upright face is seen."""
        return self.points[:2]

    @property
    def yaw(self) -> float:
        """How far the nose is from the middle, in eye distances along the line of the eyes: 0 looks at the camera."""
        along = self.points[1] - self.points[0]
        middle = (self.points[:2].mean(axis=0) + self.points[3:].mean(axis=0)) / 2
        return float((self.points[2] - middle) @ along / (along @ along))

    def moved(self, x: float, y: float) -> "Face":
        """The same face in a picture that begins `x` px further left and `y` px further up."""
        return Face(self.points + np.array([x, y]), self.box + np.array([x, y, 0, 0]), self.sure)

    def scaled(self, scale: float) -> "Face":
        """The same face in a picture that is larger by `scale`."""
        return Face(self.points * scale, self.box * scale, self.sure)

    def __str__(self) -> str:
        x, y = self.box[:2] + self.box[2:] / 2
        return f"{self.box[2]:.0f} px wide at ({x:.0f}, {y:.0f})"


def find(photo: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"] | None = None) -> list[Face]:
    """The faces of a photo, from left to right. With a `hole`, looks closer at what lies around it."""
    found: list[Face] = []
    size = photo.shape[0], photo.shape[1]
    smaller, scale = _shrunk(photo, SIDES_PX[-1])
    for side_px in SIDES_PX:
        _add(found, [face.scaled(scale) for face in _detect(smaller, side_px)])
    if hole is not None:
        rows, columns = _around(hole)
        near = _detect(np.ascontiguousarray(photo[rows, columns]), SIDES_PX[0])
        _add(found, [face.moved(columns.start, rows.start) for face in near])

    def done() -> bool:
        return any(touched(face, hole) for face in found)

    for side_px in LARGER_PX:
        if not done() and side_px < 2 * max(size):
            _add(found, _detect(photo, side_px))
    for quarters in (1, 3, 2):
        if not found:
            turned = _detect(np.ascontiguousarray(np.rot90(smaller, quarters)), SIDES_PX[-1])
            shape = smaller.shape[0], smaller.shape[1]
            _add(found, [_turned_back(face, quarters, shape).scaled(scale) for face in turned])
    return sorted(found, key=lambda face: float(face.box[0] + face.box[2] / 2))


def touched(face: Face, hole: Bool[np.ndarray, "h w"] | None) -> float:
    """How much the face's box and the hole have in common: intersection over union, 0 to 1. No hole: 1."""
    if hole is None:
        return 1.0
    h, w = hole.shape
    left, top = np.clip(np.floor(face.box[:2]), 0, (w, h)).astype(int)
    right, bottom = np.clip(np.ceil(face.box[:2] + face.box[2:]), 0, (w, h)).astype(int)
    shared = np.count_nonzero(hole[top:bottom, left:right])
    return shared / max(1, np.count_nonzero(hole) + (right - left) * (bottom - top) - shared)


def upright(photo: UInt8[np.ndarray, "h w 3"], face: Face) -> Face:
    """`face` in the quarter turn with the highest score: YuNet finds lying faces too, with wrong eyes."""
    side = int(2.2 * face.box[2:].max()) + 1
    x, y = (int(at) for at in np.floor(face.box[:2] + face.box[2:] / 2 - side / 2))
    rows, columns = slice(max(0, y), max(0, y + side)), slice(max(0, x), max(0, x + side))
    part, scale = _shrunk(photo[rows, columns], UPRIGHT_PX)
    size = part.shape[0], part.shape[1]
    best, most = face, -1.0
    for quarters in range(4):
        for seen in _detect(np.ascontiguousarray(np.rot90(part, quarters)), UPRIGHT_PX):
            seen = _turned_back(seen, quarters, size).scaled(scale).moved(columns.start, rows.start)
            sure = seen.sure + (0.02 if quarters == 0 else 0)
            if sure > most and _shared(seen.box, face.box) > 0.25:
                best, most = seen, sure
    return best


def precise(photo: UInt8[np.ndarray, "h w 3"], face: Face) -> Face:
    """`face` with its points as the mean of several looks at the upright crop; as it is if none of them finds it."""
    # The looks are of a part of the photo that is no larger than they need.
    square = around_eyes(face.eyes, SEEN)
    rows, columns = square.bounds(*photo.shape[:2])
    margin = round(square.side_px / 4)
    rows = slice(max(0, rows.start - margin), rows.stop + margin)
    columns = slice(max(0, columns.start - margin), columns.stop + margin)
    most = 2 * LOOKS_PX[-1] * max(1.0, max(photo[rows, columns].shape[:2]) / square.side_px)
    part, scale = _shrunk(photo[rows, columns], math.ceil(most))
    found = face.moved(-columns.start, -rows.start).scaled(1 / scale)
    for _ in range(MOST_LOOKS):
        square = around_eyes(found.eyes, SEEN)
        crop = cut_out(part, square, LOOKS_PX[-1])
        looks = [points for px in LOOKS_PX for points in _look(crop, px)]
        if not looks:
            break
        points = square.to_photo(np.mean(looks, axis=0))
        moved = np.abs(points - found.points).max() / square.side_px
        found = Face(points, found.box, found.sure)
        if moved < 0.01:
            break
    return found.scaled(scale).moved(columns.start, rows.start)


def square_of(face: Face, alignment: Alignment, *, marked: bool = False) -> Square:
    """The crop that `alignment` wants of the face. `marked`: the eyes are where a person put them, not the detector."""
    if marked:
        return around_eyes(face.eyes, alignment)
    seen = around_eyes(face.eyes, SEEN)
    return around_eyes(seen.to_photo(np.array(POINTS[:2])), alignment)


def corrected(face: Face, square: Square, alignment: Alignment) -> Face:
    """`face` with its eyes where the crop has them: YuNet sees them a little higher and further apart than they are."""
    shift = np.array([[-alignment.apart / 2, 0], [alignment.apart / 2, 0]])
    eyes = square.to_photo(np.array(alignment.middle) + shift)
    return Face(np.concatenate([eyes, face.points[2:]]), face.box, face.sure)


def from_eyes(eyes: Float[np.ndarray, "2 2"]) -> Face:
    """The face of the pupils that a person marked, in either order: the face is turned by less than a quarter."""
    eyes = eyes[np.argsort(eyes[:, 0])]
    square = around_eyes(eyes, Alignment())
    points = square.to_photo(np.array(POINTS))
    corners = square.to_photo(np.array([(0.2, 0.2), (0.8, 0.2), (0.2, 0.85), (0.8, 0.85)]))
    low, high = corners.min(axis=0), corners.max(axis=0)
    return Face(points, np.concatenate([low, high - low]), 1.0)


def _around(hole: Bool[np.ndarray, "h w"]) -> tuple[slice, slice]:
    """A window (rows, columns) of `AROUND` times the hole's longer side, as far as the photo goes."""
    if not hole.any():
        return slice(0, hole.shape[0]), slice(0, hole.shape[1])
    spans = box_of(hole)
    side = AROUND * max(span.stop - span.start for span in spans)
    first = [(span.start + span.stop - side) // 2 for span in spans]
    rows, columns = (slice(max(0, at), min(most, at + side)) for at, most in zip(first, hole.shape, strict=True))
    return rows, columns


def _look(crop: UInt8[np.ndarray, "s s 3"], px: int) -> list[Float[np.ndarray, "5 2"]]:
    """Points of the face in the middle, in shares of the side, at `px`, as it is and mirrored: none, one or both."""
    seen = []
    for mirrored in (False, True):
        faces = _detect(np.ascontiguousarray(crop[:, ::-1]) if mirrored else crop, px)
        near = [f for f in faces if np.abs(f.points[:2].mean(axis=0) / len(crop) - SEEN.middle).max() < 0.15]
        if near:
            points = max(near, key=lambda f: f.sure).points / len(crop)
            if mirrored:
                points = np.stack([1 - points[:, 0], points[:, 1]], axis=1)[[1, 0, 2, 4, 3]]
            seen.append(points)
    return seen


def _shrunk(photo: UInt8[np.ndarray, "h w 3"], side_px: int) -> tuple[UInt8[np.ndarray, "_ _ 3"], float]:
    """The photo with its longer side at most `side_px`, and what the result's pixels measure in the photo's."""
    h, w = photo.shape[:2]
    scale = max(h, w) / side_px
    if scale <= 1:
        return photo, 1.0
    size = max(1, round(w / scale)), max(1, round(h / scale))
    return cv2().resize(photo, size, interpolation=cv2().INTER_AREA), scale


def _detect(photo: UInt8[np.ndarray, "h w 3"], side_px: int) -> list[Face]:
    """Faces of the photo brought to `side_px`, in the photo's own pixels."""
    h, w = photo.shape[:2]
    scale = side_px / max(h, w)
    size = max(1, round(w * scale)), max(1, round(h * scale))
    how = cv2().INTER_AREA if scale < 1 else cv2().INTER_LINEAR
    shown = photo if size == (w, h) else cv2().resize(photo, size, interpolation=how)
    shown = np.ascontiguousarray(shown[..., ::-1])  # blue first
    with _LOCK:  # it has one input size at a time
        detector = _detector()
        detector.setInputSize(size)
        _, rows = detector.detect(shown)
    back = np.array([w / size[0], h / size[1]])
    return [
        Face(row[4:14].reshape(5, 2) * back, np.concatenate([row[:2] * back, row[2:4] * back]), float(row[14]))
        for row in ([] if rows is None else rows.astype(np.float64))
    ]


def _turned_back(face: Face, quarters: int, shape: tuple[int, int]) -> Face:
    """A face found in `np.rot90(photo, quarters)`, in the photo of `shape`."""
    if not quarters:
        return face
    h, w = shape
    x, y = face.points.T
    points = {1: (w - y, x), 2: (w - x, h - y), 3: (y, h - x)}[quarters]
    corner = face.box[:2], face.box[:2] + face.box[2:]
    ends = np.stack([{1: (w - y, x), 2: (w - x, h - y), 3: (y, h - x)}[quarters] for x, y in corner])
    low, high = ends.min(axis=0), ends.max(axis=0)
    return Face(np.stack(points, axis=1), np.concatenate([low, high - low]), face.sure)


def _add(found: list[Face], seen: list[Face]) -> None:
    """Adds detections; of two of the same face it keeps the one with the higher score."""
    for new in seen:
        same = [i for i, old in enumerate(found) if _shared(old.box, new.box) > 0.4]
        if not same:
            found.append(new)
        elif new.sure > found[same[0]].sure:
            found[same[0]] = new


def _shared(a: Float[np.ndarray, "4"], b: Float[np.ndarray, "4"]) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / float(np.prod(a[2:]) + np.prod(b[2:]) - shared)


@functools.cache
def _detector() -> Any:
    with resources.as_file(resources.files("fec_jax") / "assets" / MODEL) as path:
        if not path.is_file():
            raise UserError(f"the face detector is missing: {path}; reinstall fec-jax, or use --align off")
        return cv2().FaceDetectorYN.create(str(path), "", (SIDES_PX[0], SIDES_PX[0]), SURE)
