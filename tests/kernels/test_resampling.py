"""Displaced images, against sums written down pixel by pixel and against scipy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from thunderlike.errors import SpecError
from thunderlike.kernels import resampling
from thunderlike.kernels.resampling import (
    deinterlace,
    resampled_dtype,
    shift_images,
    warp_images,
)

SHAPES = [(11,), (9, 13), (5, 7, 6)]
DTYPES = ["u1", "i2", "u2", "i4", "u4", "i8", "f2", "f4", "f8"]


def frames(shape, dtype="f8", count=3):
    rng = np.random.default_rng(1)
    return (60 + 25 * rng.normal(size=(count, *shape))).clip(0, 120).astype(dtype)


def shifts(shape, count=3):
    return np.random.default_rng(2).uniform(-3, 3, (count, len(shape)))


def grid(shape, apart=4.0):
    return [np.arange(0, n + apart - 1, apart) for n in shape]


def fields(shape, count=3):
    size = (count, len(shape), *map(len, grid(shape)))
    return np.random.default_rng(3).uniform(-2, 2, size).astype(np.float32)


def keys(x):
    """The kernel of cubic convolution, a = -0.5, as it is printed."""
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def hat(x):
    return max(0.0, 1 - abs(x))


def by_definition(image, positions, kernel):
    """Sum the kernel over all pixels near each position, edges repeated; pixel by pixel."""
    out = np.empty(image.shape)
    for pixel in np.ndindex(image.shape):
        position = [axis[pixel] for axis in positions]
        near = [range(int(np.floor(p)) - 1, int(np.floor(p)) + 3) for p in position]
        out[pixel] = sum(
            np.prod([kernel(p - n) for p, n in zip(position, tap, strict=True)])
            * image[tuple(np.clip(tap, 0, np.array(image.shape) - 1))]
            for tap in itertools.product(*near)
        )
    return out


def dense(field, shape):
    """Displacement of every pixel by scipy's interpolation between nodes."""
    positions = np.indices(shape) / 4.0
    return np.stack([ndimage.map_coordinates(axis, positions, order=1) for axis in field])


@pytest.mark.parametrize(("order", "kernel"), [(1, hat), (3, keys)])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_shift_is_the_convolution_at_displaced_positions(shape, order, kernel):
    stack, moves = frames(shape), shifts(shape)
    found = shift_images(stack, moves, order)
    for image, move, result in zip(stack, moves, found, strict=True):
        positions = np.indices(shape) + move.reshape(-1, *(1,) * len(shape))
        np.testing.assert_allclose(result, by_definition(image, positions, kernel), atol=1e-9)


@pytest.mark.parametrize(("order", "kernel"), [(1, hat), (3, keys)])
@pytest.mark.parametrize("shape", SHAPES[1:])
def test_a_warp_is_the_convolution_at_displaced_positions(shape, order, kernel):
    stack, field = frames(shape, count=1), fields(shape, 1)
    found = warp_images(stack, field, grid(shape), order)
    positions = np.indices(shape) + dense(field[0], shape)
    expected = by_definition(stack[0], positions, kernel)
    np.testing.assert_allclose(found[0], expected, atol=2e-4)  # displacements are of float32


