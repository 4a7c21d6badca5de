"""Every config loads, builds and has the networks it says; every mistake in one is a line that names the key."""

import ast
import importlib
import json
import re
from pathlib import Path

import jax
import pytest
from ml_collections import ConfigDict

from fec_jax import build, reporting
from fec_jax.data.attributes import select
from fec_jax.train import state
from fec_jax.types import UserError

ROOT = Path(__file__).resolve().parent.parent

# config -> parameters of G and of D, all resolutions. To make the table anew: pytest tests/test_configs.py -k counts,
# which prints what it finds; change it only together with the networks.
COUNTS = {
    "quickstart": (640_156, 212_312),
    "congress64": (993_631, 286_424),
    "portraits64": (1_197_231, 286_424),
    "hq256": (68_989_269, 23_053_388),
    "hq512": (69_063_608, 23_081_260),
    "hq1024": (69_082_347, 23_088_284),
}
CONGRESS = ("Male", "Smiling", "Eyeglasses", "Young", "Gray_Hair", "No_Beard", "Bald")


def config_of(name):
    return importlib.import_module(f"configs.{name}").get_config()


@pytest.fixture(autouse=True)
def prepared(monkeypatch):
    """Any folder is a prepared data set, with seven attributes, or those a config asks for."""
    names = (*CONGRESS, "Bangs", "Blond_Hair", "Wearing_Lipstick", "Mouth_Slightly_Open")

    class Prepared:
        name, license = "prepared", "CC0-1.0"

        def __init__(self, path, resolution_px, split, attributes=None):
            self.resolution_px = resolution_px
            self.attribute_names = tuple(attributes or CONGRESS)
            select(self.attribute_names, names, str(path))

        def __len__(self):
            return 8

        def load(self, indices):
            raise AssertionError("building a run reads no photo")

    monkeypatch.setattr(build, "open_source", Prepared)


def with_changes(changes, name="quickstart"):
    """The config with dotted keys changed; a value of None takes the key out."""
    config = config_of(name)
    with config.ignore_type():
        for key, value in changes.items():
            *parents, last = key.split(".")
            node = config
            for parent in parents:
                node = node[parent]
            if value is None:
                del node[last]
            else:
                node[last] = value
    return config


def mistake(changes, name="quickstart"):
    """The message that a config with these changes is refused with."""
    with pytest.raises(UserError) as caught:
        build.build(with_changes(changes, name))
    message = str(caught.value)
    assert "\n" not in message
    return message


def flat(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_the_table_has_every_config():
    """Broken: a new config is not tested."""
    assert {path.stem for path in (ROOT / "configs").glob("*.py")} - {"common", "__init__"} == COUNTS.keys()


@pytest.mark.parametrize("name", COUNTS)
def test_every_config_builds(name):
    """Broken: a config that is shipped does not start."""
    run = build.build(config_of(name))
    assert run.phases[0].resolution_px == 4
    assert run.phases[-1].resolution_px == config_of(name).resolution_px
    assert run.config == json.loads(json.dumps(run.config))


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name):
    """Broken: the networks of a config changed, and old weights and published figures are of other ones."""
    recipe = build.build(config_of(name)).recipe
    shapes = jax.eval_shape(lambda: state.init_params(0, recipe.generator, recipe.discriminator))
    counts = tuple(reporting.parameters(tree) for tree in shapes)
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


