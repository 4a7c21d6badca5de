"""What an evaluation leaves: its report as JSON and for people, its grids, and what may be compared."""

import copy
import json
import re

import numpy as np
import pytest
from few_photos import NAMES, drawn

from fec_jax.masks import sets as mask_sets
from fec_jax.metrics import protocol, report
from fec_jax.types import UserError

FACTS = {
    "version": 1,
    "data": {"split": "test", "photos": 74, "sha256": "ab"},
    "attributes": list(NAMES),
    "measured_at_px": 64,
    "masks": {"center": {"version": "1", "sha256": "cd"}},
    "features": {"vgg16": {"sha256": "ef", "size": 512}},
}
FACTS["hash"] = protocol.digest(FACTS)
LATENCY = {
    "device": "abacus",
    "runs": 5,
    "on_device_ms": {"p50": 1.5, "p95": 2.5},
    "with_transfer_ms": {"p50": 3.5, "p95": 4.5},
}


def figure(mean, n=74):
    return {"mean": mean, "std": None, "n": n}


RESULTS = {"psnr_hole": figure(21.123456789), "l1_hole": figure(0.05), "lpips": figure(0.0412)}
RESULTS |= {"symmetry": figure(float("nan")), "u_ids_vgg16": figure(0.01), "attribute_kept_alex/Smiling": figure(0.875)}
REAL = {"psnr_hole": figure(100.0), "attribute_flipped_alex/Smiling": figure(0.1)}
CEILING = {name: figure(0.9) for name in (*NAMES, "mean")}
JUDGES = {
    "alex": {"network": "alexnet", "independent": True, "ceiling": CEILING},
    "vgg16": {"network": "vgg16", "independent": False, "ceiling": CEILING},
}


def assembled(**changes):
    parts = {
        "facts": FACTS,
        "data": {"name": "faces", "license": "CC0-1.0"},
        "weights": {"name": "w.safetensors", "sha256": "0123456789abcdef0123", "resolution_px": 64},
        "judges": JUDGES,
        "results": {"center": RESULTS},
        "by_hole_area": {"center": {"0.2-0.3": RESULTS}},
        "controls": {
            "real": {"center": REAL},
            "granted": {"center": {"attribute_flipped_alex/Smiling": figure(0.7)}},
            "real_halves": {"none": {"u_ids_vgg16": figure(0.4)}},
        },
        "skipped": {"fid": "too few"},
        "latency": LATENCY,
    }
    return report.assemble(**(parts | changes))


def written(folder, whole):
    folder.mkdir()
    (folder / "report.json").write_bytes(report.to_json(whole))
    return folder


def test_json_holds_no_nan_and_few_digits():
    """Broken: other programs cannot read the report, or noise in the last digits tells two runs apart."""
    whole = assembled()
    text = report.to_json(whole).decode()
    again = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert again["results"]["center"]["psnr_hole"]["mean"] == 21.1235
    assert again["results"]["center"]["symmetry"]["mean"] is None
    assert again == whole
    assert {"protocol", "weights", "results", "controls", "latency", "date", "software"} <= again.keys()


def test_rounded():
    """Broken: counts become floats, or infinities get into the JSON."""
    tree = {"a": [np.float32(1.23456789), float("inf")], "n": 1234567, "b": (True, None, "x")}
    assert report.rounded(tree) == {"a": [1.23457, None], "n": 1234567, "b": [True, None, "x"]}


def test_compare(tmp_path):
    """Broken: the difference has the wrong sign, or weights are mixed up."""
    a = written(tmp_path / "a", assembled())
    better = copy.deepcopy(RESULTS) | {"psnr_hole": figure(22.6235)}
    b = written(
        tmp_path / "b",
        assembled(results={"center": better}, weights={"name": "v", "sha256": "99", "resolution_px": 128}),
    )
    text = report.compare(a, b / "report.json")
    assert "| center | psnr_hole | 21.12 | 22.62 | +1.5 |" in text
    assert "symmetry" not in text
    assert f"A: {a}, weights w.safetensors" in text
    assert "weights v, SHA-256 99" in text


def test_compare_refuses_other_protocols(tmp_path):
    """Broken: figures of different photos or masks stand side by side."""
    a = written(tmp_path / "a", assembled())
    facts = copy.deepcopy(FACTS) | {"version": 2}
    facts["data"]["photos"] = 10
    facts["hash"] = protocol.digest(facts)
    b = written(tmp_path / "b", assembled(facts=facts))
    with pytest.raises(UserError, match=r"cannot be compared: their protocols differ in data\.photos, version;"):
        report.compare(a, b)


