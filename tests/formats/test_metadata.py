"""Metadata that cannot be understood is left out with a line in the log; pixels are not touched."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
import pickle
import struct
import zlib

import numpy as np
import pytest
import tifffile

import thunderlike as tl
from thunderlike.errors import FormatError
from thunderlike.formats import metadata, ome_zarr, png, suite2p, tiff

MOVIE = np.arange(3 * 6 * 7, dtype="u2").reshape(3, 6, 7)
IJ = "ImageJ=1.53t\nimages=3\nslices=3\n"


def ome(at="", body="<TiffData/>", *, sizes=(1, 1, 3), image=0, root=""):
    z, c, t = sizes
    return (
        f'<Image ID="Image:{image}"><Pixels ID="Pixels:{image}" DimensionOrder="XYZCT" '
        f'Type="uint16" SizeX="7" SizeY="6" SizeZ="{z}" SizeC="{c}" SizeT="{t}" {at}>{body}'
        "</Pixels></Image>"
        if root is None
        else f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
        f" {root}>{ome(at, body, sizes=sizes, image=image, root=None)}</OME>"
    )


def two_images(first, second):
    """The XML of two images, each given as the arguments of `ome`."""
    every = "".join(
        ome(at, body, image=number, root=None) for number, (at, body) in enumerate((first, second))
    )
    return f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{every}</OME>'


def planes(*times, unit=""):
    return "<TiffData/>" + "".join(
        f'<Plane TheZ="0" TheC="0" TheT="{t}" {unit}'
        + ("" if value is None else f' DeltaT="{value}"')
        + "/>"
        for t, value in times
    )


def tiff_of(path, text, **more):
    with tifffile.TiffWriter(path) as file:
        for number, page in enumerate(MOVIE):
            described = text.encode() if number == 0 else None
            file.write(page, description=described, metadata=None, contiguous=False, **more)
    return path


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.WARNING, "thunderlike")
    return caplog


@pytest.mark.parametrize(
    ("unit", "micrometres"),
    [
        (r"\u00B5m", 1), (r"\u00b5m", 1), ("µm", 1), ("μm", 1), ("um", 1), (" micron ", 1),
        ("Microns", 1), ("micrometre", 1), ("Âµm", 1), ("\u00c5", 1e-4), ("\u212b", 1e-4),
        ("angstrom", 1e-4), ("pm", 1e-6), ("nm", 1e-3), ("mm", 1e3), ("cm", 1e4), ("m", 1e6),
        ("meters", 1e6), ("inch", 25400), ("in", 25400), ("Mm", 1e12), ("nanometer", 1e-3),
        (b"um", 1),
    ],
)  # fmt: skip
def test_units_of_length(unit, micrometres):
    assert metadata.length(2, unit) == pytest.approx(2 * micrometres, rel=1e-15)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("s", 1), ("sec", 1), ("Seconds", 1), ("ms", 1e-3), ("μs", 1e-6), ("µs", 1e-6),
        ("us", 1e-6), ("ns", 1e-9), ("min", 60), ("hr", 3600), ("h", 3600), ("day", 86400),
        ("millisecond", 1e-3), ("msec", 1e-3),
    ],
)  # fmt: skip
def test_units_of_time(unit, factor):
    assert metadata.seconds(3, unit) == pytest.approx(3 * factor, rel=1e-15)


@pytest.mark.parametrize("unit", ["pixel", "pixels", "", "reference frame", "s", None, "parsley"])
def test_other_units_are_not_micrometres(unit):
    with pytest.raises(ValueError, match="is not a known unit of length"):
        metadata.length(1, unit)


@pytest.mark.parametrize("value", ["", "0,5", "abc", "NaN", "inf", "1_0", True, None, [1, 2], b"x"])
def test_what_is_not_a_number(value):
    with pytest.raises(ValueError, match="is not a finite number"):
        metadata.number(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (IJ + "unit=\\u00B5m\n", {"pixel_size": {"y": 0.5, "x": 0.5}}),
        (IJ + "unit=pixel\n", {}),
        (IJ + "unit=um\nyunit=nm\n", {"pixel_size": {"y": 0.0005, "x": 0.5}}),
        (
            IJ + "unit=um\nzunit=nm\nspacing=250\n",
            {"pixel_size": {"z": 0.25, "y": 0.5, "x": 0.5}},
        ),
        (IJ + "unit=um\nspacing=2,5\n", {"pixel_size": {"y": 0.5, "x": 0.5}}),
        (IJ + "finterval=2\ntunit=min\n", {"frame_interval": 120.0}),
        (IJ + "finterval=2\n", {"frame_interval": 2.0}),
        (IJ + "finterval=2\ntunit=frames\n", {}),
        (IJ + "finterval=nan\n", {}),
        ("ImageJ=1.53t\nimages=abc\n", {}),
        (ome('PhysicalSizeX="5000" PhysicalSizeXUnit="Å"'), {"pixel_size": {"x": 0.5}}),
        (ome('PhysicalSizeX="500000" PhysicalSizeXUnit="pm"'), {"pixel_size": {"x": 0.5}}),
        (ome('PhysicalSizeX="1" PhysicalSizeXUnit="pixel"'), {}),
        (ome('PhysicalSizeX="" PhysicalSizeY="0.5"'), {"pixel_size": {"y": 0.5}}),
        (ome('PhysicalSizeX="0,5"'), {}),
        (ome('PhysicalSizeX="NaN" PhysicalSizeY="-1" PhysicalSizeZ="0"'), {}),
        (ome('TimeIncrement=""'), {}),
        (ome('TimeIncrement="100" TimeIncrementUnit="ns"'), {"frame_interval": 1e-7}),
        (ome('TimeIncrement="100" TimeIncrementUnit="μs"'), {"frame_interval": 1e-4}),
        (ome(body=planes((0, "abc"))), {}),
    ],
)
def test_sizes_and_times_of_tiff(tmp_path, text, expected):
    path = tiff_of(tmp_path / "a.tif", text, resolution=(2.0, 2.0), resolutionunit=1)
    found = tl.images.fromtif(path, nplanes=1)
    assert {k: v for k, v in found.attrs.items() if k in metadata.Scales().__dict__} == expected
    np.testing.assert_array_equal(found.toarray(), MOVIE, strict=True)


def test_the_log_names_file_attribute_and_reason(tmp_path, log, engine):
    path = tiff_of(tmp_path / "a.tif", ome('PhysicalSizeX="0,5"'))
    found = tl.images.fromtif(path, engine=engine)
    assert found.attrs["axes_shape"] == [3, 1, 1, 6, 7]
    np.testing.assert_array_equal(found.toarray(), MOVIE)
    (line,) = [record.getMessage() for record in log.records]
    assert line == (f"{path}: metadata left out: PhysicalSizeX: '0,5' is not a finite number")
    assert {record.name for record in log.records} == {"thunderlike.formats.metadata"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (planes((0, 0), (1, 0.5), (2, 1.5)), [0.0, 0.5, 1.5]),
        (planes((2, 1.5), (0, -1), (1, 0.5)), [-1.0, 0.5, 1.5]),
        (planes((0, 0), (1, 250), (2, 500), unit='DeltaTUnit="ms"'), [0.0, 0.25, 0.5]),
        # One is missing, of no unit, or not a number: none is shifted into its place.
        (planes((0, 0), (2, 1.5)), None),
        (planes((0, 0), (1, None), (2, 1.5)), None),
        (planes((0, 0), (1, "NaN"), (2, 1.5)), None),
        (planes((0, 0), (1, 1), (2, 2), unit='DeltaTUnit="reference frame"'), None),
        # Pages that stand in another order than the planes.
        (
            "".join(f'<TiffData IFD="{i}" FirstT="{2 - i}"/>' for i in range(3))
            + planes((0, 0), (1, 0.5), (2, 1.5)).removeprefix("<TiffData/>"),
            [1.5, 0.5, 0.0],
        ),
    ],
)
def test_frame_times_are_those_of_the_pages(tmp_path, body, expected):
    found = tl.images.fromtif(tiff_of(tmp_path / "a.tif", ome(body=body)), nplanes=1).attrs
    assert found.get("frame_times") == expected


def test_attributes_are_those_of_the_image_that_is_read(tmp_path):
    """The first in the order of the XML may be another, with pages elsewhere."""
    elsewhere = '<TiffData IFD="3" PlaneCount="3"/>' + planes((0, 7), (1, 8), (2, 9))[11:]
    here = '<TiffData IFD="0" PlaneCount="3"/>' + planes((0, 0), (1, 1), (2, 2))[11:]
    text = two_images(('PhysicalSizeX="9"', elsewhere), ('PhysicalSizeX="0.5"', here))
    found = tl.images.fromtif(tiff_of(tmp_path / "a.tif", text), nplanes=1).attrs
    assert (found["frame_times"], found["pixel_size"]) == ([0.0, 1.0, 2.0], {"x": 0.5})
    other = "<TiffData><UUID FileName='b.tif'>urn:uuid:b</UUID></TiffData>"
    mine = "<TiffData><UUID FileName='a.tif'>urn:uuid:a</UUID></TiffData>"
    text = two_images(('PhysicalSizeX="9"', other), ('PhysicalSizeX="0.5"', mine))
    text = text.replace("<OME ", '<OME UUID="urn:uuid:a" ')
    found = tl.images.fromtif(tiff_of(tmp_path / "b.tif", text), nplanes=1).attrs
    assert found["pixel_size"] == {"x": 0.5}


@pytest.mark.parametrize(
    "text",
    [
        ome(sizes=(1, 1, 2200)),  # one file of a set, or one that lost pages
        ome(sizes=(1, 1, "many")),
        ome().replace('SizeX="7"', 'SizeX="9"'),
        ome().replace("XYZCT", "XYZ"),
        IJ.replace("3", "200"),
    ],
)
def test_axes_speak_of_nothing_that_the_file_does_not_hold(tmp_path, text, log):
    found = tl.images.fromtif(tiff_of(tmp_path / "a.tif", text), nplanes=1)
    shape = found.attrs.get("axes_shape")
    assert shape is None or np.prod(shape) == MOVIE.size
    np.testing.assert_array_equal(found.toarray(), MOVIE)


@pytest.mark.parametrize(
    "text",
    [
        ome(body='<TiffData IFD="x" PlaneCount="-4"/>' + planes((0, 1), (1, 2), (2, 3))[11:]),
        ome(body=f'<TiffData PlaneCount="{2**70}"/>', sizes=(1, 2**40, 2**40)),
        ome(body='<Plane TheZ="-1" TheC="0" TheT="0" DeltaT="1"/>'),
        "<OME><BinaryOnly MetadataFile='b.ome'/></OME>",
        "<OME>",
    ],
)
def test_pixels_are_read_whatever_the_xml_says(tmp_path, text):
    assert tl.images.fromtif(tiff_of(tmp_path / "a.tif", text), nplanes=3).shape == (1, 3, 6, 7)


NAN = float("nan")
ODD = [
    {"pixel_size": {"y": NAN, "x": NAN}, "frame_interval": NAN, "frame_times": [0, NAN, 2]},
    {"pixel_size": {"y": 5.9e-6, "x": 5.9e-6}, "frame_interval": 1e-320},
    {"pixel_size": {"y": 1e-300, "x": 1e300, "z": -1}, "frame_interval": -1},
    {"pixel_size": {"y": 1e15, "x": 1e15}, "frame_times": 7},
    {"pixel_size": 0.5, "frame_interval": "soon", "frame_times": "abc"},
    {"pixel_size": [0.5, 0.5], "ome": "\ud800", "imagej": object()},
    {"pixel_size": {"y": "0,5", "x": b"1"}, "ome": ome(sizes=("a", "b", "c"))},
    {"engine": object(), "rate": np.float32(0.5), "when": dt.datetime.now(dt.UTC), 3: {(1,): 2}},
]


@pytest.mark.parametrize("attrs", ODD)
@pytest.mark.parametrize(
    "dtype", ["uint8", *(pytest.param(d, marks=pytest.mark.slow) for d in ("int16", "float64"))]
)
def test_odd_attributes_block_no_writer(tmp_path, attrs, dtype):
    values = MOVIE.astype(dtype)
    for images in (tl.images.fromarray(values), tl.images.fromarray(np.stack([values] * 2))):
        images.attrs = attrs
        folder = tmp_path / str(images.ndim)
        images.totif(folder / "tif")
        images.tobinary(folder / "bin")
        images.tohdf5(folder / "a.h5")
        images.tozarr(folder / "a.zarr")
        images.tozarr(folder / "b.zarr", ome=True)
        found = {
            "tif": tl.images.fromtif(folder / "tif"),
            "bin": tl.images.frombinary(folder / "bin"),
            "hdf5": tl.images.fromhdf5(folder / "a.h5"),
            "zarr": tl.images.fromzarr(folder / "a.zarr"),
            "ome": tl.images.fromzarr(folder / "b.zarr"),
        }
        if images.ndim == 3 and dtype == "uint8":
            images.topng(folder / "png")
            found["png"] = tl.images.frompng(folder / "png")
        for name, again in found.items():
            np.testing.assert_array_equal(again.toarray(), images.toarray(), err_msg=name)


def test_attributes_that_json_holds_stay_when_others_go(tmp_path, log):
    images = tl.images.fromarray(MOVIE)
    images.attrs = {"engine": object(), "rate": np.float32(0.5), "times": np.arange(2), "rat": "R7"}
    images.tohdf5(tmp_path / "a.h5")
    kept = {"rate": 0.5, "times": [0, 1], "rat": "R7"}
    assert tl.images.fromhdf5(tmp_path / "a.h5").attrs == kept
    assert "engine: JSON holds no object" in log.text


def test_odd_attributes_are_left_out_of_other_libraries(tmp_path):
    xarray = pytest.importorskip("xarray")
    images = tl.images.fromarray(MOVIE)
    images.attrs = ODD[0]
    assert set(images.toxarray().coords) == set()
    assert isinstance(images.toxarray(), xarray.DataArray)


def test_odd_attributes_are_left_out_of_nwb(tmp_path):
    pytest.importorskip("pynwb")
    traces = tl.series.fromarray(np.zeros((2, 3)))
    start = dt.datetime(2026, 5, 4, 10, tzinfo=dt.UTC)
    traces.attrs = {**ODD[0], "frame_interval": 0.5}
    traces.tonwb(tmp_path / "a.nwb", session_start_time=start)
    assert tl.series.fromnwb(tmp_path / "a.nwb").attrs["frame_interval"] == 0.5
    traces.attrs = ODD[0]
    with pytest.raises(tl.ThunderlikeError, match="give rate=, in positions a second"):
        traces.tonwb(tmp_path / "b.nwb", session_start_time=start)
    traces.tonwb(tmp_path / "b.nwb", session_start_time=start, rate=2)


def test_odd_numbers_in_nwb_are_left_out(tmp_path, log):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        group = file.create_group("acquisition/movie")
        group.attrs["neurodata_type"] = np.bytes_("TwoPhotonSeries")  # text of fixed length
        data = group.create_dataset("data", data=MOVIE)
        data.attrs["unit"], data.attrs["conversion"] = "counts", "two"
        group["timestamps"] = [0.0, NAN, 2.0]
        plane = file.create_group("plane")
        plane["grid_spacing"] = [0.5, NAN]
        plane["grid_spacing"].attrs["unit"] = np.bytes_("micrometers")
        group["imaging_plane"] = h5py.SoftLink("/plane")
    found = tl.images.fromnwb(tmp_path / "a.nwb")
    assert found.attrs == {"unit": "counts", "pixel_size": {"x": 0.5}}
    np.testing.assert_array_equal(found.toarray(), MOVIE)
    assert log.text.count("a.nwb: metadata left out") == 3
    with h5py.File(tmp_path / "a.nwb", "a") as file:
        group = file["acquisition/movie"]
        group["starting_time"] = 0.0
        group["starting_time"].attrs["rate"] = NAN
        file["plane/grid_spacing"].attrs["unit"] = "pixels"
    assert tl.images.fromnwb(tmp_path / "a.nwb").attrs == {"unit": "counts"}


@pytest.mark.parametrize(
    ("unit", "scale", "expected"),
    [
        ("micrometer", 0.5, 0.5), ("angstrom", 5000, 0.5), ("nanometer", 500, 0.5),
        ("picometer", 500000, 0.5), ("µm", 0.5, 0.5), ("pixel", 1, None), (None, 1, None),
        ("micrometer", NAN, None), ("micrometer", "0,5", None), (7, 1, None),
    ],
)  # fmt: skip
def test_scales_of_ome_zarr(unit, scale, expected):
    axes = [{"name": "t", "unit": "minute"}, {"name": "y"}, {"name": "x", "unit": unit}]
    steps = [{"type": "scale", "scale": [2, 1, scale]}]
    sets = [{"path": "0", "coordinateTransformations": steps}]
    found = ome_zarr.attrs(Folder({"axes": axes, "datasets": sets}), "0")
    size = {} if expected is None else {"pixel_size": {"x": expected}}
    assert found == {"axes": "TYX", "frame_interval": 120.0, **size}


class Folder:
    """A folder whose one file speaks of a set of resolutions."""

    def __init__(self, multiscale):
        self.multiscale = multiscale

    def read(self, name):
        document = {"attributes": {"ome": {"multiscales": [self.multiscale]}}}
        return json.dumps(document).encode() if name == "zarr.json" else None


@pytest.mark.parametrize("steps", [[], [{"type": "scale", "scale": [1]}], [{"type": "scale"}], 7])
def test_resolutions_of_ome_zarr_that_make_no_sense(steps):
    axes = [{"name": axis, "unit": "micrometer"} for axis in "zyx"]
    folder = Folder({"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]})
    assert ome_zarr.attrs(folder, "0") == {"axes": "ZYX"}


def test_a_scale_of_all_resolutions_of_ome_zarr_counts():
    axes = [{"name": axis, "unit": "micrometer"} for axis in "yx"]
    one = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.5, 0.25]}]}
    common = [{"type": "scale", "scale": [2, 2]}]
    document = {"axes": axes, "datasets": [one], "coordinateTransformations": common}
    assert ome_zarr.attrs(Folder(document), "0")["pixel_size"] == {"y": 1.0, "x": 0.5}


def test_damaged_attributes_of_hdf5_and_conf(tmp_path, log):
    h5py = pytest.importorskip("h5py")
    images = tl.images.fromarray(MOVIE)
    images.tohdf5(tmp_path / "a.h5")
    for text in ("{", "[1]", 7, np.bytes_(b"\xff")):
        with h5py.File(tmp_path / "a.h5", "a") as file:
            file["data"].attrs["thunderlike"] = text
        found = tl.images.fromhdf5(tmp_path / "a.h5")
        assert found.attrs == {}
        np.testing.assert_array_equal(found.toarray(), MOVIE)
    images.tobinary(tmp_path / "bin")
    (tmp_path / "bin" / "conf.json").write_text('{"shape": "large", "dtype": 7}')
    with pytest.raises(FormatError, match=r"conf\.json"):
        tl.images.frombinary(tmp_path / "bin")
    found = tl.images.frombinary(tmp_path / "bin", shape=(6, 7), dtype="u2")
    np.testing.assert_array_equal(found.toarray(), MOVIE)
    assert "conf.json: metadata left out" in log.text


def test_png_of_any_resolution(log):
    data = png.encode(np.zeros((2, 3), "u1"), {"pixel_size": {"y": 0.5, "x": 0.25}})
    assert png.attrs(data) == {"pixel_size": {"y": 0.5, "x": 0.25}}
    at = data.index(b"pHYs")
    for chunk in (struct.pack(">IIB", 2**32 - 1, 2**32 - 1, 1), struct.pack(">IIB", 0, 1, 1)):
        head = b"pHYs" + chunk
        odd = data[:at] + head + struct.pack(">I", zlib.crc32(head)) + data[at + 17 :]
        found = png.attrs(odd)
        assert np.array_equal(png.decode(odd), np.zeros((2, 3)))
        assert np.array_equal(png.decode(png.encode(png.decode(odd), found)), np.zeros((2, 3)))
    for wrong in ({"y": 5.9e-6, "x": 5.9e-6}, {"y": 1e9, "x": 1}, {"y": NAN, "x": 1}):
        assert png.attrs(png.encode(np.zeros((2, 3), "u1"), {"pixel_size": wrong})) == {}


@pytest.mark.parametrize("known", [{"frame_interval": 0.1}, {"pixel_size": {"z": 2.0}}])
def test_no_pixel_size_is_made_up(known):
    data = tiff.encode(MOVIE, known)
    found = tiff.metadata.attrs(io.BytesIO(data))
    sizes = {"frame_interval", "pixel_size"} & found.keys()
    assert {name: found[name] for name in sizes} == known


def test_tiff_of_any_resolution():
    for size in (5.9e-6, 1e-7, 1e-9, 1e-12, 1e6, 1e12, 1e20):
        for dtype in ("u1", "f8"):
            known = {"pixel_size": {"y": size, "x": size}}
            data = tiff.encode(np.ones((2, 3), dtype), known)
            found = tiff.metadata.attrs(io.BytesIO(data)).get("pixel_size", {"x": size})
            assert found["x"] == pytest.approx(size, rel=1e-3)
            assert tiff.decode(data).sum() == 6


OPS = {
    "db": {"Ly": 1, "Lx": 2, "fs": 3.0},
    "Ly": np.uint16(4),
    "Lx": np.array(5),
    "fs": np.float32(7.5),
    "meanImg": np.ones((5, 5), "f4"),
    "data_path": ["/raw", {"Ly": 9}],
    "filelist": {"Lx"},
    "range": (1, 2, 3, 4),
    "none": None,
    "large": 2**70,
    "date": dt.date(2026, 5, 4),
}


def ops_npy(ops, protocol, version=1):
    stream = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    write = getattr(np.lib.format, f"write_array_header_{version}_0")
    write(stream, header)
    pickle.dump(np.array(ops, dtype=object), stream, protocol=protocol)
    return stream.getvalue()


@pytest.mark.parametrize("protocol", range(6))
def test_ops_of_suite2p_of_every_protocol(protocol):
    expected = {"Ly": 4, "Lx": 5, "fs": 7.5}
    for version in (1, 2):
        assert suite2p.sizes(ops_npy(OPS, protocol, version)) == expected
    if protocol < 4:  # names of modules are lines of their own
        older = ops_npy(OPS, protocol).replace(b"numpy._core.", b"numpy.core.")
        assert suite2p.sizes(older) == expected
    assert suite2p.sizes(ops_npy({"db": {"Ly": 1, "Lx": 2}}, protocol)) == {}


@pytest.mark.parametrize("value", [NAN, -4, 0, 2.5, np.float64("nan"), np.int16(-1)])
def test_sizes_of_suite2p_that_are_none(tmp_path, value, log):
    np.save(tmp_path / "ops.npy", {"Ly": value, "Lx": 5, "fs": 30.0})
    MOVIE.tofile(tmp_path / "data.bin")
    with pytest.raises(FormatError, match=r"ops\.npy: Ly is not the size of an image"):
        tl.images.fromsuite2p(tmp_path)
    assert tl.images.fromsuite2p(tmp_path, (6, 7)).shape == (3, 6, 7)
    np.save(tmp_path / "ops.npy", {"Ly": 6, "Lx": 7, "fs": value})
    found = tl.images.fromsuite2p(tmp_path)
    assert found.attrs.get("frame_interval") == (1 / 2.5 if value == 2.5 else None)
