"""Datasets of samples: ours against datadings, webdataset and plain reading of the same file.

    python benchmarks/datasets.py [NAME ...]

It runs where datadings, webdataset and boto3 are installed beside this package. The files are in
the page cache; both libraries read the same ones. ``write`` rows write to the temporary folder,
ours through to the disk. ``far`` reads from a bucket whose every answer takes 20 ms longer, against
bare ranged requests by as many threads.
"""

from __future__ import annotations

import collections
import os
import random
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datadings.reader as theirs
import numpy as np
from datadings.writer import FileWriter as TheirWriter
from harness import Row, Scaled, main
from storage import KEYS, client, far, server

from thunderlike import datasets as ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

KINDS = {"1 KB": (100_000, 1000), "3 KB": (20_000, 3000), "100 KB": (1000, 100_000)}
ARRAYS = 20_000
RANGE, THREADS = 4 * 2**20, 16


def used_up(items: Iterable[Any]) -> None:
    """Take everything, at the speed of C."""
    collections.deque(items, maxlen=0)


def samples(count: int, size: int) -> list[dict[str, Any]]:
    """Samples as of pictures: key, bytes, label."""
    draw = random.Random(1)
    image = draw.randbytes(size)
    return [{"key": f"image_{i:07d}", "image": image, "label": i % 10} for i in range(count)]


def pictures() -> list[dict[str, Any]]:
    """Samples of small arrays."""
    image = np.random.default_rng(1).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    return [{"key": f"{i:07d}", "image": image, "label": i % 10} for i in range(ARRAYS)]


def written(path: Path, found: list[dict[str, Any]]) -> Path:
    """Write a file that all read."""
    with ours.FileWriter(path, overwrite=True) as writer:
        writer.write_many(found)
    return path


