"""Hostile files, which harm a careless reader; as a script, open one of them for a test.

Each payload would make a file named by the environment variable MARKER.
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import h5py
import numpy as np


class Payload:
    """Unpickling it makes the marker."""

    def __reduce__(self):
        return exec, ("import os; open(os.environ['MARKER'], 'w').close()",)


PICKLE = pickle.dumps(Payload(), 0)
assert PICKLE.endswith(b".")


def ascii_text(data):
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(data))
    return kind


def mark(thing, name, data=PICKLE):
    """Write bytes as PyTables writes what it pickled."""
    kind, space = ascii_text(data), h5py.h5s.create(h5py.h5s.SCALAR)
    if name in thing.attrs:
        del thing.attrs[name]
    attribute = h5py.h5a.create(thing.id, name.encode(), kind, space)
    attribute.write(np.array(data, f"S{len(data)}"), kind)


def skeleton(file):
    """A small file of deepdish's."""
    file.attrs["DEEPDISH_IO_VERSION"] = np.int64(12)
    file.attrs["PYTABLES_FORMAT_VERSION"] = "2.1"
    group = file.create_group("group")
    group.attrs["TITLE"] = "dict:1"
    group["array"] = np.arange(6).reshape(2, 3)
    return file, group, group["array"]


def on(where, name):
    """Hide a pickle in an attribute of the file, a group or an array."""

    def make(path):
        with h5py.File(path, "w") as file:
            mark(skeleton(file)[where], name)

    return make


def object_row(path, pseudo="object", data=PICKLE):
    with h5py.File(path, "w") as file:
        skeleton(file)
        node = file.create_dataset("row", (1,), h5py.vlen_dtype(np.uint8))
        node[0] = np.frombuffer(data, np.uint8)
        node.attrs["CLASS"] = "VLARRAY"
        node.attrs["PSEUDOATOM"] = pseudo


def inner_row(path):
    """A frame whose column of text is a pickle."""
    with h5py.File(path, "w") as file:
        frame(file)
        del file["frame/block0_values"]
        node = file.create_dataset("frame/block0_values", (1,), h5py.vlen_dtype(np.uint8))
        node[0] = np.frombuffer(PICKLE, np.uint8)
        node.attrs["PSEUDOATOM"] = "object"


def frame(file):
    skeleton(file)
    group = file.create_group("frame")
    for name, value in {
        "pandas_type": "frame",
        "ndim": 2,
        "nblocks": 1,
        "encoding": "UTF-8",
    }.items():
        group.attrs[name] = value
    for name in ("axis0", "axis1", "block0_items"):
        group.attrs[f"{name}_variety"] = "regular"
        group[name] = np.arange(2)
        group[name].attrs["kind"] = "integer"
        mark(group[name], "name", b"N.")
    group["block0_values"] = np.ones((2, 2))
    return group


def on_frame(name, node=None):
    def make(path):
        with h5py.File(path, "w") as file:
            group = frame(file)
            mark(group if node is None else group[node], name)

    return make


def external_link(path):
    other(path)
    with h5py.File(path, "w") as file:
        skeleton(file)[1]["link"] = h5py.ExternalLink(str(path) + ".other", "/secret")


def soft_through_external(path):
    other(path)
    with h5py.File(path, "w") as file:
        skeleton(file)
        file["out"] = h5py.ExternalLink(str(path) + ".other", "/")
        file["group/link"] = h5py.SoftLink("/out/secret")


def other(path):
    with h5py.File(str(path) + ".other", "w") as file:
        file["secret"] = np.arange(770, 782).reshape(3, 4)


def virtual(path):
    other(path)
    layout = h5py.VirtualLayout((3, 4), int)
    layout[:] = h5py.VirtualSource(str(path) + ".other", "secret", (3, 4))
    with h5py.File(path, "w") as file:
        skeleton(file)[1].create_virtual_dataset("virtual", layout)


def external_storage(path):
    Path(str(path) + ".other").write_bytes(b"secret bytes of another file....")
    with h5py.File(path, "w") as file:
        group = skeleton(file)[1]
        where = [(str(path) + ".other", 0, 32)]
        group.create_dataset("raw", (4, 8), np.uint8, external=where)


def bomb(path):
    with h5py.File(path, "w") as file:
        skeleton(file)[1].create_dataset("bomb", (10**6, 10**6), "f8", chunks=(1, 10**6))


def empty_bomb(path):
    with h5py.File(path, "w") as file:
        group = skeleton(file)[1]
        group["bomb"] = np.array([10**6, 10**6])
        mark(group["bomb"], "zeroarray_dtype", b"<f8")


