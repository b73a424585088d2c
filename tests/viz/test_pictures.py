from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from thunderlike.errors import BadIndexError, MissingExtraError, SpecError
from thunderlike.viz import picture
from thunderlike.viz.plots import contrast


def bar(axes):
    return axes.child_axes[0]


def shown(axes):
    return np.ma.getdata(axes.images[0].get_array())


def test_a_picture_says_what_its_axes_and_colours_are():
    axes = picture(np.arange(1000.0).reshape(20, 50), title="a ramp", label="height (m)")
    assert [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()] == [
        "a ramp",
        "column (pixels)",
        "row (pixels)",
    ]
    assert bar(axes).get_ylabel() == "height (m)\n(colours: percentiles 0.5 to 99.5)"
    np.testing.assert_allclose(axes.images[0].get_clim(), np.percentile(range(1000), (0.5, 99.5)))


def test_limits_given_are_kept_and_the_bar_tells_of_no_percentiles():
    axes = picture(np.arange(12.0).reshape(3, 4), limits=(-1, 5), cmap="gray")
    assert axes.images[0].get_clim() == (-1, 5)
    assert bar(axes).get_ylabel() == "value"


def test_values_on_both_sides_of_zero_are_red_and_blue_alike():
    axes = picture([[-0.25, 0.5], [0.1, np.nan]], label="r")
    assert axes.images[0].get_cmap().name == "RdBu_r"
    assert axes.images[0].get_clim() == (-0.5, 0.5)
    assert bar(axes).get_ylabel() == "r\n(grey: 1 undefined)"


def test_what_is_nan_everywhere_or_constant_is_drawn():
    assert bar(picture(np.full((2, 3), np.nan))).get_ylabel().endswith("(grey: 6 undefined)")
    low, high = picture(np.full((2, 3), 7)).images[0].get_clim()
    assert low == 7 < high


def test_a_volume_shows_its_largest_values_or_the_plane_asked_for():
    volume = np.arange(24.0).reshape(4, 2, 3)
    volume[-1, 0, 0] = np.nan
    axes = picture(volume, title="v")
    np.testing.assert_array_equal(shown(axes), np.nanmax(volume, 0))
    assert axes.get_title() == "v, largest of 4 planes"
    axes = picture(volume, plane=-2)
    np.testing.assert_array_equal(shown(axes), volume[2])
    assert axes.get_title() == ", plane 2 (of 0 to 3)"


def test_colours_are_shown_as_they_are_and_need_no_bar():
    rgb = np.random.default_rng(0).integers(0, 255, (4, 5, 3), np.uint8)
    axes = picture(rgb)
    np.testing.assert_array_equal(shown(axes), rgb)
    assert axes.child_axes == []


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((2, 2, 2, 2)), np.zeros((0, 2, 2))])
def test_other_axes_are_refused(values):
    with pytest.raises(SpecError, match="a picture has 2 axes, a volume 3"):
        picture(values)


def test_what_is_no_number_or_plane_is_refused():
    with pytest.raises(SpecError, match="complex128 cannot be drawn"):
        picture(np.zeros((2, 2), complex))
    with pytest.raises(BadIndexError, match="plane 4 is out of bounds: there are 4, from 0"):
        picture(np.zeros((4, 2, 2)), plane=4)
    with pytest.raises(SpecError, match="plane is 'min'; expected a number or 'max'"):
        picture(np.zeros((4, 2, 2)), plane="min")


def test_percentiles_of_a_large_array_come_from_a_part_of_it():
    values = np.random.default_rng(0).normal(size=(3000, 1000))
    np.testing.assert_allclose(contrast(values), np.percentile(values, (0.5, 99.5)), atol=0.05)


def test_it_draws_on_the_given_axes_and_leaves_all_settings_alone():
    before, axes = dict(mpl.rcParams), Figure().add_subplot()
    assert picture(np.eye(3), axes) is axes
    assert dict(mpl.rcParams) == before


def test_a_new_figure_is_not_kept_by_pyplot_and_shows_itself_in_a_notebook():
    code = """
import sys
from thunderlike.viz import picture
axes = picture([[1, 2]])
assert "matplotlib.pyplot" not in sys.modules
import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot
assert pyplot.get_fignums() == []
picture([[1, 2]])
assert pyplot.get_fignums() == []
assert axes._repr_png_().startswith(b"\\x89PNG")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'thunderlike\[viz\]'"):
        picture(np.eye(3))
