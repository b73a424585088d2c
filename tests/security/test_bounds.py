"""What files announce or unpack to is bounded, in every room that reads them."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import struct
import subprocess
import sys
import uuid
import zlib

import h5py
import imagecodecs
import numcodecs
import numpy as np
import pytest
import tifffile
import zarr
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

import thunderlike as tl
from thunderlike.cli import main
from thunderlike.errors import FormatError, StorageError, ThunderlikeError
from thunderlike.jobs.contents import look

MUCH = (2**17, 2**10, 2**10)  # 128 GiB of bytes


def npy(path, shape, descr="<f8"):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (-(11 + len(head)) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() + bytes(64))
    return path


def by_hand(path, height, width, *, offset=8, count=100):
    """A TIFF of one packed strip, which announces any size."""
    tags = {256: width, 257: height, 258: 8, 259: 8, 262: 1, 273: offset, 277: 1, 278: height}
    rows = b"".join(
        struct.pack("<HHII", code, 4, 1, n) for code, n in sorted({**tags, 279: count}.items())
    )
    packed = zlib.compress(bytes(5000)).ljust(100, b"\0")
    head = b"II*\0" + struct.pack("<I", 108) + packed + struct.pack("<H", len(tags) + 1)
    path.write_bytes(head + rows + struct.pack("<I", 0))
    return path


ROOMS = {
    "tif": tl.images.fromtif,
    "npy": tl.images.fromnpy,
    "h5": tl.images.fromhdf5,
    "zarr": tl.images.fromzarr,
}


def everywhere(path):
    """Read a file in every room."""
    read = ROOMS[str(path).rpartition(".")[2]]
    return [
        lambda: read(path).toarray(),
        lambda: tl.arrays.read(path),
        lambda: tl.arrays.block_sums(path, blocks=1),
        lambda: look(str(path)).description(),
    ]


@pytest.mark.parametrize(
    "shape", ["(True, 2, 2)", f"({'1,' * 70})", f"(0, {10**20 - 1})", f"(-1, {2**40})", "(2.0,)"]
)
def test_shapes_of_npy_that_no_array_has(tmp_path, shape):
    for read in everywhere(npy(tmp_path / "a.npy", shape)):
        with pytest.raises(FormatError, match=r"a\.npy: damaged"):
            read()


def test_npy_that_announces_more_than_there_is(tmp_path):
    for read in everywhere(npy(tmp_path / "a.npy", MUCH, "|u1")):
        with pytest.raises((FormatError, StorageError), match=r"a\.npy: truncated"):
            read()


@pytest.mark.parametrize(
    "options",
    [{"height": 2**19, "width": 2**18}, {"height": 49152, "width": 32768, "offset": 0, "count": 0}],
    ids=["packed", "never written"],
)
def test_pages_that_announce_more_than_there_is(tmp_path, options):
    for read in everywhere(by_hand(tmp_path / "a.tif", **options)):
        with pytest.raises(FormatError, match=r"a\.tif: announces \d+ bytes of pixels"):
            read()


def test_a_conversion_of_what_was_never_written(tmp_path, capsys):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", MUCH, "u1", chunks=(16, 256, 256), compression="gzip")
    zarr.create_array(tmp_path / "a.zarr", shape=MUCH, dtype="u1", chunks=(16, 256, 256))
    for name in ("a.h5", "a.zarr"):
        assert main(["info", str(tmp_path / name)]) == 0
        assert main(["convert", str(tmp_path / name), str(tmp_path / "out.npy")]) == 2
        assert "announces 137438953472 bytes of values" in capsys.readouterr().err
        assert tl.arrays.read(tmp_path / name, slicing=slice(0, 1)).shape == (1, 1024, 1024)
    assert not (tmp_path / "out.npy").exists()


ZEROS = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [4, 4, 4],
    "data_type": "float64",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 0, 0]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 0,
    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    "attributes": {},
}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ZEROS),
        "[" * 100_000 + "]" * 100_000,
        json.dumps({**ZEROS, "shape": [2**40, 2**40]}),
        json.dumps({**ZEROS, "attributes": 3}),
    ],
    ids=["no chunks", "deep", "shape", "attributes"],
)
def test_damaged_metadata_of_zarr(tmp_path, text):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text(text)
    for read in everywhere(tmp_path / "a.zarr"):
        with pytest.raises(ThunderlikeError, match=r"a\.zarr"):
            read()


CODECS = [
    (3, GzipCodec(), gzip.compress),
    (2, numcodecs.GZip(), gzip.compress),
    (2, numcodecs.Zlib(), zlib.compress),
    (3, ZstdCodec(), numcodecs.Zstd().encode),
    (3, BloscCodec(), numcodecs.Blosc().encode),
    (2, numcodecs.LZ4(), numcodecs.LZ4().encode),
    (2, numcodecs.LZMA(), lzma.compress),
]


@pytest.mark.parametrize(("version", "codec", "packed"), CODECS)
def test_chunks_that_unpack_to_more_than_a_chunk(tmp_path, version, codec, packed):
    values = np.arange(4 * 6 * 5, dtype="i2").reshape(4, 6, 5)
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(4, 6, 5), chunks=(2, 6, 5), dtype="i2", zarr_format=version,
        compressors=codec,
    )  # fmt: skip
    array[...] = values
    np.testing.assert_array_equal(tl.images.fromzarr(tmp_path / "a.zarr").toarray(), values)
    chunk = tmp_path / "a.zarr" / ("c/0/0/0" if version == 3 else "0.0.0")
    chunk.write_bytes(packed(bytes(2**22)))
    for read in everywhere(tmp_path / "a.zarr")[:3]:
        with pytest.raises(FormatError, match=r"a\.zarr: .*(more than the|room for) 120"):
            read()


def strip(path, compression, packed):
    """A TIFF of 64 x 64 bytes in one strip, packed as given."""
    tags = {256: 64, 257: 64, 258: 8, 259: compression, 262: 1, 273: 8, 277: 1, 278: 64}
    tags[279] = len(packed)
    rows = b"".join(struct.pack("<HHII", code, 4, 1, n) for code, n in tags.items())
    packed += b"\0" * (len(packed) % 2)
    head = b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + struct.pack("<H", len(tags))
    path.write_bytes(head + rows + bytes(4))
    return path


def deflated(nbytes):
    stream = zlib.compressobj(1)
    parts = [stream.compress(bytes(2**20)) for _ in range(nbytes >> 20)]
    return b"".join([*parts, stream.flush()])


PAGES = """
import os, resource, sys, traceback
if sys.argv[1] == "without":
    sys.modules["imagecodecs"] = None
