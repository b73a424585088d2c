"""``thunderlike info`` and ``thunderlike convert``."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import tifffile

import thunderlike as tl
from thunderlike.cli import main

MOVIE = np.arange(12 * 9 * 7, dtype=np.uint16).reshape(12, 9, 7)


@pytest.fixture
def movie(tmp_path):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, MOVIE, imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    return str(path)


def test_info_in_words(movie, capsys):
    assert main(["info", movie, "--nplanes", "1"]) == 0
    shown = capsys.readouterr().out
    for part in (movie, "tif, read as images", "12 x 9 x 7", "uint16", "1.51 kB", "{'y': 0.5"):
        assert part in shown


def test_info_for_programs(movie, capsys):
    assert main(["info", movie, "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["shape"] == [1, 12, 9, 7]
    assert info["attrs"]["pixel_size"] == {"y": 0.5, "x": 0.5}


def test_info_names_the_engine_of_the_size(movie, capsys, monkeypatch):
    assert main(["info", movie]) == 0
    assert "local; the values fit in half of the " in capsys.readouterr().out
    monkeypatch.setattr("thunderlike.engines.disk._SMALL", 100)
    for module in ("engines.disk", "util.memory"):
        monkeypatch.setattr(f"thunderlike.{module}.available", lambda: 2000)
    assert main(["info", movie]) == 0
    line = "disk; the values do not fit in half of the 2 kB of free memory"
    assert line in capsys.readouterr().out
    for setting in ("local", "spark"):
        with tl.config(engine=setting):
            assert main(["info", movie, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["engine"], found["bytes"], found["available_bytes"]) == (setting, 1512, 2000)


def test_info_of_raw_files_takes_the_shape(tmp_path, capsys):
    MOVIE.tofile(tmp_path / "a.bin")
    words = ["--shape", "9,7", "--dtype", "uint16", "--nplanes", "1"]
    assert main(["info", str(tmp_path / "a.bin"), *words]) == 0
    assert "12 x 9 x 7" in capsys.readouterr().out


def test_what_is_missing_is_one_line(tmp_path, capsys):
    assert main(["info", str(tmp_path / "no.tif")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1


def test_convert(movie, tmp_path, capsys):
    out = str(tmp_path / "movie.h5")
    assert main(["convert", movie, out, "--nplanes", "1", "--engine", "local"]) == 0
    assert capsys.readouterr().out == f"{out}: 12 records as hdf5\n"
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["data"][:], MOVIE)
    assert main(["convert", movie, out, "--nplanes", "1"]) == 2
    assert "give --overwrite" in capsys.readouterr().err
    assert main(["convert", movie, out, "--nplanes", "1", "--overwrite"]) == 0


def test_every_engine_converts_to_the_same_file(movie, tmp_path):
    for engine in ("local", "disk", "auto"):
        out = str(tmp_path / f"{engine}.npy")
        assert main(["convert", movie, out, "--nplanes", "1", "--engine", engine]) == 0
        np.testing.assert_array_equal(np.load(out), MOVIE)


def test_channels_of_a_file_that_states_them(tmp_path, capsys):
    path = str(tmp_path / "a.tif")
    movie = np.arange(2 * 3 * 30, dtype="u2").reshape(3, 2, 5, 6)
    tifffile.imwrite(path, movie, imagej=True, metadata={"axes": "TCYX"})
    assert main(["info", path]) == 2
    assert "it has 2 channels: give --channel 0 or --channel 1" in capsys.readouterr().err
    assert main(["info", path, "--channel", "1"]) == 0
    assert "3 x 5 x 6" in capsys.readouterr().out
    assert main(["convert", path, str(tmp_path / "a.npy"), "--channel", "1"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), movie[:, 1])
