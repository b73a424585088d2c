"""TIFF files that state the axes of their pages, and those that do not."""

from __future__ import annotations

import io
import itertools
import struct
import uuid

import numpy as np
import pytest
import tifffile

import thunderlike as tl
from thunderlike.errors import BadIndexError, FormatError, SpecError
from thunderlike.formats import tiff

SIZES = {"T": 5, "Z": 3, "C": 2, "Y": 6, "X": 7, "S": 3, "A": 2, "Q": 4}


def values(axes, dtype="u2"):
    shape = [SIZES[axis] for axis in axes]
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def wanted(array, axes, channel=None):
    """Images as they are to be: time, then the planes of a volume, then the page."""
    if channel is not None:
        array, axes = array.take(channel, axes.index("C")), axes.replace("C", "")
    order = [axes.index(axis) for axis in "TZYXS" if axis in axes]
    turned = array.transpose(order)
    return turned if "T" in axes else turned[None]


def written(path, axes, kind):
    array = values(axes, "u1" if "S" in axes else "u2")
    options = {
        "imagej": {"imagej": True, "metadata": {"axes": axes}},
        "ome": {"ome": True, "metadata": {"axes": axes}},
        "shaped": {"metadata": {"axes": axes}},
        "truncated": {"metadata": {"axes": axes}, "truncate": True},
        "packed": {"metadata": {"axes": axes}, "compression": "packbits"},
    }[kind]
    photometric = "rgb" if "S" in axes else "minisblack"
    tifffile.imwrite(path, array, photometric=photometric, **options)
    return array


IMAGEJ = ["TZCYX", "TCYX", "ZCYX", "TZYX", "ZYX", "TYX", "CYX", "YX", "TYXS", "YXS", "TCYXS"]
ANY = ["".join(order) + "YX" for order in itertools.permutations("TZC")]


@pytest.mark.parametrize(
    ("kind", "axes"),
    [("imagej", axes) for axes in IMAGEJ]
    + [(kind, axes) for kind in ("ome", "shaped", "truncated", "packed") for axes in ANY],
)
def test_axes_are_used(tmp_path, kind, axes):
    array = written(tmp_path / "a.tif", axes, kind)
    for channel in range(2) if "C" in axes else (None, 0):
        images = tl.images.fromtif(tmp_path / "a.tif", channel=channel)
        expected = wanted(array, axes, channel if "C" in axes else None)
        assert images.shape == expected.shape
        np.testing.assert_array_equal(np.asarray(images).reshape(images.shape), expected)
        outer = [axis for axis in "TZ" if axis in axes]
        stated = images.attrs["axes"].replace("C", "")
        assert sorted(stated) == sorted([*outer, *"YX", *("S" if "S" in axes else "")])
        assert np.prod(images.attrs["axes_shape"]) == expected.size
    if "C" in axes and axes not in ("CYX",):
        with pytest.raises(SpecError, match=r"a\.tif: it has 2 channels.*channel=0 or channel=1"):
            tl.images.fromtif(tmp_path / "a.tif")
    pages = tl.images.fromtif(tmp_path / "a.tif", nplanes=1)
    page = array.shape[-3:] if "S" in axes else array.shape[-2:]
    expected = array.reshape(-1, *page)
    assert pages.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(pages).reshape(pages.shape), expected)


@pytest.mark.parametrize("kind", ["imagej", "truncated", "packed"])
@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_on_every_engine_from_every_place(tmp_path, kind, scheme, engine):
    array = written(tmp_path / "a.tif", "TZCYX", kind)
    path = tmp_path / "a.tif"
    if scheme == "memory":
        path = f"memory://axes-{uuid.uuid4()}/a.tif"
        tl.storage.write(path, (tmp_path / "a.tif").read_bytes())
    images = tl.images.fromtif(path, channel=1, engine=engine)
    expected = wanted(array, "TZCYX", 1)
    assert images.shape == (5, 3, 6, 7)
    np.testing.assert_array_equal(images.toarray(), expected)
    part = tl.images.fromtif(path, channel=1, start=1, stop=-1, engine=engine)
    np.testing.assert_array_equal(part.toarray(), expected[1:-1])


