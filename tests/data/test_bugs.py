"""What Thunder got wrong and must not come back, on every engine.

A test for each of its known bugs that has no test beside the method it was in.
"""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

import thunderlike as tl
from thunderlike.errors import FormatError, SpecError


def movie(engine, shape=(5, 7, 7), dtype="int16"):
    array = np.random.default_rng(1).integers(0, 100, shape).astype(dtype)
    return tl.images.fromarray(array, engine=engine), array


def test_bug_iterating_over_images_never_ended(engine):
    images, array = movie(engine)
    assert len(images) == 5
    np.testing.assert_array_equal(list(images), array)
    with pytest.raises(IndexError, match="5"):
        images[5]


def test_bug_sums_overflowed_on_spark(engine):
    images = tl.images.fromarray(np.full((300, 2, 2), 200, "uint8"), engine=engine)
    np.testing.assert_array_equal(images.sum(), np.full((1, 2, 2), 60000, "uint64"), strict=True)


@pytest.mark.parametrize("make", [tl.images.fromarray, tl.series.fromarray])
def test_bug_labels_were_dropped_and_not_even_checked_on_construction(engine, make):
    array = np.arange(6.0).reshape(3, 2)
    array = array[:, :, None] if make is tl.images.fromarray else array
    assert make(array, labels=list("xyz"), engine=engine).labels.tolist() == ["x", "y", "z"]
    with pytest.raises(SpecError, match="2"):
        make(array, labels=list("xy"), engine=engine)


def test_bug_blocks_smaller_than_an_element_were_a_name_error(engine):
    images, array = movie(engine, (3, 2, 2))
    blocks = images.toblocks("0.000001")
    assert blocks.blockshape == (3, 1, 1)
    np.testing.assert_array_equal(blocks.toarray(), array)


def test_bug_auto_was_known_by_the_identity_of_its_text(engine):
    images, array = movie(engine)
    auto = "".join(["au", "to"])  # equal to the literal, and not the same object
    assert images.toblocks(auto).blockshape == images.toblocks("auto").blockshape
    np.testing.assert_array_equal(images.toseries(auto).toarray(), np.moveaxis(array, 0, -1))


def test_bug_a_map_over_blocks_forgot_their_padding(engine):
    images, array = movie(engine)
    mapped = images.toblocks((3, 3), padding=1).map(lambda block: block * 2)
    assert mapped.padding == (0, 1, 1)
    np.testing.assert_array_equal(mapped.toimages().toarray(), array * 2)


def test_bug_a_short_last_block_lost_more_than_its_padding(engine):
    images, array = movie(engine, (2, 7, 7))
    blocks = images.toblocks(3, padding=2)
    np.testing.assert_array_equal(blocks.toimages().toarray(), array)
    np.testing.assert_array_equal(blocks.toseries().toarray(), np.moveaxis(array, 0, -1))
    assert [block.shape[1] for block in blocks.collect_blocks()[::3]] == [5, 6, 3]


def test_bug_max_min_projection_overflowed(engine):
    images = tl.images.fromarray(np.full((2, 3, 4), 30000, "int16"), engine=engine)
    np.testing.assert_array_equal(images.max_min_projection(1).toarray(), np.full((2, 3), 60000))


def test_bug_localcorr_cut_the_fractions_off_what_it_compared_with(engine):
    images, _ = movie(engine, (40, 6, 6))
    small = images.map(lambda x: x % 6)
    found, exact = small.localcorr(2), small.astype("float64").localcorr(2)
    np.testing.assert_allclose(found, exact, atol=1e-12)


def test_bug_fromlist_ignored_the_order_of_keys(engine):
    items = [np.full((2, 2), value) for value in (3, 1, 2)]
    images = tl.images.fromlist(iter(items), keys=[2, 0, 1], engine=engine)
    assert images.toarray()[:, 0, 0].tolist() == [1, 2, 3]


