"""What a real kernel sends to a notebook: facts, pictures, a movie and a bar."""

from __future__ import annotations

import base64

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

pytestmark = pytest.mark.xdist_group("jupyter")  # one kernel at a time

CELLS = [
    "import thunderlike as tl\nmovie = tl.images.fromrandom((12, 8, 8))\nmovie",
    "movie.plot('mean')",
    "movie.toseries().correlate(range(12)).plot()",
    "movie.movie(fps=20)",
    """\
import time
from thunderlike.progress import track
with tl.progress(), track('counting', 8, 'steps') as work:
    for _ in range(8):
        time.sleep(0.15)
        work.advance()""",
    "import sys\n'matplotlib.pyplot' in sys.modules",
]


@pytest.fixture(scope="module")
def outputs():
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbclient.NotebookClient(notebook, timeout=300).execute()
    return [cell.outputs for cell in notebook.cells]


def test_the_name_of_a_movie_shows_facts_and_a_picture(outputs):
    page = outputs[0][0].data["text/html"]
    assert "<td>(12, 8, 8)</td>" in page
    assert 'src="data:image/png;base64,' in page


@pytest.mark.parametrize("cell", [1, 2])
def test_a_plot_that_ends_a_cell_is_shown_once(outputs, cell):
    (shown,) = outputs[cell]
    assert base64.b64decode(shown.data["image/png"]).startswith(b"\x89PNG")


def test_a_movie_is_played(outputs):
    assert 'src="data:image/gif;base64,' in outputs[3][0].data["text/html"]


def test_a_bar_moves_and_nothing_is_warned_of(outputs):
    kinds = {output.output_type for output in outputs[4]}
    text = "".join(output.get("text", "") for output in outputs[4])
    assert "Warning" not in text
    if kinds == {"stream"}:
        assert "counting: 100%" in text
        assert text.count("\rcounting:") > 2
    else:  # with ipywidgets it is a widget
        assert any("widget-view" in kind for output in outputs[4] for kind in output.data)


def test_pyplot_is_left_alone(outputs):
    assert outputs[5][0].data["text/plain"] == "False"
