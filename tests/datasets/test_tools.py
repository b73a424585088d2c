"""The helpers of datadings, without their traps."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from scipy.io import savemat

from thunderlike import _system
from thunderlike.datasets import tools
from thunderlike.errors import (
    DownloadError,
    FormatError,
    KeyMissingError,
    NotFoundError,
    SpecError,
    VerifyError,
    WorkerFailedError,
)


def test_hashes_of_files(tmp_path):
    (tmp_path / "a b").write_bytes(b"abc")
    assert tools.hash_md5hex(tmp_path / "a b", progress=True) == "900150983cd24fb0d6963f7d28e17f72"
    (tmp_path / "m").write_text("00  a  b\n11  c\n", "utf-8")
    assert tools.load_md5file(tmp_path / "m") == {"a  b": "00", "c": "11"}


def test_damaged_and_missing_files_are_named(tmp_path):
    (tmp_path / "bad.md5").write_text("00  a\nnothing here\n", "utf-8")
    (tmp_path / "bad.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(140, b"?"))
    with pytest.raises(FormatError, match=r"bad\.md5: line 2 is not a hash"):
        tools.load_md5file(tmp_path / "bad.md5")
    with pytest.raises(FormatError, match=r"bad\.mat: not a MATLAB file"):
        tools.loadmat(tmp_path / "bad.mat")
    with pytest.raises(FormatError, match="the bytes given"):
        tools.loadmat(b"junk")
    for read in (tools.open_comp, tools.loadmat, tools.load_md5file, tools.hash_md5hex):
        with pytest.raises(NotFoundError, match=r"none\.gz"):
            read(tmp_path / "none.gz")
    with pytest.raises(KeyMissingError, match="a: its description has no 'md5'"):
        tools.verify_file({"path": "a"}, tmp_path)
    with pytest.raises(SpecError, match="has no name"):
        tools.path_append(Path("/"), ".md5")


def test_keywords_are_those_of_datadings():
    assert tools.hash_string(s="0") == int.from_bytes(tools.hash_string_bytes(s="0"), "big")
    assert tools.path_append(Path("a"), string=".md5") == Path("a.md5")
    assert tools.path_append_suffix(Path("some.file"), "txt") == Path("some.filetxt")
    assert list(tools.yield_threaded(gen=range(2))) == list(tools.yield_process(gen=range(2)))


def test_pictures_and_matrices(tmp_path):
    tifffile.imwrite(tmp_path / "p.tif", np.ones((4, 5, 3), "uint16"), photometric="rgb")
    assert tools.tiff_to_nd_array(tmp_path / "p.tif").shape == (3, 4, 5)
    tifffile.imwrite(tmp_path / "g.tif", np.ones((4, 5), "uint8"))
    assert tools.tiff_to_nd_array(tmp_path / "g.tif", "f4").shape == (1, 4, 5)
    savemat(tmp_path / "m.mat", {"x": [[1, 2]]})
    for source in (tmp_path / "m.mat", (tmp_path / "m.mat").read_bytes()):
        assert tools.loadmat(source)["x"].tolist() == [[1, 2]]
    fields = np.zeros(2, [("a", "i4"), ("b", "f4")])
    assert [name for name, _ in tools.iter_fields(fields, ignore=["a"])] == ["b"]


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_compressed_files(tmp_path, suffix):
    place = tmp_path / f"f.txt{suffix}"
    with tools.open_comp(place, "wt") as file:
        file.write("é")
    with tools.open_comp(place) as file:
        assert file.read() == "é".encode()


YIELDS = [tools.yield_threaded, tools.yield_process]


@pytest.mark.parametrize("aside", YIELDS)
def test_everything_is_handed_over_in_order_and_what_was_raised(aside):
    def breaks():
        yield 1
        raise ZeroDivisionError("here")

    items = aside(breaks())
    assert next(items) == 1
    with pytest.raises(ZeroDivisionError, match="here"):
        next(items)
    slow = aside(iter(range(5)))
    taken = [next(slow)]
    time.sleep(0.3)  # the reference loses the end then
    assert taken + list(slow) == list(range(5))


@pytest.mark.usefixtures("no_thread_left")
def test_a_consumer_that_goes_leaves_no_thread():
    items = tools.yield_threaded(iter(range(10**9)))
    next(items)
    items.close()


forks = pytest.mark.skipif(not _system.can_fork(), reason="this system does not fork")


@forks
def test_a_consumer_that_goes_leaves_no_process():
    before = set(multiprocessing.active_children())  # those that other tests keep
    items = tools.yield_process(iter(range(10**9)))
    next(items)
    assert len(set(multiprocessing.active_children()) - before) == 1
    items.close()
    assert set(multiprocessing.active_children()) <= before


@forks
def test_a_process_that_dies_or_raises_an_unsendable_error_is_reported():
    def killed():
        yield 1
        os.kill(os.getpid(), signal.SIGKILL)

    class Local(Exception):
        pass

    def breaks():
        raise Local("here")
        yield

    with pytest.raises(WorkerFailedError, match="ended with code -9"):
        list(tools.yield_process(killed()))
    with pytest.raises(WorkerFailedError, match="Local: here"):
        list(tools.yield_process(breaks()))


def test_files_that_are_here_are_verified_and_reported(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    files = {"one": {"path": "a", "url": "http://127.0.0.1:9/a", "md5": "00"}}
    args = SimpleNamespace(indir=tmp_path, skip_verification=True)
    assert tools.prepare_indir(files, args)["one"]["path"] == str(tmp_path / "a")
    args.skip_verification = False
    with pytest.raises(VerifyError, match="download the file again"):
        tools.prepare_indir(files, args)
    files["one"]["md5"] = tools.hash_md5hex(tmp_path / "a")
    assert tools.prepare_indir(files, args)["one"]["md5"] == files["one"]["md5"]
    with pytest.raises(DownloadError, match="only http"):
        tools.download_if_not_found("file:///etc/hosts", tmp_path / "b")
    with pytest.raises(NotFoundError):
        tools.verify_file({"path": "c", "md5": ""}, tmp_path)
    with pytest.raises(SpecError):
        tools.prepare_indir({}, SimpleNamespace(indir=tmp_path / "a", skip_verification=True))
