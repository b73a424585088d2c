"""Scripts for deepdish: its modules, both names of arguments, and ``import deepdish``."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest

import thunderlike.compat.deepdish as dd


def test_arguments_by_the_manuals_names_and_by_ours():
    x = np.arange(6.0).reshape(2, 3)
    assert dd.bytesize(arr=x) == dd.bytesize(array=x) == dd.bytesize(x) == 48
    assert dd.memsize(arr=x) == dd.memsize(array=x) == "48 B"
    assert dd.span(arr=x) == dd.span(array=x) == (0, 5)
    assert dd.tupled_argmax(a=x) == dd.tupled_argmax(array=x) == (1, 2)
    for name in ("arr", "array"):
        assert dd.apply_once(func=np.sum, axes=0, keepdims=False, **{name: x}).tolist() == [3, 5, 7]
    for name in ("offset", "shift"):
        assert dd.image.offset(img=x, **{name: (0, 1)}).tolist() == [[0, 0, 1], [0, 3, 4]]


@pytest.mark.parametrize("name", ["core", "image", "io", "parallel", "util"])
def test_modules_can_be_imported_from(name):
    module = importlib.import_module(f"thunderlike.compat.deepdish.{name}")
    assert getattr(dd, name) is module
    for public in module.__all__:
        assert hasattr(module, public)


def test_names_of_the_manual_are_in_their_modules():
    from thunderlike.compat.deepdish.io import ForcePickle, load, save
    from thunderlike.compat.deepdish.util import NamedRegistry, Saveable, SaveableRegistry

    assert (load, save) == (dd.io.load, dd.io.save)
    assert issubclass(SaveableRegistry, Saveable)
    assert issubclass(SaveableRegistry, NamedRegistry)
    assert ForcePickle(1).obj == 1
    assert dd.__version__ == "0.3.7"


def test_import_deepdish_after_install():
    """In a process of its own: nothing is under that name before, and ours is afterwards."""
    lines = """
import sys
import thunderlike.compat.deepdish as ours
assert "deepdish" not in sys.modules
ours.install()
import deepdish as dd
from deepdish.io import save
from deepdish.util import SaveableRegistry
assert save is ours.io.save and dd.image.crop is ours.image.crop
assert dd.span([1, 2]) == (1, 2) and dd.__version__ == ours.__version__
"""
    subprocess.run([sys.executable, "-c", lines], check=True, timeout=300)
