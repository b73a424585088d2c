"""Chunks that unpack to far more than they have room for: an error, in little memory."""

from __future__ import annotations

import bz2
import json
import struct
import subprocess
import sys
import zlib
from functools import cache

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import ThunderlikeError
from thunderlike.formats.unpacked import unpacked_size

GIGABYTE = 2**30


def zstd_frame(nbytes):
    """A frame that does not say its size, of blocks of one repeated byte."""
    blocks = [
        ((nbytes - at <= 2**17) | 1 << 1 | min(2**17, nbytes - at) << 3).to_bytes(3, "little")
        + b"\0"
        for at in range(0, nbytes, 2**17)
    ]
    return b"\x28\xb5\x2f\xfd\x00\x38" + b"".join(blocks)


@cache
def deflated():
    """A stream of zeros, of one packed piece repeated."""
    pack, piece, pieces = zlib.compressobj(9, wbits=-15), 2**24, 24
    packed = pack.compress(bytes(piece)) + pack.flush(zlib.Z_FULL_FLUSH)
    adler = (piece * pieces % 65521) << 16 | 1
    return b"\x78\xda" + packed * pieces + pack.flush() + struct.pack(">I", adler)


@cache
def bunzipped():
    """A stream of zeros, of one packed block repeated; blocks begin at any bit."""
    stream = bz2.compress(bytes(2**25))
    bits = f"{int.from_bytes(stream):0{8 * len(stream)}b}"
    block = bits[32 : bits.rindex(f"{0x177245385090:048b}")]
    blocks, total, checksum = 12, 0, int(block[48:80], 2)
    for _ in range(blocks):
        total = ((total << 1 | total >> 31) & 0xFFFFFFFF) ^ checksum
    packed = f"{bits[:32]}{block * blocks}{0x177245385090:048b}{total:032b}"
    packed += "0" * (-len(packed) % 8)
    return int(packed, 2).to_bytes(len(packed) // 8)


def lzf():
    return b"\x00a" + b"\xe0\xff\x00" * (GIGABYTE // 264)


BOMBS = {
    "zlib": deflated, "bz2": bunzipped, "zstd": lambda: zstd_frame(GIGABYTE), "lzf": lzf,
    "blosc": lambda: struct.pack("<4B3I", 2, 1, 1, 1, GIGABYTE, 2**20, 16) + bytes(64),
    "lz4": lambda: struct.pack("<I", GIGABYTE) + bytes(64),
    "lz4 of HDF5": lambda: struct.pack(">QI", GIGABYTE, GIGABYTE) + bytes(64),
    "bitshuffle": lambda: struct.pack(">QI", GIGABYTE, 8192) + bytes(64),
    "szip": lambda: struct.pack("<I", GIGABYTE) + bytes(64),
    "blosc2": lambda: struct.pack("<4B3I", 5, 1, 1, 1, GIGABYTE, 2**20, 32) + bytes(64),
}  # fmt: skip
FILTERS = {
    "zlib": (1, (1,)), "bz2": (307, (9,)), "zstd": (32015, ()), "lzf": (32000, ()),
    "blosc": (32001, (2, 2, 2, 200, 5, 1, 0)), "lz4 of HDF5": (32004, ()),
    "bitshuffle": (32008, (0, 4, 2, 0, 2)), "blosc2": (32026, (1, 0, 2, 200, 5, 1, 0)),
}  # fmt: skip


@pytest.mark.parametrize("codec", BOMBS)
def test_the_size_is_found_without_unpacking(codec):
    assert unpacked_size(codec, BOMBS[codec](), 10**6) > 10**6
    assert unpacked_size(codec, b"", 10**6) == 0
    assert unpacked_size(codec, b"\x01\x02", 10**6) < 1000


def test_the_size_of_what_codecs_packed():
    numcodecs = pytest.importorskip("numcodecs")
    array = np.random.default_rng(0).integers(0, 9, 300_000, dtype="u2")
    packers = {
        "zlib": numcodecs.Zlib(), "gzip": numcodecs.GZip(), "bz2": numcodecs.BZ2(),
        "zstd": numcodecs.Zstd(), "lz4": numcodecs.LZ4(), "blosc": numcodecs.Blosc(),
    }  # fmt: skip
    for name, codec in packers.items():
        assert unpacked_size(name, bytes(codec.encode(array)), 10**7) == array.nbytes, name


def hdf5(path, codec):
    import h5py

    pytest.importorskip("hdf5plugin")
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((8, 16, 16))
    plist.set_filter(FILTERS[codec][0], h5py.h5z.FLAG_OPTIONAL, FILTERS[codec][1])
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple((8, 16, 16))
        data = h5py.h5d.create(file.id, b"data", h5py.h5t.NATIVE_UINT16, space, plist)
        data.write_direct_chunk((0, 0, 0), BOMBS[codec]())


def zarr(path, codec, version):
    path.mkdir()
    if version == 2:
        settings = {
            "zarr_format": 2, "shape": [8, 16, 16], "chunks": [8, 16, 16], "dtype": "<u2",
            "compressor": {"id": codec, "level": 1}, "filters": None, "fill_value": 0, "order": "C",
        }  # fmt: skip
        if codec in ("lz4", "blosc"):
            settings["compressor"] = {"id": codec}
        (path / ".zarray").write_text(json.dumps(settings))
        (path / "0.0.0").write_bytes(BOMBS[codec]())
        return
    inner = [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "zstd", "configuration": {"level": 1, "checksum": False}},
    ]
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    shards = {"chunk_shape": [8, 16, 16], "codecs": inner, "index_codecs": index}
    codecs = [{"name": "sharding_indexed", "configuration": shards | {"index_location": "end"}}]
    grid = {"name": "regular", "configuration": {"chunk_shape": [8, 16, 16]}}
    keys = {"name": "default", "configuration": {"separator": "/"}}
    document = {
        "zarr_format": 3, "node_type": "array", "shape": [8, 16, 16], "data_type": "uint16",
        "chunk_grid": grid, "chunk_key_encoding": keys, "fill_value": 0, "attributes": {},
        "codecs": codecs if version == "shards" else inner,
    }  # fmt: skip
    (path / "zarr.json").write_text(json.dumps(document))
    (path / "c/0/0").mkdir(parents=True)
    data = BOMBS["zstd"]()
    if version == "shards":
        from google_crc32c import value

        index = struct.pack("<QQ", 0, len(data))
        data += index + struct.pack("<I", value(index))
    (path / "c/0/0/0").write_bytes(data)


@pytest.mark.parametrize("codec", FILTERS)
def test_hdf5_chunks(tmp_path, codec):
    hdf5(tmp_path / "a.h5", codec)
    for read in (tl.images.fromhdf5, tl.load):
        with pytest.raises(ThunderlikeError, match=r"unpacks to|has .* bytes"):
            read(tmp_path / "a.h5")


@pytest.mark.parametrize("codec", ["zlib", "bz2", "zstd", "lz4", "blosc", "v3", "shards"])
def test_zarr_chunks(tmp_path, codec):
    pytest.importorskip("zarr")
    if codec == "shards":
        pytest.importorskip("google_crc32c")
    zarr(tmp_path / "a.zarr", codec, codec if codec == "shards" else 3 if codec == "v3" else 2)
    with pytest.raises(ThunderlikeError, match="unpacks to"):
        tl.images.fromzarr(tmp_path / "a.zarr")


def test_memory_stays_small(tmp_path):
    pytest.importorskip("zarr")
    for codec in FILTERS:
        hdf5(tmp_path / f"{codec}.h5", codec)
    for codec in ("zlib", "bz2", "zstd", "lz4", "blosc"):
        zarr(tmp_path / f"{codec}.zarr", codec, 2)
    code = (
        "import re, sys, thunderlike as tl\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        (tl.images.fromhdf5 if path.endswith('h5') else tl.images.fromzarr)(path)\n"
        "    except tl.ThunderlikeError:\n"
        "        continue\n"
        "    sys.exit(path + ' was read')\n"
        # Not ru_maxrss: a process inherits that of the one which started it.
        "status = open('/proc/self/status').read()\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) // 1024)\n"
    )
    paths = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run(
        [sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 400  # MiB, of which the package takes half
