"""`fec prepare folder --align`: from snapshots to the squares that networks are trained on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fec_jax.cli import main
from fec_jax.complete import crops
from fec_jax.data.prepare import prepare_folder
from fec_jax.data.source import open_source
from fec_jax.doctor.alignment import TOLERANCE, place_of
from fec_jax.io.pictures import PictureError
from fec_jax.types import UserError

ASTRONAUT = Path(__file__).parents[2] / "docs" / "astronaut.png"


@pytest.fixture(scope="module")
def snapshot():
    """The astronaut's photo: a face at the side, and much else."""
    with Image.open(ASTRONAUT) as image:
        return image.convert("RGB")


def test_faces_are_put_where_they_belong(tmp_path, snapshot, capfd):
    """Broken: people who train on their own snapshots get squares of shoulders and background."""
    src = tmp_path / "src"
    src.mkdir()
    snapshot.save(src / "a.png")
    snapshot.rotate(20, Image.Resampling.BICUBIC, fillcolor=(90, 90, 90)).save(src / "b.png")
    snapshot.resize((768, 768)).save(src / "c.png")
    Image.new("RGB", (300, 300), (120, 130, 140)).save(src / "wall.png")
    rows = ["image_id,split", "a,train", "b,train", "c,test", "wall,train"]
    (src / "attributes.csv").write_text("\n".join(rows) + "\n")
    args = ["prepare", "folder", str(src), "--out", str(tmp_path / "out"), "--resolution", "128", "--align"]
    with pytest.raises(SystemExit) as e:
        main.main(args)
    said = capfd.readouterr()
    assert e.value.code == 0, said.err
    assert "could not use wall.png: no face is found in it" in said.out
    for split, count in (("train", 2), ("test", 1)):
        images, _ = open_source(tmp_path / "out", 128, split).load(range(count))
        for image in images:
            place = place_of(image)
            assert place is not None
            assert place.off < TOLERANCE
    with pytest.raises(UserError, match="made from other photos or labels"):
        prepare_folder(src, tmp_path / "out", 128, progress=False, max_unreadable=1)


def test_snapshots_without_a_clear_face_are_refused(snapshot):
    """Broken: a crop shows one of two people by chance, is enlarged, or ends in streaks of the photo's border."""
    photo = np.asarray(snapshot)
    crop = crops.aligned(photo, 96)
    assert crop.shape == (96, 96, 3)
    with pytest.raises(PictureError, match="fewer than the 512 px needed"):
        crops.aligned(photo, 512)
    with pytest.raises(PictureError, match="2 faces, none of them much larger"):
        crops.aligned(np.concatenate([photo, photo], axis=1), 64)
    with pytest.raises(PictureError, match="too near the border"):
        crops.aligned(photo[60:260, 150:300].copy(), 64)
