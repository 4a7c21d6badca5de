"""Every mistake in a config is a line that names the key."""

import jax
import pytest
from changed_configs import CONGRESS, any_folder_is_prepared, config_of, flat, mistake, with_changes
from ml_collections import ConfigDict

from fec_jax.config import build
from fec_jax.types import UserError


@pytest.fixture(autouse=True)
def prepared(monkeypatch):
    any_folder_is_prepared(monkeypatch)


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
    ({"loss.feat_share": 0.75}, "config.loss.feat_share is 0.75: it must be 1 or a whole part of it"),
    ({"loss.feat_share": 0.0}, "config.loss.feat_share is 0: it must be 1 or"),
    (
        {"mask.box_share": 0.5, "mask.stroke_share": 0.5},
        "config.mask.stroke_share 0.5: together they must be at most 1",
    ),
    ({"batch.px8": 0}, "config.batch.px8 is 0: it must be at least 1"),
    ({"attributes": ("Smiling", "Beard")}, "drawn_faces has no attribute Beard; it has: Male, Smiling"),
    ({"attributes": "Smiling"}, "config.attributes is 'Smiling': it must be of type tuple"),
    (
        {"data.path": "data/faces"},
        "config.data.path is 'data/faces', but it has no effect with config.data.kind = 'drawn'",
    ),
    ({"loss.flip_shift_of": (("Moustache", 2.0),)}, "config.loss.flip_shift_of has 'Moustache': the attributes are"),
    ({"loss.flip_shift_of": (("Smiling", -1.0),)}, "config.loss.flip_shift_of has -1.0 for Smiling"),
    ({"loss.flip_shift_of": ("Smiling", 2.0)}, "config.loss.flip_shift_of has 'Smiling': write"),
    ({"mask.min_area": 0.7}, "config.mask.min_area and max_area are (0.7, 0.6)"),
    ({"loss.feat_px": 8}, "config.loss.feat_px is 8: below 16 px"),
    ({"loss.feat_pooled": 0.5}, "config.loss.feat_pooled is 0.5, but config.loss.feat_px is 0"),
    ({"loss.feat_px": 24, "loss.feat_pooled": 0.5}, "config.loss.feat_px is 24: images of"),
    ({"schedule.px8.lpips": 2.0}, "config.schedule.px8.lpips is 2: below 16 px"),
    ({"schedule.px16.patches": 2.0}, "config.schedule.px16.patches is 2: below 32 px"),
    ({"schedule.px8.fade_kimg": float("inf")}, "config.schedule.px8.fade_kimg is inf"),
    (
        {"loss.r1_gamma": 0.0, "loss.r1_attr": 0.5},
        "config.loss.r1_attr is 0.5, but it has no effect with config.loss.r1",
    ),
    (
        {"d_augment.noise": 0.0, "d_augment.clean": 0.5},
        "config.d_augment.clean is 0.5, but it has no effect with config.d_augment.noise = 0",
    ),
    ({"g_optimizer": "Muon"}, "config.g_optimizer is 'Muon': it must be one of adam, muon"),
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
        ({"data.validation_split": "train"}, "config.data.train_split and validation_split are both 'train'"),
        ({"data.alignment.eyes_apart": 24.0}, "config.data.alignment is 24.0 and (0.5, 0.45): eyes_apart and"),
        ({"data.alignment.eyes_middle": (0.5,)}, "config.data.alignment is 0.24 and (0.5,): eyes_apart and"),
        (
            {"data.train_size": 100},
            "config.data.train_size is 100, but it has no effect with config.data.kind = 'prepared'",
        ),
        ({"attributes": ("Smiling", "Beard")}, "data/congress64 has no attribute Beard; it has: Male, Smiling"),
    ],
)
def test_mistakes_with_prepared_photos_are_named(changes, message):
    """Broken: as above, for configs that read what `fec prepare` wrote."""
    assert message in mistake(changes, "congress64")


@pytest.mark.parametrize(
    ("name", "value"),
    [("loss.flip_shift", 2.0), ("loss.flip_shift_of", (("Smiling", 2.0),)), ("loss.flip_to_face", True)],
)
def test_a_wish_for_attributes_that_are_not_there_is_named(name, value):
    """Broken: photos without attributes pay for a pass through D that teaches nothing, or a knob is dead."""
    config = with_changes({name: value}, "congress64").to_dict()
    build.networks_only(config, CONGRESS)
    with pytest.raises(UserError, match=rf"config\.{name} is .*, but it has no effect with data without"):
        build.networks_only(config, ())


def test_a_batch_must_be_divisible_by_the_devices(monkeypatch):
    """Broken: this is found out in the middle of a run, where the batch of a later phase cannot be split."""
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    assert "config.batch.px16 is 12: it must be a multiple of the 8 devices" in mistake({"batch.px16": 12})
    build.build(with_changes({"batch.px16": 32}))


def test_the_share_of_the_feature_loss_must_come_out_even_on_every_device(monkeypatch):
    """Broken: on another number of devices the feature loss sees other images, and more of them than promised."""
    changes = {"loss.feat_share": 0.25, "batch.px16": 16, "batch.px32": 32}
    build.build(with_changes(changes))
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    told = "config.loss.feat_share is 0.25: of the 2 images of 16 px that each of the 8 devices has it takes one in 4"
    assert told in mistake(changes)
    build.build(with_changes(changes | {"batch.px16": 32}))


@pytest.mark.parametrize(
    "key", sorted(set(flat(config_of("quickstart").to_dict())) - {"attributes", "schedule", "batch"})
)
def test_no_key_is_dead(key):
    """Broken: a key is in the configs and nobody reads it, or it may be left out in silence."""
    assert f"config.{key} is missing" in mistake({key: None})
