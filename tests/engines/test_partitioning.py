"""How records are cut into chunks and partitions: pure arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import thunderlike as tl
from thunderlike.engines import Spec
from thunderlike.engines.partitioning import by_size, exchange_bytes
from thunderlike.errors import SpecError

MIB = 2**20


def ranges(layout):
    return [chunk for _, chunk in layout.chunks()]


@given(
    count=st.integers(0, 300),
    npartitions=st.none() | st.integers(1, 40),
    slots=st.integers(1, 16),
    chunk_bytes=st.integers(1, 4000),
)
def test_chunks_cover_all_records_once_and_in_order(count, npartitions, slots, chunk_bytes):
    layout = by_size(Spec(count, (5,), np.dtype("float32")), slots, npartitions, chunk_bytes)
    covered = [i for start, stop in ranges(layout) for i in range(start, stop)]
    assert covered == list(range(count))
    assert all(stop > start for start, stop in ranges(layout))


def test_small_data_has_a_partition_a_slot():
    layout = by_size(Spec(500, (256, 256), np.dtype("int16")), 2, None, 4 * MIB)
    assert len(layout.partitions) == 2


def test_partitions_of_large_images_hold_many_of_them():
    layout = by_size(Spec(100_000, (2048, 2048), np.dtype("int16")), 800, None, 4 * MIB)
    assert len(layout.partitions) == -(-100_000 // 64)
    series = Spec(2048**2, (100_000,), np.dtype("int16"))
    whole = by_size(series, 800, None, 256 * MIB)
    assert len(whole.partitions) == len(whole.chunks())  # no partition of a chunk and a bit
    assert 0 <= len(whole.partitions) - series.nbytes / (256 * MIB) < 5
    few = by_size(Spec(40, (8192, 8192), np.dtype("int16")), 16, None, 4 * MIB)
    assert len(few.partitions) == 16


def test_large_data_has_partitions_of_64_mib():
    layout = by_size(Spec(2**13, (512, 512), np.dtype("int16")), 2, None, 4 * MIB)
    assert len(layout.partitions) == 64


def test_never_more_partitions_than_records():
    assert len(by_size(Spec(3, (4,)), 8, 100, MIB).partitions) == 3


def test_a_record_that_cannot_travel_says_what_to_do():
    with pytest.raises(SpecError, match="cut the images smaller"):
        by_size(Spec(2, (40000, 40000), np.dtype("float32")), 2, None, MIB)


@given(rows=st.sets(st.integers(0, 99)), npartitions=st.integers(1, 9))
def test_the_layout_after_picking_rows(rows, npartitions):
    layout = by_size(Spec(100, ()), 2, npartitions, 80)
    picked = layout.picked(np.array(sorted(rows), np.int64))
    covered = [i for start, stop in ranges(picked) for i in range(start, stop)]
    assert covered == list(range(len(rows)))
    assert len(picked.partitions) == len(layout.partitions)


@pytest.mark.parametrize(
    ("total", "slots", "expected"),
    [(65 * MIB, 2, 2.0), (1024 * MIB, 2, 8.0), (100 * 1024 * MIB, 800, 80.0), (2**40, 800, 256.0)],
)
def test_the_square_root_rule(total, slots, expected):
    """The sizes that pieces of 64 KiB ask for."""
    found = exchange_bytes(Spec(total // 1024, (1024,), np.dtype("uint8")), slots) / MIB
    assert expected * 0.9 <= found <= expected * 1.1


def test_settings_change_the_plan():
    spec = Spec(6400, (2**10,), np.dtype("uint8"))
    with tl.config(small_bytes=1, partition_bytes=2**20):
        assert len(by_size(spec, 2, None, MIB).partitions) == 7
