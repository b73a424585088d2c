"""Sizes, extremes, padding and timing, against numpy."""

from __future__ import annotations

import io

import numpy as np
import pytest
from scipy import sparse

import thunderlike as tl
from thunderlike import util
from thunderlike.errors import SpecError


@pytest.mark.parametrize("axes", [0, -1, (0, 3), (1, 2), (3, 0), [2], (0, 1, 2, 3)])
@pytest.mark.parametrize("keepdims", [True, False])
def test_apply_once_is_numpys_own_over_several_axes(axes, keepdims):
    x = np.random.default_rng(0).random((2, 3, 4, 5))
    wanted = np.std(x, axis=tuple(axes) if isinstance(axes, list) else axes, keepdims=keepdims)
    np.testing.assert_allclose(util.apply_once(np.std, x, axes, keepdims), wanted)


@pytest.mark.parametrize("axes", [[], (0, 0), 4, (0, 7)])
def test_apply_once_refuses_axes_that_there_are_not(axes):
    with pytest.raises(SpecError, match="axes"):
        util.apply_once(np.std, np.zeros((2, 3)), axes)


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0 B"), (1, "1 B"), (1536, "1.5 KB"), (10**6, "976.6 KB"), (1024**6, "1 EB"),
     (-2048, "-2 KB"), (0.5, "0.5 B")],
)  # fmt: skip
def test_humanize(n, text):
    assert util.humanize_bytesize(n) == text


def test_sizes_of_anything_with_a_shape():
    assert util.bytesize(tl.images.fromrandom((2, 3, 4))) == 2 * 3 * 4 * 8
    assert util.memsize(np.zeros(0)) == "0 B"
    assert util.bytesize(np.broadcast_to(np.zeros(1), (10, 10))) == 800


def test_span_and_argmax():
    low, high = util.span([1.0, np.nan, 2.0])
    assert np.isnan(low)
    assert np.isnan(high)
    assert util.tupled_argmax(np.array(5)) == ()
    assert util.tupled_argmax([1, 3, 3]) == (1,)
    assert util.span(tl.images.fromarray(np.arange(24.0).reshape(2, 3, 4))) == (0.0, 23.0)
    assert util.span(sparse.eye(3, format="csr")) == (0.0, 1.0)
    for function in (util.span, util.tupled_argmax):
        with pytest.raises(ValueError, match="of an empty array"):
            function([])


def test_padding_as_in_deepdishs_manual():
    assert util.pad(np.ones((3, 3)), (1, 2)).shape == (5, 7)
    placed = util.pad_to_size(np.ones((4, 2)), (5, 5))
    assert placed.shape == (5, 5)
    assert placed[0:4, 1:3].all()
    assert placed.sum() == 8
    x = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(util.pad_repeat_border(x, 2), np.pad(x, 2, mode="edge"))
    found = util.pad_repeat_border_corner(x, (5, 5))
    np.testing.assert_array_equal(found, np.pad(x, ((0, 2), (0, 1)), mode="edge"))
    assert found.dtype == x.dtype


def test_padding_keeps_dtype_and_takes_values():
    assert util.pad_to_size(np.ones(2, complex) * 1j, (4,)).dtype == complex
    assert util.pad_to_size(np.ones(2, int), (4,)).dtype == int
    assert util.pad_to_size(np.ones(2, int), (4,), 0.5).tolist() == [0.5, 1, 1, 0.5]
    assert util.pad_to_size(np.ones((1, 2)), (-1, 2)).shape == (1, 2)
    found = util.pad_to_size(np.zeros((1, 1)), (3, 2), np.array([5.0, 6.0]))
    assert found.tolist() == [[5, 6], [0, 6], [5, 6]]
    assert util.pad(np.ones(2), np.int64(1)).tolist() == [0, 1, 1, 0]
    assert util.pad(np.ones(2), ((0, 2),)).tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: util.pad(np.ones(2), -1),
        lambda: util.pad(np.ones(2), (1, 2)),
        lambda: util.pad_to_size(np.ones((3, 3)), (2, 5)),
        lambda: util.pad_to_size(np.ones(3), (2, 5)),
        lambda: util.pad_repeat_border_corner(np.ones(3), (2,)),
        lambda: util.pad_repeat_border(np.ones((0, 2)), 1),
    ],
)
def test_padding_that_cannot_be(call):
    with pytest.raises(SpecError):
        call()


def test_timed_reports_also_when_it_failed(capsys):
    with pytest.raises(KeyError), util.timed("work"):
        raise KeyError
    assert capsys.readouterr().out.startswith("[timed] work: ")
    stream, element = io.StringIO(), np.zeros(1)
    with util.timed(file=stream), util.timed(file=element):
        sum(range(1000))
    assert stream.getvalue().startswith("[timed]: ")
    assert element[0] > 0
