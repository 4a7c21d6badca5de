"""Every config loads, builds and has the networks it says, and what it says arrives."""

import ast
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from changed_configs import CONGRESS, any_folder_is_prepared, config_of, flat, with_changes
from flax.traverse_util import flatten_dict

from fec_jax.config import build
from fec_jax.estimate import startup
from fec_jax.train import lookalikes, starting, state
from fec_jax.types import UserError
from fec_jax.weights.load import start_from

ROOT = Path(__file__).resolve().parent.parent.parent

# config -> parameters of G and of D, all resolutions. To make the table anew: pytest tests/test_configs.py -k counts,
# which prints what it finds; change it only together with the networks.
COUNTS = {
    "quickstart": (640_156, 212_312),
    "congress64": (993_631, 286_424),
    "portraits64": (1_197_231, 286_424),
    "finetune": (1_197_231, 286_424),
    "portraits128": (8_987_246, 815_431),
    "portraits256": (14_345_129, 1_279_140),
    "hq256": (68_989_269, 23_053_388),
    "hq512": (69_063_608, 23_081_260),
    "hq1024": (69_082_347, 23_088_284),
    "hq1024_paper": (69_082_347, 23_088_284),
}


@pytest.fixture(autouse=True)
def prepared(monkeypatch):
    any_folder_is_prepared(monkeypatch)


def test_the_table_has_every_config():
    """Broken: a new config is not tested."""
    assert {path.stem for path in (ROOT / "configs").glob("*.py")} - {"common", "__init__"} == COUNTS.keys()


@pytest.mark.parametrize("name", COUNTS)
def test_every_config_builds(name):
    """Broken: a config that is shipped does not start."""
    run = build.build(config_of(name))
    assert run.phases[0].resolution_px == (64 if name == "finetune" else 4)
    assert run.phases[-1].resolution_px == config_of(name).resolution_px
    assert run.config == json.loads(json.dumps(run.config))


@pytest.mark.parametrize("name", COUNTS)
def test_the_half_life_of_the_average_is_reached(name):
    """Broken: a run averages over less than its config says, to its end, as a share of the images seen is the limit."""
    run = build.build(config_of(name))
    decay = run.recipe.ema.decay(jnp.float32(run.phases[-1].end_nimg), 16)
    halflife_kimg = config_of(name).ema.halflife_kimg
    assert float(decay) == pytest.approx(2 ** (-16 / (1000 * halflife_kimg)), rel=1e-6)


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name):
    """Broken: the networks of a config changed, and old weights and published figures are of other ones."""
    recipe = build.build(config_of(name)).recipe
    shapes = jax.eval_shape(lambda: state.init_params(0, recipe.generator, recipe.discriminator))
    counts = tuple(startup.parameters(tree) for tree in shapes)
    print(f'    "{name}": ({counts[0]:_}, {counts[1]:_}),')
    assert counts == COUNTS[name]


@pytest.mark.parametrize("name", COUNTS)
def test_a_config_is_a_change_of_common(name):
    """Broken: a key is not in `configs/common.py`, where all of them are explained, or a config lost one."""
    common, config = (config_of(n).to_dict() for n in ("common", name))
    rows = {key for key in flat(config) if key.startswith(("schedule.", "batch."))}
    assert set(flat(config)) - rows == set(flat(common)) - {"schedule", "batch"}


@pytest.mark.parametrize("name", COUNTS)
def test_a_config_says_how_to_run_it(name):
    """Broken: the run card lacks its command."""
    doc = ast.get_docstring(ast.parse((ROOT / f"configs/{name}.py").read_text())) or ""
    assert f"--config=configs/{name}.py" in doc


def test_finetune_begins_with_the_shipped_weights():
    """Broken: the config's networks or attributes are no longer those of the weights, and it does not start."""
    run = build.build(config_of("finetune"))
    starting.check(run, start_from(run.init_from))


