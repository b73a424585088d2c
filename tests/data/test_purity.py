"""Functions of a user that compute with numpy alone, which get views of records."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.data._purity import is_pure
from thunderlike.errors import WorkerFailedError

GAIN, TABLE, SEEN, OBJECTS = 2.0, np.arange(3.0), [], np.zeros(2, object)


def adds_in_place(image):
    image += 1
    return image


def clips_where_large(image):
    if image.max() > 5:
        image[image > 5] = 5
    return image.sum(axis=0)


def hides_errors(image):
    try:
        image += 1
    except ValueError:
        return image
    return image


def keeps(image):
    global SEEN  # noqa: PLW0603
    SEEN = image
    return image


def remembers(image, held=[]):  # noqa: B006
    held[:] = [image]
    return image


def enclosing(value):
    return lambda image: image + value


def makes_writable(image):
    image.flags.writeable = True
    image[...] = 0
    return image


PURE = {
    "ufunc": np.sqrt,
    "mean": np.mean,
    "partial": partial(np.mean, axis=0),
    "lambda": lambda image: image + 1,
    "methods": lambda image: (image - image.mean(axis=0)) / np.sqrt(image.var() + 1e-6),
    "globals": lambda image: GAIN * image[:, 1:] + TABLE,
    "linalg": lambda image: np.linalg.norm(image, axis=0),
    "closure": enclosing(3),
    "in place": adds_in_place,
    "sometimes in place": clips_where_large,
}
IMPURE = {
    "appends": lambda image: SEEN.append(image),
    "object array": lambda image: OBJECTS.fill(image),
    "base": lambda image: image.base,
    "errors": hides_errors,
    "global": keeps,
    "default": remembers,
    "closure of a list": enclosing([1]),
    "nested": lambda image: sum(row.sum() for row in image) + (lambda: image)().size,
    "flags": makes_writable,
    "random": lambda image: image + np.random.random(),  # noqa: NPY002
    "files": np.save,
    "objects": np.frompyfunc(abs, 1, 1),
    "method": SEEN.append,
    "prints": lambda image: print(image),
}


@pytest.mark.parametrize("name", PURE)
def test_functions_of_numpy_and_numbers_are_pure(name):
    assert is_pure(PURE[name])


@pytest.mark.parametrize("name", IMPURE)
def test_functions_with_other_effects_are_not(name):
    assert not is_pure(IMPURE[name])


@pytest.mark.parametrize("name", PURE)
def test_results_are_those_of_copies_and_the_records_stay(name, engine):
    values = np.arange(36, dtype="f4").reshape(4, 3, 3)
    if name == "globals":
        values = np.arange(48, dtype="f4").reshape(4, 3, 4)
    expected = np.stack([np.atleast_1d(PURE[name](record.copy())) for record in values])
    before = values.copy()
    found = tl.images.fromarray(values, engine=engine).map(PURE[name])
    np.testing.assert_array_equal(
        found.toarray(), expected.squeeze(1) if name == "mean" else expected
    )
    np.testing.assert_array_equal(values, before)


def test_the_error_of_a_pure_function_names_its_record(engine):
    table = np.arange(3)
    images = tl.images.fromarray(np.arange(4).reshape(4, 1, 1), engine=engine)
    with pytest.raises(WorkerFailedError, match=r"IndexError: index 3 .* key \(3,\)") as caught:
        images.map(lambda image: table[image]).toarray()
    assert caught.value.key == (3,)


def test_records_with_gaps_are_copied_first():
    values = np.random.default_rng(0).random((5, 33, 64), "f4")
    gaps = tl.images.fromarray(values[:, :, ::2]).map(np.sum)
    alone = tl.images.fromarray(np.ascontiguousarray(values[:, :, ::2])).map(np.sum)
    np.testing.assert_array_equal(gaps.toarray(), alone.toarray())
