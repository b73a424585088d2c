"""Independent components: known sources, passes, engines, convergence."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.config import config
from thunderlike.errors import SpecError
from thunderlike.factorization import ICA, ICAModel
from thunderlike.factorization import ica as module
from thunderlike.testing import CountingEngine


def mixture(n=4000, length=12, seed=0, noise=0.02):
    """Return data and sources: Laplace, uniform, sparse, skewed."""
    rng = np.random.default_rng(seed)
    sources = np.stack(
        [
            rng.laplace(size=n),
            rng.uniform(-1, 1, n),
            rng.standard_normal(n) * (rng.random(n) < 0.1),
            rng.exponential(size=n),
        ],
        axis=1,
    )
    sources = (sources - sources.mean(axis=0)) / sources.std(axis=0)
    mixing = rng.standard_normal((4, length))
    return sources @ mixing + 100 + noise * rng.standard_normal((n, length)), sources


def worst(found, sources):
    """Return the worst correlation of a source with the one found that is nearest."""
    k = sources.shape[1]
    across = np.abs(np.corrcoef(sources.T, found.T)[:k, k:])
    assert len(set(across.argmax(axis=1))) == k
    return across.max(axis=1).min()


@pytest.fixture(autouse=True)
def small_chunks():
    with config(chunk_bytes=2**16):
        yield


@pytest.mark.parametrize("fun", ["cube", "logcosh"])
def test_known_sources_are_found(engine, fun):
    X, sources = mixture()
    data = tl.series.fromarray(X.reshape(40, 100, 12), engine=engine)
    factors = ICA(k=4, fun=fun, cache=True).fit(data)
    S, A = factors
    assert (S.shape, A.shape) == ((40, 100, 4), (4, 12))
    flat = S.reshape(4000, 4)
    assert worst(flat, sources) > 0.995
    np.testing.assert_allclose(flat.std(axis=0), 1, rtol=1e-9)
    np.testing.assert_allclose(flat @ A + factors.model.mean_, X, atol=0.2)
    np.testing.assert_allclose(factors.model.inverse_transform(flat), X, atol=0.2)
    assert factors.model.converged_


def test_engines_give_the_same_bits(engine):
    X = mixture(1001)[0].astype("float32")
    for fun in ("cube", "logcosh"):
        one = ICA(k=4, fun=fun).fit(X)
        other = ICA(k=4, fun=fun, cache=True).fit(tl.series.fromarray(X, engine=engine))
        for here, there in zip(one, other, strict=True):
            np.testing.assert_array_equal(here, there, strict=True)


def test_two_passes_for_any_number_of_steps():
    engine = CountingEngine()
    data = tl.series.fromarray(mixture()[0], engine=engine)
    model = ICA(k=4).fit(data, lazy=True).model
    assert dict(engine.asked) == {"aggregate": 2}
    assert (model.n_passes_, model.params["fun"]) == (2, "cube")
    assert model.n_iter_ > 2
    engine.asked.clear()
    model = ICA(k=4).fit_model(data)
    assert dict(engine.asked) == {"aggregate": 2, "collect": 1}
    assert (model.n_passes_, model.params["fun"]) == (3, "logcosh")


def test_scores_that_are_not_collected_take_two_passes(monkeypatch):
    monkeypatch.setattr(module, "_COLLECTED", 0)
    engine = CountingEngine()
    X, sources = mixture()
    model = ICA(k=4).fit_model(tl.series.fromarray(X, engine=engine))
    assert dict(engine.asked) == {"aggregate": 4}
    assert worst(model.transform(X), sources) > 0.995


@pytest.mark.parametrize("collected", [0, 2**28])
@pytest.mark.parametrize("fun", ["cube", "logcosh"])
def test_more_scores_than_moments_are_summed_of(monkeypatch, fun, collected):
    X, sources = mixture()
    expected = ICA(k=4, fun=fun).fit_model(X)
    monkeypatch.setattr(module, "_MOST", 3)
    monkeypatch.setattr(module, "_COLLECTED", collected)
    model = ICA(k=4, fun=fun).fit_model(X)
    assert worst(model.transform(X), sources) > 0.995
    np.testing.assert_allclose(model.kurtosis_, expected.kurtosis_, rtol=1e-3)
    np.testing.assert_allclose(model.components_, expected.components_, rtol=0.05, atol=0.05)


def test_sources_have_an_order_and_a_sign():
    X, _ = mixture()
    found = ICA(k=4).fit(X)
    S, model = found[0], found.model
    kurtosis = (S**4).mean(axis=0) - 3
    np.testing.assert_allclose(model.kurtosis_, kurtosis, rtol=1e-6)
    assert (np.diff(np.abs(kurtosis)) <= 0).all()
    assert ((S**3).mean(axis=0) >= 0).all()


def test_fewer_sources_than_principal_components():
    X, sources = mixture()
    estimator = ICA(k=2, k_pca=4)
    S, A = estimator.fit(X)
    assert (S.shape, A.shape, estimator.k_pca) == ((4000, 2), (2, 12), 4)
    across = np.abs(np.corrcoef(sources.T, S.T)[:4, 4:])
    assert across.max(axis=0).min() > 0.9
    estimator.fit(X[:, :6])  # Thunder kept k_pca of the first data


def test_images_are_rows():
    X, _ = mixture()
    S, A = ICA(k=4).fit(tl.images.fromarray(X.reshape(4000, 3, 4)))
    assert (S.shape, A.shape) == ((4000, 4), (4, 3, 4))


def test_not_converged_is_a_warning():
    with pytest.warns(UserWarning, match="the directions still change by .* after 1 steps"):
        model = ICA(k=4, max_iter=1).fit(mixture()[0]).model
    assert not model.converged_
    assert model.n_iter_ == 1


def test_too_many_components_are_errors():
    X, _ = mixture(noise=0)
    with (
        pytest.raises(SpecError, match="rank 4, less than k_pca=5"),
        pytest.warns(UserWarning, match="tsqr"),
    ):
        ICA(k=5).fit(X)
    with pytest.raises(SpecError, match="k_pca=13 components of a matrix of 4000 x 12"):
        ICA(k=3, k_pca=13).fit(X)
    with pytest.raises(SpecError, match="k=4 components in k_pca=3"):
        ICA(k=4, k_pca=3)
    with pytest.raises(SpecError, match="fun is 'cube' or 'logcosh', not 'exp'"):
        ICA(fun="exp")


def test_models_are_read_back_exactly():
    X = mixture()[0]
    model = ICA(k=4).fit_model(X)
    model.save("memory://ica.h5")
    found = ICAModel.load("memory://ica.h5")
    np.testing.assert_array_equal(found.transform(X), model.transform(X))
    assert found.params == model.params
