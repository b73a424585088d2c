"""Files elsewhere are read in few requests, wherever in them one looks."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile

import thunderlike as tl
from thunderlike import storage
from thunderlike.storage._open import open_file
from thunderlike.storage.memory import MemoryStore


@pytest.fixture
def asked(monkeypatch):
    """Ranges that are asked for of the memory's files."""
    ranges = []
    read = MemoryStore.read_range

    def spy(self, path, start, length):
        ranges.append((start, length))
        return read(self, path, start, length)

    monkeypatch.setattr(MemoryStore, "read_range", spy)
    return ranges


@pytest.fixture
def put():
    places = []

    def write(data):
        places.append(f"memory://opening/{len(places)}")
        storage.write(places[-1], data)
        return places[-1]

    yield write
    storage.delete("memory://opening")


DATA = np.random.default_rng(0).bytes(2**24)


def numbers_at(path, starts):
    with open_file(path) as stream:
        found = []
        for start in starts:
            stream.seek(start)
            found.append(stream.read(8))
    return found


@pytest.mark.parametrize(
    ("step", "most"),
    [(2**17, 6), (2**17 + 5, 6), (2**19, 40), (2**21, 10), (-(2**20), 20), (2**10, 16)],
)
def test_reads_at_even_distances_are_what_stands_there(put, asked, step, most):
    starts = range(0, len(DATA), step) if step > 0 else range(len(DATA) - 2**20, -1, step)
    starts = list(starts)[:2000]
    assert numbers_at(put(DATA), starts) == [DATA[at : at + 8] for at in starts]
    assert len(asked) <= max(most, len(starts) // 8)


def test_reads_anywhere_are_what_stands_there(put):
    rng = np.random.default_rng(1)
    starts = [*np.sort(rng.integers(0, len(DATA), 40)), *rng.integers(0, len(DATA), 40)]
    assert numbers_at(put(DATA), map(int, starts)) == [DATA[at : at + 8] for at in starts]


def test_uneven_steps_that_are_short_are_read_over(put, asked):
    starts = np.cumsum(np.random.default_rng(2).integers(10**4, 2**18, 100)).tolist()
    assert numbers_at(put(DATA), starts) == [DATA[at : at + 8] for at in starts]
    assert len(asked) < 10


def test_a_part_is_brought_in_one_request(put, asked):
    with open_file(put(DATA), (100, 10**6)) as stream:
        stream.seek(5000)
        assert stream.read(10**5) == DATA[5000:105000]
        stream.seek(300)
        assert stream.read(8) == DATA[300:308]
        assert asked == [(100, 10**6 - 100)]
        stream.seek(10**6 - 4)
        assert stream.read(8) == DATA[10**6 - 4 : 10**6 + 4]


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("side", [64, 512])
def test_pages_with_their_headers_between_them(put, asked, bigtiff, compression, side):
    """A microscope writes page by page: 60 of them are not 120 requests."""
    movie = np.random.default_rng(0).integers(0, 9, (60, side, side)).astype("u2")
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, bigtiff=bigtiff) as tiff:
        for page in movie:
            tiff.write(page, contiguous=False, compression=compression, metadata=None)
    path = put(stream.getvalue())
    np.testing.assert_array_equal(tl.images.fromtif(path, nplanes=1).toarray(), movie)
    # Of pages of 512 KiB each header is asked for, but those at once.
    assert len(asked) < (140 if side == 512 else 40)