def test_a_folder_of_movies(tmp_path, engine):
    movies = [values("TYX")[:n] + n for n in (5, 1, 3)]
    for number, movie in enumerate(movies):
        options = {"imagej": True, "metadata": {"axes": "TYX"}}
        tifffile.imwrite(tmp_path / f"{number}.tif", movie, **options)
    images = tl.images.fromtif(tmp_path, engine=engine)
    np.testing.assert_array_equal(images.toarray(), np.concatenate(movies))
    two = tl.images.fromtif(tmp_path, stop=2, engine=engine)  # files, of a folder
    assert two.shape == (6, 6, 7)


def test_files_that_state_other_axes_than_the_first_are_refused(tmp_path):
    written(tmp_path / "0.tif", "ZYX", "imagej")
    tifffile.imwrite(tmp_path / "1.tif", values("ZYX"), imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(FormatError, match=r"1\.tif: holds 3 images, the first file one"):
        tl.images.fromtif(tmp_path)
    with pytest.raises(FormatError, match=r"0\.tif: its images have 3 planes"):
        tl.images.fromtif([tmp_path / "1.tif", tmp_path / "0.tif"])


def test_a_page_that_stands_alone_is_an_image_of_a_movie(tmp_path):
    written(tmp_path / "0.tif", "TYX", "imagej")
    tifffile.imwrite(tmp_path / "1.tif", values("YX"), metadata=None)
    assert tl.images.fromtif(tmp_path).shape == (6, 6, 7)


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (None, "does not state its axes"),
        ("QYX", "has axes Q"),
        ("TAYX", "has axes TA"),
        ("CYX", "its 2 channels are read as one volume"),
    ],
)
def test_one_warning_where_the_pages_may_be_a_movie(tmp_path, engine, axes, said):
    array = values(axes or "TYX")
    options = {} if axes is None else {"metadata": {"axes": axes}}
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", **options)
    with pytest.warns(UserWarning, match=f"a.tif: {said}.*nplanes=1") as heard:
        images = tl.images.fromtif(tmp_path / "a.tif", engine=engine)
    assert len(heard) == 1
    assert heard[0].filename == __file__
    np.testing.assert_array_equal(images.toarray(), array.reshape(-1, 6, 7))
    assert images.shape == (1, array.size // 42, 6, 7)


def test_a_folder_of_volumes_is_read_without_a_word(tmp_path, engine):
    for number in range(3):
        tifffile.imwrite(tmp_path / f"{number}.tif", values("ZYX"), photometric="minisblack")
    assert tl.images.fromtif(tmp_path, engine=engine).shape == (3, 3, 6, 7)


def test_an_imagej_file_that_names_no_axis_is_a_movie(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for number, page in enumerate(values("TYX")):
            said = b"ImageJ=1.48v\nmin=0.0\n" if number == 0 else None
            file.write(page, description=said, metadata=None, contiguous=False)
    np.testing.assert_array_equal(np.asarray(tl.images.fromtif(tmp_path / "a.tif")), values("TYX"))


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"channel": 2}, BadIndexError, "channel=2: it has 2"),
        ({"channel": -3}, BadIndexError, "channel=-3: it has 2"),
        ({"channel": 0, "nplanes": 1}, SpecError, "give one of them"),
        ({"start": 5}, SpecError, "start=5, stop=None leave none of its 5 records"),
    ],
)
def test_what_cannot_be_chosen(tmp_path, options, error, said):
    written(tmp_path / "a.tif", "TCYX", "shaped")
    with pytest.raises(error, match=said):
        tl.images.fromtif(tmp_path / "a.tif", **{"channel": 0, **options})


