"""Read files that name others, in a process that hears of every file opened: run as a script.

python opening.py FOLDER [careless]

An audit hook hears what Python opens or lists; on Linux inotify hears what C libraries open as
well, which no hook does. Prints a line for each reader that opened anything but what its caller
named: the file or folder of the call, and the files that docs/security.md says belong to it.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import io
import json
import os
import shutil
import signal
import struct
import sys
import sysconfig
import tarfile
import uuid
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import tifffile
from PIL import Image
from scipy.io import savemat

import thunderlike as tl
from thunderlike.cli import main
from thunderlike.cli.scripts import activity_map, make_dataset, series_stats
from thunderlike.datasets import (
    DirectoryReader,
    FileWriter,
    MsgpackReader,
    ShardedReader,
    ShardWriter,
    TarReader,
    ZipFileReader,
    check,
    reindex,
)
from thunderlike.datasets.images import pixels
from thunderlike.datasets.torch import CompressedToPIL
from thunderlike.jobs.contents import look
from thunderlike.jobs.convert import convert
from thunderlike.jobs.signals import read_signal

SECONDS = 10  # for what takes milliseconds: a reader that waits for a pipe is ended
MOVIE = (np.arange(4 * 8 * 6) * 37 % 251).reshape(4, 8, 6).astype("u1")
OF_PYTHON = ("/proc", "/dev", "/sys", "/etc", "/usr/share", "/usr/lib")
OF_PYTHON += (sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"))
OF_PYTHON += (str(Path(tl.__file__).parent),)


# ---- Hearing


class Heard:
    """What this process opens to read, or begins, while it is armed."""

    BEGINS = ("subprocess.Popen", "os.posix_spawn", "os.system", "os.exec", "socket.connect")

    def __init__(self):
        self.armed, self.paths = False, []
        sys.addaudithook(self.hear)  # for good: Python takes none away

    def hear(self, event, args):
        if self.armed and event in self.BEGINS:
            self.paths.append(f"{event} {args[0]}")
        if not self.armed or event != "open" or not isinstance(args[0], str | bytes):
            return
        place = os.path.abspath(os.fsdecode(args[0]))  # noqa: PTH100  # links stay as they are
        # Names that are relative to a descriptor, as shutil has them, are no files here.
        if args[2] & os.O_ACCMODE != os.O_WRONLY and os.path.lexists(place):
            self.paths.append(place)


class Kernel:
    """Files of which the kernel says that they were opened, by whatever part of this process."""

    OPEN, WITHOUT_WAITING = 0x20, 0o4000

    def __init__(self):
        self.paths, self.handle = {}, -1
        if sys.platform == "linux":
            self.libc = ctypes.CDLL(None, use_errno=True)
            self.handle = self.libc.inotify_init1(self.WITHOUT_WAITING)

    def watch(self, path):
        if self.handle >= 0:
            number = self.libc.inotify_add_watch(self.handle, os.fsencode(path), self.OPEN)
            self.paths[number] = os.path.realpath(path)

    def opened(self):
        """Paths opened since the last call."""
        if self.handle < 0:
            return []
        found = []
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.handle, 2**16):
                while data:
                    number, mask, _, size = struct.unpack_from("iIII", data)
                    if mask & self.OPEN:
                        found.append(self.paths[number])
                    data = data[16 + size :]
        return found


HEARD, KERNEL = Heard(), Kernel()


# ---- Files that name others: each is made in `given`, and names what is in `theirs` and in `given`


@dataclass
class Case:
    """A file or folder as it is given to readers, and what else they may open."""

    path: Path
    readers: dict
    linked: tuple = ()


def secrets(folder):
    """Files of others, of every format that a file could name."""
    folder.mkdir(exist_ok=True)
    tifffile.imwrite(folder / "secret.tif", np.full((8, 6), 77, "u1"), metadata=None)
    with h5py.File(folder / "secret.h5", "w") as file:
        file["secret"] = np.full((4, 8, 6), 77, "u1")
    np.save(folder / "secret.npy", np.full((4, 8, 6), 77, "u1"))
    (folder / "secret.bin").write_bytes(bytes([77]) * MOVIE.nbytes)
    with FileWriter(folder / "secret.msgpack") as writer:
        writer.write({"key": "a", "data": np.full((8, 6), 77, "u1")})
    os.mkfifo(folder / "pipe")


def images(kind, **options):
    return lambda path: getattr(tl.images, f"from{kind}")(path, **options).toarray()


def series(kind, **options):
    return lambda path: getattr(tl.series, f"from{kind}")(path, **options).toarray()


ARRAYS = {
    "arrays.read": lambda path: tl.arrays.read(path),
    "arrays.block_sums": lambda path: tl.arrays.block_sums(path, blocks=2),
    "arrays.apply_lut": lambda path: tl.arrays.apply_lut(path, np.arange(256)),
    "arrays.where": lambda path: tl.arrays.where(path),
    "arrays.correlate1d": lambda path: tl.arrays.correlate1d(path, [1, 1, 1]),
    "arrays.initialize_source": lambda path: tl.arrays.initialize_source(path),
    "arrays.initialize_sink": lambda path: tl.arrays.initialize_sink(path),
    "arrays.apply_lut_to_index": lambda path: tl.arrays.apply_lut_to_index(path, np.ones((3, 3))),
    "arrays.neighbours": lambda path: tl.arrays.neighbours(path, np.arange(3)),
    "arrays.index_neighbours": lambda path: tl.arrays.index_neighbours(path, np.arange(3)),
    "arrays.write": lambda path: tl.arrays.write(f"results/{uuid.uuid4()}.npy", path),
}
LOOKING = {
    "look": lambda path: look(str(path)).description(),
    "convert": lambda path: convert(look(str(path)), f"results/{uuid.uuid4()}", "npy"),
    "thunderlike info": lambda path: main(["info", str(path)]),
    "thunderlike ls": lambda path: main(["ls", str(path)]),
    "thunderlike convert": lambda path: main(["convert", str(path), f"{result()}.npy"]),
    "activity_map": lambda path: activity_map.main(
        ["--images", str(path), "--signal", "linear", "--output", result()]
    ),
    "series_stats": lambda path: series_stats.main(["--input", str(path), "--output", result()]),
    "make_dataset": lambda path: make_dataset.main(["--input", str(path), "--output", result()]),
    "frompath": lambda path: tl.images.frompath(path, np.frombuffer, path.suffix[1:]).toarray(),
    "series.frompath": lambda path: tl.series.frompath(path, np.frombuffer).toarray(),
    "FilesIndex": lambda path: tl.batches.FilesIndex(str(path)),
    "load_raw": lambda path: tl.util.images.load_raw(path),
    "open_image": lambda path: tl.util.images.open_image(io.BytesIO(content(path))),
    "Saveable": lambda path: Kept.load(path),
}


class Kept(tl.util.Saveable):
    """An object that is loaded from any file."""

    @classmethod
    def load_from_dict(cls, found):
        """Return what is in the file."""
        return found


def content(path):
    """The bytes of a file; of a folder none."""
    return path.read_bytes() if path.is_file() else b""


def copy(path):
    """A copy that may be changed."""
    return shutil.copy(path, result())


def result():
    """A new path for what is written."""
    return f"results/{uuid.uuid4()}"


def batch(fmt):
    return {f"batches {fmt}": lambda path: tl.batches.Batch(range(4)).load(str(path), fmt=fmt)}


def ome(name):
    """The XML of a movie of four planes, of which another file has the last three."""
    return (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        f'UUID="urn:uuid:{uuid.uuid4()}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        'DimensionOrder="XYZCT" Type="uint8" SizeX="6" SizeY="8" SizeZ="1" SizeC="1" SizeT="2">'
        '<Channel ID="Channel:0:0" SamplesPerPixel="1"/><TiffData FirstT="0" IFD="0" '
        'PlaneCount="1"/><TiffData FirstT="1" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:{uuid.uuid4()}</UUID></TiffData></Pixels></Image></OME>'
    )


def tiff_cases(given):
    readers = {"images.fromtif": images("tif"), "images.fromtif nplanes": images("tif", nplanes=1)}
    for number, name in enumerate(["../theirs/secret.tif", "secret.tif", "pipe"]):
        path = given / f"names{number}.ome.tif"
        tifffile.imwrite(path, MOVIE[:1], description=ome(name), metadata=None)
        yield Case(path, readers | ARRAYS | LOOKING)
    path = given / "binary.ome.tif"
    binary = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<BinaryOnly MetadataFile="secret.tif" UUID="urn:uuid:1"/></OME>'
    )
    tifffile.imwrite(path, MOVIE[:1], description=binary, metadata=None)
    yield Case(path, readers | ARRAYS | LOOKING)
    path = given / "stack.tif"
    tifffile.imwrite(path, MOVIE, metadata={"FileName": "secret.tif", "axes": "TYX"})
    yield Case(path, readers | ARRAYS | LOOKING)


def hdf5_cases(given, theirs):
    readers = {
        "load": lambda path: tl.load(path),
        "load restricted": lambda path: tl.load(path, pickle="restricted"),
        "load allow": lambda path: tl.load(path, pickle="allow"),
        "load group": lambda path: tl.load(path, "/data"),
        "hdf5.ls": lambda path: str(tl.hdf5.ls(path)),
        "images.fromhdf5": images("hdf5"),
        "images.fromhdf5 dataset": images("hdf5", dataset="data"),
        "series.fromhdf5": series("hdf5", dataset="data"),
        "images.fromnwb": images("nwb"),
        "series.fromnwb": series("nwb"),
        "hdf5.append": lambda path: tl.hdf5.append(copy(path), "data", MOVIE),
        "save into": lambda path: tl.save(copy(path), {"data": 1}, mode="a"),
    }
    readers |= ARRAYS | LOOKING | batch("hdf5")
    for number, name in enumerate([str(theirs / "secret.h5"), "secret.h5"]):
        path = given / f"external{number}.h5"
        with h5py.File(path, "w") as file:
            file["data"] = h5py.ExternalLink(name, "/secret")
        yield Case(path, readers)
        path = given / f"through{number}.h5"
        with h5py.File(path, "w") as file:
            file["out"] = h5py.ExternalLink(name, "/")
            file["data"] = h5py.SoftLink("/out/secret")
        yield Case(path, readers)
        path = given / f"virtual{number}.h5"
        layout = h5py.VirtualLayout((4, 8, 6), "u1")
        layout[:] = h5py.VirtualSource(name, "secret", (4, 8, 6))
        with h5py.File(path, "w") as file:
            file.create_virtual_dataset("data", layout)
        yield Case(path, readers)
        path = given / f"storage{number}.h5"
        with h5py.File(path, "w") as file:
            raw = [(name.replace(".h5", ".bin"), 0, MOVIE.nbytes)]
            file.create_dataset("data", MOVIE.shape, "u1", external=raw)
        yield Case(path, readers)
    path = given / "movie.nwb"
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"], file.attrs["neurodata_type"] = "2.6.0", "NWBFile"
        group = file.create_group("acquisition/movie")
        group.attrs["neurodata_type"] = "TwoPhotonSeries"
        group["external_file"] = [b"../theirs/secret.tif"]
        group["data"] = np.zeros((0, 0, 0), "u1")
        group["data"].attrs["unit"] = "a.u."
    yield Case(path, readers)


def npy_cases(given):
    path = given / "plain.npy"
    np.save(path, MOVIE)
    readers = {"images.fromnpy": images("npy"), "series.fromnpy": series("npy")}
    yield Case(path, readers | ARRAYS | LOOKING)
    path = given / "objects.npy"
    np.save(path, np.array([Path("secret.npy")], object), allow_pickle=True)
    yield Case(path, readers | ARRAYS | LOOKING)
    path = given / "members.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../theirs/secret.npy", (given / "plain.npy").read_bytes())
        archive.writestr("x.npy", (given / "plain.npy").read_bytes())
    yield Case(path, batch("npz") | LOOKING)


def zarr_cases(given, theirs, linked):
    import zarr

    readers = {
        "images.fromzarr": images("zarr"),
        "series.fromzarr": series("zarr"),
        "images.fromzarr dataset": images("zarr", dataset="../../theirs/a.zarr"),
    }
    readers |= ARRAYS | LOOKING | batch("zarr")
    for folder in (theirs, given):
        array = zarr.create_array(
            folder / "a.zarr", shape=MOVIE.shape, chunks=(2, 8, 6), dtype="u1"
        )
        array[...] = MOVIE
    yield Case(given / "a.zarr", readers)
    described = json.loads((given / "a.zarr/zarr.json").read_text())
    for separator in ("/../../../theirs/a.zarr/c/", "/"):
        configuration = {"name": "default", "configuration": {"separator": separator}}
        target = given / f"names{len(separator)}.zarr"
        (target / "c").mkdir(parents=True)
        document = json.dumps(described | {"chunk_key_encoding": configuration})
        (target / "zarr.json").write_text(document)
        (target / "c/0").symlink_to(linked / "a.zarr/c/0")  # chunks are opened by their names
        yield Case(target, readers, linked=(linked,))
    group = given / "group.zarr"
    group.mkdir()
    consolidated = {"kind": "inline", "must_understand": False}
    consolidated["metadata"] = {"../../theirs/a.zarr": described}
    scales = [{"datasets": [{"path": "../../theirs/a.zarr"}], "axes": []}]
    document = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {"ome": {"multiscales": scales}},
    }
    (group / "zarr.json").write_text(json.dumps(document | {"consolidated_metadata": consolidated}))
    yield Case(group, readers)


def dataset_cases(given):
    readers = {
        "MsgpackReader": lambda path: list(MsgpackReader(path, verify=True)),
        "ShardedReader": lambda path: list(ShardedReader([path])),
        "check": lambda path: check(path, samples=True),
        "images.frommsgpack": images("msgpack"),
        "batches msgpack": batch("msgpack")["batches msgpack"],
        "series.frommsgpack": series("msgpack"),
        "images.fromdataset": lambda path: tl.images.fromdataset(MsgpackReader(path)).toarray(),
        "series.fromdataset": lambda path: tl.series.fromdataset(MsgpackReader(path)).toarray(),
        "reindex": lambda path: reindex(copy(path)),
    }
    for command in ("cat", "ls", "info", "verify", "bench", "convert-index"):
        readers[f"datasets {command}"] = lambda path, c=command: main(["datasets", c, str(path)])
    for command in ("shuffle", "merge", "export"):
        readers[f"datasets {command}"] = lambda path, c=command: main(
            ["datasets", c, str(path), f"{result()}.{'tar' if c == 'export' else 'msgpack'}"]
        )
    readers["datasets sample"] = lambda path: main(
        ["datasets", "sample", str(path), f"{result()}.msgpack", "2"]
    )
    path = given / "x.msgpack"
    with FileWriter(path) as writer:
        for number, image in enumerate(MOVIE):
            writer.write({"key": f"../theirs/secret{number}", "data": image})
    with (given / "x.msgpack.md5").open("a") as file:
        file.write(f"{'0' * 32}  ../theirs/secret.msgpack\n{'0' * 32}  secret.msgpack\n")
    yield Case(path, readers | LOOKING)
    shards = given / "shards"
    shards.mkdir()
    with ShardWriter(shards / "x-{}.msgpack", max_samples=2) as writer:
        for number, image in enumerate(MOVIE):
            writer.write({"key": str(number), "data": image})
    names = ["../secret.msgpack", "../../theirs/secret.msgpack"]
    (shards / "manifest.json").write_text(json.dumps({"shards": [{"name": n} for n in names]}))
    sharded = {
        "ShardedReader folder": lambda path: list(ShardedReader(path)),
        "images.frommsgpack folder": images("msgpack"),
    }
    yield Case(shards, sharded | LOOKING)
    path = given / "x.tar"
    with tarfile.open(path, "w") as archive:
        for number, kind in enumerate([tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.REGTYPE]):
            member = tarfile.TarInfo(f"cat/{number}")
            member.type, member.linkname = kind, "../theirs/secret.npy"
            archive.addfile(member, io.BytesIO())
    members = {
        "TarReader": lambda path: list(TarReader(path, "**", allow_empty=True)),
        "datasets write": lambda path: main(
            ["datasets", "write", f"{path}/**", "-o", f"{result()}.msgpack"]
        ),
        "YFCC100mReader": lambda path: list(tl.datasets.sets.YFCC100mReader(path)),
    }
    yield Case(path, members | LOOKING)
    path = given / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("cat/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "../theirs/secret.npy")
    yield Case(path, {"ZipFileReader": lambda path: list(ZipFileReader(path, "**"))} | LOOKING)


def picture_cases(given):
    """PostScript under the name of a picture, which Pillow would hand to another program."""
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "EPS")
    path = given / "postscript.png"
    path.write_bytes(file.getvalue())
    readers = {
        "images.frompng": images("png"),
        "util.images.load": tl.util.images.load,
        "batches image": batch("image")["batches image"],
        "CompressedToPIL": lambda path: CompressedToPIL()(path.read_bytes()),
        "pictures": lambda path: pixels(path.read_bytes()),
    }
    yield Case(path, readers | LOOKING)
    path = given / "x.mat"
    savemat(path, {"s": np.arange(3.0), "file": "secret.npy"})
    series = tl.series.fromarray(np.arange(6.0).reshape(2, 3))
    yield Case(path, {"correlate": lambda path: series.correlate(str(path))})


def other_cases(given, theirs):
    raw = given / "raw"
    raw.mkdir()
    (raw / "image-00000.bin").write_bytes(MOVIE.tobytes())
    document = {
        "shape": [8, 6],
        "dtype": "uint8",
        "path": "../secret.bin",
        "input": "../secret.bin",
    }
    (raw / "conf.json").write_text(json.dumps(document))
    readers = {"images.frombinary": images("binary"), "series.frombinary": series("binary")}
    yield Case(raw, readers | LOOKING)
    plane = given / "suite2p"
    plane.mkdir()
    (plane / "data.bin").write_bytes(MOVIE.astype("i2").tobytes())
    ops = {"Ly": 8, "Lx": 6, "nframes": 4, "reg_file": str(theirs / "secret.bin"),
           "save_path": str(theirs), "raw_file": "../secret.bin"}  # fmt: skip
    np.save(plane / "ops.npy", np.array(ops, object), allow_pickle=True)
    yield Case(plane, {"images.fromsuite2p": images("suite2p")})
    path = given / "x.txt"
    path.write_text("1 2 3\n../theirs/secret.npy 5 6\n")
    yield Case(path, {"series.fromtext": series("text")} | LOOKING | batch("csv"))
    path = given / "x.csv"
    path.write_text("time,speed\n0,1\n1,=../theirs/secret.npy\n")
    signals = {"signal": lambda path: read_signal(f"{path}:speed")}
    yield Case(path, signals | batch("csv") | batch("feather") | batch("blosc") | LOOKING)
    path = given / "x.json"
    path.write_text(json.dumps([{"name": "a", "value": {"$ref": "secret.npy"}}]))
    yield Case(path, {"signal": lambda path: read_signal(f"{path}:a")})


def folder_cases(given, linked):
    """A folder of images, with links to files and folders elsewhere, and a pipe."""
    folder = given / "frames"
    folder.mkdir()
    for number in range(2):
        tifffile.imwrite(folder / f"{number}.tif", MOVIE[number], description=ome("../secret.tif"),
                         metadata=None)  # fmt: skip
    (folder / "folder").symlink_to(linked)
    readers = {
        "images.fromtif folder": images("tif"),
        "images.fromtif recursive": images("tif", recursive=True),
        "images.frompath": lambda path: tl.images.frompath(path, np.frombuffer, "tif").count(),
    }
    yield Case(folder, readers | LOOKING)
    patterns = {"DirectoryReader": lambda path: list(DirectoryReader(f"{path}/**"))}
    yield Case(folder, patterns, linked=(linked,))  # a pattern is followed as in a shell


# ---- Reading them


def run(read, path):
    """Let a reader read, for some seconds; what it raises is another test's business."""
    HEARD.paths, HEARD.armed = [], True
    faulthandler.dump_traceback_later(3 * SECONDS, exit=True)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            read(path)
    except tl.ThunderlikeError as error:
        return type(error).__name__
    except SystemExit:
        return "refused"
    except BaseException as error:
        return f"untyped {type(error).__name__}"
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
        HEARD.armed = False
    return "read"


