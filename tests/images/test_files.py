"""Images out to files and in again, on every engine."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

import thunderlike as tl
from thunderlike.errors import ExistsError, FormatError, NotFoundError, SpecError


@pytest.fixture
def array():
    return np.random.default_rng(1).integers(0, 255, (12, 6, 5)).astype(np.uint8)


@pytest.fixture
def images(array, engine):
    return tl.images.fromarray(array, engine=engine)


READ = {
    "tobinary": tl.images.frombinary,
    "totif": tl.images.fromtif,
    "topng": tl.images.frompng,
}


@pytest.mark.parametrize("write", READ)
def test_out_and_in_again(images, array, engine, write, tmp_path):
    folder = tmp_path / "a folder with späces"
    getattr(images, write)(folder)
    found = READ[write](folder, engine=engine)
    np.testing.assert_array_equal(found.toarray(), array, strict=True)
    names = sorted(path.name for path in folder.iterdir())
    assert "SUCCESS" in names
    assert any(name.startswith("image-00011.") for name in names)


@pytest.mark.parametrize("dtype", ["int16", "uint16", "float32", "float64", "bool"])
@pytest.mark.parametrize("shape", [(4, 6, 5), (4, 3, 6, 5)])
def test_binary_and_tiff_of_every_dtype(engine, tmp_path, dtype, shape):
    values = (np.random.default_rng(1).random(shape) * 2).astype(dtype)
    images = tl.images.fromarray(values, engine=engine)
    images.tobinary(tmp_path / "bin")
    images.totif(tmp_path / "tif")
    for found in (tl.images.frombinary(tmp_path / "bin"), tl.images.fromtif(tmp_path / "tif")):
        np.testing.assert_array_equal(found.toarray(), values, strict=True)
    assert json.loads((tmp_path / "bin/conf.json").read_text()) == {
        "shape": list(shape[1:]),
        "dtype": dtype,
    }
    page = tifffile.imread(tmp_path / "tif" / "image-00002.tif")
    np.testing.assert_array_equal(page, values[2])


def test_png_needs_the_limits_of_other_dtypes(engine, tmp_path):
    images = tl.images.fromarray(np.array([[[0.0, 0.5], [1.0, np.nan]]]), engine=engine)
    with pytest.raises(SpecError, match=r"not float64; .* give topng vmin and vmax"):
        images.topng(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    images.topng(tmp_path / "out", vmin=0, vmax=1)
    assert np.asarray(Image.open(tmp_path / "out/image-00000.png")).tolist() == [[0, 128], [255, 0]]


@pytest.mark.parametrize(
    ("dtype", "limits", "said"),
    [
        ("complex64", {"vmin": 0, "vmax": 1}, "real numbers, not complex64"),
        ("float64", {"vmin": np.nan, "vmax": 1}, "finite numbers, not nan and 1"),
        ("int16", {"vmin": 0, "vmax": np.inf}, "finite numbers, not 0 and inf"),
        ("int16", {"vmax": 1}, "both vmin and vmax"),
    ],
)
def test_png_refuses_limits_that_scale_nothing(tmp_path, dtype, limits, said):
    images = tl.images.fromarray(np.ones((2, 3, 4), dtype))
    with pytest.raises(SpecError, match=said):
        images.topng(tmp_path / "out", **limits)
    assert not (tmp_path / "out").exists()


def test_a_target_that_holds_something_is_left_alone(images, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="thesis") as caught:
        images.totif(tmp_path)
    assert isinstance(caught.value, ExistsError)
    with pytest.raises(tl.ThunderlikeError, match="thesis"):
        images.totif(tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_overwrite_replaces_all_that_was_ours(images, tmp_path):
    folder = tmp_path / "out"
    images.totif(folder)
    images[:3].totif(folder, overwrite=True)
    assert tl.images.fromtif(folder).count() == 3


def test_what_fails_in_the_middle_leaves_nothing(images, tmp_path):
    def fail(kv):
        if kv[0] == (7,):
            raise ValueError("bad frame")
        return kv[1]

    with pytest.raises(tl.ThunderlikeError, match="bad frame"):
        images.map(fail, with_keys=True).totif(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_start_and_stop_are_a_slice(images, array, engine, tmp_path):
    images.tobinary(tmp_path / "out")
    for start, stop in ((2, 5), (None, -1), (-3, None)):
        found = tl.images.frombinary(tmp_path / "out", start=start, stop=stop, engine=engine)
        np.testing.assert_array_equal(found.toarray(), array[start:stop])
    with pytest.raises(SpecError, match="none of the 12 files"):
        tl.images.frombinary(tmp_path / "out", stop=0, engine=engine)


def test_fortran_order(engine, tmp_path):
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    for i, image in enumerate(values):
        (tmp_path / f"{i}.bin").write_bytes(image.tobytes(order="F"))
    found = tl.images.frombinary(tmp_path, shape=(3, 4), order="F", engine=engine)
    np.testing.assert_array_equal(found.toarray(), values, strict=True)


def test_planes_of_binary_files_are_cut_from_the_last_axis(engine, tmp_path):
    values = np.arange(48, dtype=np.int16).reshape(2, 2, 3, 4)
    for i, image in enumerate(values):
        (tmp_path / f"{i}.bin").write_bytes(image.tobytes())
    found = tl.images.frombinary(tmp_path, shape=(2, 3, 4), nplanes=2, engine=engine)
    expected = np.stack([v[..., p : p + 2] for v in values for p in (0, 2)])
    np.testing.assert_array_equal(found.toarray(), expected)
    single = tl.images.frombinary(tmp_path, shape=(2, 3, 4), nplanes=1, engine=engine)
    assert single.shape == (8, 2, 3)
    with pytest.raises(SpecError, match="3"):
        tl.images.frombinary(tmp_path, shape=(2, 3, 4), nplanes=3, engine=engine)


def test_what_the_caller_says_goes_before_conf(images, engine, tmp_path):
    images.tobinary(tmp_path / "out")
    with pytest.warns(UserWarning, match="shape"):
        found = tl.images.frombinary(tmp_path / "out", shape=(5, 6), engine=engine)
    assert found.shape == (12, 5, 6)


def test_pages_become_a_movie(engine, tmp_path):
    pages = [np.arange(n * 12, dtype=np.uint16).reshape(n, 3, 4) for n in (4, 1, 6)]
    for i, stack in enumerate(pages):
        tifffile.imwrite(tmp_path / f"{i}.tif", stack, photometric="minisblack")
    movie = tl.images.fromtif(tmp_path, nplanes=1, engine=engine)
    np.testing.assert_array_equal(movie.toarray(), np.concatenate(pages), strict=True)
    with pytest.raises(ValueError, match=r"1\.tif: 1 pages"):
        tl.images.fromtif(tmp_path, nplanes=2, engine=engine)
    with pytest.warns(UserWarning, match=r"1\.tif: left out"):
        pairs = tl.images.fromtif(tmp_path, nplanes=2, discard_extra=True, engine=engine)
    assert pairs.shape == (5, 2, 3, 4)


def test_a_single_page_is_not_cut_into_rows(engine, tmp_path):
    """Thunder made three images of one row each."""
    tifffile.imwrite(tmp_path / "0.tif", np.zeros((3, 4), np.uint8))
    assert tl.images.fromtif(tmp_path, nplanes=1, engine=engine).shape == (1, 3, 4)


def test_paths_of_every_kind(images, engine, tmp_path):
    images.totif(tmp_path / "out")
    assert tl.images.fromtif(tmp_path / "out" / "image-00003.tif", engine=engine).count() == 1
    assert tl.images.fromtif(str(tmp_path / "out/image-0000?.tif"), engine=engine).count() == 10
    two = [tmp_path / "out" / f"image-0000{i}.tif" for i in (5, 2)]
    assert tl.images.fromtif(two, engine=engine).count() == 2
    assert tl.images.fromtif(tmp_path, recursive=True, engine=engine).count() == 12


def test_nothing_there(engine, tmp_path):
    with pytest.raises(FileNotFoundError, match="absent") as caught:
        tl.images.frombinary(tmp_path / "absent", engine=engine)
    assert isinstance(caught.value, NotFoundError)


def test_no_shape_given(engine, tmp_path):
    (tmp_path / "0.bin").write_bytes(b"12345678")
    with pytest.raises(SpecError, match="shape="):
        tl.images.frombinary(tmp_path, engine=engine)


def test_a_truncated_binary_is_named_before_anything_is_read(images, engine, tmp_path):
    images.tobinary(tmp_path / "out")
    (tmp_path / "out/image-00007.bin").write_bytes(b"short")
    with pytest.raises(FormatError, match=r"image-00007\.bin: expected 30 bytes.*found 5"):
        tl.images.frombinary(tmp_path / "out", engine=engine)


def test_a_tiff_of_another_size_is_named(images, engine, tmp_path):
    images.totif(tmp_path / "out")
    tifffile.imwrite(tmp_path / "out/image-00007.tif", np.zeros((3, 3), np.uint8))
    with pytest.raises(FormatError, match=r"image-00007\.tif.*\(3, 3\).*\(6, 5\)"):
        tl.images.fromtif(tmp_path / "out", engine=engine).toarray()


@pytest.mark.parametrize("data", [b"", b"II*\0", b"not a tiff at all"])
def test_a_broken_tiff_is_named(images, engine, tmp_path, data):
    images.totif(tmp_path / "out")
    (tmp_path / "out/image-00007.tif").write_bytes(data)
    with pytest.raises(FormatError, match=r"image-00007\.tif"):
        tl.images.fromtif(tmp_path / "out", engine=engine).toarray()


def test_a_png_named_tif_is_reported(images, engine, tmp_path):
    images.topng(tmp_path / "out")
    with pytest.raises(FormatError, match="PNG"):
        tl.images.fromtif(tmp_path / "out", ext="png", engine=engine)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("stored", ["<i2", ">i2"])
def test_binary_movies_of_frames_one_after_the_other(tmp_path, engine, order, stored):
    movie = np.arange(6 * 4 * 5, dtype=stored).reshape(6, 4, 5)
    for number, part in enumerate((movie[:2], movie[2:])):
        data = b"".join(frame.tobytes(order) for frame in part)
        (tmp_path / f"{number}.bin").write_bytes(data)
    options = {"shape": (4, 5), "dtype": stored, "order": order, "engine": engine}
    frames = tl.images.frombinary(tmp_path, nplanes=1, **options)
    np.testing.assert_array_equal(frames.toarray(), movie)
    pairs = tl.images.frombinary(tmp_path, nplanes=2, **options)
    np.testing.assert_array_equal(pairs.toarray(), movie.reshape(3, 2, 4, 5))
    assert pairs.dtype.isnative
    for wrong in (0, 4):
        with pytest.raises(tl.ThunderlikeError, match="nplanes"):
            tl.images.frombinary(tmp_path, nplanes=wrong, **options)


@pytest.mark.parametrize("nplanes", [None, 1, 2, 4])
def test_binary_in_fortran_order_is_cut_as_in_c_order(tmp_path, engine, nplanes):
    volumes = np.arange(3 * 2 * 3 * 4, dtype="u1").reshape(3, 2, 3, 4)
    for order in "CF":
        (tmp_path / order).mkdir()
        for number, volume in enumerate(volumes):
            (tmp_path / order / f"{number}.bin").write_bytes(volume.tobytes(order))
    c, f = (
        tl.images.frombinary(
            tmp_path / order, (2, 3, 4), "u1", nplanes=nplanes, order=order, engine=engine
        )
        for order in "CF"
    )
    np.testing.assert_array_equal(c.toarray(), f.toarray())
    assert c.shape == f.shape


def test_any_files_of_a_folder_that_we_wrote(tmp_path, engine):
    images = tl.images.fromrandom((5, 4, 3))
    images.tonpy(tmp_path / "all.npy")
    images.totif(tmp_path / "tif")
    images.tobinary(tmp_path / "bin")
    tif = tl.images.frompath(tmp_path / "tif", start=1, stop=-1, engine=engine)
    np.testing.assert_array_equal(tif.toarray(), images.toarray()[1:-1])
    binary = tl.images.frompath(
        tmp_path / "bin", lambda data: np.frombuffer(data).reshape(4, 3), engine=engine
    )
    np.testing.assert_array_equal(binary.toarray(), images.toarray())


SIZE = {"z": 2.0, "y": 0.25, "x": 0.5}


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float64"])
def test_what_an_ome_file_tells_is_written_back(tmp_path, engine, dtype):
    volume = np.arange(3 * 8 * 9, dtype=dtype).reshape(3, 8, 9)
    metadata = {f"PhysicalSize{axis.upper()}": size for axis, size in SIZE.items()}
    metadata |= {"axes": "ZYX", "TimeIncrement": 0.1, "Plane": {"DeltaT": [0.0, 0.5, 1.5]}}
    tifffile.imwrite(tmp_path / "a.tif", volume, ome=True, metadata=metadata)
    images = tl.images.fromtif(tmp_path / "a.tif", engine=engine)
    assert (images.attrs["pixel_size"], images.attrs["frame_times"]) == (SIZE, [0.0, 0.5, 1.5])
    images.totif(tmp_path / "same")
    same = tl.images.fromtif(tmp_path / "same")
    assert same.attrs == images.attrs  # with all of the XML
    np.testing.assert_array_equal(same.toarray(), volume)
    other = images.astype("float64" if dtype != "float64" else "int16")
    other.totif(tmp_path / "other")
    back = tl.images.fromtif(tmp_path / "other")
    assert back.attrs["pixel_size"] == SIZE
    assert back.attrs["frame_interval"] == 0.1
    np.testing.assert_array_equal(back.toarray(), other.toarray(), strict=True)
    images.totif(tmp_path / "again")
    written = [next((tmp_path / name).glob("*.tif")).read_bytes() for name in ("same", "again")]
    assert written[0] == written[1]


@pytest.mark.parametrize("ome", ["nonsense", "<OME><Image/></OME>", 7])
def test_what_is_no_description_of_an_image_is_not_written(tmp_path, ome):
    images = tl.images.fromarray(np.zeros((2, 3, 4), "u1"))
    images.attrs = {"ome": ome}
    images.totif(tmp_path / "out")
    assert "ome" not in tl.images.fromtif(tmp_path / "out").attrs


def test_pixel_sizes_of_png(tmp_path, engine):
    images = tl.images.fromarray(np.zeros((2, 3, 4), "u1"), engine=engine)
    images.attrs = {"pixel_size": SIZE}
    images.topng(tmp_path / "out")
    found = tl.images.frompng(tmp_path / "out", engine=engine)
    assert found.attrs == {"pixel_size": {"y": 0.25, "x": 0.5}}
    images.attrs = {}
    images.topng(tmp_path / "none")
    assert tl.images.frompng(tmp_path / "none").attrs == {}


@pytest.mark.parametrize(
    "text", ["<OME><Image/></OME>", "<OME", "<OME><Image><Pixels/></Image></OME>"]
)
def test_pixels_are_read_whatever_the_description_is(tmp_path, text):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((2, 3), "u1"), description=text, metadata=None)
    assert tl.images.fromtif(tmp_path / "a.tif").toarray().sum() == 6


def random_movie(engine, shape=(5, 7, 7), dtype="int16"):
    array = np.random.default_rng(1).integers(0, 100, shape).astype(dtype)
    return tl.images.fromarray(array, engine=engine), array


def test_bug_stop_at_0_was_ignored(engine, tmp_path):
    images, _ = random_movie(engine, (3, 2, 2))
    images.tobinary(tmp_path / "movie")
    with pytest.raises(SpecError, match="0"):
        tl.images.frombinary(tmp_path / "movie", start=0, stop=0, engine=engine)
    assert len(tl.images.frombinary(tmp_path / "movie", stop=-1, engine=engine)) == 2


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_bug_tiff_files_of_a_bucket_could_not_be_listed(engine, request, tmp_path, place):
    folder = str(tmp_path) if place == "folder" else request.getfixturevalue("bucket")
    images, array = random_movie(engine, (3, 4, 5))
    images.totif(f"{folder}/movie")
    for ext in ("tif", "tiff"):
        found = tl.images.fromtif(f"{folder}/movie", ext=ext, engine=engine)
        np.testing.assert_array_equal(found.toarray(), array)


def test_bug_planes_of_binary_files_had_fractions_as_keys(engine, tmp_path):
    images, array = random_movie(engine, (2, 3, 4, 6))
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
