"""What every engine must do; each test runs on all of them."""

from __future__ import annotations

import operator
from dataclasses import dataclass

import numpy as np
import pytest

from thunderlike.engines import ArraySource, Spec
from thunderlike.engines.base import Kernel, SourceDefaults
from thunderlike.engines.shuffle import Transpose
from thunderlike.errors import FormatError, NotOnEngineError, SpecError, WorkerFailedError


@dataclass
class Block(Kernel):
    """A kernel out of a plain function of the block."""

    function: object
    vectorised: bool = True
    processes: int = 1

    def __call__(self, start, block):
        return self.function(start, block)


@pytest.fixture
def array():
    return np.arange(11 * 3 * 4, dtype=np.int16).reshape(11, 3, 4)


@pytest.fixture
def records(engine, array):
    return engine.load(ArraySource(array))


def test_load_keeps_values_shape_and_dtype(records, array):
    assert records.spec == Spec(11, (3, 4), np.dtype("int16"))
    np.testing.assert_array_equal(records.collect(), array, strict=True)


def test_records_are_loaded_on_the_engine_of_their_size(engine, records):
    assert records.engine is engine.sized(records.spec)


def test_load_of_no_records(engine):
    records = engine.load(ArraySource(np.empty((0, 5), np.float32)))
    np.testing.assert_array_equal(records.collect(), np.empty((0, 5), np.float32), strict=True)
    assert list(records.map(Block(lambda start, b: b), (5,), np.dtype("f4")).collect()) == []


@pytest.mark.parametrize("span", [(0, None), (0, 1), (3, 7), (10, 11), (4, 4), (5, 99)])
def test_collect_a_range(records, array, span):
    np.testing.assert_array_equal(records.collect(*span), array[slice(*span)], strict=True)


def test_stream_gives_all_blocks_in_order(records, array):
    chunks = list(records.stream())
    assert [start for start, _ in chunks] == sorted(start for start, _ in chunks)
    np.testing.assert_array_equal(np.concatenate([block for _, block in chunks]), array)


def test_a_kernel_knows_where_its_block_starts(records):
    def number(start, block):
        return np.arange(start, start + len(block))

    mapped = records.map(Block(number), (), np.dtype("int64"))
    assert mapped.collect().tolist() == list(range(11))


def test_map_casts_to_the_declared_dtype(records, array):
    mapped = records.map(Block(lambda start, b: b * 2.0), (3, 4), np.dtype("float32"))
    np.testing.assert_array_equal(mapped.collect(), (array * 2).astype("float32"), strict=True)


def test_map_refuses_another_shape_than_declared(records):
    mapped = pytest.raises(SpecError)
    with mapped as caught:
        records.map(Block(lambda start, b: b[:, 0]), (3, 4), np.dtype("int16")).collect()
    assert "(4,)" in str(caught.value)
    assert "(3, 4)" in str(caught.value)


def test_objects_are_records_too(records):
    def each(start, block):
        out = np.empty(len(block), object)
        for i, record in enumerate(block):
            out[i] = {"sum": int(record.sum()), "number": start + i}
        return out

    found = records.map(Block(each, vectorised=False), (), np.dtype(object)).collect()
    assert [f["number"] for f in found] == list(range(11))


@pytest.mark.parametrize(
    "rows", [[0, 3, 4, 10], [], [5], [3, 1, 2], [10, 0, 0, 10], list(range(10, -1, -1))]
)
def test_take_in_any_order(records, array, rows):
    taken = records.take(np.array(rows, np.int64))
    np.testing.assert_array_equal(taken.collect(), array[rows], strict=True)
    doubled = taken.map(Block(lambda start, b: b * 2), (3, 4), np.dtype("int16"))
    np.testing.assert_array_equal(doubled.collect(), array[rows] * 2)


def test_combine_pairs_by_number(engine, records, array):
    other = engine.load(ArraySource(array * 10), npartitions=2)
    total = records.combine(other, operator.add, (3, 4), np.dtype("int16"))
    np.testing.assert_array_equal(total.collect(), array * 11, strict=True)