def chunk_bomb(path):
    with h5py.File(path, "w") as file:
        group = skeleton(file)[1]
        group.create_dataset("bomb", (1, 1), "f8", chunks=(2**14, 2**14), maxshape=(None, None))


def memo_bomb(path):
    object_row(path, data=b"\x80\x02Nr\xff\xff\xff\x7f.")


def deep_json(path):
    with h5py.File(path, "w") as file:
        skeleton(file)[1].attrs["DEEPDISH_IO_TL"] = "[" * 30_000


def object_dtype(path):
    with h5py.File(path, "w") as file:
        skeleton(file)[2].attrs["DEEPDISH_IO_TL"] = '{"dtype":"O"}'


def wide_text(path):
    with h5py.File(path, "w") as file:
        group = skeleton(file)[1]
        group["text"] = np.full(8, 255, np.uint8)
        mark(group["text"], "strtype", b"unicode")
        group["text"].attrs["itemsize"] = np.int64(1)


def wild_sparse(path):
    with h5py.File(path, "w") as file:
        skeleton(file)
        group = file.create_group("sparse")
        group.attrs["TITLE"], group.attrs["format"] = "sparse:", "csr"
        group["data"], group["indices"] = np.ones(3), np.array([0, 10**9, -5], np.int32)
        group["indptr"], group["shape"] = np.array([0, 3, 10**6], np.int32), np.array([2, 2])


def knot(path):
    with h5py.File(path, "w") as file:
        skeleton(file)
        file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")


def dangling(path):
    with h5py.File(path, "w") as file:
        skeleton(file)[1]["link"] = h5py.SoftLink("/nowhere/x")


# What to make, and the node that the message names.
FILES = {
    **{f"root {name}": (on(0, name), "/") for name in (
        "TITLE", "CLASS", "VERSION", "FILTERS", "DEEPDISH_IO_VERSION", "DEEPDISH_IO_TL",
        "DEEPDISH_IO_DEEPDISH_IO_UNPACK", "PYTABLES_FORMAT_VERSION")},
    "root user": (on(0, "user"), "/user"),
    **{f"group {name}": (on(1, name), "/group") for name in ("TITLE", "CLASS", "VERSION")},
    "group user": (on(1, "user"), "/group/user"),
    **{f"array {name}": (on(2, name), "/group/array") for name in (
        "TITLE", "CLASS", "VERSION", "FLAVOR", "strtype", "itemsize", "zeroarray_dtype")},
    "object row": (object_row, "/row"),
    "frame type": (on_frame("pandas_type"), "/frame"),
    "frame encoding": (on_frame("encoding"), "/frame"),
    "axis name": (on_frame("name", "axis1"), "/frame/axis1"),
    "axis kind": (on_frame("kind", "axis1"), "/frame/axis1"),
    "block shape": (on_frame("shape", "block0_values"), "/frame/block0_values"),
    "frame column": (inner_row, "/frame/block0_values"),
    "external link": (external_link, "/group/link"),
    "soft link out": (soft_through_external, "/group/link"),
    "virtual": (virtual, "/group/virtual"),
    "external storage": (external_storage, "/group/raw"),
    "bomb": (bomb, "/group/bomb"),
    "empty bomb": (empty_bomb, "/group/bomb"),
    "chunk bomb": (chunk_bomb, "/group/bomb"),
    "memo bomb": (memo_bomb, "/row"),
    "deep json": (deep_json, "/group"),
    "object dtype": (object_dtype, "/group/array"),
    "wide text": (wide_text, "/group/text"),
    "wild sparse": (wild_sparse, "/sparse"),
    "knot": (knot, "/a"),
}  # fmt: skip

# What can be loaded all the same: text that would be a pickle elsewhere, and a link to nothing.
HARMLESS = {
    "marked row": (lambda path: object_row(path, "vlstring"), "/row"),
    "dangling": (dangling, "/group/link"),
}


def summary(error):
    return f"{type(error).__name__}: {error}".replace("\n", "\\n")


if __name__ == "__main__":
    from thunderlike.hdf5 import load, ls

    path, policy = sys.argv[1:]
    try:
        load(path, pickle=policy, max_bytes=2**28)
        sys.stdout.write("loaded\n")
    except Exception as error:  # the test looks at what it was
        sys.stdout.write(summary(error) + "\n")
    try:
        sys.stdout.write(str(ls(path)) + "\n")
    except Exception as error:
        sys.stdout.write(summary(error) + "\n")
    sys.stdout.write(f"marker {os.path.exists(os.environ['MARKER'])}\n")  # noqa: PTH110
