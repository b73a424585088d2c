"""A bare install: only what the package requires can be imported."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CORE = [re.match(r"[\w-]+", line).group() for line in PROJECT["dependencies"]]

# Hides the modules of every other distribution that is installed here.
BARE = f"""
import sys
from importlib import abc, metadata

core, modules = {{"thunderlike", *{CORE}}}, metadata.packages_distributions()

class Bare(abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in modules and not core & {{one.lower() for one in modules[top]}}:
            raise ModuleNotFoundError(f"No module named {{top!r}}", name=name)

sys.meta_path.insert(0, Bare())
"""

FILES = """
import numpy as np
import thunderlike as tl

movie = tl.images.fromrandom((6, 9, 8), engine="local").map(lambda image: (9 * image).astype("u2"))
for write, read, name in [
    (movie.totif, tl.images.fromtif, "tif"),
    (movie.topng, tl.images.frompng, "png"),
    (movie.tohdf5, tl.images.fromhdf5, "movie.h5"),
    (movie.tobinary, tl.images.frombinary, "binary"),
]:
    write(name)
    assert np.array_equal(read(name).toarray(), movie.toarray()), name
tl.save("any.h5", {"a": [1, {"b": np.arange(3)}]})
assert tl.load("any.h5")["a"][0] == 1
series = tl.images.fromtif("tif", engine="disk").toseries().toarray()
assert np.array_equal(series, movie.toseries().toarray())
"""

MISSING = """
import thunderlike as tl

movie, series = tl.images.fromrandom((3, 8, 8)), tl.series.fromrandom((3, 4))
for call in [
    movie.plot, movie.todask, series.topandas,
    lambda: movie.tozarr("x"),
    lambda: movie.tospark("spark"),
    lambda: tl.images.fromtif("s3://bucket/x"),
    lambda: tl.save("x.h5", movie.toarray().repeat(9, 1), compression="blosc"),
    lambda: tl.util.images.resize_by_factor(movie.toarray()[0], 0.5),
]:
    try:
        call()
    except tl.errors.MissingExtraError as error:
        assert "pip install 'thunderlike[" in str(error), error
    else:
        raise AssertionError("no error")
"""


def readme():
    """The lines of the README's first example, which need no Spark."""
    text = (ROOT / "README.md").read_text("utf-8")
    return "\n".join(re.findall(r"^(?:>>>|\.\.\.) ?(.*)$", text, re.MULTILINE))


@pytest.mark.parametrize("lines", [readme(), FILES, MISSING], ids=["readme", "files", "missing"])
def test_a_bare_install_runs(lines, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BARE + lines],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
