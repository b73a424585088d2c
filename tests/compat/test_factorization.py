"""Scripts of thunder-factorization, in a process where no factorization was imported before."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from thunderlike import factorization

SCRIPT = """
import thunderlike.compat.thunder, thunderlike.compat.factorization
import numpy as np
from factorization import ICA, NMF, PCA, SVD
from factorization.algorithms import PCA as same
from thunder.series import fromrandom

assert same is PCA
data = fromrandom((10, 10, 10), seed=1)
t, w = PCA(k=3, svd_method="direct").fit(data)
u, s, v = SVD(k=3, method="em", max_iter=20, tol=1e-5, seed=0).fit(data, return_parallel=True)
assert (t.shape, w.shape, u.shape, s.shape, v.shape) == (
    (10, 10, 3), (3, 10), (10, 10, 3), (3,), (3, 10))
assert u.toarray().shape == (10, 10, 3)
w, h = NMF(k=2, max_iter=200, tol=1e-3, seed=0).fit(np.abs(data.toarray()))
s, a = ICA(k=2, k_pca=3, seed=0, tol=1e-2).fit(data)
print(h.shape, a.shape)
"""


def test_a_script_runs_unchanged():
    # Noise has no independent components to converge to.
    done = subprocess.run(
        [sys.executable, "-W", "ignore::UserWarning", "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("(2, 10) (2, 10)", "")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("SVD", "k=3, method='auto', max_iter=20, tol=1e-05, seed=None"),
        ("PCA", "k=3, svd_method='auto', max_iter=20, tol=1e-05, seed=None"),
        # 20 passes were rarely enough; the 20 or 10 of a caller are obeyed.
        ("NMF", "k=5, max_iter=100, tol=1e-05, seed=None"),
        ("ICA", "k=3, k_pca=None, svd_method='auto', max_iter=None, tol=1e-06, seed=None"),
    ],
)
def test_arguments_have_their_order_and_defaults(name, arguments):
    found = list(inspect.signature(getattr(factorization, name)).parameters.values())
    count = arguments.count("=")
    assert ", ".join(f"{one.name}={one.default!r}" for one in found[:count]) == arguments