def test_hq1024_is_the_real_thing():
    """Broken: the paper's experiment is a toy: resolutions, widths, lambdas or skips are not the documented ones."""
    run = build.build(config_of("hq1024"))
    assert [p.resolution_px for p in run.phases if p.kind == "stable"] == [2**i for i in range(2, 11)]
    r = run.recipe
    assert (r.generator.base, r.generator.cap, r.generator.skip) == (16384, 512, "residual")
    lambdas = r.lambdas
    assert (lambdas.adv, lambdas.attr, lambdas.rec, lambdas.feat, lambdas.bdy) == (1, 2, 500, 10, 5000)
    assert (r.rec_alpha, r.keep_probability, r.rec_on_flipped) == (0.7, 0.5, 1.0)
    assert (r.d_sees, r.attr_sees, r.feat_sees, r.feat_share) == ("fake", "photo", "fake", 1.0)
    assert (r.most_flips, r.flip_shift) == (1, 0.0)


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
                "keep_probability": 0.31,
                "history.depth": 6,
                "history.share": 0.37,
                "loss.rec_alpha": 0.66,
                "loss.adversarial": "minimax",
                "generator.skip": "concat",
                "generator.cap": 40,
                "discriminator.cap": 24,
                "g_adam.b1": 0.1,
                "d_adam.b1": 0.2,
                "d_augment.shift": 0.05,
                "d_augment.noise": 0.07,
                "loss.r1_attr": 0.6,
                "loss.attr_sees": "transplanted",
                "loss.feat_sees": "completed",
                "loss.feat_share": 0.75,
                "loss.attr_on_kept": 0.4,
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
    assert (r.keep_probability, r.history_share, r.rec_alpha, r.adversarial) == (0.31, 0.37, 0.66, "minimax")
    assert (r.generator.skip, r.generator.cap, r.discriminator.cap) == ("concat", 40, 24)
    assert (r.g_adam.b1, r.d_adam.b1, r.ema.halflife_kimg) == (0.1, 0.2, 3.0)
    assert (r.d_augment.shift, r.d_augment.mirror, r.augment.mirror) == (0.05, False, False)
    assert (r.d_augment.noise, r.r1_attr, r.feat_sees, r.feat_share) == (0.07, 0.6, "completed", 0.75)
    assert (r.attr_on_kept, r.attr_sees, r.flip_shift, r.most_flips) == (0.4, "transplanted", 1.75, 3)
    (row,) = {p.row for p in run.phases if p.resolution_px == 16}
    assert (row.lr, row.batch) == (0.0123, 8)


MISTAKES = [
    ({"loss.recc": 1.0}, "config.loss.recc is unknown; did you mean config.loss.rec"),
    ({"eval_masks": ("center", "round")}, "config.eval_masks has 'round': mask sets are center, wide, paper"),
    ({"batch.px64": 16}, "config.batch.px64 is unknown"),
    ({"mask": None}, "config.mask.min_side is missing"),
    ({"loss.bdy": None}, "config.loss.bdy is missing"),
    ({"batch.px8": None}, "config.batch.px8 is missing"),
    ({"schedule.px8.lr": None}, "config.schedule.px8.lr is missing"),
    ({"seed": "one"}, "config.seed is 'one': it must be of type int"),
    ({"seed": 1.5}, "config.seed is 1.5: it must be of type int"),
    ({"seed": -1}, "config.seed is -1: it must be"),
    ({"loss.rec": "much"}, "config.loss.rec is 'much': it must be of type float"),
    ({"seed": True}, "config.seed is True: it must be of type int"),
    ({"augment.mirror": 1}, "config.augment.mirror is 1: it must be of type bool"),
    ({"loss.rec": float("nan")}, "config.loss.rec is nan"),
    ({"loss.rec_alpha": 1.5}, "config.loss.rec_alpha is 1.5: it must be from 0 to 1"),
    ({"loss.adversarial": "hinge"}, "config.loss.adversarial is 'hinge': it must be one of nonsaturating, minimax"),
    ({"generator.skip": "sum"}, "config.generator.skip is 'sum': it must be one of residual, concat"),
    ({"parallel": "threads"}, "config.parallel is 'threads': it must be one of shard_map, pmap"),
    ({"dtype": "float16"}, "config.dtype is 'float16': it must be one of float32, bfloat16"),
    ({"data.kind": "web"}, "config.data.kind is 'web': it must be one of drawn, prepared"),
    ({"generator.base": 16}, "config.generator.base is 16: it must be at least config.resolution_px, 32"),
    ({"mask.min_side": 0.8}, "config.mask.min_side and max_side are (0.8, 0.75)"),
    ({"mask.min_side": 0.0}, "config.mask.min_side and max_side are"),
    ({"resolution_px": 48}, "config.resolution_px: resolution 48 px is not a power of two"),
    ({"resolution_px": 2048}, "config.resolution_px is 2048: it must be from 4 to 1024"),
    ({"resolution_px": 64}, "config.schedule must end with px64"),
    ({"resolution_px": 16}, "config.schedule must end with px16"),
    ({"schedule.px8": None, "batch.px8": None}, "config.schedule: resolution 16 px follows 4 px"),
    ({"schedule": ConfigDict()}, "it has no rows"),
    ({"schedule.px4.fade_kimg": 1.0}, "config.schedule: 4 px is the first resolution"),
    ({"schedule.px8.fade_kimg": 0.0, "schedule.px8.stable_kimg": 0.0}, "config.schedule: 8 px"),
    ({"schedule.px8.stable_kimg": -1.0}, "config.schedule.px8.stable_kimg is -1.0"),
    ({"schedule.big": ConfigDict({"lr": 1.0})}, "config.schedule.big: rows are named px4"),
    ({"batch.px8": 0}, "config.batch.px8 is 0: it must be at least 1"),
    ({"attributes": ("Smiling", "Beard")}, "drawn_faces has no attribute Beard; it has: Male, Smiling"),
    ({"attributes": "Smiling"}, "config.attributes is 'Smiling': it must be of type tuple"),
    (
        {"data.path": "data/faces"},
        "config.data.path is 'data/faces', but it has no use with config.data.kind = 'drawn'",
    ),
    ({"loss.flip_shift_of": (("Moustache", 2.0),)}, "config.loss.flip_shift_of has 'Moustache': the attributes are"),
    ({"loss.flip_shift_of": (("Smiling", -1.0),)}, "config.loss.flip_shift_of has -1.0 for Smiling"),
    ({"loss.flip_shift_of": ("Smiling", 2.0)}, "config.loss.flip_shift_of has 'Smiling': write"),
    ({"schedule.px8.lpips": 2.0}, "config.schedule.px8.lpips is 2: below 16 px"),
    ({"schedule.px8.fade_kimg": float("inf")}, "config.schedule.px8.fade_kimg is inf"),
    ({"g_adam.eps": 0.0}, "config.g_adam.eps is 0.0: it must be at least 1e-12"),
    ({"d_adam.b2": 1.0}, "config.d_adam.b2 is 1.0"),
    ({"mask.threshold": 1.0}, "config.mask.threshold is 1.0"),
    ({"data.train_size": 0}, "config.data.train_size is 0: it must be at least 1"),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES)