def rows() -> Iterator[Row]:
    """Reading, writing, a million keys, a bucket."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, (count, size) in KINDS.items():
            yield from reading(name, written(folder / f"{size}.msgpack", samples(count, size)))
            yield plain(name, folder / f"{size}.msgpack")
        yield from reading("array", written(folder / "a.msgpack", pictures()))
        yield from tars(folder)
        for name, (count, size) in KINDS.items():
            yield from writing(name, folder, samples(count // 2, size))
        yield from writing("array", folder, pictures())
        yield from million(folder)
        yield from bucket(folder / "100000.msgpack")


def reading(name: str, path: Path) -> Iterator[Row]:
    """In order, raw, one by one at random, by key, and shuffled."""
    reader = ours.MsgpackReader(path)
    order = random.Random(2).sample(range(len(reader)), len(reader))
    keys = [reader.find_key(i) for i in order[:20_000]]

    ways = {
        "decoded": lambda _, reader: used_up(reader),
        "raw": lambda _, reader: used_up(reader.rawiter()),
        "get": lambda _, reader: used_up(map(reader.get, order)),
        "by key": lambda _, reader: [reader.get(reader.find_index(key)) for key in keys],
        "shuffled": lambda room, reader: used_up(room.Shuffler(reader)),
    }
    for what, way in ways.items():
        mine, rival = (partial(with_reader, way, room, path) for room in (ours, theirs))
        yield Row(f"{name} {what}", mine, {"datadings": rival})


def with_reader(way: Callable[[Any, Any], Any], room: Any, path: Path) -> None:
    """Do something with a new reader."""
    way(room, room.MsgpackReader(path))


def plain(name: str, path: Path) -> Row:
    """Raw messages against reading the same bytes into one buffer, message by message."""
    lengths = np.diff(np.fromfile(f"{path}.offsets", ">u8").astype(np.int64)).tolist()
    buffer = memoryview(bytearray(max(lengths)))

    def readinto() -> None:
        with path.open("rb", buffering=0) as file:
            for length in lengths:
                file.readinto(buffer[:length])

    mine = lambda: used_up(ours.MsgpackReader(path).rawiter())  # noqa: E731
    return Row(f"{name} raw, plain", mine, {"readinto": readinto})


def tars(folder: Path) -> Iterator[Row]:
    """The same small samples as a tar of webdataset, of which a part is read."""
    import webdataset

    path, count = folder / "1000.msgpack", 5000
    part = ours.Range(ours.MsgpackReader(path), 0, count)
    with webdataset.TarWriter(str(folder / "w.tar")) as writer:
        for found in part.slice(0):
            writer.write({"__key__": found["key"], "jpg": found["image"], "cls": found["label"]})
    tar = f"file:{folder}/w.tar"
    factor = KINDS["1 KB"][0] / count
    rival = Scaled(lambda: used_up(webdataset.WebDataset(tar, shardshuffle=False)), factor)
    mine = lambda: used_up(ours.MsgpackReader(path))  # noqa: E731
    yield Row("1 KB against tar", mine, {"webdataset": rival})


def writing(name: str, folder: Path, found: list[dict[str, Any]]) -> Iterator[Row]:
    """With md5, as datadings always does, and with a faster hash of each sample instead."""

    def write(kind: Any, **options: Any) -> None:
        with kind(folder / "out.msgpack", overwrite=True, **options) as writer:
            for one in found:
                writer.write(one)

    rival = {"datadings": lambda: write(TheirWriter, disable=True)}
    yield Row(f"{name} write", lambda: write(ours.FileWriter), rival)
    fast = {"digest": None, "sums": True}
    yield Row(f"{name} write, sums", lambda: write(ours.FileWriter, **fast), rival)


def million(folder: Path) -> Iterator[Row]:
    """What a large index costs: to open it, for the first sample, for the first key."""
    path = folder / "million.msgpack"
    written(path, [{"key": f"image_{i:07d}"} for i in range(1_000_000)])
    suffixes = ("", ".offsets", ".keys", ".key_hashes", ".filter", ".md5")

    def files() -> None:
        for _ in range(100):
            for suffix in suffixes:
                Path(f"{path}{suffix}").stat()
                os.close(os.open(f"{path}{suffix}", os.O_RDONLY))

    opened = lambda room: [room.MsgpackReader(path) for _ in range(100)]  # noqa: E731
    rivals = {"stat and open": files, "datadings": lambda: opened(theirs)}
    yield Row("million open", lambda: opened(ours), rivals)
    for what, use in (
        ("get", lambda r: r.get(7)),
        ("key", lambda r: r.find_index("image_0000007")),
    ):
        mine = lambda use=use: use(ours.MsgpackReader(path))  # noqa: E731
        rival = lambda use=use: use(theirs.MsgpackReader(path))  # noqa: E731
        yield Row(f"million first {what}", mine, {"datadings": rival})


def bucket(path: Path) -> Iterator[Row]:
    """All samples in order, against the ranges they are in, asked for by as many threads."""
    os.environ.update(KEYS)
    with server() as url, far(url) as slow:
        os.environ["AWS_ENDPOINT_URL_S3"] = slow
        s3 = client(slow)
        client(url).create_bucket(Bucket="bench")
        for suffix in ("", ".offsets", ".keys", ".key_hashes", ".filter", ".md5"):
            body = Path(f"{path}{suffix}").read_bytes()
            client(url).put_object(Bucket="bench", Key=f"a.msgpack{suffix}", Body=body)

        def bare() -> None:
            def ask(start: int) -> bytes:
                span = f"bytes={start}-{start + RANGE - 1}"
                answer = s3.get_object(Bucket="bench", Key="a.msgpack", Range=span)
                return answer["Body"].read()

            with ThreadPoolExecutor(THREADS) as pool:
                used_up(pool.map(ask, range(0, path.stat().st_size, RANGE)))

        mine = lambda: used_up(ours.MsgpackReader("s3://bench/a.msgpack"))  # noqa: E731
        yield Row("far decoded", mine, {"ranged requests": bare})


if __name__ == "__main__":
    main(rows, __doc__ or "")