def test_bug_stop_at_0_was_ignored(engine, tmp_path):
    images, _ = movie(engine, (3, 2, 2))
    images.tobinary(tmp_path / "movie")
    with pytest.raises(SpecError, match="0"):
        tl.images.frombinary(tmp_path / "movie", start=0, stop=0, engine=engine)
    assert len(tl.images.frombinary(tmp_path / "movie", stop=-1, engine=engine)) == 2


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_bug_tiff_files_of_a_bucket_could_not_be_listed(engine, request, tmp_path, place):
    folder = str(tmp_path) if place == "folder" else request.getfixturevalue("bucket")
    images, array = movie(engine, (3, 4, 5))
    images.totif(f"{folder}/movie")
    for ext in ("tif", "tiff"):
        found = tl.images.fromtif(f"{folder}/movie", ext=ext, engine=engine)
        np.testing.assert_array_equal(found.toarray(), array)


def test_bug_planes_of_binary_files_had_fractions_as_keys(engine, tmp_path):
    images, array = movie(engine, (2, 3, 4, 6))
    images.tobinary(tmp_path / "movie")
    planes = tl.images.frombinary(tmp_path / "movie", nplanes=2, engine=engine)
    keys = planes.map(lambda pair: np.array(pair[0]), with_keys=True)
    np.testing.assert_array_equal(keys.toarray(), np.arange(6))
    np.testing.assert_array_equal(planes.first(), array[0, :, :, :2])


def test_bug_the_rows_of_a_single_page_were_taken_for_pages(engine, tmp_path):
    page = np.arange(12, dtype="uint8").reshape(3, 4)
    tifffile.imwrite(tmp_path / "page.tif", page)
    images = tl.images.fromtif(tmp_path / "page.tif", nplanes=1, engine=engine)
    np.testing.assert_array_equal(images.toarray(squeeze=False), page[np.newaxis])
    with pytest.raises(ValueError, match=r"page\.tif: 1 pages"):
        tl.images.fromtif(tmp_path / "page.tif", nplanes=3, engine=engine).toarray()


def test_bug_text_lost_its_dtype_its_last_line_and_what_followed_a_comma(engine, tmp_path):
    (tmp_path / "a.txt").write_text("# two records\n1, 2,3\n\n4\t5 6")
    series = tl.series.fromtext(tmp_path / "a.txt", dtype="int32", labels=[7, 8], engine=engine)
    expected = np.array([[1, 2, 3], [4, 5, 6]], "int32")
    np.testing.assert_array_equal(series.toarray(), expected, strict=True)
    assert series.labels.tolist() == [7, 8]
    (tmp_path / "b.txt").write_text("1 2\n3\n")
    with pytest.raises(FormatError, match=r"b\.txt.*2"):
        tl.series.fromtext(tmp_path / "b.txt", engine=engine).toarray()


def test_bug_series_of_binary_files_failed_with_an_array_as_index(engine, tmp_path):
    series = tl.series.fromarray(np.arange(6.0).reshape(3, 2), engine=engine)
    series.tobinary(tmp_path / "series")
    index = np.array([0.5, 1.5])
    found = tl.series.frombinary(tmp_path / "series", index=index, labels=[4, 5, 6], engine=engine)
    np.testing.assert_array_equal(found.index, index)
    assert found.labels.tolist() == [4, 5, 6]


def test_bug_chunks_that_split_a_later_axis_scrambled_the_records(engine):
    images, array = movie(engine, (3, 4, 6))
    expected = np.moveaxis(array, 0, -1)
    np.testing.assert_array_equal(images.toseries((2, 3)).toarray(), expected)
    np.testing.assert_array_equal(images.toblocks((2, 3), 1).toseries().toarray(), expected)


def test_bug_images_of_one_pixel_had_no_series(engine):
    images, array = movie(engine, (4, 1, 1))
    series = images.toseries()
    assert series.shape == (1, 1, 4)
    np.testing.assert_array_equal(series.toarray(squeeze=False), array.T)


def test_bug_coalesce_changed_the_object_itself(engine):
    images, array = movie(engine)
    before, fewer = images.npartitions, images.coalesce(1)
    assert images.npartitions == before
    np.testing.assert_array_equal(fewer.toarray(), array)


@pytest.mark.spark
def test_bug_a_map_ran_a_second_time_on_data_made_up(spark_context):
    images, array = movie(spark_context)
    seen = spark_context.accumulator(0)

    def look(x):
        assert x.tolist() in array.tolist(), "made-up data"
        seen.add(1)
        return x

    images.map(look).toarray()
    assert seen.value == 1 + len(array)  # the first record once more, for shape and dtype
