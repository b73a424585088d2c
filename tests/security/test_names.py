"""Names and texts of files are escaped wherever they are shown; none commands a terminal."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import tarfile
import traceback
import warnings
import zipfile
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

import thunderlike as tl
from thunderlike import cli
from thunderlike.cli import main
from thunderlike.datasets import (
    DirectoryReader,
    FileWriter,
    MsgpackReader,
    ShardedReader,
    TarReader,
    ZipFileReader,
)
from thunderlike.progress import subscribe, track

PIECES = {
    "ansi": "a\x1b[2J\x1b]0;owned\x07b",
    "line": "a\nerror: forged\rb",
    "html": "<script>alert(1)</script>&\"'",
    "rtl": "a\u202egnp.exe",
    "c1": "a\x9b31m\x85b",
    "format": "{}{0}%s%d%(x)s{a.b}",
    "mathtext": "cost $\\frac{1}{$ and $x_",
}
HOSTILE = {
    "all": "".join(PIECES.values()).replace("/", "_"),
    "bytes": os.fsdecode(b"a\xff\xfe"),
    "long": "x\x1b[2J" * 2000,
}
MOVIE = np.arange(24, dtype="u1").reshape(2, 3, 4)


class Shown:
    """Collects what is shown: on both streams, in warnings, logs and events."""

    def __init__(self):
        self.texts = {}

    def of(self, place, call):
        """Run a call and keep all that it shows; an error as Python prints it, with its causes."""
        with self.collected(place) as out:
            try:
                value = call()
            except SystemExit:
                pass
            except tl.ThunderlikeError as error:
                out.write(str(error) + repr(error))
                out.write("".join(traceback.format_exception_only(error)))
            else:
                if isinstance(value, str):
                    out.write(value)
                elif value is not None:
                    out.write(repr(value) + str(value))

    @contextlib.contextmanager
    def collected(self, place):
        out, handler = io.StringIO(), logging.StreamHandler(log := io.StringIO())
        handler.setLevel(logging.DEBUG)
        root = logging.getLogger("thunderlike")
        before = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        labels = []
        try:
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(out),
                warnings.catch_warnings(record=True) as caught,
                subscribe(lambda event: labels.append(event.label)),
            ):
                warnings.simplefilter("always")
                yield out
        finally:
            root.removeHandler(handler)
            root.setLevel(before)
        heard = [str(one.message) for one in caught] + labels + log.getvalue().splitlines()
        text = "\n".join([out.getvalue(), *heard])
        self.texts[place] = self.texts.get(place, "") + text

    def raw(self, keep="\n\t"):
        """Places that showed a control character, and the first of them."""
        found = {}
        for place, text in self.texts.items():
            bad = [c for c in text if not c.isprintable() and c not in keep]
            if bad or ("\nerror: forged" in text and place != "html"):  # there it is a blank
                found[place] = bad[:3] or ["forged line"]
        return found


def files_of(folder, name):
    """A file of each kind whose name or content is hostile: what it is, and where."""
    made, short = {}, name[:60] if len(os.fsencode(name[:60])) < 150 else name[:20]
    short = short.replace("/", "_")
    plain = folder / "plain"
    plain.mkdir()
    named = folder / f"named {short}"
    named.mkdir()
    np.save(named / f"{short}.npy", MOVIE)
    made["npy"] = named / f"{short}.npy"
    made["cut npy"] = named / f"cut {short}.npy"
    made["cut npy"].write_bytes(made["npy"].read_bytes()[:-3])
    tifffile.imwrite(named / f"{short}.tif", MOVIE, metadata=None)
    made["tif"] = named / f"{short}.tif"
    made["junk tif"] = named / f"junk {short}.tif"
    made["junk tif"].write_bytes(b"II*\0junk")
    texts = name.encode("utf-8", "surrogateescape")
    tifffile.imwrite(plain / "described.tif", MOVIE, description=texts.replace(b"\0", b""))
    made["described tif"] = plain / "described.tif"
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="4" '
        f'SizeY="3" SizeZ="1" SizeC="1" SizeT="2" PhysicalSizeX="1" PhysicalSizeXUnit="{short}">'
        '<TiffData/></Pixels></Image></OME>'
    )  # fmt: skip
    tifffile.imwrite(
        plain / "x.ome.tif",
        MOVIE,
        description=xml.encode("utf-8", "replace"),
        metadata=None,
    )
    made["ome tif"] = plain / "x.ome.tif"
    key = texts.replace(b"/", b"_").replace(b"\0", b"")[:60000]
    with h5py.File(plain / "x.h5", "w") as file:
        file.create_dataset(key, data=MOVIE)
        file[key].attrs["unit"] = short.encode("utf-8", "replace").decode()
        group = file.create_group(key + b"g")
        group.create_dataset(b"t" + key, data=short.encode("utf-8", "replace").decode())
        group.attrs.create(key[:60], np.bytes_(key[:60]))
        file[b"link" + key] = h5py.SoftLink("/nowhere")
        file[b"out" + key] = h5py.ExternalLink(
            "out.h5", "/" + short.encode(errors="replace").decode()
        )
        file.create_dataset(b"damaged" + key, data=np.zeros(3)).attrs["TITLE"] = key[:60]
        pickled = file.create_dataset(b"p" + key, data=np.frombuffer(b"cos\nsystem\n.", "u1"))
        pickled.attrs["strtype"] = np.bytes_(b"pickle")
    made["hdf5"] = plain / "x.h5"
    made["cut hdf5"] = named / f"cut {short}.h5"
    made["cut hdf5"].write_bytes((plain / "x.h5").read_bytes()[:-100])
    clean = name.encode("utf-8", "replace").decode()
    with FileWriter(named / f"{short}.msgpack") as writer:
        for number, image in enumerate(MOVIE):
            writer.write({"key": f"{clean}{number}", "data": image, clean: clean})
    made["msgpack"] = named / f"{short}.msgpack"
    import zarr

    store = zarr.create_array(
        str(plain / "x.zarr"), shape=MOVIE.shape, chunks=MOVIE.shape, dtype="u1",
        attributes={clean: clean, "unit": clean},
    )  # fmt: skip
    store[...] = MOVIE
    made["zarr"] = plain / "x.zarr"
    np.savez(plain / "x.npz", **{clean.replace("/", "_")[:200]: MOVIE[:, 0, 0], "b": MOVIE[:, 0]})
    made["npz"] = plain / "x.npz"
    with zipfile.ZipFile(plain / "x.zip", "w") as archive:
        archive.writestr(clean[:200] + ".npy", b"junk")
    made["zip"] = plain / "x.zip"
    with tarfile.open(plain / "x.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo(short + ".npy"), io.BytesIO())
        link = tarfile.TarInfo("l" + short)
        link.type, link.linkname = tarfile.SYMTYPE, "../" + short
        archive.addfile(link)
    made["tar"] = plain / "x.tar"
    (named / "raw").mkdir()
    (named / "raw" / "image-00000.bin").write_bytes(MOVIE.tobytes()[:-1])
    (named / "raw" / "conf.json").write_text(
        json.dumps({"shape": [3, 4], "dtype": short, "input": short})
    )
    made["raw"] = named / "raw"
    (plain / "x.csv").write_text(f'time,"{clean}"\n0,1\n1,2\n', newline="")
    made["csv"] = plain / "x.csv"
    (plain / "x.txt").write_text(f"1 2 {short.encode(errors='replace').decode()}\n")
    made["text"] = plain / "x.txt"
    made["folder"] = named
    made["missing"] = folder / f"missing {short}.tif"
    return made


def read(kind, path):
    """Every reader that may be given that path: where, and a call."""
    path = str(path)
    for name in ("tif", "npy", "hdf5", "zarr", "png", "binary", "msgpack", "nwb", "suite2p"):
        yield (
            f"images.from{name} of {kind}",
            lambda name=name: getattr(tl.images, f"from{name}")(path),
        )
    yield f"images.fromtif nplanes of {kind}", lambda: tl.images.fromtif(path, nplanes=1)
    for name in ("text", "npy", "hdf5", "zarr", "binary"):
        yield (
            f"series.from{name} of {kind}",
            lambda name=name: getattr(tl.series, f"from{name}")(path),
        )
    yield f"load of {kind}", lambda: repr(tl.load(path))
    yield f"load of an entry of {kind}", lambda: tl.load(path, "/" + os.path.basename(path))  # noqa: PTH119
    yield f"hdf5.ls of {kind}", lambda: str(tl.hdf5.ls(path))
    yield f"arrays.read of {kind}", lambda: tl.arrays.read(path).shape
    for fmt in ("npz", "csv", "hdf5", "zarr", "msgpack"):
        yield (
            f"batches {fmt} of {kind}",
            lambda fmt=fmt: batch_shown(tl.batches.Batch(range(2)).load(path, fmt=fmt)),
        )
    for reader in (MsgpackReader, TarReader, ZipFileReader, DirectoryReader, ShardedReader):
        yield f"{reader.__name__} of {kind}", lambda reader=reader: reader_shown(reader(path))
    yield f"correlate of {kind}", lambda: tl.series.fromarray(np.eye(2)).correlate(path)
    for words in (
        ("info",), ("info", "--json"), ("ls",), ("ls", "--json"), ("ls", "--raw", "-s"),
        ("ls", "-i", "/" + os.path.basename(path)),  # noqa: PTH119
        ("convert", path + ".out.npy"), ("datasets", "info"), ("datasets", "cat"),
        ("datasets", "ls"),
        ("datasets", "verify"), ("datasets", "bench"), ("datasets", "cat", "--keys", path),
        ("datasets", "reindex"), ("submit", "--dry-run", "--master", "local[2]"),
        ("datasets", "check"), ("datasets", "merge", path + ".m.msgpack"), ("nonsense",),
        ("info", "--frobnicate"),
    ):  # fmt: skip
        command, rest = words[0], list(words[1:])
        sub = [rest.pop(0)] if command == "datasets" else []
        yield (
            f"thunderlike {' '.join(map(str, words))[:30]} of {kind}",
            lambda c=command, s=sub, r=rest: main([c, *s, path, *r]) and None,
        )


def batch_shown(batch):
    return f"{batch!r} {batch.components!r} {batch.items!r} {batch[0]!r}"


def reader_shown(reader):
    return f"{reader!r} {reader.find_key(0)!r} {next(iter(reader))!r}"


@pytest.mark.parametrize("name", HOSTILE)
def test_every_place_escapes_names(tmp_path, name, monkeypatch):
    monkeypatch.setattr(cli, "_parser", cache(cli._parser))  # 500 command lines, one parser
    shown, refusals = Shown(), []
    for kind, path in files_of(tmp_path, HOSTILE[name]).items():
        for place, call in read(kind, path):
            try:
                shown.of(place, call)
            except Exception as error:
                refusals.append(f"{place}: {type(error).__name__}: {error!r}"[:300])
    assert refusals == []
    assert len(shown.texts) > 500
    assert sum(len(text) > 2 for text in shown.texts.values()) > 500
    assert shown.raw() == {}


@pytest.mark.parametrize("name", HOSTILE)
def test_collections_escape_what_a_terminal_and_a_notebook_show(engine, name):
    pytest.importorskip("matplotlib").use("Agg")
    text, shown = HOSTILE[name], Shown()
    series = tl.series.fromarray(
        np.arange(6.0).reshape(2, 3), index=[text, "b", "c"], labels=[text, "y"], engine=engine
    )
    images = tl.images.fromarray(MOVIE, labels=[text, "y"], engine=engine)
    images.attrs["unit"] = images.attrs[text] = text
    for thing in (series, images, images.toblocks(2), series.map(lambda x: x[:1])):
        shown.of("repr", lambda thing=thing: repr(thing))
        shown.of("html", lambda thing=thing: thing._repr_html_())
    shown.of("select", lambda: series.select(text + "?"))
    shown.of("level", lambda: series.select_by_index(text))
    for place, draw in {
        "images.plot": lambda: images.plot(0),
        "series.plot": lambda: series.plot(0),
        "series.plot several": lambda: series.plot([0, 1]),
        "series.plot of one value": lambda: series.select([text]).plot(),
        "heatmap": series.heatmap,
    }.items():
        axes = draw()
        axes.figure.canvas.draw()  # raises where a name is read as a formula
        found = [
            axes.get_title(),
            axes.get_ylabel(),
            *(t.get_text() for t in axes.get_xticklabels()),
        ]
        shown.of(place, lambda found=found: "\n".join(found))
        axes.figure.clear()
    assert shown.raw() == {}
    assert not any("<script" in text for place, text in shown.texts.items() if place == "html")


def test_a_movie_in_a_notebook_escapes_its_words():
    clip = tl.images.fromarray(MOVIE).movie()
    hostile = type(clip)(clip.data, clip.format, "<b>\x1b[2J")
    assert "&lt;b&gt;\\x1b[2J" in hostile._repr_html_()


def test_progress_escapes_names():
    labels = []
    with subscribe(lambda event: labels.append(event.label)), track("a\x1bb"):
        pass
    assert set(labels) == {"a\\x1bb"}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_names_that_the_terminal_has_no_letters_for(tmp_path, capsys, monkeypatch, encoding):
    path = tmp_path / "é日\udcff.npy"
    np.save(path, MOVIE)
    out = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr("sys.stdout", out)
    assert main(["info", str(path)]) == 0
    out.seek(0)
    assert "\\udcff.npy" in out.read()


def test_errors_are_one_line():
    assert str(tl.errors.NotFoundError("a\nb\tc")) == "a\\nb\\tc"
    assert str(tl.errors.WorkerFailedError("f raised\n  at g")) == "f raised\n  at g"
    assert Path(__file__).name in repr(tl.errors.NotFoundError(__file__))
