"""Nonnegative factorization: known factors, scale, monotone error, engines, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

import thunderlike as tl
from thunderlike.config import config
from thunderlike.errors import SpecError
from thunderlike.factorization import NMF, NMFModel
from thunderlike.kernels.nonnegative import NonnegativeLeastSquares
from thunderlike.testing import CountingEngine


def parts(n=120, length=40, k=3, seed=0, noise=0.01):
    """Return data, and nonnegative factors that are mostly zero."""
    rng = np.random.default_rng(seed)
    W = rng.exponential(size=(n, k)) * (rng.random((n, k)) < 0.5)
    H = rng.exponential(size=(k, length)) * (rng.random((k, length)) < 0.4)
    H /= H.max(axis=1, keepdims=True)
    return np.maximum(W @ H + noise * rng.standard_normal((n, length)), 0), W, H


@pytest.fixture(autouse=True)
def small_chunks():
    with config(chunk_bytes=4096):
        yield


def test_known_factors_are_found(engine):
    X, W, H = parts()
    data = tl.series.fromarray(X.reshape(10, 12, 40), engine=engine)
    factors = NMF(k=3, cache=True).fit(data)
    found_W, found_H = factors
    assert found_W.shape == (10, 12, 3)
    across = np.corrcoef(H, found_H)[:3, 3:]
    assert across.max(axis=1).min() > 0.99
    order = across.argmax(axis=1)
    assert np.abs(found_W.reshape(120, 3)[:, order] - W).max() < 0.15
    assert (found_W >= 0).all()
    assert (found_H >= 0).all()
    np.testing.assert_allclose(found_H.max(axis=1), 1)
    assert factors.model.converged_


def test_engines_give_the_same_bits(engine):
    X = parts(101)[0].astype("float32")
    one = NMF(k=3, tol=1e-4).fit(X)
    other = NMF(k=3, tol=1e-4, cache=True).fit(tl.series.fromarray(X, engine=engine))
    for here, there in zip(one, other, strict=True):
        np.testing.assert_array_equal(here, there, strict=True)
    np.testing.assert_array_equal(one.model.errors_, other.model.errors_)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("init", ["nndsvda", "random"])
def test_the_error_falls_in_every_pass(init, seed):
    X = parts(seed=seed, noise=0.3)[0]
    model = NMF(k=4, init=init, seed=seed, tol=0, max_iter=30)
    with pytest.warns(UserWarning, match="the error still falls"):
        errors = model.fit_model(X).errors_
    assert (np.diff(errors) <= 1e-9).all()


@pytest.mark.parametrize("max_iter", [1, 2, 20])
def test_the_product_has_the_scale_of_the_data_when_stopped_early(engine, max_iter):
    """Thunder divided H by its norms after W was solved for the old H."""
    X = 1e4 * parts(noise=0.1)[0]
    data = tl.series.fromarray(X, engine=engine)
    with pytest.warns(UserWarning, match=f"after {max_iter} passes"):
        W, H = NMF(k=3, max_iter=max_iter, tol=0, cache=True).fit(data)
    scale = (X * (W @ H)).sum() / ((W @ H) ** 2).sum()
    assert scale == pytest.approx(1, abs=1e-3)
    # W belongs to this H, not to the one before.
    best = np.array([nnls(H.T, row)[0] for row in X])
    np.testing.assert_allclose(W, best, atol=1e-3 * best.max())


def test_scores_are_those_of_nnls():
    rng = np.random.default_rng(1)
    H, X = rng.random((4, 15)), rng.standard_normal((30, 15))
    scores = NonnegativeLeastSquares.of(H @ H.T).scores(X @ H.T, sweeps=200).T
    np.testing.assert_allclose(scores, [nnls(H.T, row)[0] for row in X], atol=1e-8)


def test_compiled_loops_give_the_bits_of_numpy(monkeypatch):
    X = parts()[0]
    X[5] = 0
    fits = []
    for value in ("0", "always"):
        monkeypatch.setenv("THUNDERLIKE_NUMBA", value)
        fits.append(NMF(k=4, tol=1e-3).fit(X))
    for plain, compiled in zip(*fits, strict=True):
        np.testing.assert_array_equal(compiled, plain)
    rng = np.random.default_rng(2)
    H, products = rng.random((3, 9)), rng.standard_normal((1500, 3))
    products[7, 1] = np.nan
    plain, compiled = (
        NonnegativeLeastSquares.of(H @ H.T, 0.1, compiled=flag).scores(products, 12)
        for flag in (False, True)
    )
    np.testing.assert_array_equal(compiled, plain)
    parted = NonnegativeLeastSquares.of(H @ H.T, 0.1).scores(products[1100:], 12)
    np.testing.assert_array_equal(parted, plain[:, 1100:])


def test_negative_values_are_counted_or_clipped(engine):
    X = parts()[0]
    X[3, 4], X[7, :2] = -0.5, -1
    data = tl.series.fromarray(X, engine=engine)
    with pytest.raises(SpecError, match="3 values are negative: give clip=True"):
        NMF(k=3, cache=True).fit(data)
    W, H = NMF(k=3, clip=True, cache=True).fit(data)
    relative = np.linalg.norm(np.maximum(X, 0) - W @ H) / np.linalg.norm(X)
    assert relative < 0.05


def test_images_of_whole_numbers(engine):
    X, _, H = parts()
    movie = tl.images.fromarray((1000 * X).astype("uint16").reshape(120, 5, 8), engine=engine)
    W, found = NMF(k=3, cache=True).fit(movie, lazy=True)
    assert (W.shape, W.dtype, W.mode) == ((120, 3), "float32", movie.mode)
    assert found.shape == (3, 5, 8)
    assert np.corrcoef(H, found.reshape(3, 40))[:3, 3:].max(axis=1).min() > 0.99


def test_components_that_no_row_uses_start_again():
    X = parts(k=2, noise=0)[0]
    model = NMF(k=4, tol=1e-8, max_iter=200).fit_model(X)  # more than the rank
    assert np.isfinite(model.components_).all()
    assert model.components_.any(axis=1).all()
    assert model.errors_[-1] < 0.02


def test_zeros_are_factorized():
    W, H = NMF(k=2).fit(np.zeros((5, 4)))
    assert not (W @ H).any()
    assert np.isfinite(H).all()


@pytest.mark.parametrize(
    ("alpha", "l1_ratio", "expected"),
    # Losses of scikit-learn 1.9 for the same data, after 300 iterations.
    [(0.005, 0.5, 72.7524), (0.02, 0.0, 116.4615), (0.02, 1.0, 188.2289)],
)
def test_penalties_are_those_of_scikit_learn(alpha, l1_ratio, expected):
    X = parts(noise=0.2)[0]
    given = {"alpha_W": alpha, "alpha_H": alpha, "l1_ratio": l1_ratio}
    W, H = NMF(k=4, tol=1e-5, max_iter=300, **given).fit(X)
    loss = ((X - W @ H) ** 2).sum() / 2
    for factor, weight in ((W, 40 * alpha), (H, 120 * alpha)):
        loss += weight * (l1_ratio * factor.sum() + (1 - l1_ratio) / 2 * (factor**2).sum())
    assert loss == pytest.approx(expected, rel=0.02)


def test_one_pass_for_the_start_and_one_for_each_step():
    engine = CountingEngine()
    model = NMF(k=3, tol=1e-4).fit_model(tl.series.fromarray(parts()[0], engine=engine))
    assert dict(engine.asked) == {"aggregate": model.n_passes_}
    assert model.n_passes_ == 1 + len(model.errors_)


def test_not_converged_is_a_warning():
    with pytest.warns(UserWarning, match=r"tol=1e-05 after 2 passes: give a larger max_iter"):
        model = NMF(k=3, max_iter=2).fit_model(parts()[0])
    assert not model.converged_


def test_bad_rows_are_left_out():
    X = parts()[0]
    X[5, 0] = np.nan
    with pytest.raises(SpecError, match="1 of 120 series hold NaN or infinity"):
        NMF(k=3).fit(X)
    with pytest.raises(SpecError, match="1 of 120 series hold NaN or infinity"):
        NMF(k=3, init="random").fit(X)
    W, H = NMF(k=3, nan="drop").fit(X)
    assert np.isnan(W[5]).all()
    assert np.isfinite(np.delete(W, 5, axis=0)).all()
    assert np.isfinite(H).all()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"loss": "kullback-leibler"}, "loss is 'frobenius', the only one"),
        ({"init": "svd"}, "init is 'nndsvda' or 'random'"),
        ({"l1_ratio": 2}, "l1_ratio must be a number from 0 to 1"),
        ({"alpha_H": -1}, "alpha_H must be a number, at least 0"),
        ({"k": 41}, "k=41 components of a matrix of 120 x 40"),
    ],
)
def test_arguments_are_checked(arguments, text):
    with pytest.raises(SpecError, match=text):
        NMF(**arguments).fit(parts()[0])


def test_models_are_read_back_and_drawn(tmp_path):
    X = parts()[0]
    model = NMF(k=3, tol=1e-3, alpha_W=0.01).fit_model(X)
    model.save(tmp_path / "nmf.json")
    found = NMFModel.load(tmp_path / "nmf.json")
    np.testing.assert_array_equal(found.transform(X), model.transform(X))
    assert found.penalties == model.penalties
    pytest.importorskip("matplotlib")
    np.testing.assert_array_equal(found.plot("error").lines[0].get_ydata(), model.errors_)


def test_the_score_is_that_of_the_last_error():
    X = parts(noise=0.2)[0]
    model = NMF(k=3).fit_model(X)
    assert 1 - model.score(X) == pytest.approx(model.errors_[-1] ** 2, rel=1e-3)