def test_a_channel_of_a_file_that_does_not_say_which_is_which(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", values("TYX"), metadata=None)
    with pytest.raises(SpecError, match=r"a\.tif: channel=0 needs .* give nplanes="):
        tl.images.fromtif(tmp_path / "a.tif", channel=0)


def test_a_volume_comes_back_as_it_was_written(tmp_path, engine):
    images = tl.images.fromarray(values("TZYX"), engine=engine)
    images.attrs = {"frame_interval": 0.5, "pixel_size": {"y": 2.0, "x": 2.0}}
    images.totif(tmp_path / "out")
    assert tl.images.fromtif(tmp_path / "out", engine=engine).shape == images.shape


SCANIMAGE = """SI.VERSION_MAJOR = 2018
SI.hChannels.channelSave = {channels}
SI.hStackManager.framesPerSlice = {frames}
SI.hStackManager.numSlices = {slices}
{more}"""


@pytest.mark.parametrize(
    ("channels", "frames", "slices", "more", "axes"),
    [
        ("1", "10", 1, "", "T"),
        ("[1;2]", "inf", 1, "", "TC"),
        ("[1 2]", "1", 3, "SI.hFastZ.enable = true\n", "TZC"),
        ("[1;2]", "1", 3, "SI.hStackManager.numVolumes = 5\n", "TZC"),
        ("[1;2]", "5", 3, "", "ZTC"),
        ("[1;2]", "10", 3, "SI.hScan2D.logAverageFactor = 2\n", "ZTC"),
    ],
)
@pytest.mark.parametrize("where", ["software", "description"])
def test_scanimage(tmp_path, channels, frames, slices, more, axes, where):
    array = values(axes + "YX", "i2")
    text = SCANIMAGE.format(channels=channels, frames=frames, slices=slices, more=more)
    if where == "description":
        text = text.replace("SI.", "scanimage.SI.")
    tifffile.imwrite(tmp_path / "a.tif", array, metadata=None, **{where: text}, bigtiff=True,
                     photometric="minisblack")  # fmt: skip
    channel = 1 if "C" in axes else None
    found = tl.images.fromtif(tmp_path / "a.tif", channel=channel)
    np.testing.assert_array_equal(found.toarray(), wanted(array, axes + "YX", channel))


OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" {root}>'
    '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="{order}" Type="uint16" SizeX="7" '
    'SizeY="6" SizeZ="{z}" SizeC="{c}" SizeT="{t}"><Channel Name="GFP"/><Channel Name="RFP"/>'
    "{data}</Pixels></Image></OME>"
)


def ome_file(path, pages, data="<TiffData/>", order="XYCZT", z=1, c=1, t=1, root=""):
    text = OME.format(root=root, order=order, z=z, c=c, t=t, data=data).encode()
    with tifffile.TiffWriter(path) as file:
        for number, page in enumerate(pages):
            described = text if number == 0 else None
            file.write(page, description=described, metadata=None, contiguous=False)
    return path


def test_pages_of_ome_files_stand_where_the_xml_says(tmp_path):
    """In no order of axes at all, and every page is found."""
    array = values("TZCYX")
    order = np.random.default_rng(2).permutation(30)
    data = "".join(
        f'<TiffData IFD="{page}" FirstT="{n // 6}" FirstZ="{n // 2 % 3}" FirstC="{n % 2}"/>'
        for page, n in enumerate(order)
    )
    path = ome_file(tmp_path / "a.tif", array.reshape(30, 6, 7)[order], data, z=3, c=2, t=5)
    with pytest.raises(SpecError, match=r"2 channels \(GFP, RFP\)"):
        tl.images.fromtif(path)
    found = tl.images.fromtif(path, channel=1)
    np.testing.assert_array_equal(np.asarray(found), array[:, :, 1])
    assert found.attrs["axes"] == "TZYX"
    assert "axes" not in tl.images.fromtif(path, nplanes=1).attrs


def test_a_file_of_a_set_holds_its_own_pages(tmp_path):
    """Its XML speaks of those of the others too."""
    data = "".join(
        f'<TiffData IFD="{t % 3}" FirstT="{t}" PlaneCount="1">'
        f'<UUID FileName="{t // 3}.tif">urn:uuid:{t // 3}</UUID></TiffData>'
        for t in range(6)
    )
    for file in range(2):
        root, pages = f'UUID="urn:uuid:{file}"', values("ZYX") + 100 * file
        ome_file(tmp_path / f"{file}.tif", pages, data, t=6, root=root)
    found = tl.images.fromtif(tmp_path)
    np.testing.assert_array_equal(
        np.asarray(found), np.concatenate([values("ZYX"), values("ZYX") + 100])
    )


