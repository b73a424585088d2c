"""Plots, movies and what notebooks show, of what an engine computed."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import thunderlike as tl
from thunderlike import storage
from thunderlike.data import plotting
from thunderlike.errors import BadIndexError, ExistsError, SpecError, StorageError
from thunderlike.testing import LazyEngine

VALUES = np.random.default_rng(0).normal(10, 3, (12, 6, 8))


@pytest.fixture
def movie(engine):
    return tl.images.fromarray(VALUES, engine=engine)


@pytest.fixture
def local():
    return tl.images.fromarray(VALUES)


def shown(axes):
    return np.ma.getdata(axes.images[0].get_array())


def test_images_and_statistics_are_drawn(movie):
    axes = movie.plot(-2)
    np.testing.assert_array_equal(shown(axes), VALUES[10])
    assert axes.get_title() == "image 10 (of 0 to 11)"
    for name in ("mean", "std", "max", "min"):
        axes = movie.plot(name)
        np.testing.assert_allclose(shown(axes), getattr(VALUES, name)(0))
        assert axes.get_title() == f"{name} of 12 images"


def test_series_are_drawn_by_number_and_key(movie):
    axes = movie.toseries().plot([(2, 3), 9])
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), VALUES[:, 2, 3])
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), VALUES[:, 1, 1])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["(2, 3)", "(1, 1)"]
    assert axes.get_title() == "2 of 48 series"


def test_the_mean_of_all_series_the_map_and_the_heat_map(movie):
    series = movie.toseries()
    mean = series.plot()
    np.testing.assert_allclose(mean.lines[0].get_ydata(), VALUES.mean((1, 2)))
    assert (mean.get_title(), mean.get_xlabel()) == ("mean of 48 series", "frame")
    found = series.correlate(np.arange(12))
    axes = found.plot()
    np.testing.assert_array_equal(shown(axes), found.toarray())
    assert axes.get_title() == "map of 6 x 8 series"
    heat = series.heatmap()
    np.testing.assert_array_equal(shown(heat), VALUES.reshape(12, -1).T)
    assert heat.get_ylabel() == "series, numbered in key order"


def test_movies_are_written_and_returned(movie):
    made = movie.movie("memory://movies/a.gif", fps=20)
    with Image.open(io.BytesIO(made.data)) as opened:
        assert (opened.n_frames, opened.size) == (12, (8, 6))
    assert storage.read("memory://movies/a.gif") == made.data
    assert made == movie.movie(fps=20)
    with pytest.raises(ExistsError):
        movie.movie("memory://movies/a.gif")
    movie.movie("memory://movies/a.gif", overwrite=True, vmin=0, vmax=1)
    storage.write("memory://movies/b.gif", b"another program's file")
    with pytest.raises(StorageError, match="was not written by us"):
        movie.movie("memory://movies/b.gif", overwrite=True)
    storage.delete("memory://movies")


def test_a_movie_that_cannot_be_written_is_refused_before_anything_is_computed():
    movie = tl.images.fromrandom((10, 4, 6), engine=LazyEngine())
    with pytest.raises(SpecError, match="as 'avi'"):
        movie.movie("memory://movies/a.avi")
    with pytest.raises(SpecError, match="as 'movie'"):
        movie.movie("movie")


def test_a_map_is_called_by_its_index_and_drawn_as_a_line_where_series_stand_in_a_row(local):
    stats = local.toseries().series_stats()
    axes = stats.select("stdev").plot()
    assert axes.child_axes[0].get_ylabel().startswith("stdev")
    axes = stats.select("mean").flatten().plot()
    np.testing.assert_allclose(axes.lines[0].get_ydata(), VALUES.mean(0).ravel())


def test_maps_of_volumes_show_a_plane(local):
    volumes = tl.images.fromarray(VALUES.reshape(12, 2, 4, 6))
    axes = volumes.toseries().series_mean().plot(plane=1)
    np.testing.assert_allclose(shown(axes), VALUES.reshape(12, 2, 4, 6).mean(0)[1])
    assert axes.get_title() == "map of 2 x 4 x 6 series, plane 1 (of 0 to 1)"


def test_labels_name_images_and_series():
    images = tl.images.fromarray(VALUES[:2], labels=["left", "right"])
    assert images.plot(1).get_title() == "image 1 (of 0 to 1): right"
    series = tl.series.fromarray(VALUES[0], labels=list("abcdef"))
    assert series.plot(2).get_title() == "series c"


def test_a_heat_map_of_very_many_shows_every_kth(local, monkeypatch):
    monkeypatch.setitem(plotting.heatmap.__globals__, "_MAX_VALUES", 12 * 20)
    axes = local.toseries().heatmap()
    assert axes.get_title() == "series 0, 3, 6, ... of 48 series"
    np.testing.assert_array_equal(shown(axes), VALUES.reshape(12, -1).T[::3])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: x.plot(12), BadIndexError, "image 12 is out of bounds: there are 12, from 0"),
        (lambda x: x.plot("var"), SpecError, "cannot plot 'var': give a number, 'mean', 'std', "),
        (
            lambda x: x.toseries().plot(48),
            BadIndexError,
            "series 48 is out of bounds: there are 48",
        ),
        (
            lambda x: x.toseries().plot((1, 8)),
            BadIndexError,
            r"no series has the key \(1, 8\): keys have shape \(6, 8\)",
        ),
        (
            lambda x: x.toseries().plot((1, 2, 3)),
            BadIndexError,
            r"no series has the key \(1, 2, 3\): keys have",
        ),
        (lambda x: x.map(np.mean).plot(), SpecError, "a picture has 2 axes"),
    ],
)
def test_a_missing_value_is_reported(local, call, error, message):
    with pytest.raises(error, match=message):
        call(local)


def test_a_notebook_shows_facts_and_a_picture_of_what_is_here(local):
    page = local._repr_html_()
    for text in ("<b>Images</b>", "<td>(12, 6, 8)</td>", "<td>4.5 KB</td>", "12, in 1 part<"):
        assert text in page
    assert page.count("<img") == 1
    series = local.toseries()._repr_html_()
    assert series.count("<img") == 1
    assert "<td>(6, 8, 12)</td>" in series
    blocks = local.toblocks(3)._repr_html_()
    assert "<td>(12, 3, 3)</td>" in blocks
    assert "<img" not in blocks


def test_a_notebook_shows_no_picture_of_what_would_have_to_be_computed():
    movie = tl.images.fromrandom((10, 4, 6), engine=LazyEngine())
    for thing in (movie, movie.toseries(), movie.toblocks(2)):
        page = thing._repr_html_()
        assert "<td>lazy</td>" in page
        assert "<img" not in page


@pytest.mark.spark
def test_a_notebook_starts_no_spark_job(spark_context):
    tracker = spark_context.statusTracker()
    before = sorted(tracker.getJobIdsForGroup(None))  # of other tests
    spark_context.setJobGroup("notebook", "")
    movie = tl.images.fromrandom((10, 4, 6), engine=spark_context)
    pages = [x._repr_html_() for x in (movie, movie.cache().toseries(), movie.toblocks(2))]
    assert all("<td>spark</td>" in page for page in pages)
    assert sorted(tracker.getJobIdsForGroup(None)) == before
    spark_context.setLocalProperty("spark.jobGroup.id", None)


def test_a_notebook_escapes_what_people_wrote():
    movie = tl.images.fromarray(VALUES[:1], labels=["<i>"])
    movie.attrs = {"<script>": 1}
    page = movie._repr_html_()
    assert "<script>" not in page
    assert "<i>" not in page
    assert "<td>&lt;i&gt;</td>" in page


def test_text_has_at_most_six_lines(local):
    for thing in (local, local.toseries(), local.toblocks(3), local.movie()):
        assert len(repr(thing).splitlines()) <= 6
