"""Scripts of thunder-extraction, in a process where no extraction was imported before."""

from __future__ import annotations

import inspect
import subprocess
import sys

from thunderlike import extraction

# The example of its README, and calls of its tests.
SCRIPT = """
import thunderlike.compat.thunder, thunderlike.compat.extraction
from extraction.utils import make_gaussian
data = make_gaussian(seed=42, noise=0.5)
from extraction import NMF, load
model = NMF().fit(data)
sources = model.transform(data)
print(sources.shape)

from regional import many
from extraction.model import ExtractionModel
from thunder.images import fromarray
regions = many([[[0, 0], [0, 1]], [[1, 0], [1, 1]]])
model = ExtractionModel(regions=regions)
assert isinstance(model.regions, many)
assert model.regions.count == 2
data = fromarray([[[0, 1], [1, 2]], [[3, 4], [5, 6]], [[7, 8], [9, 10]]])
print(model.transform(data).toarray().tolist())
model.save("regions.json")
print(load("regions.json").regions.coordinates[0].tolist())
print(ExtractionModel.load("regions.json").merge(0.5, 2, k_nearest=10).regions.count)
"""


def test_a_script_runs_unchanged(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    expected = "(5, 100)\n[[0.5, 3.5, 7.5], [1.5, 5.5, 9.5]]\n[[0, 0], [0, 1]]\n2\n"
    assert (done.stdout, done.stderr) == (expected, "")


def test_arguments_have_their_order_and_defaults():
    def signature(function):
        found = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
        return ", ".join(f"{one.name}={one.default!r}" for one in found)

    expected = "k=5, max_iter=20, max_size='full', min_size=20, percentile=95, overlap=0.1"
    assert signature(extraction.NMF).startswith(expected)
    expected = "chunk_size=None, padding=None"
    assert expected in signature(extraction.NMF.fit)
    expected = "shape=(100, 200), n=5, t=100, sd=3, noise=0.1, seed=None, engine=None, "
    assert signature(extraction.make_gaussian) == f"{expected}withparams=False"
    expected = "overlap=0.5, max_iter=2, k_nearest=10"
    assert signature(extraction.ExtractionModel.merge) == expected