@pytest.mark.parametrize(
    "data",
    [
        '<TiffData IFD="0" PlaneCount="3"/><TiffData IFD="1" FirstT="1"/>',
        '<TiffData IFD="0" PlaneCount="2"/>',
        "".join(f'<TiffData IFD="{p}" FirstT="{t}"/>' for p, t in enumerate([0, 1, 1])),
        f'<TiffData IFD="0" PlaneCount="1"/><TiffData IFD="{2**40}" FirstT="1" PlaneCount="2"/>',
        '<TiffData FirstT="-1"/>',
    ],
)
def test_axes_that_do_not_fit_the_pages_are_left_out(tmp_path, data):
    path = ome_file(tmp_path / "a.tif", values("ZYX"), data, t=3)
    assert "axes" not in tl.images.fromtif(path, nplanes=1).attrs
    with pytest.warns(UserWarning, match="does not state its axes"):
        assert tl.images.fromtif(path).shape == (1, 3, 6, 7)


@pytest.mark.parametrize(
    "said", ["ImageJ=1.5\nimages=5\nframes=5\n", '{"shape": [5, 6, 7], "axes": "TYX"}']
)
def test_more_pages_in_the_description_than_in_the_file(tmp_path, said):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for number, page in enumerate(values("ZYX")):
            described = said.encode() if number == 0 else None
            file.write(page, description=described, metadata=None, contiguous=False)
    found = tl.images.fromtif(tmp_path / "a.tif", nplanes=1)
    assert found.shape == (3, 6, 7)
    assert "axes" not in found.attrs


def test_times_of_a_channel_are_those_of_its_images(tmp_path):
    metadata = {"axes": "TCYX", "Plane": {"DeltaT": [0.1 * n for n in range(10)]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", values("TCYX"), ome=True, metadata=metadata)
    found = tl.images.fromtif(tmp_path / "a.ome.tif", channel=1).attrs
    assert found["frame_times"] == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])


# start and stop


@pytest.mark.parametrize(("start", "stop"), [(1, 4), (None, -1), (2, None), (-2, None)])
def test_start_and_stop_count_the_images_of_one_file(tmp_path, engine, start, stop):
    array = written(tmp_path / "a.tif", "TYX", "imagej")
    array.tofile(tmp_path / "a.bin")
    stored = tl.images.fromarray(array)
    stored.tonpy(tmp_path / "a.npy")
    stored.tohdf5(tmp_path / "a.h5")
    options = {"start": start, "stop": stop, "engine": engine}
    for images in (
        tl.images.fromtif(tmp_path / "a.tif", **options),
        tl.images.frombinary(tmp_path / "a.bin", (6, 7), "u2", nplanes=1, **options),
        tl.images.fromnpy(tmp_path / "a.npy", **options),
        tl.images.fromhdf5(tmp_path / "a.h5", **options),
    ):
        np.testing.assert_array_equal(images.toarray(), array[start:stop])


def test_chunks_of_a_part_of_one_file(tmp_path, engine):
    """Ranges that are read go on ending where chunks of the file do."""
    array = np.arange(40 * 42, dtype="u2").reshape(40, 6, 7)
    tl.images.fromarray(array).tohdf5(tmp_path / "a.h5")
    images = tl.images.fromhdf5(tmp_path / "a.h5", start=3, stop=31, engine=engine, npartitions=3)
    np.testing.assert_array_equal(images.toarray(), array[3:31])
    np.testing.assert_array_equal(images[5:9].toarray(), array[8:12])


# one header for all pages


def one_header(description=None, tags=(), *, pages=30, order="<"):
    """Header first, then all pixels: what large ImageJ movies and stacks of MetaMorph are."""
    movie = np.arange(pages * 6 * 7, dtype=order + "u2").reshape(pages, 6, 7)
    extra = list(tags)
    if description is not None:
        extra.append((270, 2, len(description), description))
    stream = io.BytesIO()
    tifffile.imwrite(stream, movie[0], metadata=None, byteorder=order, extratags=extra,
                     photometric="minisblack")  # fmt: skip
    data = stream.getvalue()
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        begin = file.pages.first.dataoffsets[0]
    return movie, data[:begin] + movie.tobytes()


UIC2 = (33629, 5, 30, (1, 1, 0, 0, 0, 0) * 10)
ANNOUNCED = {
    "ImageJ": (b"ImageJ=1.53t\nimages=30\nframes=30\n\0", ()),
    "ImageJ, images alone": (b"ImageJ=1.53t\nimages=30\n\0", ()),
    "ImageJ, frames alone": (b"ImageJ=1.53t\nframes=5\nslices=6\n\0", ()),
    "shaped": (b'{"shape": [30, 6, 7]}\0', ()),
}


