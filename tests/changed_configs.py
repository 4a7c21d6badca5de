"""The configs with some keys changed, and what they are refused with; data sets that are not there."""

import importlib

import pytest

from fec_jax.config import build
from fec_jax.data.attributes import select
from fec_jax.types import UserError

CONGRESS = ("Male", "Smiling", "Eyeglasses", "Young", "Gray_Hair", "No_Beard", "Bald")


def config_of(name):
    return importlib.import_module(f"configs.{name}").get_config()


def any_folder_is_prepared(monkeypatch):
    """Any folder is a prepared data set, with seven attributes, or those a config asks for."""
    names = (*CONGRESS, "Bangs", "Blond_Hair", "Wearing_Lipstick", "Mouth_Slightly_Open")

    class Prepared:
        name, license, fingerprint = "prepared", "CC0-1.0", ""

        def __init__(self, path, resolution_px, split, attributes=None):
            self.resolution_px = resolution_px
            self.attribute_names = tuple(attributes or CONGRESS)
            select(self.attribute_names, names, str(path))

        def __len__(self):
            return 8

        def load(self, indices):
            raise AssertionError("building a run reads no photo")

    monkeypatch.setattr(build, "open_source", Prepared)
    monkeypatch.setattr(build, "splits_of", lambda path, px: ("train", "validation", "test"))


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
