"""OME-Zarr: what viewers need to open a movie, and movies of others."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import FormatError, SpecError, StorageError

zarr = pytest.importorskip("zarr")

VALUES = np.random.default_rng(0).integers(0, 2000, (7, 6, 5), np.uint16)
KNOWN = {"pixel_size": {"y": 0.5, "x": 0.25}, "frame_interval": 0.1, "rat": "R7"}


def movie_on(engine=None, values=VALUES):
    movie = tl.images.fromarray(values, engine=engine)
    movie.attrs = KNOWN
    return movie


def test_a_movie_goes_there_and_back_with_its_scale(tmp_path, engine):
    movie_on(engine).tozarr(tmp_path / "a.zarr", ome=True)
    found = zarr.open_group(tmp_path / "a.zarr", mode="r")
    np.testing.assert_array_equal(found["0"][:], VALUES, strict=True)
    assert found["0"].metadata.dimension_names == ("t", "y", "x")
    (scales,) = found.attrs["ome"]["multiscales"]
    assert [axis["name"] for axis in scales["axes"]] == ["t", "y", "x"]
    again = tl.images.fromzarr(tmp_path / "a.zarr", engine=engine)
    np.testing.assert_array_equal(again.toarray(), VALUES, strict=True)
    assert again.attrs == {**KNOWN, "axes": "TYX"}


def test_the_validator_of_ome_agrees(tmp_path):
    models = pytest.importorskip("ome_zarr_models.v05")
    movie_on().tozarr(tmp_path / "a.zarr", ome=True)
    models.Image.from_zarr(zarr.open_group(tmp_path / "a.zarr", mode="r"))


def test_volumes_have_a_depth_and_what_is_unknown_has_no_unit(tmp_path):
    volumes = tl.images.fromarray(np.zeros((2, 3, 4, 5), np.uint8))
    volumes.tozarr(tmp_path / "a.zarr", ome=True)
    (scales,) = zarr.open_group(tmp_path / "a.zarr", mode="r").attrs["ome"]["multiscales"]
    assert [axis["name"] for axis in scales["axes"]] == ["t", "z", "y", "x"]
    assert not any("unit" in axis for axis in scales["axes"])
    assert tl.images.fromzarr(tmp_path / "a.zarr").attrs == {"axes": "TZYX"}


def test_version_04_of_others_is_read_in_full_resolution_or_less(tmp_path):
    group = zarr.open_group(tmp_path / "b.zarr", mode="w", zarr_format=2)
    steps = [("scale0", VALUES, 0.5), ("scale1", VALUES[:, ::2, ::2], 1.0)]
    for path, values, _ in steps:
        group.create_array(path, data=values)
    axes = [
        {"name": "t", "type": "time", "unit": "millisecond"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "nanometer"},
    ]
    sets = [
        {"path": path, "coordinateTransformations": [{"type": "scale", "scale": [100, n, 200]}]}
        for path, _, n in steps
    ]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": sets}]
    full = tl.images.fromzarr(tmp_path / "b.zarr")
    np.testing.assert_array_equal(full.toarray(), VALUES)
    assert full.attrs["pixel_size"] == {"y": 0.5, "x": 0.2}
    assert full.attrs["frame_interval"] == pytest.approx(0.1)
    half = tl.images.fromzarr(tmp_path / "b.zarr", "scale1")
    assert (half.shape, half.attrs["pixel_size"]["y"]) == ((7, 3, 3), 1.0)


def test_it_is_replaced_whole_and_only_by_what_wrote_it(tmp_path):
    for ome in (True, False, True):
        movie_on().tozarr(tmp_path / "a.zarr", ome=ome, overwrite=True)
        assert (tmp_path / "a.zarr" / "0").exists() == ome
        np.testing.assert_array_equal(tl.images.fromzarr(tmp_path / "a.zarr").toarray(), VALUES)
    (tmp_path / "a.zarr" / "notes.txt").touch()
    with pytest.raises(StorageError):
        movie_on().tozarr(tmp_path / "a.zarr", ome=True, overwrite=True)


def test_what_is_no_such_movie_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r"time first: call .toimages\(\) on series"):
        movie_on().toseries().tozarr(tmp_path / "a.zarr", ome=True)
    with pytest.raises(SpecError, match="images of 2 axes or 3"):
        movie_on().map(np.mean).tozarr(tmp_path / "a.zarr", ome=True)
    assert not (tmp_path / "a.zarr").exists()
    zarr.open_group(tmp_path / "c.zarr", mode="w", attributes={"ome": {"multiscales": [{}]}})
    with pytest.raises(FormatError, match="an OME-Zarr that names no array"):
        tl.images.fromzarr(tmp_path / "c.zarr")
    (tmp_path / "d.zarr").mkdir()
    (tmp_path / "d.zarr" / ".zattrs").write_text("{")
    with pytest.raises(FormatError, match=r"\.zattrs is not JSON"):
        tl.images.fromzarr(tmp_path / "d.zarr")