@pytest.mark.parametrize("name", ANNOUNCED)
@pytest.mark.parametrize("order", "<>")
def test_one_header_for_all_pages(tmp_path, engine, name, order):
    movie, data = one_header(*ANNOUNCED[name], order=order)
    (tmp_path / "a.tif").write_bytes(data)
    images = tl.images.fromtif(tmp_path / "a.tif", nplanes=1, engine=engine)
    np.testing.assert_array_equal(images.toarray(), movie)
    assert tl.arrays.read(tmp_path / "a.tif").shape == movie.shape


@pytest.mark.parametrize("name", ANNOUNCED)
@pytest.mark.parametrize("lost", [1, 500, 29 * 84])
def test_one_header_whose_pages_are_cut_short(tmp_path, name, lost):
    _, data = one_header(*ANNOUNCED[name])
    (tmp_path / "a.tif").write_bytes(data[:-lost])
    for read in (
        tl.images.fromtif, tl.arrays.read, lambda path: tiff.decode(path.read_bytes()),
        lambda path: tl.images.fromtif(path, nplanes=1),
    ):  # fmt: skip
        with pytest.raises(FormatError, match="truncated TIFF file: pixels of the 30 pages"):
            read(tmp_path / "a.tif")


def metamorph(pages=10):
    """A stack as MetaMorph writes it: tag UIC2 has a number of entries of 24 bytes for a plane."""
    movie = np.arange(pages * 42, dtype="u2").reshape(pages, 6, 7)
    rows = [(256, 4, 1, 7), (257, 4, 1, 6), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)]
    head = 8 + 2 + 12 * 10 + 4
    rows += [(273, 4, 1, head + 24 * pages), (277, 3, 1, 1), (278, 4, 1, 6), (279, 4, 1, 84)]
    rows += [(33629, 5, pages, head)]
    table = b"".join(struct.pack("<HHII", *row) for row in rows)
    uic2 = b"".join(struct.pack("<6I", 2, 1, 2451545, 1000 * n, 0, 0) for n in range(pages))
    data = b"II*\0" + struct.pack("<IH", 8, len(rows)) + table + struct.pack("<I", 0) + uic2
    assert len(data) == head + 24 * pages
    return movie, data + movie.tobytes()


def test_a_stack_of_metamorph(tmp_path, engine):
    movie, data = metamorph()
    (tmp_path / "a.stk").write_bytes(data)
    images = tl.images.fromtif(tmp_path / "a.stk", engine=engine)
    assert images.attrs["axes"] == "ZYX"  # the planes are 2 micrometres apart
    np.testing.assert_array_equal(images.toarray(), movie)
    (tmp_path / "b.stk").write_bytes(data[:-1])
    for options in ({}, {"nplanes": 1}):
        with pytest.raises(FormatError, match="truncated TIFF file: pixels of the 10 pages"):
            tl.images.fromtif(tmp_path / "b.stk", engine=engine, **options)


def test_a_packed_page_that_announces_others_is_refused(tmp_path):
    said = "ImageJ=1.53t\nimages=30\nframes=30\n"
    tifffile.imwrite(
        tmp_path / "a.tif", values("YX"), description=said, metadata=None, compression="packbits"
    )
    with pytest.raises(FormatError, match="announces 30 pages and has the header of one"):
        tl.images.fromtif(tmp_path / "a.tif")


def test_a_header_for_many_among_others_is_refused(tmp_path):
    for name, order in (("first", (True, False)), ("last", (False, True))):
        with tifffile.TiffWriter(tmp_path / f"{name}.tif") as file:
            for truncate in order:
                file.write(values("TYX"), truncate=truncate, photometric="minisblack")
        with pytest.raises(FormatError, match=r"describes (5|several).*read it with tifffile"):
            tl.images.fromtif(tmp_path / f"{name}.tif", nplanes=1).toarray()


# pages that are not images of their own