def test_a_report_changed_by_hand(tmp_path):
    """Broken: a report is made comparable with an editor."""
    whole = assembled()
    whole["protocol"] = copy.deepcopy(FACTS) | {"version": 2}
    with pytest.raises(UserError, match="changed by hand"):
        report.read(written(tmp_path / "a", whole))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "cannot read"),
        (b"no json", "is not a report"),
        (b"[1]", "is not a report"),
        (b"\xff\xfe", "is not a report"),
        (b'{"protocol": {"hash": 3}}', "is not a report"),
        (b'{"protocol": {"hash": ""}, "weights": {"name": 1, "sha256": 2}, "results": {"center": 5}}', "not a report"),
        (
            b'{"protocol": {"hash": ""}, "weights": {"name": 1, "sha256": 2}, "results": {"a": {"b": {"mean": "c"}}}}',
            "no numbers",
        ),
    ],
)
def test_what_is_no_report(tmp_path, content, text):
    """Broken: a traceback for another file."""
    if content is not None:
        (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(UserError, match=text) as e:
        report.read(tmp_path)
    assert "\n" not in str(e.value)


def test_markdown_for_people():
    """Broken: the page does not say what was measured on what, what is missing and why, and how to read it."""
    text = report.to_markdown(assembled())
    assert "w.safetensors" in text
    assert "74 photos of split `test` of faces, 64 px" in text
    assert FACTS["hash"] in text
    assert "| **this network** | 21.12 | 0.0500 | 0.0412 | - | 0.0100 |" in text
    assert "| real_halves |" in text
    assert "Edit success under the masks `center`" in text
    assert text.index("By AlexNet, independent: yes") < text.index("By VGG16, independent: no")
    assert "| Smiling | - | 10 | 70 | 88 | 90 |" in text
    assert "| Smiling | - | - | - | - | 90 |" in text
    assert "Split `test`: figures to report, once" in text
    assert "\n| granted |" not in text
    assert "Not measured: fid: too few" in text
    assert "**They say little here**: 74 photos" in text
    assert "real_halves: between sets of 37 independent photos" in text
    assert "p50 1.5 ms" in text
    assert "(center-worst.png)" in text


def test_markdown_of_other_splits_and_sizes():
    """Broken: figures that weights were chosen by, or of averaged completions, are taken for something else."""
    facts = copy.deepcopy(FACTS)
    facts["data"]["split"] = "validation"
    larger = {"name": "w", "sha256": "01", "resolution_px": 128}
    text = report.to_markdown(assembled(facts=facts, weights=larger))
    assert "of split `validation` of faces, 64 px (completed at 128 px, averaged)." in text
    assert "Split `validation`: not the test split." in text


def test_markdown_warns_of_what_says_nothing():
    """Broken: P-IDS and U-IDS of fewer photos than features are taken for results, or the 0 of `real` for a failure."""
    text = report.to_markdown(assembled())
    assert "(`real`) have 0, 0.5 by construction" in text
    assert "say little here" in text
    facts = copy.deepcopy(FACTS)
    facts["data"]["photos"] = 5000
    assert "say little here" not in report.to_markdown(assembled(facts=facts))


def test_markdown_without_controls_and_attributes():
    """Broken: --no-controls, or a network without attributes, is a traceback."""
    plain = {name: x for name, x in RESULTS.items() if "/" not in name}
    text = report.to_markdown(
        assembled(facts=FACTS | {"attributes": []}, judges={}, results={"center": plain}, controls={}, skipped={})
    )
    assert "| **this network** |" in text
    assert "Edit success" not in text


def test_pick():
    """Broken: the pictures shown are not the best, the middle and the worst."""
    lpips = np.array([0.5, 0.1, 0.9, 0.3, 0.7, 0.2, 0.8, 0.4, 0.6])
    assert report.pick(lpips) == {"best": [1, 5, 3], "median": [7, 0, 8], "worst": [4, 6, 2]}
    assert report.pick(lpips[:2]) == {"best": [1], "median": [0], "worst": [0]}
    assert report.pick(lpips[:1]) == {"best": [0], "median": [0], "worst": [0]}


def test_grid_rows():
    """Broken: a grid shows masks of other photos, or a flip under another attribute's title."""
    photos = drawn(4, split="test")
    masks = mask_sets.make("paper", 4, 16, 0)

    def complete(real, mask, wanted):
        shade = (wanted[:, :1] * 100 + wanted[:, 1:] * 10)[:, None, None]
        return np.where(mask > 0.5, shade.astype(np.uint8), real)

    rows = report.grid_rows(complete, photos, masks, [3, 1])
    titles = report.grid_titles(NAMES)
    assert rows.shape == (2, len(titles), 16, 16, 3)
    assert titles == ["real", "masked", "completed", "~Eyeglasses", "~Smiling"]
    for row, i in zip(rows, (3, 1), strict=True):
        hole = masks.masks[i, ..., 0] > 0.5
        glasses, smiling = (int(x) for x in photos.attrs[i])
        np.testing.assert_array_equal(row[0], photos.images[i])
        assert (row[1][hole] == 128).all()
        np.testing.assert_array_equal(row[1:, ~hole], np.broadcast_to(photos.images[i][~hole], row[1:, ~hole].shape))
        expected = [
            100 * glasses + 10 * smiling,
            100 * (1 - glasses) + 10 * smiling,
            100 * glasses + 10 * (1 - smiling),
        ]
        assert [np.unique(x[hole]).tolist() for x in row[2:]] == [[shade] for shade in expected]


def test_grid_name():
    """Broken: a grid's name is no file's, or too long for one; or two folders of masks write the same grid."""
    assert report.grid_name("lama-thick", "best") == "lama-thick-best.png"
    assert report.grid_name("folder:masks", "best") == "folder-masks-best.png"
    assert re.fullmatch(r"folder-my-masks-[0-9a-f]{6}-best\.png", report.grid_name("folder:my masks", "best"))
    assert len(report.grid_name("folder:" + "x" * 500, "worst")) < 150
    names = ["übung", "äbung", "-bung", "a b", "a-b", "a:b", "\udcff", *(c + "x" * 200 for c in "abc")]
    assert len({report.grid_name(f"folder:{name}", "best") for name in names}) == len(names)
