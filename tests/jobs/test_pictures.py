from __future__ import annotations

import sys

import numpy as np

from thunderlike.formats import png
from thunderlike.jobs.activity_map import ActivityMap
from thunderlike.jobs.plots import map_figure
from thunderlike.jobs.signals import Signal
from thunderlike.viz.plots import can_draw, png_of

SIGNAL = Signal("speed.txt", "speed", np.sin(np.arange(30.0)))


def found(shape, best, name="speed"):
    rng = np.random.default_rng(0)
    correlation = rng.uniform(-0.3, 0.5, shape)
    correlation[best] = 0.75
    signal = Signal("speed.txt", name, SIGNAL.values)
    return ActivityMap(signal, rng.normal(size=shape), correlation, best, rng.normal(size=30))


def titles(figure):
    return [axes.get_title("left") for axes in figure.axes[:3]]


def test_the_picture_shows_mean_map_and_traces():
    figure = map_figure(found((6, 8), (2, 3)))
    assert titles(figure) == [
        "mean of 30 images",
        "correlation with speed",
        "the best pixel, (2, 3): r = 0.750",
    ]
    labels = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert labels == ["speed", "pixel (2, 3)"]


def test_colours_are_symmetric_around_zero():
    image = map_figure(found((6, 8), (2, 3))).axes[1].images[0]
    assert image.get_clim() == (-0.75, 0.75)


def test_of_a_volume_the_plane_of_the_best_pixel_is_shown():
    volumes = found((4, 6, 8), (3, 2, 5))
    figure = map_figure(volumes)
    assert titles(figure)[1] == "correlation with speed, plane 3 (of 0 to 3)"
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), volumes.correlation[3])
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), volumes.mean[3])


def test_undefined_pixels_are_counted_next_to_the_colours():
    some = found((6, 8), (2, 3))
    some.correlation[0] = np.nan
    bar = map_figure(some).axes[1].child_axes[0]
    assert bar.get_ylabel() == "Pearson's r (grey: 8 constant pixels)"


def test_a_movie_in_which_nothing_varies_is_drawn():
    nothing = ActivityMap(SIGNAL, np.zeros((6, 8)), np.full((6, 8), np.nan), None, np.empty(0))
    figure = map_figure(nothing)
    assert titles(figure)[2] == "no pixel varies"
    assert png.decode(png_of(figure)).ndim == 3


def test_a_long_name_is_cut():
    figure = map_figure(found((6, 8), (2, 3), name="x" * 50))
    assert titles(figure)[1] == f"correlation with {'x' * 22}..."


def test_the_same_map_gives_the_same_bytes():
    first, second = (png_of(map_figure(found((6, 8), (2, 3)))) for _ in range(2))
    assert first == second


def test_whether_there_is_something_to_draw_with(monkeypatch):
    assert can_draw()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not can_draw()
