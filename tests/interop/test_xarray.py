"""Collections to DataArrays and back, by the real xarray."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import SpecError

xr = pytest.importorskip("xarray")
pytest.importorskip("dask")

VALUES = np.random.default_rng(0).normal(size=(6, 4, 5))
ATTRS = {"pixel_size": {"y": 2.0, "x": 0.5}, "frame_times": [0, 1, 2, 3, 4, 6], "rat": "R7"}


def movie_on(engine=None):
    movie = tl.images.fromarray(VALUES, labels=list("abcdef"), engine=engine)
    movie.attrs = ATTRS
    return movie


def test_a_movie_goes_there_and_back_with_all_that_is_known(engine):
    movie = movie_on(engine)
    array = movie.toxarray()
    assert array.dims == ("frame", "y", "x")
    assert array.coords["y"].values.tolist() == [0, 2, 4, 6]
    assert array.coords["y"].units == "micrometer"
    assert array.coords["time"].values.tolist() == ATTRS["frame_times"]
    assert array.attrs == ATTRS
    np.testing.assert_array_equal(array.sel(x=1.5, y=2).values, VALUES[:, 1, 3])
    again = tl.images.fromxarray(array)
    np.testing.assert_array_equal(again.toarray(), VALUES)
    assert again.labels.tolist() == list("abcdef")
    assert again.attrs == ATTRS


def test_series_go_there_and_back_with_their_index(engine):
    series = movie_on(engine).toseries()
    series.index = np.arange(6) * 10
    array = series.toxarray()
    assert array.dims == ("y", "x", "index")
    np.testing.assert_array_equal(array.sel(index=30).values, VALUES[3])
    again = tl.series.fromxarray(array)
    np.testing.assert_array_equal(again.toarray(), VALUES.transpose(1, 2, 0))
    assert again.index.tolist() == series.index.tolist()


def test_on_spark_it_is_a_dask_array_and_here_a_view(engine):
    array = movie_on(engine).toxarray()
    local = isinstance(movie_on(engine).values, np.ndarray)
    assert (array.chunks is None) == local
    assert not local or np.shares_memory(array.values, VALUES)


def test_arrays_are_read_on_engines(engine):
    array = xr.DataArray(VALUES, {"t": range(6)}, ["t", "y", "x"]).chunk(t=2)
    np.testing.assert_array_equal(tl.images.fromxarray(array, engine=engine).toarray(), VALUES)
    series = tl.series.fromxarray(array, "t", engine=engine)
    np.testing.assert_array_equal(series.toarray(), VALUES.transpose(1, 2, 0))
    assert series.index.tolist() == list(range(6))


def test_an_array_of_numpy_is_shared_and_one_of_dask_read_in_parts():
    array = xr.DataArray(VALUES, dims=["t", "y", "x"])
    assert np.shares_memory(tl.images.fromxarray(array).values, VALUES)
    np.testing.assert_array_equal(tl.images.fromxarray(array.chunk(t=2)).toarray(), VALUES)


def test_any_dimension_may_count():
    array = xr.DataArray(VALUES, dims=["t", "y", "x"])
    np.testing.assert_array_equal(
        tl.images.fromxarray(array, dim="x").toarray(), VALUES.transpose(2, 0, 1)
    )
    assert tl.series.fromxarray(array, dim="t").shape == (4, 5, 6)


def test_names_of_axes_can_be_given_and_follow_the_kind():
    movie = movie_on()
    array = movie.toxarray(["t", "v", "u"], {"u": [1, 2, 3, 4, 5]})
    assert array.dims == ("t", "v", "u")
    assert array.sel(u=5).shape == (6, 4)
    volumes = tl.images.fromarray(np.zeros((2, 3, 4, 5)))
    assert volumes.toxarray().dims == ("frame", "z", "y", "x")
    colours = tl.images.fromarray(np.zeros((2, 4, 5, 3), np.uint8))
    assert colours.toxarray().dims == ("frame", "y", "x", "channel")
    assert volumes.toseries().toxarray().dims == ("z", "y", "x", "frame")
    assert tl.series.fromarray(np.zeros((4, 6))).toxarray().dims == ("series", "frame")
    levels = tl.series.fromarray(np.zeros((4, 2)), index=[(0, 1), (0, 2)])
    assert levels.toxarray().coords["level1"].values.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: tl.images.fromxarray(x.to_dataset(name="m")), r"dataset\[name\] with 'm'"),
        (lambda x: tl.images.fromxarray(VALUES), "not a DataArray but ndarray"),
        (
            lambda x: tl.series.fromxarray(x, dim="time"),
            "no dimension 'time'; the dimensions are 't', 'y', 'x'",
        ),
        (lambda x: movie_on().toxarray(["t"]), r"dims \('t',\) for 3 axes"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(call, message):
    with pytest.raises(SpecError, match=message):
        call(xr.DataArray(VALUES, dims=["t", "y", "x"]))