@pytest.mark.parametrize("shape", SHAPES)
def test_linear_interpolation_is_that_of_scipy(shape):
    stack, moves = frames(shape), shifts(shape)
    found = shift_images(stack, moves, order=1)
    for image, move, result in zip(stack, moves, found, strict=True):
        expected = ndimage.shift(image, -move, order=1, mode="nearest")
        np.testing.assert_allclose(result, expected, atol=1e-9)


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_pixels_keep_every_bit(dtype, order):
    stack = frames((6, 8), dtype, 2)
    if stack.dtype.kind in "iu":
        stack[0, 2, 2], stack[1, 3, 3] = np.iinfo(dtype).max, np.iinfo(dtype).min
    else:
        stack[0, 2, 2], stack[1, 3, 3] = np.nan, np.inf
    found = shift_images(stack, np.array([[1.0, -2.0], [0.0, 0.0]]), order)
    assert found.dtype == stack.dtype
    np.testing.assert_array_equal(found[0, :-1, 2:], stack[0, 1:, :-2])
    np.testing.assert_array_equal(found[0, -1, 2:], stack[0, -1, :-2])
    np.testing.assert_array_equal(found[1], stack[1])


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_order_0_takes_the_nearest_pixel(shape):
    stack = frames(shape, "u2")
    moves = shifts(shape)
    for found in (
        shift_images(stack, moves, 0),
        warp_images(
            stack, moves.reshape(*moves.shape, *(1,) * len(shape)), [np.zeros(1)] * len(shape), 0
        ),
    ):
        for image, move, result in zip(stack, moves, found, strict=True):
            at = np.indices(shape) + np.rint(move).astype(int).reshape(-1, *(1,) * len(shape))
            at = np.minimum(np.maximum(at, 0), np.array(shape).reshape(-1, *(1,) * len(shape)) - 1)
            np.testing.assert_array_equal(result, image[tuple(at)])


def test_a_constant_field_is_a_shift():
    stack, moves = frames((20, 30), "u2"), shifts((20, 30))
    constant = np.broadcast_to(moves[..., None, None], (3, 2, 6, 9)).astype(np.float32)
    nodes = [np.linspace(0, 19, 6), np.linspace(0, 29, 9)]
    found = warp_images(stack, constant, nodes, dtype="float32")
    expected = shift_images(stack, moves.astype(np.float32), dtype="float32")
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_volumes_may_have_one_node_along_an_axis():
    stack = frames((4, 12, 12), "f4", 1)
    field = np.random.default_rng(0).normal(size=(1, 3, 1, 3, 3)).astype(np.float32)
    nodes = [np.zeros(1), np.arange(0, 12, 5), np.arange(0, 12, 5)]
    everywhere = np.repeat(field, 4, axis=2)
    np.testing.assert_array_equal(
        warp_images(stack, field, nodes),
        warp_images(stack, everywhere, [np.arange(4), *nodes[1:]]),
    )


@pytest.mark.parametrize(("dtype", "value"), [("u2", 65535), ("i2", -32768), ("u1", 255)])
def test_whole_numbers_are_clipped_and_do_not_wrap(dtype, value):
    stack = np.zeros((1, 16, 16), dtype)
    stack[0, :, ::3] = value
    for found in (
        shift_images(stack, np.array([[0.4, 0.4]])),
        warp_images(stack, np.full((1, 2, 1, 1), 0.4, "f4"), [np.zeros(1)] * 2),
    ):
        floats = shift_images(stack.astype("f8"), np.array([[0.4, 0.4]]))
        beyond = floats > value if value > 0 else floats < value
        assert beyond.any()
        assert found.dtype == dtype
        assert (found.max() if value > 0 else found.min()) == value
        np.testing.assert_array_equal(np.sign(found[beyond]), np.sign(value))


def test_whole_numbers_are_rounded():
    row = np.array([[0, 1, 2, 3]], "u2")
    assert shift_images(row, np.array([[0.4]]), 1).tolist() == [[0, 1, 2, 3]]
    assert shift_images(row, np.array([[0.6]]), 1).tolist() == [[1, 2, 3, 3]]


@pytest.mark.parametrize("limits", ["i4", "u4", "i8", "u8"])
def test_floats_become_wide_whole_numbers_within_their_limits(limits):
    row = np.array([[-1e30, 3.5, 1e30, 1e30, np.nan, 0, 0]])
    found = shift_images(row, np.array([[0.5]]), 1, dtype=limits)[0]
    low, high = np.iinfo(limits).min, np.iinfo(limits).max
    assert found[0] == low
    assert high - 2048 <= int(found[2]) <= high
    assert found[3:].tolist() == [0, 0, 0, 0]


