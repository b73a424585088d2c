"""What runs where deepdish is, Python 3.9: it writes our golden files, and tells what it reads.

python deepdish_peer.py write FOLDER     one file for each of `values`
python deepdish_peer.py read FILE        a line of JSON for each entry: what deepdish made of it
"""

import gzip
import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np

warnings.simplefilter("ignore")


def values():
    """Every kind of value that deepdish stores, by the file it goes into."""
    import pandas as pd
    import scipy.sparse as sp

    matrix = np.array([[1.0, 0, 2], [0, 0, 3]])
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False]}, index=["x", "y"])
    times = pd.DataFrame({"v": [1.0, 2]}, index=pd.date_range("2020", periods=2))
    levels = pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["n", "t"])
    shared = {"x": np.arange(3)}
    cycle = {"inner": [1, {"deep": 2}], "space": SimpleNamespace(q=1)}
    cycle["self"] = cycle
    cycle["inner"].append(cycle["inner"])
    return {
        "scalars": {
            "int": 5, "negative": -5, "uint": 2**64 - 1, "float": 2.5, "true": True, "none": None,
            "text": "na\u00efve \u2603", "empty": "", "bytes": b"bytes", "nobytes": b"",
            "int8": np.int8(3), "float16": np.float16(0.5), "complex64": np.complex64(1 + 2j),
            "zero_d": np.array(7.5), "npstr": np.str_("np"), "float32": np.float32(1.5),
        },
        "arrays": {
            "ints": np.arange(6).reshape(2, 3), "floats": np.linspace(0, 1, 500),
            "bools": np.array([True, False]), "complexes": np.array([1 + 2j, 3]),
            "halves": np.array([0.5, 1], "f2"), "bytes": np.array([b"a", b"bcd"]),
            "texts": np.array([["a", "\u2603\u2603"], ["", "d"]]), "none": np.zeros((3, 0)),
            "big": np.arange(3, dtype=">i4"), "fortran": np.asfortranarray(np.eye(2)),
        },
        "containers": {
            "list": [1, "two", [3.0, None]], "tuple": (1, (np.arange(2),)),
            "dict": {"k": {"l": {}}},
            "space": SimpleNamespace(a=1, b=SimpleNamespace()), "emptylist": [], "emptytuple": (),
            "one": shared, "two": shared, "nones": [None, None],
        },
        "cycle": cycle,
        "toplist": [1, {"a": np.arange(2)}],
        "topspace": SimpleNamespace(a=1, b="x"),
        "toparray": np.arange(4),
        "sparse": {
            name: getattr(sp, f"{name}_matrix")(matrix)
            for name in ("csr", "csc", "coo", "bsr", "dia")
        },
        "pandas": {
            "frame": frame, "times": times, "series": pd.Series([1.0, 2, 3], name="s"),
            "levels": pd.DataFrame({"q": [1.0, 2]}, index=levels),
            "nothing": pd.DataFrame({"b": np.zeros(0)}), "plain": pd.DataFrame(np.ones((2, 2))),
        },
        "pickled": {
            "huge": 2**70, "complex": 3 + 4j, "objects": np.array([1, "a", None], object),
            "range": range(3), "texts": pd.DataFrame({"s": ["x", "yy"]}),
        },
    }  # fmt: skip


def compressed():
    """Arrays by each compression that both sides read."""
    x = np.arange(1000)
    choices = {"zlib": "zlib", "blosc": "blosc", "bzip2": ("bzip2", 5), "none": None}
    return x, choices


def write(folder):
    """Write one file for each, and one with each compression."""
    import deepdish as dd

    for name, value in values().items():
        dd.io.save("one.h5", value, compression=("zlib", 9))
        pack(Path(folder, f"{name}.h5.gz"))
    x, choices = compressed()
    packed = {name: dd.io.Compression(x, choice) for name, choice in choices.items()}
    packed["forced"] = dd.io.ForcePickle([1, "two"])
    dd.io.save("one.h5", packed)
    pack(Path(folder, "compressed.h5.gz"))


def pack(target):
    """Move the file that deepdish wrote: it leaves a megabyte of zeros for each pickle."""
    target.write_bytes(gzip.compress(Path("one.h5").read_bytes(), mtime=0))
    Path("one.h5").unlink()


def described(value, depth=0):
    """Describe a value so that two Pythons can compare it: type, dtype and contents."""
    import pandas as pd
    import scipy.sparse as sp

    if depth > 6:
        return "deeper"
    if isinstance(value, dict):
        return {"dict": {str(k): described(v, depth + 1) for k, v in sorted(value.items())}}
    if isinstance(value, SimpleNamespace):
        return {"space": described(vars(value), depth + 1)}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [described(v, depth + 1) for v in value]}
    if isinstance(value, np.ndarray) and value.ndim:
        dtype = value.dtype.newbyteorder("=").str
        return {"array": dtype, "shape": list(value.shape), "values": str(value.tolist())}
    if isinstance(value, (pd.DataFrame, pd.Series)):
        text = value.to_json(date_format="epoch", date_unit="s", orient="split")
        return {type(value).__name__: json.loads(text)}
    if sp.issparse(value):
        return {"sparse": value.format, "values": described(value.toarray(), depth + 1)}
    if value is None:
        return None
    kind = np.asarray(value).dtype.kind
    text = value.decode() if isinstance(value, bytes) else str(value)
    return {"scalar": kind, "value": text}


def read(path):
    """Print what deepdish makes of a file, or the error it raises."""
    import deepdish as dd

    sys.stdout.write(json.dumps(described(dd.io.load(path))) + "\n")


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](sys.argv[2])