def test_data_without_validation_photos_shows_test_photos(monkeypatch, caplog):
    """Broken: data sets of two splits cannot be trained on any more; or it is not said whose figures are shown."""
    monkeypatch.setattr(build, "splits_of", lambda path, px: ("train", "test"))
    shown = []
    opened = build.open_source

    def noted(path, px, split, attributes=None):
        shown.append(split)
        return opened(path, px, split, attributes)

    monkeypatch.setattr(build, "open_source", noted)
    with caplog.at_level("WARNING", "fec_jax"):
        build.build(config_of("congress64"))
    assert set(shown) == {"train", "test"}
    assert "data/congress64 has no split 'validation': figures while training are of 'test'" in caplog.text
    monkeypatch.setattr(build, "splits_of", lambda path, px: ("train", "validation", "test"))
    shown.clear()
    build.build(config_of("hq256"))
    assert set(shown) == {"train", "validation"}


def test_hq1024_paper_is_the_real_thing():
    """Broken: the paper's experiment is a toy: resolutions, widths, lambdas or skips are not the documented ones."""
    run = build.build(config_of("hq1024_paper"))
    assert [p.resolution_px for p in run.phases if p.kind == "stable"] == [2**i for i in range(2, 11)]
    r = run.recipe
    assert (r.generator.base, r.generator.cap, r.generator.skip) == (16384, 512, "residual")
    lambdas = r.lambdas
    assert (lambdas.adv, lambdas.attr, lambdas.rec, lambdas.feat, lambdas.bdy) == (1, 2, 500, 10, 5000)
    assert (r.rec_alpha, r.keep_probability, r.rec_on_flipped) == (0.7, 0.5, 1.0)
    assert (r.d_sees, r.feat_sees, r.feat_share) == ("fake", "fake", 1.0)
    assert (r.most_flips, r.flip_shift, r.rim, r.d_attr, r.d_lr_factor) == (1, 0.0, 0.0, 1.0, 1.0)
    assert (r.generator.growth, r.d_augment.noise, r.history_share) == ("blend", 0.0, 0.5)
    assert {row.lpips for row in (phase.row for phase in run.phases)} == {0.0}
    assert not any((r.sampler.center_share, r.sampler.wide_share, r.sampler.stroke_share, r.sampler.box_share))


def test_hq1024_differs_from_the_paper_in_the_recipe_alone():
    """Broken: comparing the two compares networks, lengths or data too; or what we recommend is the paper's."""
    ours, paper = (flatten_dict(config_of(name).to_dict(), sep=".") for name in ("hq1024", "hq1024_paper"))
    kinds = {name.split(".")[0] for name in ours if ours[name] != paper[name]}
    recipe = {
        "growth",
        "loss",
        "mask",
        "augment",
        "d_augment",
        "keep_probability",
        "most_flips",
        "d_lr_factor",
        "history",
    }
    assert kinds == recipe | {"schedule"}
    rows = {name.rsplit(".", 1)[1] for name in ours if name.startswith("schedule.") and ours[name] != paper[name]}
    assert rows == {"lr", "lr_end", "d_terms", "adv", "lpips", "noise"}