def test_outside_pixels_are_filled():
    stack = np.arange(1, 13, dtype="u2").reshape(1, 3, 4)
    move = np.array([[0.0, 1.5]])
    field, nodes = move.astype("f4").reshape(1, 2, 1, 1), [np.zeros(1)] * 2
    for options in ({"fill": "nan", "dtype": "f4"}, {"fill": 7}):
        for found in (
            shift_images(stack, move, 1, **options),
            warp_images(stack, field, nodes, 1, **options),
        ):
            value = np.float32(options["fill"])
            np.testing.assert_array_equal(found[0, :, 2:], np.full((3, 2), value))
            assert (found[0, :, :2] > 0).all()
    whole = shift_images(stack, np.array([[-1.0, 0.0]]), fill=0)
    np.testing.assert_array_equal(whole[0], np.vstack([np.zeros(4), stack[0, :-1]]))
    nearest = shift_images(stack, np.array([[0.0, 0.4]]), 0, fill=99)
    np.testing.assert_array_equal(nearest, stack)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("compiled", [False, True])
def test_nan_reaches_the_pixels_that_use_it_and_no_other(value, compiled):
    stack = frames((9, 12), "f4", 1)
    stack[0, 4, 5] = value
    moved = shift_images(stack, np.array([[0.0, 0.25]]), compiled=compiled)
    bad = np.zeros((9, 12), bool)
    bad[4, 3:7] = True
    np.testing.assert_array_equal(~np.isfinite(moved[0]), bad)
    assert np.isnan(moved[0][bad]).all()
    field = np.zeros((1, 2, 2, 1), "f4")
    field[0, 1] = [[0.25], [0.25]]
    field[0, 0, 1] = 1.0  # rows 0 to 8 move by 0 to 1
    warped = warp_images(stack, field, [np.array([0, 8]), np.zeros(1)], compiled=compiled)
    assert np.isnan(warped[0]).any(axis=0).tolist() == bad[4].tolist()
    assert np.isfinite(warped[0, 0]).all()
    still = warp_images(stack, 0 * field, [np.array([0, 8]), np.zeros(1)], compiled=compiled)
    np.testing.assert_array_equal(np.argwhere(np.isnan(still[0])), [[4, 5]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_compiled_loops_and_numpy_give_equal_bits(shape, order, dtype):
    pytest.importorskip("numba")
    stack = frames(shape, dtype)
    if stack.dtype.kind == "f":
        stack[0].flat[7], stack[1].flat[9] = np.nan, np.inf
    moves = shifts(shape)
    moves[1, 0] = 1
    one, other = (
        shift_images(stack, moves, order, dtype="f8", compiled=choice) for choice in (True, False)
    )
    np.testing.assert_array_equal(one, other)
    if len(shape) > 1:
        field = fields(shape)
        field[1] = 0
        one, other = (
            warp_images(stack, field, grid(shape), order, dtype="f8", compiled=choice)
            for choice in (True, False)
        )
        np.testing.assert_array_equal(one, other)


def test_the_size_of_the_stack_chooses_the_loops(monkeypatch):
    asked = []
    monkeypatch.setattr(resampling, "use_compiled", lambda n: asked.append(n) or False)
    shift_images(frames((9, 13)), shifts((9, 13)))
    warp_images(frames((9, 13)), fields((9, 13)), grid((9, 13)))
    assert asked == [3 * 9 * 13] * 2


@pytest.mark.parametrize("shape", SHAPES)
def test_a_stack_has_the_bits_of_its_images_alone(shape):
    stack, moves = frames(shape, "f4", 5), shifts(shape, 5)
    whole = shift_images(stack, moves)
    alone = [shift_images(stack[n : n + 1], moves[n : n + 1])[0] for n in range(5)]
    np.testing.assert_array_equal(whole, np.stack(alone))


@pytest.mark.parametrize("compiled", [False, True])
def test_big_endian_read_only_and_strided_images(compiled):
    plain = frames((9, 13), "u2")
    moves, field = shifts((9, 13)), fields((9, 13))
    swapped, fortran = plain.astype(">u2"), np.asfortranarray(plain)
    sparse = np.repeat(plain, 2, axis=2)[..., ::2]
    for other in (swapped, fortran, sparse):
        other.flags.writeable = False
        for order in (0, 1, 3):
            for one, two in (
                (
                    shift_images(plain, moves, order, compiled=compiled),
                    shift_images(other, moves, order, compiled=compiled),
                ),
                (
                    warp_images(plain, field, grid((9, 13)), order, compiled=compiled),
                    warp_images(other, field, grid((9, 13)), order, compiled=compiled),
                ),
                (
                    deinterlace(plain, 0.7, compiled=compiled),
                    deinterlace(other, 0.7, compiled=compiled),
                ),
            ):
                np.testing.assert_array_equal(one, two)
                assert two.dtype == np.uint16
                assert two.dtype.isnative
    np.testing.assert_array_equal(swapped, plain)


def test_shifts_far_beyond_the_image_give_its_edge():
    stack = frames((5, 6), "u2", 1)
    for far in (1e3, 1e300):
        found = shift_images(stack, np.array([[far, -far]]))
        assert (found == stack[0, -1, 0]).all()
    field = np.full((1, 2, 1, 1), 1e30, "f4")
    assert (warp_images(stack, field, [np.zeros(1)] * 2) == stack[0, -1, -1]).all()


def test_odd_rows_move_back():
    x = np.arange(40.0)
    rows = np.stack([np.sin(x / 3), np.sin((x - 1.5) / 3)] * 3)  # odd rows displaced by 1.5
    found = deinterlace(np.stack([rows, rows]), 1.5)
    np.testing.assert_array_equal(found[:, ::2], np.stack([rows, rows])[:, ::2])
    np.testing.assert_allclose(found[0, 1::2, :-2], rows[::2, :-2], atol=0.02)
    np.testing.assert_array_equal(found[0], found[1])
    volume = deinterlace(rows[np.newaxis, np.newaxis].repeat(2, axis=1), 1.5)
    np.testing.assert_array_equal(volume[0, 1], found[0])


def test_no_offset_and_a_single_row_keep_every_bit():
    stack = frames((1, 9), "u2")
    np.testing.assert_array_equal(deinterlace(stack, 2.0), stack)
    tall = frames((4, 9), "f4")
    tall[0, 1, 1] = np.nan
    np.testing.assert_array_equal(deinterlace(tall, 0), tall)


def test_no_images():
    empty = np.zeros((0, 8, 9), "u2")
    assert shift_images(empty, np.zeros((0, 2))).shape == (0, 8, 9)
    nodes = [np.zeros(1)] * 2
    found = warp_images(empty, np.zeros((0, 2, 1, 1), "f4"), nodes, dtype="f4")
    assert (found.shape, found.dtype) == ((0, 8, 9), np.float32)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("u2", 2), "order 2"),
        (("u2", True), "order True"),
        (("c8", 0), "complex64"),
        (("O", 0), "object"),
        (("?", 1), "order=0 for bool"),
        (("u2", 3, "wrap"), "fill 'wrap'"),
        (("u2", 3, "nan"), "fill 'nan' is no value of uint16"),
        (("f4", 3, "nan", "i4"), "no value of int32"),
    ],
)
def test_impossible_arguments_are_refused(arguments, text):
    with pytest.raises(SpecError, match=text):
        resampled_dtype(*arguments)


def test_shapes_and_numbers_are_checked():
    stack = frames((9, 13))
    with pytest.raises(SpecError, match=r"shifts of shape \(3, 3\)"):
        shift_images(stack, np.zeros((3, 3)))
    with pytest.raises(SpecError, match="image 1 has no shift"):
        shift_images(stack, np.array([[0, 0], [np.nan, 0], [0, 0]]))
    with pytest.raises(SpecError, match="on \\(1, 1\\) nodes"):
        warp_images(stack, np.zeros((3, 2, 2, 2), "f4"), [np.zeros(1)] * 2)
    with pytest.raises(SpecError, match="not finite"):
        warp_images(stack, np.full((3, 2, 1, 1), np.nan, "f4"), [np.zeros(1)] * 2)
    assert shift_images(np.eye(4, dtype=bool)[np.newaxis], np.ones((1, 2)), 0).dtype == bool
