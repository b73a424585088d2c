from __future__ import annotations

import numpy as np

from thunderlike.viz import heatmap, lines


def ticks(axes):
    return [label.get_text() for label in axes.get_xticklabels()]


def test_each_row_is_a_line_over_the_index():
    rows = np.arange(6.0).reshape(2, 3)
    axes = lines(rows, index=[10, 20, 30], names=["one", "two"], title="t", along="ms", label="V")
    for line, row in zip(axes.lines, rows, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.c_[[10, 20, 30], row])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "two"]
    assert [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()] == ["t", "ms", "V"]


def test_words_are_written_below_and_levels_joined():
    assert ticks(lines([1, 2], index=["mean", "std"])) == ["mean", "std"]
    assert ticks(lines([1, 2], index=np.array([[0, 5], [0, 6]]))) == ["0, 5", "0, 6"]


def test_many_lines_have_no_legend():
    assert lines(np.zeros((20, 3)), names=list(map(str, range(20)))).get_legend() is None


def test_a_heat_map_has_a_row_for_each_and_numbers_for_those_left_out():
    axes = heatmap(np.arange(12.0).reshape(3, 4), step=10, index=[2, 4, 6, 8])
    assert axes.images[0].get_extent() == [1, 9, 25, -5]
    assert axes.images[0].get_cmap().name == "viridis"


def test_a_heat_map_of_uneven_positions_counts_them():
    assert heatmap(np.eye(3), index=[0, 1, 5]).images[0].get_extent() == [-0.5, 2.5, 2.5, -0.5]
    assert heatmap(np.eye(3, 1), index=[7]).images[0].get_extent() == [-0.5, 0.5, 2.5, -0.5]


def test_values_on_both_sides_of_zero_are_red_and_blue_alike():
    axes = heatmap([[-3.0, 1.0], [0.0, 2.0]])
    low, high = axes.images[0].get_clim()
    assert low == -high < -2.9
