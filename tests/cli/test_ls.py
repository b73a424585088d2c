"""thunderlike ls: the rows of deepdish's ddls, corrected."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.cli import main


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shared = {"x": np.arange(3)}
    data = {
        "array": np.zeros((10, 2)), "packed": np.zeros(1000), "texts": np.array(["a", "bc"]),
        "bytes": np.array([b"a"]), "bools": np.array([True]), "empty": np.zeros((0, 3), "f4"),
        "int": 10, "float": 3.14, "text": "test", "long": "abcdefghijklmnopqrstuvwxyz0123456789",
        "raw": b"ab", "none": None, "list": [1, [2, [3, [4]]]], "space": SimpleNamespace(a=1),
        "pickled": tl.hdf5.ForcePickle(1), "shared": shared, "link": shared,
        "many": {f"k{i}": i for i in range(60)}, "manylist": [[i] for i in range(60)],
    }  # fmt: skip
    tl.save("x.h5", data, "zlib:4")
    return "x.h5"


def listed(capsys, *words):
    """Exit code, and the value of each row by its path."""
    code = main(["ls", *words])
    lines = capsys.readouterr().out.splitlines()
    return code, {line.partition(" ")[0]: line.partition(" ")[2].strip() for line in lines}


def test_every_kind_of_row(path, capsys):
    code, rows = listed(capsys, path)
    assert code == 0
    assert rows["/array"] == "array (10, 2) [float64]"
    assert rows["/texts"] == "array (2,) [unicode]"
    assert rows["/bytes"] == "array (1,) [ascii]"
    assert rows["/bools"] == "array (1,) [bool]"
    assert rows["/empty"] == "array (0, 3) [float32]"
    assert rows["/int"] == "10 [int64]"
    assert rows["/float"] == "3.14 [float64]"
    assert rows["/text"] == "'test' (4) [unicode]"
    assert rows["/long"] == "'abcdefghijklmnopqrstuv...' (36) [unicode]"
    assert rows["/raw"] == "b'ab' (2) [ascii]"
    assert rows["/none"] == "None [python]"
    assert rows["/space"] == "SimpleNamespace"
    assert rows["/space/a"] == "1 [int64]"
    assert rows["/pickled"] == "pickled [object]"
    assert rows["/link"] == "link -> /shared [SoftLink]"


def test_depth_shows_how_much_is_below(path, capsys):
    rows = listed(capsys, path, "-d", "2")[1]
    assert rows["/list/i1"] == "list (2) [...]"
    assert "/list/i1/i0" not in rows
    assert rows["/manylist/i0"] == "list (1) [...]"
    assert listed(capsys, path, "--depth", "1")[1]["/space"] == "SimpleNamespace (1) {...}"


def test_many_entries_are_left_out_but_of_lists(path, capsys):
    main(["ls", path])
    out = capsys.readouterr().out
    assert "... 50 omitted (60 in total)" in out
    assert "/many/k30" not in out
    assert "/manylist/i30" in out
    assert "/many/k30" in listed(capsys, path, "-a")[1]


def test_a_filter_and_leaves(path, capsys):
    main(["ls", path, "-f", "list/i1$", "-nc"])
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in out[:-1]] == ["/list/i1", "/manylist/i1"]
    assert out[-1].startswith("Filtered on: list/i1$ (")
    rows = listed(capsys, path, "-l")[1]
    assert "/space/a" in rows
    assert "/space" not in rows


def test_compression_and_summary(path, capsys):
    rows = listed(capsys, path, "-c")[1]
    assert rows["/packed"].endswith("zlib lvl4")
    assert rows["/array"].endswith("none")
    assert "0 +- 0" in listed(capsys, path, "-s")[1]["/array"]
    assert listed(capsys, path, "-s")[1]["/texts"] == "array (2,) [unicode]"


def test_inspect_prints_the_value(path, capsys):
    assert main(["ls", path, "-i", "/int"]) == 0
    assert capsys.readouterr().out == "10\n"
    assert main(["ls", path, "-i", "/nothing"]) == 1
    assert "Error: Could not find group: /nothing" in capsys.readouterr().err
    assert main(["ls", path, path, "-i", "/int"]) == 2


def test_ipython_gets_the_data_if_it_is_there(path, capsys, monkeypatch):
    started = []
    stand_in = SimpleNamespace(start_ipython=lambda **words: started.append(words["user_ns"]))
    monkeypatch.setitem(sys.modules, "IPython", stand_in)
    assert main(["ls", path, "--ipython"]) == 0
    assert started[0]["data"]["int"] == 10
    assert main(["ls", path, path, "--ipython"]) == 2
    assert main(["ls", path, "--inspect", "/list/i1/i0", "--ipython"]) == 0
    assert started[1]["data"] == 2
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert main(["ls", path, "--ipython"]) == 1
    assert "pip install ipython" in capsys.readouterr().err


def test_json(path, capsys):
    assert main(["ls", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (packed,) = [entry for entry in found["entries"] if entry["path"] == "/packed"]
    assert packed["shape"] == [1000]
    assert packed["dtype"] == "float64"
    assert packed["compression"] == "zlib lvl4"


def test_several_files_and_a_broken_one(path, capsys, tmp_path):
    (tmp_path / "broken.h5").write_bytes(b"text" * 1000)
    assert main(["ls", path, "broken.h5", "none.h5"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("x.h5\n/array")
    assert "\n\nbroken.h5\n" in out
    assert "is not an HDF5 file" in err
    assert "no such file" in err
    assert main(["ls", path, path]) == 0


def test_a_star_marks_what_is_no_dictionary(tmp_path, capsys):
    tl.save(tmp_path / "l.h5", [1, 2])
    main(["ls", str(tmp_path / "l.h5")])
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["/data*", "/data/i0", "/data/i1"]


def test_the_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["ls", "--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"thunderlike {tl.__version__} (io protocol 12)\n"


def test_pickles_are_read_if_that_is_allowed(tmp_path, capsys):
    path = str(tmp_path / "p.h5")
    tl.save(path, {"f": tl.hdf5.ForcePickle(len)})
    assert main(["ls", path, "-i", "/f"]) == 1
    assert "builtins.len" in capsys.readouterr().err
    assert main(["ls", path, "-i", "/f", "--pickle", "allow"]) == 0
    assert capsys.readouterr().out == "<built-in function len>\n"


def test_what_a_terminal_would_act_on_is_escaped(tmp_path, capsys):
    path = str(tmp_path / "e.h5")
    tl.save(path, {"a\x1b[2Jb": {"x": 1}, "t": "\x1b]0;title\x07", "n\nl": np.zeros(2)})
    for words in (["ls", path], ["ls", path, "-i", "/t"], ["ls", path, "-i", "/\x1b[2J"]):
        main(words)
        out, err = capsys.readouterr()
        assert not set("\x1b\x07") & set(out + err)
    main(["ls", path])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "/a\\x1b[2Jb", "/a\\x1b[2Jb/x", "/n\\nl", "/t",
    ]  # fmt: skip


def test_frames_and_matrices(tmp_path, capsys):
    pandas = pytest.importorskip("pandas")
    sparse = pytest.importorskip("scipy.sparse")
    frame = pandas.DataFrame({"a": [1, 2], "b": [1.0, 2.0], "c": [True, False]})
    texts = pandas.DataFrame({"i": [1, 2, 3], "t": pandas.array(["a", None, "c"], "string")})
    data = {"f": frame, "s": frame["a"], "m": sparse.eye(4, format="csr"), "t": texts}
    data |= {
        "ts": texts["t"],
        "none": texts[[]],
        "cut": pandas.DataFrame({"c": pandas.cut([1, 2], 2)}),
    }
    path = str(tmp_path / "p.h5")
    tl.save(path, data)
    rows = listed(capsys, path)[1]
    assert rows["/f"] == "DataFrame (2, 3)"
    assert rows["/s"] == "Series (2,) [int64]"
    assert rows["/t"] == "DataFrame (3, 2)"
    assert rows["/ts"] == "Series (3,) [unicode]"
    assert rows["/none"] == "DataFrame (3, 0)"
    assert rows["/cut"] == "DataFrame (2, 1)"
    assert rows["/m"] == "sparse csr (4, 4) [float64]"
    assert "/m/indptr" in listed(capsys, path, "--raw")[1]


def test_long_paths_are_cut(tmp_path, capsys):
    tl.save(tmp_path / "x.h5", {"k" * 150: 1})
    main(["ls", str(tmp_path / "x.h5")])
    line = capsys.readouterr().out
    assert line.index("1 [int64]") == 79
    assert "..." in line
    main(["ls", str(tmp_path / "x.h5"), "--column-width", "30"])
    assert capsys.readouterr().out.index("1 [int64]") == 29


def test_a_narrow_column_keeps_the_ends_of_paths(tmp_path, capsys):
    tl.save(tmp_path / "x.h5", {"many": {f"longer{i}": i for i in range(2)}})
    main(["ls", str(tmp_path / "x.h5"), "--column-width", "10"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == ["...nger0 0 [int64]", "...nger1 1 [int64]"]


def test_the_listing_names_the_codec(tmp_path):
    for name, text in {"blosc:zstd": "blosc:zstd lvl5", "blosc2:lz4": "blosc2:lz4 lvl5"}.items():
        tl.save(tmp_path / "x.h5", {"v": np.zeros(1000)}, name)
        assert tl.hdf5.ls(tmp_path / "x.h5").root.entries[0].compression == text
