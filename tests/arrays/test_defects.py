"""Defects of the original, by name, and the behaviour here."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from scipy import ndimage

from thunderlike import arrays
from thunderlike.errors import (
    BadIndexError,
    ExistsError,
    NotFoundError,
    SpecError,
    StorageError,
    ThunderlikeError,
    WrongTypeError,
)

RNG = np.random.default_rng(0)


# Defaults and common keywords


def test_default_processes_was_the_machines_count_taken_once_at_import():
    import thunderlike as tl

    with tl.config(workers=3):
        assert arrays.default_processes == 3
    with tl.config(workers=1):
        assert arrays.initialize_processing() == (1, None)


def test_assigning_the_default_was_not_enough(monkeypatch):
    monkeypatch.setattr(arrays, "default_processes", 7, raising=False)
    assert arrays.initialize_processing(return_blocks=True) == (7, None, 70)
    monkeypatch.setattr(arrays, "default_blocks_per_process", 2)
    assert arrays.initialize_processing(return_blocks=True) == (7, None, 14)


def test_cutoff_was_dead(monkeypatch):
    from thunderlike.arrays import reductions

    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr(reductions, "_in_blocks", never)
    assert arrays.where([0, 1], cutoff=3).tolist() == [1]
    with pytest.raises(AssertionError):
        arrays.where([0, 1], cutoff=2)


@pytest.mark.parametrize("processes", [0, -1, "foo", 2.0, True])
def test_processes_0_gave_zeros_and_others_failed_late_or_in_silence(processes):
    with pytest.raises(ValueError, match="processes must be a whole number >= 1"):
        arrays.apply_lut([0, 1], [1, 2], processes=processes)


def test_processes_of_another_type_is_a_type_error():
    with pytest.raises(TypeError, match="processes"):
        arrays.where([0, 1], processes=None if False else 1.5)


def test_blocks_0_gave_an_empty_result():
    with pytest.raises(ValueError, match="blocks must be a whole number >= 1 or None, not 0"):
        arrays.block_sums([0, 1], blocks=0)


def test_results_were_wrapped_in_sources():
    assert type(arrays.apply_lut([0, 1], [1, 2])) is np.ndarray


def test_block_sums_leaked_a_memoryview():
    assert type(arrays.block_sums([1, 2], 1)) is np.ndarray


# Sources and sinks


def test_a_missing_file_was_a_memmap_without_shape(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.npy: no such file"):
        arrays.read(tmp_path / "nothing.npy")


def test_only_seven_dtypes_were_supported():
    for dtype in ("i1", "i2", "u8", "f2", "f8", "?"):
        assert arrays.where(np.array([0, 1], dtype)).tolist() == [1]
        assert arrays.correlate1d(np.array([0, 1], dtype), [2]).tolist() == [0, 2]


def test_an_ambiguous_type_was_not_named():
    with pytest.raises(TypeError, match="complex128"):
        arrays.where(np.zeros(3, complex))
    with pytest.raises(TypeError, match="object"):
        arrays.correlate1d(np.array([None]), [1])


def test_paths_had_to_be_text(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(3))
    assert arrays.read(tmp_path / "x.npy").tolist() == [0, 1, 2]
    assert arrays.read(str(tmp_path / "x.npy")).tolist() == [0, 1, 2]


def test_a_c_source_with_an_f_sink_was_rejected():
    source, sink = np.arange(6).reshape(2, 3), np.zeros((2, 3), order="F")
    assert arrays.apply_lut(source, np.arange(6.0) * 2, sink) is sink
    np.testing.assert_array_equal(sink, source * 2)


def test_a_sink_with_gaps_was_rejected():
    wide = np.zeros((4, 6))
    arrays.apply_lut(np.arange(6).reshape(2, 3), np.arange(6.0), wide[::2, ::2])
    np.testing.assert_array_equal(wide[::2, ::2], np.arange(6).reshape(2, 3))
    assert not wide[1::2].any()


def test_a_sink_of_another_dtype_was_rejected():
    sink = np.zeros(2, np.float32)
    arrays.apply_lut([0, 1], np.array([0.5, 1.5]), sink)
    assert sink.tolist() == [0.5, 1.5]
    with pytest.raises(TypeError, match=r"the sink is int32 and cannot hold .* float64"):
        arrays.apply_lut([0, 1], [0.5, 1.5], np.zeros(2, np.int32))


def test_a_sink_that_shares_memory_was_not_noticed():
    values = np.arange(10)
    expected = values[::-1].copy()
    arrays.apply_lut(values[::-1], np.arange(10), values)
    np.testing.assert_array_equal(values, expected)


def test_an_omitted_sink_takes_the_order_of_the_source():
    source = np.asfortranarray(RNG.integers(0, 5, (4, 5)))
    assert arrays.apply_lut(source, np.arange(5)).flags.f_contiguous
    assert arrays.correlate1d(source, [1, 1]).flags.f_contiguous


def test_shared_memory_no_longer_ran_with_numpy_2():
    shared = arrays.read(np.arange(5), memory="shared")
    assert type(shared).__name__ == "SharedMemoryArray"
    assert shared.tolist() == [0, 1, 2, 3, 4]


def test_as_1d_gave_strides_of_another_array():
    with pytest.raises(ValueError, match="as_1d needs a contiguous array"):
        arrays.initialize_source(np.zeros((4, 4))[:, ::2], as_1d=True, return_strides=True)


def test_a_sink_without_shape_was_made_of_anything():
    with pytest.raises(ValueError, match="a new sink needs a shape and a dtype"):
        arrays.initialize_sink(shape=(2,))


def test_an_early_return_did_not_finalize(capsys):
    arrays.where(np.zeros((2, 2, 2, 2)), verbose=True)
    with pytest.raises(TypeError):
        arrays.correlate1d([0.5], [1], sink=np.zeros(1, "M8[s]"), verbose=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["where"] * 2 + ["correlate1d"] * 2
    assert lines[1].startswith("where: elapsed time: 0:00:0")


# apply_lut


def test_an_index_beyond_the_table_returned_stray_memory(form):
    source = np.zeros((5, 9), np.uint8)
    source[3, 7] = 200
    with pytest.raises(IndexError, match=r"lookup index 200 at position \(3, 7\) is outside 0..3"):
        arrays.apply_lut(source, [1.0, 2.0, 3.0, 4.0])


def test_an_index_far_beyond_the_table_killed_the_process(form):
    with pytest.raises(IndexError, match="1000000000000 at position"):
        arrays.apply_lut([10**12], [1.0])


def test_minus_1_returned_stray_memory(form):
    with pytest.raises(IndexError, match=r"lookup index -1 at position \(1,\)"):
        arrays.apply_lut([0, -1], [1.0, 2.0])


def test_an_empty_table_returned_stray_memory(form):
    with pytest.raises(IndexError, match="outside the table, which is empty"):
        arrays.apply_lut([0], np.zeros(0))
    assert arrays.apply_lut(np.zeros((0, 3), int), np.zeros(0)).shape == (0, 3)


def test_a_float_source_was_ambiguous():
    with pytest.raises(TypeError, match="whole numbers or bool, not float64"):
        arrays.apply_lut([0.5], [1.0])


# apply_lut_to_index


def test_neighbourhoods_were_of_three_axes_only(form):
    for ndim in (1, 2, 4):
        source = RNG.integers(0, 2, (4,) * ndim, np.int16)
        kernel = np.ones((3,) * ndim, np.int16)
        found = arrays.apply_lut_to_index(source, kernel, np.arange(3**ndim + 1, dtype="u1"))
        expected = ndimage.correlate(source.astype(int), kernel, mode="constant")
        np.testing.assert_array_equal(found, expected)


def test_products_of_floats_were_truncated_before_the_sum():
    with pytest.raises(TypeError, match="whole numbers, not of float64"):
        arrays.apply_lut_to_index([0.5, 0.5], [1, 1], [0, 1])


def test_a_sum_beyond_the_table_was_not_checked(form):
    with pytest.raises(IndexError, match=r"sum of .* is outside the table's 0..3; .* from 0 to 6"):
        arrays.apply_lut_to_index(np.array([1, 2, 3], "i2"), [1, 1], np.arange(4, dtype="u1"))


# correlate1d


def test_one_axis_gave_garbage(form):
    assert arrays.correlate1d([1, 2, 3], [1, 1, 1]).tolist() == [3, 6, 5]


def test_four_axes_corrupted_the_heap(form):
    source = RNG.normal(size=(3, 4, 2, 5))
    expected = ndimage.correlate1d(source, [1.0, 2.0, 4.0], 2, mode="constant")
    np.testing.assert_array_equal(arrays.correlate1d(source, [1.0, 2.0, 4.0], axis=2), expected)


def test_a_source_with_gaps_gave_wrong_values(form):
    source = RNG.normal(size=(6, 8))[::2, ::-2]
    expected = ndimage.correlate1d(source, [1.0, 2.0, 4.0], 0, mode="constant")
    np.testing.assert_array_equal(arrays.correlate1d(source, [1.0, 2.0, 4.0]), expected)


def test_axis_minus_1_corrupted_the_heap():
    assert arrays.correlate1d([[1, 2], [3, 4]], [1, 1], axis=-1).tolist() == [[1, 3], [3, 7]]


def test_an_axis_that_there_is_not_crashed():
    with pytest.raises(IndexError, match=r"axis 2 is out of bounds for an array of shape \(2, 2\)"):
        arrays.correlate1d(np.zeros((2, 2)), [1], axis=2)


def test_a_kernel_as_long_as_the_axis_gave_an_uninitialised_array(form):
    assert arrays.correlate1d([1, 2], [1, 10, 100, 1000]).tolist() == [2100, 210]


def test_whole_numbers_wrapped_in_silence():
    found = arrays.correlate1d(np.array([200, 255], np.uint8), [3])
    assert (found.dtype, found.tolist()) == (np.dtype(np.uint16), [600, 765])


def test_what_stands_beyond_the_ends_does_not_wrap_either(form):
    found = arrays.correlate1d(np.array([7, 0], np.uint8), [1, 2], cval=-300)
    assert (found.dtype, found.tolist()) == (np.dtype(np.int16), [-286, 7])
    found = arrays.correlate1d(np.array([7, 0], np.uint8), [1, 2], cval=-300, mode="nearest")
    assert (found.dtype, found.tolist()) == (np.dtype(np.uint16), [21, 7])


def test_large_whole_numbers_lost_digits(form):
    assert arrays.correlate1d([2**53 + 1], [1]).tolist() == [2**53 + 1]


def test_floats_were_truncated_towards_zero_in_a_sink_of_integers(form):
    sink = np.zeros(4, np.uint8)
    arrays.correlate1d([3.7, -2.0, 300.0, np.nan], [1.0], sink)
    assert sink.tolist() == [4, 0, 255, 0]


def test_in_place_was_not_safe(form):
    values = RNG.normal(size=(50, 3))
    expected = ndimage.correlate1d(values, [4.0, 2.0, 1.0], 0, mode="constant")
    assert arrays.correlate1d(values, [4.0, 2.0, 1.0], values) is values
    np.testing.assert_array_equal(values, expected)


def test_an_empty_kernel():
    with pytest.raises(ValueError, match="at least one number"):
        arrays.correlate1d([1, 2], [])


# where


def test_two_axes_had_a_misspelt_kernel(form):
    assert arrays.where([[0, 1], [2, 0]], cutoff=0).tolist() == [[0, 1], [1, 0]]


def test_four_axes_raised_the_warning(form):
    source = RNG.integers(0, 2, (2, 3, 2, 3))
    np.testing.assert_array_equal(arrays.where(source, cutoff=0), np.argwhere(source))


def test_the_order_of_rows_depended_on_blocks(form):
    source = RNG.integers(0, 2, (6, 5, 4))
    for blocks in (1, 2, 3, 7, 1000):
        found = arrays.where(source, blocks=blocks, cutoff=0)
        np.testing.assert_array_equal(found, np.argwhere(source))


def test_negative_numbers_and_nan_were_missed(form):
    assert arrays.where([-1, 0, 2, -3.5, np.nan], cutoff=0).tolist() == [0, 2, 3, 4]


def test_one_axis_had_two_shapes(form):
    assert arrays.where([5]).shape == arrays.where([5], cutoff=0).shape == (1,)
    assert arrays.where(np.zeros(0)).shape == arrays.where(np.zeros(0), cutoff=0).shape == (0,)


def test_a_sink_given_as_a_path_failed(form, tmp_path):
    for cutoff in (0, 100):
        found = arrays.where([0, 1, 1], sink=tmp_path / "x.npy", cutoff=cutoff)
        assert isinstance(found, np.memmap)
        assert np.load(tmp_path / "x.npy").tolist() == [1, 2]


def test_a_sink_must_have_the_exact_shape_or_be_asked_for_its_count():
    with pytest.raises(ValueError, match=r"the sink has shape \(3,\), the result has \(2,\)"):
        arrays.where([1, 0, 1], np.zeros(3, int))
    sink = np.full(3, 9)
    found, count = arrays.where([1, 0, 1], sink, return_count=True)
    assert found is sink
    assert (count, sink.tolist()) == (2, [0, 2, 9])


# neighbours


def test_unsorted_indices_missed_pairs(form):
    assert arrays.neighbours([5, 1, 2, 9, 4], 1).tolist() == [[1, 2], [4, 0]]


def test_duplicates_gave_one_partner_only(form):
    assert arrays.neighbours([1, 1, 2, 2], 1).tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]


def test_the_cost_grew_with_the_offset():
    from thunderlike.arrays.neighbors import merge

    class Counting(list):
        looked = 0

        def __getitem__(self, i):
            Counting.looked += 1
            return list.__getitem__(self, i)

    n, nothing = 300, np.empty((0, 2), int)
    for offset in (1, 100, 10_000):
        values = Counting(range(n))
        values.size, Counting.looked = n, 0
        empty = np.empty(0, int)
        merge.loops(values, 1, n, offset, empty, empty, nothing)
        assert Counting.looked < 8 * n


def test_lists_and_int32_were_errors(form):
    assert arrays.neighbours(np.array([1, 2], np.int32), 1).tolist() == [[0, 1]]
    assert arrays.neighbours([1, 2], -1).tolist() == [[1, 0]]


def test_index_neighbours_had_no_kernel(tmp_path):
    np.save(tmp_path / "x.npy", [1, 2, 4, 5, 9])
    assert arrays.index_neighbours(tmp_path / "x.npy", 1).tolist() == [[0, 1], [2, 3]]


def test_neighbours_wrapped_over_the_ends_of_rows(form):
    image = RNG.integers(0, 2, (5, 7, 4))
    indices, coords = np.flatnonzero(image), np.argwhere(image)
    for offset in ((0, 0, 1), (0, -1, 0), (1, 1, -1)):
        found = arrays.neighbours(indices, offset, shape=image.shape)
        i, j = np.nonzero((coords[None] == coords[:, None] + offset).all(axis=2))
        np.testing.assert_array_equal(found, np.stack([i, j], axis=1))


def test_offsets_beyond_int64_have_no_partners(form):
    ends = np.iinfo(np.int64)
    assert arrays.neighbours([ends.min, 0, ends.max], 1).tolist() == []
    assert arrays.neighbours([ends.min, 0, ends.max], ends.max).tolist() == [[1, 2]]
    assert arrays.neighbours([0, 1], 2**70).tolist() == []


# block_ranges, block_sums


def test_ranges_were_rounded_by_floats():
    size = 2**61 + 1
    huge = np.broadcast_to(np.zeros((), np.uint8), (size,))
    assert arrays.block_ranges(huge, 3).tolist() == [i * size // 3 for i in range(4)]
    assert arrays.block_ranges([], 3).tolist() == [0]
    assert arrays.block_ranges(range(5), 10).tolist() == [0, 1, 2, 3, 4, 5]


def test_block_sums_counted_what_is_above_0():
    assert arrays.block_sums(np.arange(-3, 7), 2).tolist() == [-5, 20]
    assert arrays.block_sums(np.arange(-3, 7), 2, op="count").tolist() == [4, 5]


# read and write


def test_only_contiguous_parts_could_be_read(tmp_path):
    values = np.asfortranarray(RNG.integers(0, 99, (6, 7, 8)))
    np.save(tmp_path / "x.npy", values)
    for part in (3, slice(3, 7), np.s_[..., 2], np.s_[1:5:2, ::-1], np.s_[:, 2, 3], np.s_[1, 2, 3]):
        found = arrays.read(tmp_path / "x.npy", slicing=part)
        np.testing.assert_array_equal(found, values[part])
    with pytest.raises(TypeError, match="slicing takes whole numbers, slices and Ellipsis"):
        arrays.read(tmp_path / "x.npy", slicing=[1, 2])
    with pytest.raises(
        BadIndexError, match=r"index 9 is out of range for an array of shape \(6, 7, 8\)"
    ):
        arrays.read(tmp_path / "x.npy", slicing=9)


def test_a_truncated_file_had_an_uninitialised_tail(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(1000))
    with path.open("r+b") as file:
        file.truncate(5000)
    with pytest.raises(OSError, match="truncated: expected 8000 bytes, found 4872"):
        arrays.read(path)


def test_a_file_cut_while_it_is_read_is_an_error_too(tmp_path):
    from thunderlike import _system
    from thunderlike.arrays import io
    from thunderlike.arrays.blockwise import Work

    path, values = tmp_path / "x.bin", np.zeros(100, np.uint8)
    path.write_bytes(bytes(60))
    work = Work("read", 3, 2, verbose=False)
    with pytest.raises(StorageError, match="it is truncated"):
        io._ranges(_system.preadv, path, io.os.O_RDONLY, 0, values, work, str(path))


def test_unknown_keywords_were_swallowed():
    for name in arrays.__all__:
        function = getattr(arrays, name)
        if callable(function) and name != "index_neighbours":
            kinds = {p.kind for p in inspect.signature(function).parameters.values()}
            assert inspect.Parameter.VAR_KEYWORD not in kinds
    with pytest.raises(TypeError):
        arrays.index_neighbours([1], 1, processors=2)


def test_tif_could_not_be_read_or_written(tmp_path):
    values = RNG.integers(0, 99, (5, 6, 7)).astype(np.uint16)
    path = tmp_path / "x.tif"
    assert arrays.write(path, values) == path
    np.testing.assert_array_equal(arrays.read(path), values, strict=True)
    np.testing.assert_array_equal(arrays.read(path, slicing=np.s_[1:4, 2]), values[1:4, 2])


def test_overwrite_did_not_replace_a_file_of_another_shape(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(100))
    arrays.write(path, np.arange(3))
    assert np.load(path).tolist() == [0, 1, 2]


def test_overwrite_false_had_an_unformatted_message(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, [1])
    with pytest.raises(ExistsError, match=r"x.npy: exists already; give overwrite=True"):
        arrays.write(path, [2], overwrite=False)
    assert np.load(path).tolist() == [1]


def test_a_source_with_gaps_and_int16_could_not_be_written(tmp_path):
    values = np.arange(20, dtype=np.int16).reshape(4, 5)[::2, ::-2]
    np.testing.assert_array_equal(arrays.write(tmp_path / "x.npy", values), values, strict=True)


def test_a_slice_of_the_wrong_shape_overwrote_its_neighbours(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((6, 2)))
    with pytest.raises(ValueError, match=r"the sink has shape \(2, 2\), the result has \(4, 2\)"):
        arrays.write(path, np.ones((4, 2)), slicing=slice(1, 3))
    assert not np.load(path).any()


def test_a_slice_of_another_dtype_wrote_raw_bytes(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((4, 2)))
    np.save(path.with_name("y.npy"), np.zeros((4, 2), np.int32))
    whole = arrays.write(path, np.ones((2, 2), np.float32), slicing=slice(1, 3))
    assert np.load(path).tolist() == whole.tolist() == [[0, 0], [1, 1], [1, 1], [0, 0]]
    with pytest.raises(TypeError, match="cannot hold"):
        arrays.write(path.with_name("y.npy"), np.ones(2), slicing=0)


def test_a_part_of_no_file(tmp_path):
    with pytest.raises(NotFoundError):
        arrays.write(tmp_path / "x.npy", [1], slicing=0)


def test_every_error_is_ours():
    for error in (
        BadIndexError,
        ExistsError,
        NotFoundError,
        SpecError,
        StorageError,
        WrongTypeError,
    ):
        assert issubclass(error, ThunderlikeError)