class Overdue(BaseException):
    """A reader takes too long; no library takes it for an error of its own."""


def overdue(_signal, _frame):
    raise Overdue


def wrong(path, allowed):
    """Files that were opened and not named: the path, what is in it, what belongs to it."""
    named = (str(path), *map(str, allowed), *OF_PYTHON)
    opened = {*HEARD.paths, *KERNEL.opened()}
    return sorted(place for place in opened if not place.startswith(named))


def careless_cases(given):
    """What libraries do when nobody stops them: both ways of hearing must hear it."""

    def series_of_tiff(path):
        with tifffile.TiffFile(path) as file:
            return file.series[0].asarray()

    def linked_hdf5(path):
        with h5py.File(path) as file:
            return file["data"][...]

    yield Case(given / "names1.ome.tif", {"tifffile": series_of_tiff})
    yield Case(given / "external1.h5", {"h5py": linked_hdf5})


def main_of_script(base, careless):
    os.chdir(base)
    given, theirs, linked = base / "given", base / "theirs", base / "linked"
    for folder in (given, theirs, linked):
        secrets(folder)
    (base / "results").mkdir()
    cases = [
        *tiff_cases(given),
        *hdf5_cases(given, theirs),
        *npy_cases(given),
        *zarr_cases(given, theirs, linked),
        *dataset_cases(given),
        *picture_cases(given),
        *other_cases(given, theirs),
        *folder_cases(given, linked),
    ]
    if careless:
        cases = list(careless_cases(given))
    named = {file for case in cases for file in (case.path, *case.path.rglob("*"))}
    for file in [*given.rglob("*"), *theirs.rglob("*"), *linked.rglob("*")]:
        if (file not in named and file.is_file()) or file.is_fifo():
            KERNEL.watch(file)
    signal.signal(signal.SIGALRM, overdue)
    warnings.simplefilter("ignore")
    outcomes = {"read": 0, "refused": 0}
    ours = (base / "results", base / "home", base / "tmp")
    for case in cases:
        for name, read in case.readers.items():
            outcome = run(read, case.path)
            outcomes["read" if outcome == "read" else "refused"] += 1
            if outcome.startswith("untyped"):
                sys.stdout.write(f"{name} of {case.path.relative_to(base)}: {outcome}\n")
            for place in wrong(case.path, (*ours, *case.linked)):
                sys.stdout.write(f"{name} of {case.path.relative_to(base)} ({outcome}): {place}\n")
    sys.stdout.write(" ".join(f"{word}={count}" for word, count in outcomes.items()) + "\n")


if __name__ == "__main__":
    main_of_script(Path(sys.argv[1]), "careless" in sys.argv[2:])
