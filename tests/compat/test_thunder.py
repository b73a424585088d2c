"""What the alias holds: every import that Thunder's users and packages write."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

import thunderlike as tl
from thunderlike.compat.thunder import MODULES
from thunderlike.data.blocks import Blocks
from thunderlike.engines import DistributedArray

READERS = ("fromarray", "fromlist", "fromrdd", "fromrandom", "frombinary", "fromexample")


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported(name):
    module = importlib.import_module(name)
    assert {key: getattr(module, key) for key in MODULES[name]} == MODULES[name]


@pytest.mark.parametrize(
    ("module", "name", "found"),
    [
        ("thunder.images", "Images", tl.Images),
        ("thunder.images.images", "Images", tl.Images),
        ("thunder.images", "fromtif", tl.images.fromtif),
        ("thunder.images.readers", "fromarray", tl.images.fromarray),
        ("thunder.series", "Series", tl.Series),
        ("thunder.series.series", "Series", tl.Series),
        ("thunder.series", "fromrdd", tl.series.fromrdd),
        ("thunder.series.readers", "fromarray", tl.series.fromarray),
        ("thunder.blocks.blocks", "Blocks", Blocks),
        ("bolt.spark.array", "BoltArraySpark", DistributedArray),
    ],
)
def test_a_name_is_the_thing_itself(module, name, found):
    assert getattr(importlib.import_module(module), name) is found


def test_the_classes_stand_below_their_base():
    from thunder.base import Base, Data

    assert issubclass(tl.Images, Data)
    assert issubclass(tl.Series, Data)
    assert issubclass(Blocks, Base)


def test_the_version_is_one_that_packages_accept():
    import thunder

    assert re.fullmatch(r"1\.[3-9]\.\d+", thunder.__version__)


def test_the_import_may_be_changed_instead():
    import thunderlike.compat.thunder as td

    assert td.images.fromrandom((2, 3, 4)).toseries().shape == (3, 4, 2)
    assert td.series.fromarray([1, 2, 3]).shape == (1, 3)


@pytest.mark.parametrize("kind", ["images", "series"])
def test_loaders_take_thunders_arguments_in_thunders_order(kind):
    module = importlib.import_module(f"thunder.{kind}")
    names = [n for n in READERS if hasattr(module, n)]
    assert {"fromarray", "fromlist", "fromrdd", "fromrandom"} <= set(names)
    first = {"fromarray": "values", "fromlist": "items", "fromrdd": "rdd", "frombinary": "path"}
    for name in names:
        parameters = list(inspect.signature(getattr(module, name)).parameters)
        assert parameters[0] == first.get(name, parameters[0])
