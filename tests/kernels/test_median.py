"""Medians of windows: the values of scipy, by every method, compiled and not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

import thunderlike as tl
from thunderlike.errors import SpecError
from thunderlike.kernels import _numba
from thunderlike.kernels import median as module
from thunderlike.kernels.median import effort, median

COMPILED = ["uint16", "float32", "float64"]
OTHERS = ["bool", "uint8", "int8", "int16", "int32", "uint32", "int64", "uint64"]
DTYPES = COMPILED + [pytest.param(dtype, marks=pytest.mark.slow) for dtype in OTHERS]
WINDOWS = [  # shape of the block, size
    ((3, 17, 12), 3),
    ((3, 17, 12), (5, 5)),
    ((2, 20, 23), (2, 4)),
    ((2, 20, 23), (7, 1)),
    ((2, 20, 23), (0, 6)),
    ((2, 12, 31), (12, 11)),  # a network of loops, too large for numpy's
    ((2, 19, 31), (15, 16)),  # a histogram
    ((1, 2, 3), (9, 1)),  # larger than the image
    ((1, 2, 3), 31),
    ((2, 9, 8, 5), (3, 3, 0)),
    ((2, 9, 8, 5), (3, 1, 2)),
    ((2, 9, 8, 5), 3),
    ((2, 9, 8, 5), (9, 7, 5)),
    ((2, 3, 9, 8), (5, 9, 1)),
    ((4, 100), 5),
    ((1, 700), 301),
    ((1, 1, 1), 3),
]


def images(shape, dtype, span=3000):
    """Numbers of both signs where there are any, and many equal ones."""
    values = np.random.default_rng(0).integers(-span, span, shape) / (2 if dtype[0] == "f" else 1)
    return values.astype(np.int64 if dtype[0] in "biu" else dtype).astype(dtype)


def scipys(block, size):
    sizes = np.broadcast_to(np.maximum(size, 1), block.ndim - 1)
    return np.stack([ndimage.median_filter(image, tuple(sizes)) for image in block])


def exact(block, size):
    """The element in the middle of each sorted window."""
    sizes = np.broadcast_to(np.maximum(size, 1), block.ndim - 1)
    border = [(0, 0), *((n // 2, n - 1 - n // 2) for n in sizes)]
    bordered = np.pad(block, border, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(bordered, (1, *sizes))
    return np.sort(windows.reshape(*block.shape, -1), axis=-1)[..., np.prod(sizes) // 2]


def bits(values):
    return values.view(f"u{values.itemsize}")


@pytest.fixture(params=[False, True], ids=["plain", "compiled"])
def compiled(request):
    if request.param:
        pytest.importorskip("numba")
    return request.param


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "size"), WINDOWS)
def test_the_values_are_those_of_scipy(shape, size, dtype, compiled):
    block = images(shape, dtype)
    found = median(block, size, compiled=compiled)
    np.testing.assert_array_equal(found, exact(block, size), strict=True)
    # scipy reads beyond small images, and orders 64-bit numbers in double precision.
    if np.all(np.less_equal(size, block.shape[1:])) and dtype not in ("int64", "uint64"):
        np.testing.assert_array_equal(found, scipys(block, size), strict=True)


@pytest.mark.parametrize("dtype", OTHERS)
@pytest.mark.parametrize("size", [3, (2, 5), 15])
def test_numpy_takes_every_dtype(size, dtype):
    block = images((2, 9, 8), dtype)
    found = median(block, size, compiled=False)
    np.testing.assert_array_equal(found, exact(block, size), strict=True)


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40)),
    size=st.tuples(st.integers(0, 17), st.integers(0, 17)),
    dtype=st.sampled_from(COMPILED),
    span=st.sampled_from([2, 3000]),
)
def test_compiled_and_plain_medians_have_the_same_bits(shape, size, dtype, span):
    pytest.importorskip("numba")
    block = images(shape, dtype, span)
    loops, plain = (median(block, size, compiled=choice) for choice in (True, False))
    np.testing.assert_array_equal(bits(loops), bits(plain), strict=True)
    np.testing.assert_array_equal(plain, exact(block, size))


@pytest.mark.parametrize("size", [3, 15])
def test_images_longer_than_a_stretch(size, compiled):
    block = images((1, 300, 301), "float64")
    np.testing.assert_array_equal(median(block, size, compiled=compiled), scipys(block, size))


@pytest.mark.parametrize("dtype", ["int64", "uint64", "float64"])
def test_numbers_far_apart_are_counted_by_rank(dtype, compiled):
    block = images((1, 20, 20), dtype, 2**62)
    block[0, :3, :3] = np.array([0, 1, 2]).astype(dtype)
    found = median(block, 15, compiled=compiled)
    np.testing.assert_array_equal(found, exact(block, 15), strict=True)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64"])
def test_numbers_at_the_ends_of_their_dtype(dtype, compiled):
    ends = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
    for values in (
        ends,
        ends[:1] + np.arange(3, dtype=dtype),
        ends[1:] - np.arange(3, dtype=dtype),
    ):
        block = np.random.default_rng(0).choice(values, (1, 20, 20))
        values, ranks = module._ranks(block.ravel())
        np.testing.assert_array_equal(values[ranks], block.ravel(), strict=True)
        np.testing.assert_array_equal(median(block, 15, compiled=compiled), exact(block, 15))


def test_the_plain_histogram_is_the_compiled_one():
    pytest.importorskip("numba")
    ranks = np.random.default_rng(0).integers(0, 900, 500).astype("int32")
    starts = np.array([0, 30, 60])
    found = np.empty((2, 400), np.int32)
    for out, choice in zip(found, (True, False), strict=True):
        module._follow_window.choose(choice)(ranks, starts, 2, 4, 900, out)
    np.testing.assert_array_equal(*found)


# Values without an order


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_finite_is_taken_as_scipy_does(value, dtype, compiled):
    block = images((3, 17, 12), dtype)
    block[1, 4, 4:7] = value
    found = median(block, 3, compiled=compiled)
    np.testing.assert_array_equal(found, scipys(block, 3), strict=True)


def test_a_nan_changes_no_bit_of_another_image(compiled):
    block = np.random.default_rng(0).choice([-0.0, 0.0, 1.0, -1.0], (3, 17, 12))
    expected = median(block, 3, compiled=compiled)
    block[1, 4, 4] = np.nan
    found = median(block, 3, compiled=compiled)
    np.testing.assert_array_equal(bits(found[::2]), bits(expected[::2]))
    assert not np.signbit(expected[expected == 0]).any()
    for row in range(3):
        alone = median(block[row : row + 1], 3, compiled=compiled)
        np.testing.assert_array_equal(bits(found[row : row + 1]), bits(alone))


def test_a_nan_in_every_image_is_not_special(compiled):
    block = np.random.default_rng(0).normal(size=(2, 4, 17, 12)).astype("f4")  # few planes
    expected = median(block, 5, compiled=compiled)
    block[:, :, 16] = np.nan
    found = median(block, 5, compiled=compiled)
    np.testing.assert_array_equal(found[:, :, :14], expected[:, :, :14])


# Layouts and arguments


@pytest.mark.parametrize("layout", ["F", "read only", "swapped", "strided"])
def test_blocks_of_any_layout(layout, compiled):
    block = images((4, 18, 20), "float64")
    given = {
        "F": np.asfortranarray(block),
        "swapped": block.astype(">f8"),
        "strided": block[::2, ::-1, 1::3],
    }.get(layout, block)
    given.flags.writeable = layout != "read only"
    expected = scipys(np.ascontiguousarray(given), 5)
    found = median(given, 5, compiled=compiled)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == given.dtype


def test_threads_may_share_a_block(compiled):
    block = images((4, 40, 40), "uint16")
    alone = median(block, 3, compiled=compiled)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: median(block, 3, compiled=compiled), range(16)):
            np.testing.assert_array_equal(found, alone)


def test_a_window_of_one_pixel_gives_a_copy():
    block = images((2, 4, 4), "int16")
    found = median(block, 1)
    np.testing.assert_array_equal(found, block)
    assert not np.shares_memory(found, block)


@pytest.mark.parametrize("shape", [(0, 4, 5), (3, 0, 5)])
def test_no_images_and_images_of_nothing(shape, compiled):
    assert median(np.zeros(shape, "int16"), 3, compiled=compiled).shape == shape


@pytest.mark.parametrize("dtype", ["float16", "object", "datetime64[s]", "complex64"])
def test_the_error_names_the_dtype(dtype):
    with pytest.raises(SpecError, match=rf"median filter .*{dtype.replace('[', '.')[:8]}"):
        median(np.zeros((1, 3, 3), dtype))


@pytest.mark.parametrize("size", [-1, 1.5, (3, 3, 3)])
def test_the_error_names_the_size(size):
    with pytest.raises(SpecError, match="size"):
        median(np.zeros((1, 3, 3)), size)


# Choice


def test_images_and_window_decide_between_loops_and_numpy(engine, monkeypatch):
    pytest.importorskip("numba")
    block = images((6, 9, 8), "uint16")
    movie = tl.images.fromarray(block, engine=engine, npartitions=3)
    for threshold in (block.size * effort((5, 5)), block.size * effort((5, 5)) + 1):
        monkeypatch.setattr(_numba, "THRESHOLD", threshold)
        found = movie.median_filter(5).toarray()
        np.testing.assert_array_equal(found, scipys(block, 5), strict=True)