def test_concat_numbers_the_records_of_all(engine, records, array):
    more = engine.load(ArraySource(array[:3] * 10), npartitions=1)
    none = engine.load(ArraySource(array[:0]))
    joined = records.concat([none, more, records])
    expected = np.concatenate([array, array[:3] * 10, array])
    assert joined.spec == Spec(25, (3, 4), np.dtype("int16"))
    np.testing.assert_array_equal(joined.collect(), expected, strict=True)
    np.testing.assert_array_equal(joined.collect(9, 16), expected[9:16])
    np.testing.assert_array_equal(
        joined.take(np.array([24, 0, 12])).collect(), expected[[24, 0, 12]]
    )
    number = joined.map(Block(lambda start, b: start + np.arange(len(b))), (), np.dtype("int64"))
    assert number.collect().tolist() == list(range(25))


def test_regroup_there_and_back(records, array):
    there = records.regroup(Transpose(records.spec, (11,)))
    np.testing.assert_array_equal(there.collect(), array.reshape(11, 12).T, strict=True)
    back = there.regroup(Transpose(there.spec, (3, 4)))
    np.testing.assert_array_equal(back.collect(), array, strict=True)


def test_aggregate_merges_in_order(records, array):
    sums = records.aggregate(lambda start, b: [int(r.sum()) for r in b], operator.add)
    assert sums == array.sum(axis=(1, 2)).tolist()


def test_aggregate_over_nothing_is_one_partial_of_nothing(engine):
    records = engine.load(ArraySource(np.empty((0, 2))))
    assert records.aggregate(lambda start, b: b.shape, operator.add) == (0, 2)


@pytest.mark.parametrize("npartitions", [1, 3, 30])
def test_repartition_keeps_values_and_order(records, array, npartitions):
    spread = records.repartition(npartitions)
    np.testing.assert_array_equal(spread.collect(), array, strict=True)


def test_cache_changes_nothing_but_the_flag(records, array):
    records.cache()
    assert records.iscached
    np.testing.assert_array_equal(records.collect(), array)
    records.uncache()
    np.testing.assert_array_equal(records.collect(), array)


def test_an_error_keeps_its_class_message_and_key(records):
    def fail(start, block):
        if start + len(block) == 11:
            raise WorkerFailedError("record (10,) is odd", key=(10,), traceback="line\nof code")
        return block

    with pytest.raises(WorkerFailedError, match=r"record \(10,\) is odd") as caught:
        records.map(Block(fail), (3, 4), np.dtype("int16")).collect()
    assert caught.value.key == (10,)
    assert caught.value.traceback == "line\nof code"


class Broken(SourceDefaults):
    """A source that cannot be read."""

    spec = Spec(11, (3, 4), np.dtype("int16"))

    def read(self, start, stop, out):
        raise FormatError("image-00003.bin: expected 24 bytes, found 5")


def test_a_source_that_fails_says_so(engine):
    with pytest.raises(FormatError, match=r"image-00003.bin"):
        engine.load(Broken()).collect()


@pytest.mark.parametrize("ordered", [True, False])
def test_pairs_out_and_in_again(engine, array, ordered):
    pairs = [((i,), record) for i, record in enumerate(array)]
    native = _native(engine, pairs if ordered else pairs[::-1])
    records = engine.adopt(native, None, None, ordered=ordered)
    np.testing.assert_array_equal(records.collect(), array, strict=True)


def test_adopt_places_by_key_shape(engine, array):
    keys = [(i, j) for i in range(3) for j in range(2)]
    pairs = [(key, array[n]) for n, key in enumerate(keys)]
    records = engine.adopt(_native(engine, pairs[::-1]), (3, 2), None, ordered=False)
    np.testing.assert_array_equal(records.collect(), array[:6], strict=True)


def test_adopt_refuses_two_records_of_one_key(engine, array):
    native = _native(engine, [((1,), array[0]), ((1,), array[1])])
    with pytest.raises(SpecError, match="key"):
        engine.adopt(native, None, None, ordered=False).collect()


def test_adopt_refuses_keys_that_do_not_fill_the_shape(engine, array):
    native = _native(engine, [((0, 0), array[0]), ((0, 1), array[1])])
    with pytest.raises(SpecError):
        engine.adopt(native, (2, 2), None, ordered=False).collect()


