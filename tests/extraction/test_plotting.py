from __future__ import annotations

import numpy as np
import pytest

from thunderlike.errors import SpecError
from thunderlike.extraction import ExtractionModel
from thunderlike.viz.plots import png_of

pytest.importorskip("matplotlib")


def cells():
    y, x = np.indices((30, 40))
    centers = [(6, 7), (20, 12), (14, 30), (24, 33)]
    stack = [np.maximum(5 - np.hypot(y - a, x - b), 0) for a, b in centers]
    return ExtractionModel(
        np.array(stack).reshape(4, -1),
        (30, 40),
        quality={
            "snr": np.array([5.0, np.nan, 9, 7]),
            "skew": np.arange(4.0),
            "name": np.array(list("abcd")),
        },
        accepted=[True, True, True, False],
    )


def contours(axes):
    return [one for one in axes.collections if len(one.get_paths())]


def test_outlines_are_those_of_the_pixels():
    axes = cells().plot(labels=False)
    assert len(contours(axes)) == 3
    (path,) = contours(axes)[0].get_paths()
    radii = np.hypot(path.vertices[:, 0] - 7, path.vertices[:, 1] - 6)
    assert np.abs(radii - 4.6).max() < 0.25  # of the pixels closer than 5
    assert len(contours(cells().plot(accepted_only=False))) == 4


def test_each_cell_has_one_outline_whatever_its_weights():
    y, x = np.indices((30, 40))
    rings = [np.hypot(y - a, x - b) for a, b in ((8, 8), (20, 25), (1, 38))]
    shapes = [np.where((r < 6) & (r > 3), 1, 0) if n == 0 else r < 5 for n, r in enumerate(rings)]
    weights = np.stack(shapes) * np.random.default_rng(0).lognormal(0, 1.5, (3, 30, 40))
    pixel = np.zeros((1, 30, 40))
    pixel[0, 15, 5] = 1
    model = ExtractionModel(np.concatenate([weights, pixel]).reshape(4, -1), (30, 40))
    paths = [one.get_paths()[0] for one in contours(model.plot())]
    assert [len(path.to_polygons(closed_only=False)) for path in paths] == [1] * 4


def test_numbers_are_written_at_the_centers():
    found = {one.get_text(): one.xy for one in cells().plot().texts}
    assert set(found) == {"0", "1", "2"}
    assert np.allclose(found["2"], (30, 14))


def test_the_base_is_shown_from_its_1st_to_its_99th_percentile():
    base = np.arange(1200.0).reshape(30, 40)
    (image,) = cells().plot(base).images
    assert np.allclose(image.get_clim(), np.percentile(base, (1, 99)))
    with pytest.raises(SpecError, match=r"base has float64 of shape \(3, 3\)"):
        cells().plot(np.zeros((3, 3)))


def test_colors_are_by_a_measure():
    lines = contours(cells().plot(color="snr"))
    colors = [tuple(one.get_edgecolor()[0]) for one in lines]
    assert len(set(colors)) == 3
    assert colors[1] == (0.5, 0.5, 0.5, 1)  # NaN
    with pytest.raises(SpecError, match="one of 'index', 'snr', 'skew'"):
        cells().plot(color="name")


def test_a_report_has_a_map_histograms_and_the_best_and_worst():
    figure = cells().report(limits={"snr": 6})
    titles = [axes.get_title() for axes in figure.get_axes() if axes.get_title()]
    assert titles == [
        "3 of 4 cells accepted",
        "best: 2, snr 9",
        "best: 0, snr 5",
        "best: 1, snr nan",
    ]
    labels = [axes.get_xlabel() for axes in figure.get_axes() if axes.get_xlabel()]
    assert labels == ["snr (1 missing)", "skew"]
    assert len(png_of(figure)) > 10_000
    with pytest.raises(SpecError, match="rank is one of"):
        cells().report(rank="name")


def test_reports_of_hardly_anything():
    model = cells()
    assert model[:0].report().get_axes()
    assert ExtractionModel([[[0, 0]]]).report().get_axes()
    assert model.select([]).report().get_axes()
    volume = ExtractionModel([[[0, 1, 2], [1, 1, 2]]], (3, 8, 9))
    assert volume.report(np.zeros((3, 8, 9))).get_axes()
