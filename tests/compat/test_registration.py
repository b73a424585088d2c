"""thunder-registration's names, its example and what its tests check, in our own words."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

import thunderlike as tl
from thunderlike.compat.registration import MODULES


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported(name):
    module = importlib.import_module(name)
    assert {key: getattr(module, key) for key in MODULES[name]} == MODULES[name]


def moved(image, delta):
    """The image displaced by whole pixels, what leaves it coming in again, as in its tests."""
    return ndimage.shift(image, delta, mode="grid-wrap", order=0)


def test_its_example(engine):
    from registration import CrossCorr

    reference = np.arange(9).reshape(3, 3)
    deltas = [[1, 0], [0, 1]]
    shifted = tl.images.fromlist([moved(reference, delta) for delta in deltas], engine=engine)
    register = CrossCorr()
    model = register.fit(shifted, reference=reference)
    assert repr(model.transformations) == (
        "{(0,): Displacement(delta=[1, 0]), (1,): Displacement(delta=[0, 1])}"
    )
    registered = model.transform(shifted)
    np.testing.assert_array_equal(
        registered.toarray(), register.fit_and_transform(shifted, reference=reference).toarray()
    )


@pytest.mark.parametrize(
    ("shape", "deltas"), [((5, 5), [[1, 2], [-2, 1]]), ((5, 5, 5), [[1, 0, 2], [0, 1, 2]])]
)
@pytest.mark.parametrize("kind", [list, np.stack])
def test_shifts_of_a_ramp(shape, deltas, kind):
    from registration import CrossCorr

    reference = np.arange(np.prod(shape)).reshape(shape)
    shifted = kind([moved(reference, delta) for delta in deltas])
    assert CrossCorr().fit(shifted, reference=reference).toarray().tolist() == deltas


def test_shifts_of_planes():
    from registration.algorithms.crosscorr import CrossCorr

    reference = np.arange(60).reshape(2, 5, 6)
    deltas = [[[1, 2], [-2, 1]], [[2, 1], [1, -2]]]
    shifted = [
        np.stack([moved(p, d) for p, d in zip(reference, each, strict=True)]) for each in deltas
    ]
    model = CrossCorr(axis=0).fit(shifted, reference=reference)
    assert model.toarray().tolist() == deltas


def test_a_process_that_has_the_package_itself_is_told():
    lines = (
        "import sys, types\n"
        "sys.modules['registration'] = types.ModuleType('registration')\n"
        "try:\n"
        "    import thunderlike.compat.registration\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("AlreadyImportedError registration is imported already")


def test_workers_import_it_before_a_function_that_refers_to_it(engine):
    from registration.transforms import Displacement

    images = tl.images.fromarray(np.arange(12.0).reshape(3, 2, 2), engine=engine)
    found = images.map(lambda image: Displacement([1, 0]).apply(image)).toarray()
    np.testing.assert_array_equal(found[:, 0], np.arange(12.0).reshape(3, 2, 2)[:, 1])