def test_adopt_refuses_records_of_different_shape(engine, array):
    native = _native(engine, [((0,), array[0]), ((1,), array[1][:2])])
    with pytest.raises(SpecError, match=r"\(2, 4\)"):
        engine.adopt(native, None, None, ordered=False).collect()


def _native(engine, pairs):
    """Pairs in the engine's own form, in three parts."""
    return engine.spread([pairs[:4], pairs[4:5], pairs[5:]], iter)


def test_lazy_says_when_records_are_made(engine):
    if not engine.lazy:
        with pytest.raises(FormatError):
            engine.load(Broken())
        return
    records = engine.load(Broken())
    records = records.map(Block(lambda start, b: b), (3, 4), np.dtype("int16"))
    assert not records.in_memory
    with pytest.raises(FormatError):
        records.collect()


def test_in_memory_records_are_an_array_and_others_compute_when_asked(records, array):
    values = records.array((11,))
    assert isinstance(values, np.ndarray) == records.in_memory
    assert values.shape == array.shape
    np.testing.assert_array_equal(np.asarray(values), array, strict=True)
    if records.in_memory:
        assert np.shares_memory(records.collect(), values)


def test_a_source_may_be_an_array_already(engine, array):
    class Held(SourceDefaults):
        spec = Spec(11, (3, 4), np.dtype("int16"))
        array = property(lambda self: held)

        def read(self, start, stop, out):
            out[...] = held[start:stop]

    held = array
    np.testing.assert_array_equal(engine.load(Held()).collect(), array, strict=True)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_kernel_may_ask_for_processes(records, array, processes):
    kernel = Block(lambda start, b: b * 2, vectorised=False, processes=processes)
    doubled = records.map(kernel, (3, 4), np.dtype("int16"))
    np.testing.assert_array_equal(doubled.collect(), array * 2, strict=True)


def test_items_of_parts_are_spread_in_order(engine):
    native = engine.spread([3, 0, 2], range)
    assert engine.run_partitions(native, lambda n, attempt, items: list(items), here=True) == [
        [0, 1, 2, 0, 1]
    ]
    assert engine.default_npartitions >= 1


def test_a_task_runs_once_for_each_partition(engine):
    native = engine.spread([3, 2], range)
    found = engine.run_partitions(native, lambda n, attempt, items: (n, attempt, list(items)))
    assert [number for number, _, _ in found] == list(range(len(found)))
    assert [item for _, _, items in found for item in items] == [0, 1, 2, 0, 1]
    assert len({attempt for _, attempt, _ in found} - {""}) in (0, len(found))


@pytest.mark.parametrize("here", [False, True])
def test_a_task_runs_over_the_blocks_of_each_partition(records, array, here):
    def task(number, attempt, blocks):
        return number, [(start, block) for start, block in blocks]

    found = records.run_partitions(task, here=here)
    assert len(found) == (1 if here else records.npartitions)
    assert [number for number, _ in found] == list(range(len(found)))
    blocks = [block for _, blocks in found for block in blocks]
    assert [start for start, _ in blocks] == sorted(start for start, _ in blocks)
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), array)


def test_an_error_of_a_task_keeps_its_class(engine, records):
    def fail(number, attempt, items):
        raise FormatError("part-00000.bin: no room")

    with pytest.raises(FormatError, match="no room"):
        records.run_partitions(fail)
    with pytest.raises(FormatError, match="no room"):
        engine.run_partitions(engine.spread([3], range), fail)


def test_pairs_out_are_those_that_come_in(engine, array):
    records = engine.load(ArraySource(array[:6]))
    if engine.name in ("local", "disk"):  # whose own form is an array
        with pytest.raises(NotOnEngineError, match=r"\.toarray\(\)"):
            records.native((3, 2))
        return
    again = engine.adopt(records.native((3, 2)), (3, 2), None, ordered=True)
    np.testing.assert_array_equal(again.collect(), array[:6], strict=True)
    (pairs,) = engine.run_partitions(
        records.native((3, 2)), lambda n, attempt, pairs: list(pairs), here=True
    )
    assert [key for key, _ in pairs] == list(np.ndindex(3, 2))