import thunderlike as tl
from thunderlike.errors import FormatError

def read(path):
    assert tl.images.fromtif(sys.argv[2]).shape == (1, 64, 64)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        print("value", tl.images.fromtif(path).shape, flush=True)
    except FormatError as error:
        print(error, flush=True)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 32 << 10, f"{path}: {grown} KiB"

for path in sys.argv[3:]:
    if (child := os.fork()) == 0:  # which has a peak of its own
        code = 1
        try:
            read(path)
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        sys.exit(f"{path}: exit code {code}")
"""
# 64 MiB each, twice as much as the memory that a read may take.
STREAMS = {
    "without": {
        8: lambda: deflated(2**26),
        32773: lambda: b"\x81\0" * 2**19,
        34925: lambda: lzma.compress(bytes(2**26), preset=0),
    },
    "with": {
        8: lambda: deflated(2**26),
        5: lambda: imagecodecs.lzw_encode(bytes(2**26)),
        32773: lambda: b"\x81\0" * 2**19,
        34925: lambda: lzma.compress(bytes(2**26), preset=0),
        50000: lambda: imagecodecs.zstd_encode(bytes(2**26)),
        7: lambda: imagecodecs.jpeg_encode(np.zeros((2**13, 2**13), "u1")),
        34933: lambda: imagecodecs.png_encode(np.zeros((2**13, 2**13), "u1"), level=1),
        34712: lambda: imagecodecs.jpeg2k_encode(np.zeros((2**11, 2**11), "u1")),
    },
}


@pytest.mark.parametrize("codecs", STREAMS)
def test_strips_that_unpack_to_more_than_their_part_of_a_page(tmp_path, codecs):
    small = strip(tmp_path / "small.tif", 8, zlib.compress(bytes(64 * 64)))
    large = {
        compression: strip(tmp_path / f"{compression}.tif", compression, packed())
        for compression, packed in STREAMS[codecs].items()
    }
    command = [sys.executable, "-c", PAGES, codecs, str(small), *map(str, large.values())]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for (compression, path), line in zip(large.items(), run.stdout.splitlines(), strict=True):
        if compression == 5:  # its decoder stops at the last row, as those of viewers do
            assert line == "value (1, 64, 64)"
        else:
            assert line.startswith(f"{path}: ")
            assert "damaged" in line


@pytest.mark.parametrize("compression", ["deflate", "lzma", "packbits", "jpeg", "png", "jpeg2000"])
def test_strips_of_their_own_size_are_read(tmp_path, compression):
    image = np.arange(1500 * 1100, dtype="u1").reshape(1500, 1100) // 16
    tifffile.imwrite(tmp_path / "a.tif", image, compression=compression)
    found = tl.images.fromtif(tmp_path / "a.tif").toarray()
    np.testing.assert_allclose(found, image, atol=0 if compression != "jpeg" else 20)


def test_pixels_of_png_files_that_unpack_to_more_than_the_image(tmp_path):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0))
    path = tmp_path / "a.png"
    path.write_bytes(head + chunk(b"IDAT", deflated(2**28)) + chunk(b"IEND", b""))
    with pytest.raises(FormatError, match=r"a\.png: damaged PNG .* 16384 bytes at most"):
        tl.images.frompng(path)


def test_chunks_of_several_members(tmp_path):
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(2, 3, 4), chunks=(2, 3, 4), dtype="u1", compressors=GzipCodec()
    )
    array[...] = 1
    data = np.arange(24, dtype="u1").tobytes()
    chunk = tmp_path / "a.zarr" / "c/0/0/0"
    chunk.write_bytes(gzip.compress(data[:7]) + gzip.compress(data[7:]))
    found = tl.images.fromzarr(tmp_path / "a.zarr").toarray()
    np.testing.assert_array_equal(found.reshape(-1), np.arange(24))
    for damaged in (data, gzip.compress(data)[:-12], b""):
        chunk.write_bytes(damaged)
        with pytest.raises(FormatError, match="chunk of the Zarr array"):
            tl.images.fromzarr(tmp_path / "a.zarr").toarray()


# Only the files that were named


OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
    'UUID="urn:uuid:a"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
    'Type="uint8" SizeX="5" SizeY="4" SizeZ="1" SizeC="1" SizeT="{count}"><TiffData FirstT="0" '
    'IFD="0" PlaneCount="1"/><TiffData FirstT="1" IFD="0" PlaneCount="1"><UUID FileName="{name}">'
    "urn:uuid:b</UUID></TiffData></Pixels></Image></OME>"
)
OPENED = """
import sys
import numpy as np
import thunderlike as tl

