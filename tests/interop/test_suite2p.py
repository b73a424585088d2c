"""Registered movies of Suite2p: the files next to them are read and never unpickled."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import FormatError, SpecError
from thunderlike.formats.suite2p import sizes

VALUES = np.random.default_rng(0).integers(-100, 2000, (9, 6, 8), np.int16)


class Trap:
    """What would touch a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture
def plane(tmp_path):
    VALUES.tofile(tmp_path / "data.bin")
    return tmp_path


def ops(folder, **settings):
    np.save(folder / "ops.npy", {"nplanes": 1, "data_path": ["/raw"], **settings})


def test_a_plane_is_read_with_the_size_and_rate_next_to_it(plane, engine):
    ops(plane, Ly=6, Lx=np.int64(8), fs=np.float32(30.0))
    movie = tl.images.fromsuite2p(plane, engine=engine)
    np.testing.assert_array_equal(movie.toarray(), VALUES, strict=True)
    assert movie.attrs["frame_interval"] == 1 / 30


def test_the_shape_given_goes_before_and_nothing_else_is_needed(plane):
    movie = tl.images.fromsuite2p(plane / "data.bin", (6, 8))
    np.testing.assert_array_equal(movie.toarray(), VALUES)
    with pytest.raises(SpecError, match=r"ops.npy: no such file: give shape="):
        tl.images.fromsuite2p(plane)
    ops(plane, fs=30.0)
    with pytest.raises(SpecError, match=r"ops.npy: it has no Ly and Lx: give shape="):
        tl.images.fromsuite2p(plane)


def test_nothing_is_unpickled(plane):
    ops(plane, Ly=6, trap=Trap(str(plane / "sprung")), Lx=8)
    assert tl.images.fromsuite2p(plane).shape == (9, 6, 8)
    assert not (plane / "sprung").exists()


def test_a_size_that_does_not_fit_and_a_damaged_file_are_reported(plane):
    ops(plane, Ly=6, Lx=7)
    with pytest.raises(FormatError, match=r"data.bin: 864 bytes are not a multiple of"):
        tl.images.fromsuite2p(plane)
    (plane / "ops.npy").write_bytes((plane / "ops.npy").read_bytes()[:-40])
    with pytest.raises(FormatError, match=r"ops.npy: not a pickle"):
        tl.images.fromsuite2p(plane)
    (plane / "ops.npy").write_bytes(b"PK\x03\x04")
    with pytest.raises(FormatError, match=r"ops.npy: not a .npy file"):
        tl.images.fromsuite2p(plane)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"Ly": 512, "Lx": 70000, "fs": 7.5}, {"Ly": 512, "Lx": 70000, "fs": 7.5}),
        ({"Ly": np.int32(512), "Lx": np.int32(3)}, {"Ly": 512, "Lx": 3}),
        ({"Ly": None, "Lx": 3, "other": b"12345678"}, {"Lx": 3}),
        ({"text": "Ly", "Lyc": 5}, {}),
    ],
)
def test_numbers_are_found_whatever_made_them(tmp_path, settings, expected):
    np.save(tmp_path / "ops.npy", settings)
    assert sizes((tmp_path / "ops.npy").read_bytes()) == expected


def test_traces_go_to_suite2p_and_back(tmp_path):
    traces = tl.series.fromarray(np.random.default_rng(0).normal(size=(4, 50)))
    traces.astype("float32").tonpy(tmp_path / "F.npy")
    assert np.load(tmp_path / "F.npy").shape == (4, 50)
    assert tl.series.fromnpy(tmp_path / "F.npy").shape == (4, 50)


@pytest.mark.parametrize("frames", [8, 10])
def test_another_number_of_images_than_stated_is_warned_of(plane, frames):
    ops(plane, Ly=6, Lx=8, nframes=frames)
    with pytest.warns(UserWarning, match=rf"data.bin: holds 9 images.*states {frames}"):
        movie = tl.images.fromsuite2p(plane)
    np.testing.assert_array_equal(movie.toarray(), VALUES)