def test_values_arrive_where_they_belong():
    """Broken: a key of the config is read into another setting, or into none."""
    run = build.build(
        with_changes(
            {
                "seed": 11,
                "mask.min_side": 0.21,
                "mask.max_side": 0.62,
                "mask.threshold": 0.43,
                "mask.cells": 5,
                "mask.center_share": 0.17,
                "mask.stroke_share": 0.14,
                "loss.rim": 0.09,
                "mask.box_share": 0.13,
                "mask.min_area": 0.11,
                "mask.max_area": 0.47,
                "keep_probability": 0.31,
                "history.depth": 6,
                "history.share": 0.37,
                "loss.rec_alpha": 0.66,
                "loss.adversarial": "minimax",
                "generator.skip": "concat",
                "generator.cap": 40,
                "discriminator.cap": 24,
                "g_adam.b1": 0.1,
                "g_optimizer": "muon",
                "d_adam.b1": 0.2,
                "d_augment.shift": 0.05,
                "d_augment.noise": 0.07,
                "d_augment.cutout": 0.35,
                "d_augment.clean": 0.45,
                "loss.d_attr": 0.08,
                "augment.scale": 0.02,
                "loss.r1_attr": 0.6,
                "loss.feat_sees": "completed",
                "loss.feat_share": 0.2,
                "loss.feat_px": 16,
                "loss.feat_pooled": 0.65,
                "loss.flip_shift": 1.75,
                "most_flips": 3,
                "augment.mirror": False,
                "ema.halflife_kimg": 3.0,
                "schedule.px16.lr": 0.0123,
                "batch.px16": 8,
                "parallel": "pmap",
                "every.grid_kimg": 2.5,
                "max_rollbacks": 3,
            }
        )
    )
    r, s = run.recipe, run.recipe.sampler
    assert (run.seed, run.history_depth, run.mode, run.every.grid_kimg, run.max_rollbacks) == (11, 6, "pmap", 2.5, 3)
    assert (s.min_side, s.max_side, s.threshold, s.cells, s.center_share) == (0.21, 0.62, 0.43, 5, 0.17)
    assert (s.stroke_share, s.box_share, s.min_area, s.max_area) == (0.14, 0.13, 0.11, 0.47)
    assert (r.augment.scale, r.d_augment.cutout, r.feat_px, r.rim) == (0.02, 0.35, 16, 0.09)
    assert r.feat_pooled == 0.65
    assert (r.keep_probability, r.history_share, r.rec_alpha, r.adversarial) == (0.31, 0.37, 0.66, "minimax")
    assert (r.generator.skip, r.generator.cap, r.discriminator.cap) == ("concat", 40, 24)
    assert (r.g_adam.b1, r.d_adam.b1, r.g_optimizer, r.ema.halflife_kimg) == (0.1, 0.2, "muon", 3.0)
    assert (r.d_augment.shift, r.d_augment.mirror, r.augment.mirror) == (0.05, False, False)
    assert (r.d_augment.noise, r.r1_attr, r.feat_sees, r.feat_share) == (0.07, 0.6, "completed", 0.2)
    assert (r.flip_shift, r.most_flips, r.d_attr, r.d_augment.clean) == (1.75, 3, 0.08, 0.45)
    (row,) = {p.row for p in run.phases if p.resolution_px == 16}
    assert (row.lr, row.batch) == (0.0123, 8)


def test_shifts_go_by_name():
    """Broken: an attribute is moved by another's number when the data lists them in another order."""
    changes = {"loss.flip_shift": 2.0, "loss.flip_shift_of": (("Smiling", 3.0), ("Bald", 0))}
    config = with_changes(changes, "congress64").to_dict()
    assert build.networks_only(config, ("Bald", "Male", "Smiling")).recipe.flip_shift == (0.0, 2.0, 3.0)


def test_faces_are_given_to_steps_that_ask_for_them(monkeypatch):
    """Broken: `flip_to_face` changes nothing, or the step is compiled for other constants than it is given."""
    monkeypatch.setattr(lookalikes, "FACES", 6)
    assert build.build(with_changes({})).constants_shape().faces is None
    run = build.build(with_changes({"loss.flip_to_face": True}))
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), run.constants())
    assert shapes == run.constants_shape()
    assert (shapes.directions, shapes.faces) == (None, lookalikes.shapes(run.face_px, len(run.attribute_names)))


def test_heads_on_features_are_there_if_a_row_weighs_them():
    """Broken: `patches` changes nothing, the step is given too little of VGG16, or weights hide that they used it."""
    plain = build.build(with_changes({"loss.feat": 0.0}, "congress64"))
    assert not plain.recipe.discriminator.on_features
    assert plain.loss_networks(10**9) == ()
    run = build.build(with_changes({"loss.feat": 0.0, "schedule.px32.patches": 0.5}, "congress64"))
    assert run.recipe.discriminator.on_features
    assert [run.recipe_of(p).patches for p in run.phases] == [0.5 * (p.resolution_px == 32) for p in run.phases]
    assert {"on_relu_2", "on_relu_3", "on_relu_4"} <= run.params_shape()[1].keys()
    assert "conv4_3" in run.constants_shape().vgg
    assert run.loss_networks(10**9) == ("vgg16",)


def test_networks_without_their_data():
    """Broken: weights cannot be exported on a machine that has no photos; or such a run trains on nothing."""
    config = build.build(config_of("congress64")).config
    run = build.networks_only(config, CONGRESS)
    assert run.recipe == build.build(config_of("congress64")).recipe
    with pytest.raises(UserError, match="opened for its networks only"):
        run.train_source(64)