path, other = sys.argv[1:]
opened = []
sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" else None)
for read in (
    tl.arrays.read, lambda path: tl.arrays.block_sums(path, blocks=1), tl.arrays.where,
    lambda path: tl.arrays.apply_lut(path, np.arange(256)),
    lambda path: tl.images.fromtif(path).toarray(),
    lambda path: tl.images.fromtif(path, nplanes=1).toarray(),
    lambda path: tl.images.frompath(path).toarray(),
):
    assert 77 not in np.asarray(read(path))
assert not [name for name in opened if str(name).endswith(other)], opened
print("read")
"""


@pytest.mark.parametrize("kind", ["file", "pipe", "missing"])
def test_ome_files_open_no_others(tmp_path, kind):
    other = tmp_path / "other.tif"
    if kind == "file":
        tifffile.imwrite(other, np.full((4, 5), 77, "u1"), metadata=None)
    elif kind == "pipe":
        os.mkfifo(other)
    stream = io.BytesIO()
    described = OME.format(count=2**30 if kind == "missing" else 2, name="other.tif")
    tifffile.imwrite(stream, np.ones((4, 5), "u1"), description=described, metadata=None)
    (tmp_path / "a.ome.tif").write_bytes(stream.getvalue())
    command = [sys.executable, "-c", OPENED, str(tmp_path / "a.ome.tif"), "other.tif"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert ran.stdout == "read\n"


@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.h5", "a.png"])
def test_pipes_are_refused_by_every_reader(tmp_path, name):
    os.mkfifo(tmp_path / name)
    reads = [tl.arrays.read, lambda path: look(str(path)), tl.images.frompath]
    kind = {"h5": "hdf5"}.get(name[2:], name[2:])
    for read in [*reads, getattr(tl.images, f"from{kind}")]:
        with pytest.raises(StorageError, match=name):
            read(tmp_path / name)


@pytest.mark.parametrize("name", ["x" * 300, "\0", "file:///%00"])
def test_names_that_no_file_has(tmp_path, name):
    images = tl.images.fromarray(np.zeros((1, 2, 2)))
    path = name if name.startswith("file") else f"{tmp_path}/{name}"
    for call in (
        images.totif, images.tohdf5, images.tozarr, images.tonpy, images.tobinary, images.tomsgpack,
        tl.images.fromtif, tl.images.fromhdf5, tl.images.fromzarr, tl.arrays.read, look,
        lambda path: tl.arrays.write(f"{path}.npy", [1]), lambda path: tl.save(path, {}),
    ):  # fmt: skip
        with pytest.raises(ThunderlikeError):
            call(path)


def test_names_of_memory():
    with pytest.raises(ThunderlikeError):
        tl.images.fromtif(f"memory://{uuid.uuid4()}/a.tif")