def test_mistakes_are_named(changes, message):
    """Broken: a wrong key is a traceback, or is trained with in silence."""
    assert message in mistake(changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.path": ""}, "config.data.path is empty"),
        ({"data.test_split": "train"}, "config.data.train_split and test_split are both 'train'"),
        (
            {"data.train_size": 100},
            "config.data.train_size is 100, but it has no use with config.data.kind = 'prepared'",
        ),
        ({"attributes": ("Smiling", "Beard")}, "data/congress64 has no attribute Beard; it has: Male, Smiling"),
    ],
)
def test_mistakes_with_prepared_photos_are_named(changes, message):
    """Broken: as above, for configs that read what `fec prepare` wrote."""
    assert message in mistake(changes, "congress64")


@pytest.mark.parametrize(
    ("name", "value"),
    [("loss.attr_sees", "transplanted"), ("loss.flip_shift", 2.0), ("loss.flip_shift_of", (("Smiling", 2.0),))],
)
def test_a_wish_for_attributes_that_are_not_there_is_named(name, value):
    """Broken: photos without attributes pay for a pass through D that teaches nothing, or a knob is dead."""
    config = with_changes({name: value}, "congress64").to_dict()
    build.networks_only(config, CONGRESS)
    message = f"config.{name} is {value!r}, but it has no use with data without"
    with pytest.raises(UserError, match=re.escape(message)):
        build.networks_only(config, ())


def test_shifts_go_by_name():
    """Broken: an attribute is moved by another's number when the data lists them in another order."""
    changes = {"loss.flip_shift": 2.0, "loss.flip_shift_of": (("Smiling", 3.0), ("Bald", 0))}
    config = with_changes(changes, "congress64").to_dict()
    assert build.networks_only(config, ("Bald", "Male", "Smiling")).recipe.flip_shift == (0.0, 2.0, 3.0)


def test_a_batch_must_be_divisible_by_the_devices(monkeypatch):
    """Broken: this is found out in the middle of a run, where the batch of a later phase cannot be split."""
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    assert "config.batch.px16 is 12: it must be a multiple of the 8 devices" in mistake({"batch.px16": 12})
    build.build(with_changes({"batch.px16": 24}))


@pytest.mark.parametrize(
    "key", sorted(set(flat(config_of("quickstart").to_dict())) - {"attributes", "schedule", "batch"})
)
def test_no_key_is_dead(key):
    """Broken: a key is in the configs and nobody reads it, or it may be left out in silence."""
    assert f"config.{key} is missing" in mistake({key: None})


def test_networks_without_their_data():
    """Broken: weights cannot be exported on a machine that has no photos; or such a run trains on nothing."""
    config = build.build(config_of("congress64")).config
    run = build.networks_only(config, CONGRESS)
    assert run.recipe == build.build(config_of("congress64")).recipe
    with pytest.raises(UserError, match="opened for its networks only"):
        run.train_source(64)
