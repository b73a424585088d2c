"""Blocks, on every engine."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import NotOnEngineError, SpecError


@pytest.fixture
def array():
    return np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


@pytest.fixture
def images(array, engine):
    return tl.images.fromarray(array, engine=engine)


CUTS = [
    ("auto", None),
    (2, None),
    ((2, 3), (1, 1)),
    ((2, 3), None),
    ((5, 6), 5),
    ((3, 4), (2, 0)),
    ("0.024", None),
    ("0.0001", None),
    ("1M", None),
]


@pytest.mark.parametrize(("chunk_size", "padding"), CUTS)
def test_blocks_and_back(images, array, chunk_size, padding):
    blocks = images.toblocks(chunk_size, padding)
    assert (blocks.shape, blocks.dtype) == ((4, 5, 6), "int16")
    np.testing.assert_array_equal(blocks.toimages().toarray(), array, strict=True)
    np.testing.assert_array_equal(blocks.toseries().toarray(), np.moveaxis(array, 0, -1))
    np.testing.assert_array_equal(blocks.toarray(), array, strict=True)
    np.testing.assert_array_equal(blocks.values, array, strict=True)
    mapped = blocks.map(lambda block: block * 2)
    np.testing.assert_array_equal(mapped.toimages().toarray(), array * 2, strict=True)


@pytest.mark.parametrize("shape", [(2, 7, 7), (3, 4, 5, 6), (1, 1, 1)])
@pytest.mark.parametrize("chunk_size", [1, 3, 4])
def test_the_last_block_may_be_smaller(engine, shape, chunk_size):
    """Thunder stripped a short last block by the nominal padding."""
    images = tl.images.fromrandom(shape, engine=engine)
    blocks = images.toblocks(chunk_size, padding=1)
    found = blocks.map(lambda block: block).toimages()
    np.testing.assert_array_equal(found.toarray(), images.toarray(), strict=True)


def test_each_block_reaches_into_its_neighbours(images, array):
    blocks = images.toblocks((2, 3), (1, 1))
    shapes = [block.shape for block in blocks.collect_blocks()]
    assert shapes == [(4, h, w) for h, w in ((3, 4), (3, 4), (4, 4), (4, 4), (2, 4), (2, 4))]
    np.testing.assert_array_equal(blocks.first(), array[:, :3, :4])
    assert (blocks.blockshape, blocks.padding, blocks.count()) == ((4, 2, 3), (0, 1, 1), 6)
    assert type(blocks.count()) is int


def test_sizes_as_text_are_kilobytes_of_one_image(engine):
    images = tl.images.fromarray(np.zeros((10, 100, 100), np.int16), engine=engine)
    assert images.toblocks("1").blockshape == (10, 5, 100)
    assert images.toblocks("0.1k").blockshape == (10, 1, 50)
    assert images.toblocks("auto").blockshape == (10, 100, 100)


@pytest.mark.parametrize(
    ("chunk_size", "padding"),
    [(0, None), ((2,), None), ("x", None), (2, 3), (2, -1), (2, "a"), (1.5, None)],
)
def test_cuts_that_make_no_sense(images, chunk_size, padding):
    with pytest.raises(SpecError, match=r"chunk_size=|padding="):
        images.toblocks(chunk_size, padding)


def test_map_may_change_what_is_not_cut(images, array):
    blocks = images.toblocks((2, 6), padding=(1, 0))
    means = blocks.map(lambda block: block.mean(axis=0, keepdims=True))
    assert means.shape == (1, 5, 6)
    np.testing.assert_allclose(means.toarray(), array.mean(axis=0))
    thin = blocks.map(lambda block: block[:, :, ::2])
    np.testing.assert_array_equal(thin.toimages().toarray(), array[:, :, ::2], strict=True)


def test_map_may_not_change_what_is_cut(images):
    blocks = images.toblocks((2, 3))
    with pytest.raises(ValueError, match=r"block \(0, 0\)"):
        blocks.map(lambda block: block[:, 1:])
    with pytest.raises(NotImplementedError) as caught:
        blocks.map(lambda block: block[0])
    assert isinstance(caught.value, NotOnEngineError)


def test_map_of_a_block_that_does_not_fit_next_to_the_others(images):
    def odd(block):
        return block[:2] if block[0, 0, 0] == 15 else block

    with pytest.raises(SpecError, match=r"block \(1, 1\)"):
        images.toblocks((2, 3)).map(odd).toarray()


def test_map_in_a_user_function_names_the_block(images):
    def fail(block):
        if block[0, 0, 0] == 15:
            raise KeyError("lost")
        return block

    with pytest.raises(tl.errors.WorkerFailedError, match="lost") as caught:
        images.toblocks((2, 3)).map(fail).toarray()
    assert caught.value.key == (1, 1)


def test_map_calls_nothing_when_shape_and_dtype_are_given(images):
    def never(block):
        raise AssertionError

    if images.engine.lazy:  # others compute at once
        images.toblocks((2, 3)).map(never, value_shape=(4, 2, 3), dtype="int16")


def test_map_generic_gives_anything_in_the_shape_of_the_grid(images):
    found = images.toblocks((2, 3)).map_generic(lambda block: {"top": int(block.max())})
    assert (found.shape, found.dtype) == ((3, 2), object)
    assert found[2, 1] == {"top": 119}
    ragged = images.toblocks((2, 3)).map_generic(lambda block: list(block.shape))
    assert ragged[2, 0] == [4, 1, 3]


def test_blocks_of_volumes(engine):
    volumes = tl.images.fromrandom((3, 4, 5, 6), engine=engine)
    blocks = volumes.toblocks((2, 5, 4), padding=(1, 0, 2))
    assert blocks.blockshape == (3, 2, 5, 4)
    np.testing.assert_array_equal(blocks.toarray(), volumes.toarray())
    np.testing.assert_array_equal(
        blocks.toseries().toarray(), np.moveaxis(volumes.toarray(), 0, -1)
    )


def random_movie(engine, shape=(5, 7, 7), dtype="int16"):
    array = np.random.default_rng(1).integers(0, 100, shape).astype(dtype)
    return tl.images.fromarray(array, engine=engine), array


def test_bug_blocks_smaller_than_an_element_were_a_name_error(engine):
    images, array = random_movie(engine, (3, 2, 2))
    blocks = images.toblocks("0.000001")
    assert blocks.blockshape == (3, 1, 1)
    np.testing.assert_array_equal(blocks.toarray(), array)


def test_bug_auto_was_known_by_the_identity_of_its_text(engine):
    images, array = random_movie(engine)
    auto = "".join(["au", "to"])  # equal to the literal, and not the same object
    assert images.toblocks(auto).blockshape == images.toblocks("auto").blockshape
    np.testing.assert_array_equal(images.toseries(auto).toarray(), np.moveaxis(array, 0, -1))


def test_bug_a_map_over_blocks_forgot_their_padding(engine):
    images, array = random_movie(engine)
    mapped = images.toblocks((3, 3), padding=1).map(lambda block: block * 2)
    assert mapped.padding == (0, 1, 1)
    np.testing.assert_array_equal(mapped.toimages().toarray(), array * 2)


def test_bug_a_short_last_block_lost_more_than_its_padding(engine):
    images, array = random_movie(engine, (2, 7, 7))
    blocks = images.toblocks(3, padding=2)
    np.testing.assert_array_equal(blocks.toimages().toarray(), array)
    np.testing.assert_array_equal(blocks.toseries().toarray(), np.moveaxis(array, 0, -1))
    assert [block.shape[1] for block in blocks.collect_blocks()[::3]] == [5, 6, 3]


def test_bug_chunks_that_split_a_later_axis_scrambled_the_records(engine):
    images, array = random_movie(engine, (3, 4, 6))
    expected = np.moveaxis(array, 0, -1)
    np.testing.assert_array_equal(images.toseries((2, 3)).toarray(), expected)
    np.testing.assert_array_equal(images.toblocks((2, 3), 1).toseries().toarray(), expected)
