"""tl.save and tl.load against np.save, pickle, h5py, joblib, pandas, PyTables and deepdish.

python benchmarks/hdf5.py [NAME ...]

Our saves are on the disk when they return and then renamed; "safely" is a rival made to do so too,
"in place" is ours told not to.

DEEPDISH_PYTHON names a Python that has deepdish 0.3.7, such as tests/interop/deepdish_env.py makes
with libraries of its time. It then works in a process of its own, on the same machine.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas
import tables
from harness import Row, main
from scipy import sparse

import thunderlike as tl
from thunderlike._lazy import optional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = 5_000_000  # numbers of the large arrays: 40 MB
FOLDER = Path(tempfile.mkdtemp())
PEER = """
import sys, warnings, pickle, numpy as np
warnings.simplefilter('ignore')
for name, now in [('unicode_', np.str_), ('string_', np.bytes_), ('object', object)]:
    if name not in np.__dict__:  # names that numpy has removed since
        setattr(np, name, now)
if 'ComplexWarning' not in np.__dict__:
    np.ComplexWarning = np.exceptions.ComplexWarning
import deepdish as dd
warnings.simplefilter('ignore')
for line in sys.stdin:
    verb, path, compression = line.split()
    if verb == 'take':
        data = dd.io.load(path)
    elif verb == 'save':
        dd.io.save(path, data, compression=None if compression == 'None' else compression)
    else:
        dd.io.load(path)
    print('done', flush=True)
"""


class Deepdish:
    """deepdish in its own Python; a call costs a line through a pipe, some 50 microseconds."""

    def __init__(self, python: str) -> None:
        self._peer = subprocess.Popen(
            [python, "-c", PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, verb: str, path: Path, compression: str | None = None) -> None:
        """Have it take data from a file, save them, or load a file; return when it has."""
        assert self._peer.stdin is not None
        assert self._peer.stdout is not None
        self._peer.stdin.write(f"{verb} {path} {compression}\n")
        self._peer.stdin.flush()
        assert self._peer.stdout.readline() == "done\n"


def deepdish() -> Deepdish | None:
    """The rival, where an environment has it."""
    python = os.environ.get("DEEPDISH_PYTHON")
    return None if python is None else Deepdish(python)


def rows() -> Iterator[Row]:
    """Arrays of 40 MB, a sparse matrix, many small nodes, many scalars, a frame; ls."""
    rng = np.random.default_rng(0)
    peer = deepdish()
    noise = rng.random(SIZE)
    yield from pair("random", {"x": noise}, None, peer, plain(noise))
    smooth = np.cumsum(rng.integers(-3, 4, SIZE)).astype(float)
    yield from pair("smooth zlib:1", {"x": smooth}, "zlib:1", peer, {}, ("zlib", "blosc"))
    yield from pair("smooth blosc2", {"x": smooth}, "blosc2:lz4:5", peer, {}, ("blosc",))
    places = np.sort(rng.integers(0, 1_000_000, (100_000, 20)), axis=1).ravel()
    ends = np.arange(0, 2_000_001, 20)
    matrix = sparse.csr_matrix((np.ones(2_000_000), places, ends), (100_000, 1_000_000))
    yield from pair("csr blosc2", {"m": matrix}, "blosc2:lz4:5", peer, {}, ("blosc",))
    # deepdish pickles a dictionary of 256 entries or more as one.
    many = {f"g{g}": {f"a{i}": rng.random(100) for i in range(100)} for g in range(10)}
    yield from pair("1000 arrays", many, None, peer, nodes(many))
    scalars = {f"g{g}": {f"s{i}": i * g for i in range(100)} for g in range(100)}
    yield from pair("10000 scalars", scalars, None, peer, whole(scalars))
    yield from pair("10000 packed", scalars, None, peer, whole(scalars), compat=False)
    yield from wide(peer)
    frame = pandas.DataFrame(rng.random((500_000, 10)), columns=list("abcdefghij"))
    yield from pair("frame", {"f": frame}, None, peer, framed(frame))
    yield listing()


def wide(peer: Deepdish | None) -> Iterator[Row]:
    """Wide containers, which deepdish pickles as a whole."""
    for name, data in wide_containers(np.random.default_rng(0)).items():
        yield from pair(name, data, "default", peer, whole(data))


def wide_containers(rng: np.random.Generator) -> dict[str, Any]:
    """Containers of 256 entries and more, whose small entries are packed."""
    return {
        "1000 dicts": [{"id": i, "name": f"n{i}", "score": i / 7} for i in range(1000)],
        "1000 small arrays": {f"a{i}": rng.random(100) for i in range(1000)},
        "1000 arrays of 8 KB": {f"a{i}": rng.random(1000) for i in range(1000)},
        "2000 ints": {f"k{i}": i for i in range(2000)},
        "1000 mixed": [
            {"x": rng.random(5), "at": (i, 2), "none": None, "f": np.float32(i), "set": {1, i}}
            for i in range(1000)
        ],
    }


def pair(
    name: str,
    data: Any,
    compression: str | None,
    peer: Deepdish | None,
    rivals: dict[str, tuple[Callable[[], Any], Callable[[], Any]]],
    theirs: tuple[str | None, ...] = (None,),
    **how: Any,
) -> Iterator[Row]:
    """A row for saving and one for loading, and what deepdish does with the same data."""
    path = FOLDER / f"{name.replace(' ', '_')}.h5"
    tl.save(path, data, compression, **how)
    saves = {rival: calls[0] for rival, calls in rivals.items()}
    loads = {rival: calls[1] for rival, calls in rivals.items()}
    for call in saves.values():
        call()
    if peer is not None:
        plain_copy = FOLDER / "take.h5"
        tl.save(plain_copy, data, None, pack=False)
        peer.ask("take", plain_copy)
        for choice in theirs:
            saves[f"deepdish {choice}"] = asked(peer, "save", FOLDER / f"dd_{choice}.h5", choice)
            loads[f"deepdish {choice}"] = asked(peer, "load", FOLDER / f"dd_{choice}.h5", choice)
            peer.ask("save", FOLDER / f"dd_{choice}.h5", str(choice))
            size = (FOLDER / f"dd_{choice}.h5").stat().st_size
            sys.stdout.write(
                f"  {name}: bytes {path.stat().st_size / size:.3f} x deepdish {choice}\n"
            )
    saves["in place"] = lambda: tl.save(path, data, compression, atomic=False, **how)
    yield Row(f"save {name}", lambda: tl.save(path, data, compression, **how), saves)
    yield Row(f"load {name}", lambda: tl.load(path), loads)


def asked(peer: Deepdish, verb: str, path: Path, choice: str | None) -> Callable[[], None]:
    """What asks it."""
    return lambda: peer.ask(verb, path, str(choice))


def plain(x: np.ndarray) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """One array in the formats that store it as it is."""
    npy, h5, pt = FOLDER / "x.npy", FOLDER / "h5py.h5", FOLDER / "tables.h5"

    def save_beside() -> None:
        beside = npy.with_suffix(".partial")
        with beside.open("wb") as stream:
            np.save(stream, x)
        in_its_place(beside, npy)

    def save_h5py() -> None:
        with h5py.File(h5, "w") as file:
            file["x"] = x

    def load_h5py() -> np.ndarray:
        with h5py.File(h5) as file:
            return file["x"][()]

    def save_tables() -> None:
        with tables.open_file(pt, "w") as file:
            file.create_array("/", "x", x)

    def load_tables() -> np.ndarray:
        with tables.open_file(pt) as file:
            return file.root.x[:]

    return {
        "np.save": (lambda: np.save(npy, x), lambda: np.load(npy)),
        "np.save, safely": (save_beside, lambda: np.load(npy)),
        "h5py": (save_h5py, load_h5py),
        "PyTables": (save_tables, load_tables),
        **whole(x),
    }


def in_its_place(beside: Path, path: Path) -> None:
    """What makes any save as safe as ours: all of it on the disk, and only then renamed."""
    with beside.open("rb") as stream:
        os.fsync(stream.fileno())
    beside.replace(path)


def whole(data: Any) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Pickle, and joblib where it is."""
    path = FOLDER / "x.pickle"
    found = {
        "pickle": (
            lambda: path.write_bytes(pickle.dumps(data, 5)),
            lambda: pickle.loads(path.read_bytes()),
        )
    }
    try:
        joblib = optional("joblib", "bench")
    except ImportError:
        return found
    file = str(FOLDER / "x.joblib")
    return {**found, "joblib": (lambda: joblib.dump(data, file), lambda: joblib.load(file))}


