from __future__ import annotations

import base64
import re

import numpy as np
import pytest

from thunderlike.formats import png
from thunderlike.viz import notebook


def image_in(page):
    return png.decode(base64.b64decode(re.search(r'base64,([^"]+)"', page)[1]))


def test_all_text_is_escaped():
    page = notebook.summary("<b>", {"<script>": '"&'}, "<img>")
    assert "&lt;b&gt;" in page
    assert "<th>&lt;script&gt;</th><td>&quot;&amp;</td>" in page
    assert page.endswith("<img></div>")
    assert "&lt;x&gt;" in notebook.thumbnail(np.eye(2), "<x>")


def test_a_thumbnail_is_small_and_between_percentiles():
    page = notebook.thumbnail(np.tile(np.arange(1000.0), (300, 1)), "a ramp")
    small = image_in(page)
    assert small.shape == (100, 125)
    assert (small[0, 0], small[0, -1]) == (0, 255)
    assert "<figcaption>a ramp</figcaption>" in page


def test_of_a_volume_it_is_the_middle_plane_and_colours_stay():
    volume = np.zeros((5, 4, 4))
    volume[2] = np.eye(4)
    np.testing.assert_array_equal(image_in(notebook.thumbnail(volume, "")), np.eye(4) * 255)
    colours = np.random.default_rng(0).integers(0, 255, (4, 5, 3), np.uint8)
    np.testing.assert_array_equal(image_in(notebook.thumbnail(colours, "")), colours)


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((2, 0)), np.zeros((2, 2), complex)])
def test_what_cannot_be_drawn_has_none(values):
    assert notebook.thumbnail(values, "") == ""