def test_reduced_pages_and_masks_are_left_out(tmp_path, engine):
    pages = values("TYX")
    for first in (False, True):
        with tifffile.TiffWriter(tmp_path / "a.tif") as file:
            for page in pages:
                kinds = [(page, 0), (page[:2, :3], 1), (page > 5, 4)]
                for array, kind in kinds[::-1] if first else kinds:
                    file.write(array, subfiletype=kind, metadata=None, contiguous=False)
        found = tl.images.fromtif(tmp_path / "a.tif", nplanes=1, engine=engine)
        np.testing.assert_array_equal(found.toarray(), pages)
        assert tl.arrays.read(tmp_path / "a.tif").shape == pages.shape


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", "<>")
def test_reduced_pages_of_every_byte_order(bigtiff, byteorder):
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, bigtiff=bigtiff, byteorder=byteorder) as file:
        file.write(values("YX"), metadata=None)
        file.write(values("YX")[:3], subfiletype=1, metadata=None)
    assert tiff.pages.index(stream).pages == 1


def test_a_file_of_reduced_pages_alone_is_read(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", values("TYX"), subfiletype=1, metadata=None)
    assert tl.images.fromtif(tmp_path / "a.tif", nplanes=1).shape == (5, 6, 7)


# how viewers show the pixels


@pytest.mark.parametrize("tag", [{"photometric": "miniswhite"}, {"extratags": [(274, 3, 1, 6)]}])
def test_pixels_are_as_stored_and_viewers_show_them_as_before(tmp_path, engine, tag):
    from PIL import Image

    tifffile.imwrite(tmp_path / "a.tif", values("YX", "u1"), metadata=None, **tag)
    images = tl.images.fromtif(tmp_path / "a.tif", engine=engine)
    np.testing.assert_array_equal(images.toarray(), values("YX", "u1"))
    images.totif(tmp_path / "out")
    first, second = (
        Image.open(path) for path in (tmp_path / "a.tif", tmp_path / "out/image-00000.tif")
    )
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second))
    attrs = tl.images.fromtif(tmp_path / "out", engine=engine).attrs
    assert attrs in ({"photometric": "miniswhite"}, {"orientation": 6}) or attrs == {**images.attrs}


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colours_are_not_channels(tmp_path, planar):
    shape = (6, 7, 3) if planar == "contig" else (3, 6, 7)
    photo = np.zeros(shape, "u1")
    tifffile.imwrite(tmp_path / "a.tif", photo, photometric="rgb", planarconfig=planar)
    with pytest.raises(BadIndexError, match=r"a\.tif: channel=2: its 3 colours are the last axis"):
        tl.images.fromtif(tmp_path / "a.tif", channel=2)


def test_axes_that_are_not_those_of_pages_are_left_out(tmp_path):
    array = np.arange(120, dtype="u2").reshape(2, 3, 4, 5)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", metadata={"axes": "ZYXT"})
    with pytest.warns(UserWarning, match="its 6 pages are read as one volume"):
        images = tl.images.fromtif(tmp_path / "a.tif")
    assert "axes" not in images.attrs
    np.testing.assert_array_equal(images.toarray(), array.reshape(6, 4, 5))


@pytest.mark.parametrize("name", ["start", "stop", "nplanes", "channel"])
def test_fractions_are_not_whole_numbers(tmp_path, name):
    written(tmp_path / "a.tif", "TYX", "imagej")
    for value in (1.5, float("nan")):
        with pytest.raises(SpecError, match=rf"{name} must be .*whole number.*not {value}"):
            tl.images.fromtif(tmp_path / "a.tif", **{name: value})
    kept = {"start": 4, "stop": 1, "nplanes": 5, "channel": 5}[name]
    value = {"start": 1.0, "stop": 1.0, "nplanes": 1.0, "channel": 0.0}[name]
    assert len(tl.images.fromtif(tmp_path / "a.tif", **{name: value})) == kept


def test_times_are_those_of_all_images_or_left_out(tmp_path):
    said = {"axes": "TYX", "PhysicalSizeX": 0.5, "Plane": {"DeltaT": [0.0, 1.0, 2.0, 3.0, 5.0]}}
    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.ome.tif", values("TYX"), ome=True, metadata=said)
    found = tl.images.fromtif(tmp_path)
    assert (len(found), found.attrs) == (10, {"pixel_size": {"x": 0.5}})
    with pytest.warns(UserWarning, match="left out the last 1 pages"):
        one = tl.images.fromtif(tmp_path / "a.ome.tif", nplanes=2, discard_extra=True)
    assert (len(one), one.attrs["frame_times"]) == (2, [0.0, 2.0])