def nodes(
    data: dict[str, dict[str, np.ndarray]],
) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Many arrays, each a node."""
    h5 = FOLDER / "many.h5"

    def save() -> None:
        with h5py.File(h5, "w") as file:
            for name, inner in data.items():
                for key, value in inner.items():
                    file[f"{name}/{key}"] = value

    def load() -> dict[str, Any]:
        with h5py.File(h5) as file:
            return {g: {name: group[name][()] for name in group} for g, group in file.items()}

    return {"h5py": (save, load), **whole(data)}


def framed(frame: pandas.DataFrame) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """A frame by pandas' own means."""
    path, beside = FOLDER / "frame.h5", FOLDER / "frame.partial"

    def save_beside() -> None:
        frame.to_hdf(beside, key="f", mode="w")
        in_its_place(beside, path)

    return {
        "to_hdf": (
            lambda: frame.to_hdf(path, key="f", mode="w"),
            lambda: pandas.read_hdf(path, "f"),
        ),
        "to_hdf, safely": (save_beside, lambda: pandas.read_hdf(path, "f")),
        **whole(frame),
    }


def listing() -> Row:
    """A file of 10 000 nodes, against h5py's own walk."""
    path = FOLDER / "nodes.h5"
    tl.save(path, {f"g{g}": {f"a{i}": np.arange(3) for i in range(100)} for g in range(100)})

    def visit() -> list[str]:
        found: list[str] = []
        with h5py.File(path) as file:
            file.visititems(lambda name, node: found.append(f"{name} {node}"))
        return found

    return Row("ls 10000", lambda: str(tl.hdf5.ls(path)), {"visititems": visit})


if __name__ == "__main__":
    main(rows, __doc__ or "")
