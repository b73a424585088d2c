"""SVD and PCA against numpy, on every engine: methods, shapes, dtypes, errors, passes."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.config import config
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.factorization import ICA, NMF, PCA, SVD, Factors, PCAModel
from thunderlike.factorization import _decomposition as decomposition
from thunderlike.testing import CountingEngine

METHODS = ("gram", "krylov", "tsqr", "rowgram")


def noisy(n, length, rank=4, seed=0, noise=0.1, dtype="float64"):
    """Return low rank plus noise: randomised methods look perfect without the noise."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.standard_normal((n, rank)))[0]
    right = np.linalg.qr(rng.standard_normal((length, rank)))[0].T
    sizes = np.sqrt(n * length) * 2.0 ** -np.arange(rank)
    return ((left * sizes) @ right + noise * rng.standard_normal((n, length))).astype(dtype)


def sine(one, other):
    """Sine of the largest angle between the spaces of the rows."""
    one, other = (np.linalg.qr(np.asarray(rows, float).T)[0] for rows in (one, other))
    return np.linalg.norm(one - other @ (other.T @ one), 2)


def as_collection(array, engine, kind):
    if kind == "array":
        return array
    if kind == "images":
        return tl.images.fromarray(array.reshape(len(array), -1, 2), engine=engine)
    return tl.series.fromarray(array, engine=engine)


@pytest.fixture(autouse=True)
def small_chunks():
    with config(chunk_bytes=2048):
        yield


@pytest.mark.parametrize("kind", ["series", "images"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(90, 24), (24, 90)], ids=["tall", "wide"])
def test_singular_values_and_subspaces_are_those_of_numpy(engine, shape, method, kind):
    X = noisy(*shape)
    truth = np.linalg.svd(X)
    U, S, V = SVD(k=4, method=method, tol=1e-12, cache=True).fit(as_collection(X, engine, kind))
    np.testing.assert_allclose(S, truth[1][:4], rtol=1e-10)
    assert sine(V.reshape(4, -1), truth[2][:4]) < 1e-7
    assert sine(U.T, truth[0].T[:4]) < 1e-7
    np.testing.assert_allclose(U.T @ U, np.eye(4), atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_pca_is_svd_of_centered_columns_at_any_offset(engine, method):
    X = noisy(60, 30) + 1e6 + 1e4 * np.arange(30)
    centered = X - X.mean(axis=0)
    values, vectors = np.linalg.svd(centered, full_matrices=False)[1:]
    model = PCA(k=3, svd_method=method, tol=1e-12, cache=True).fit_model(
        tl.series.fromarray(X, engine=engine)
    )
    np.testing.assert_allclose(model.singular_values_, values[:3], rtol=1e-8)
    np.testing.assert_allclose(model.mean_, X.mean(axis=0), rtol=1e-15)
    np.testing.assert_allclose(model.explained_variance_, values[:3] ** 2 / 59, rtol=1e-8)
    total = (values**2).sum()
    np.testing.assert_allclose(model.explained_variance_ratio_, values[:3] ** 2 / total, rtol=1e-8)
    assert sine(model.components_, vectors[:3]) < 1e-6
    assert model.score(X) == pytest.approx((values[:3] ** 2).sum() / total, rel=1e-8)


@pytest.mark.parametrize("estimator", [SVD, PCA])
def test_transform_of_the_data_is_the_left_factor(engine, estimator):
    X = noisy(50, 24)
    data = tl.series.fromarray(X.reshape(5, 10, 24), engine=engine)
    factors = estimator(k=3).fit(data)
    assert isinstance(factors, Factors)
    left, model = factors[0], factors.model
    assert left.shape == (5, 10, 3)
    np.testing.assert_array_equal(model.transform(data), left)
    later = model.transform(data, lazy=True)
    assert later.mode == data.mode
    np.testing.assert_array_equal(later.toarray(), left)
    np.testing.assert_allclose(model.inverse_transform(left), data.toarray(), atol=1.5)
    np.testing.assert_array_equal(
        model.inverse_transform(later).toarray(), model.inverse_transform(left)
    )


def test_images_are_rows_and_components_are_images(engine):
    X = noisy(30, 24)
    movie = tl.images.fromarray(X.reshape(30, 4, 6), engine=engine)
    T, W = PCA(k=2).fit(movie, return_parallel=True)
    assert (T.shape, T.mode, W.shape) == ((30, 2), movie.mode, (2, 4, 6))
    model = movie.pca(2)
    np.testing.assert_array_equal(model.components_, W)
    back = model.inverse_transform(T)
    assert (type(back), back.shape) == (tl.Images, (30, 4, 6))
    truth = PCA(k=2).fit(X)
    np.testing.assert_array_equal(W.reshape(2, 24), truth[1])


def test_largest_entries_of_components_are_positive(engine):
    X = -noisy(40, 20)
    for method in METHODS:
        V = SVD(k=3, method=method, cache=True).fit(tl.series.fromarray(X, engine=engine))[2]
        assert (V[range(3), np.abs(V).argmax(axis=1)] > 0).all()


def test_engines_give_the_same_bits(engine):
    X = noisy(101, 24, dtype="float32")
    fast = [{"svd_method": method, "precision": "fast"} for method in METHODS if method != "tsqr"]
    for given in [*({"svd_method": method} for method in METHODS), *fast]:
        estimator = PCA(k=3, cache=True, **given)
        here, there = estimator.fit(X), estimator.fit(tl.series.fromarray(X, engine=engine))
        for one, other in zip(here, there, strict=True):
            np.testing.assert_array_equal(one, other, strict=True)
        np.testing.assert_array_equal(here.model.singular_values_, there.model.singular_values_)
        assert here.model.n_passes_ == there.model.n_passes_


@pytest.mark.parametrize("offset", [0, 30_000])
@pytest.mark.parametrize("dtype", ["int16", "float32", "uint16"])
@pytest.mark.parametrize("method", ["gram", "krylov", "rowgram"])
def test_single_precision_is_close(method, dtype, offset):
    X = (300 * np.abs(noisy(120, 60)) + offset).round().astype(dtype)
    X[0] = 0  # far from the others, which lose no digits by it
    values, vectors = np.linalg.svd(X - X.mean(axis=0, dtype=float), full_matrices=False)[1:]
    model = PCA(k=3, svd_method=method, tol=1e-7, precision="fast").fit_model(X)
    np.testing.assert_allclose(model.singular_values_, values[:3], rtol=2e-5)
    np.testing.assert_allclose(model.mean_, X.mean(axis=0, dtype=float), rtol=1e-6)
    assert sine(model.components_[:2], vectors[:2]) < 1e-3
    assert (model.components_ != PCA(k=3, svd_method=method).fit_model(X).components_).any()


def test_single_precision_of_svd_has_no_mean():
    X = noisy(90, 24, dtype="float32") + np.float32(20)
    values = np.linalg.svd(X.astype(float), compute_uv=False)
    for method in ("gram", "krylov", "rowgram"):
        S = SVD(k=2, method=method, precision="fast").fit(X)[1]
        np.testing.assert_allclose(S, values[:2], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "int32"])
def test_long_numbers_stay_in_double_precision(dtype):
    X = (1000 * noisy(50, 12)).astype(dtype)
    fast, exact = (PCA(k=2, precision=precision).fit(X) for precision in ("fast", "exact"))
    for one, other in zip(fast, exact, strict=True):
        np.testing.assert_array_equal(one, other)


def test_single_precision_says_what_it_loses():
    X = noisy(40, 12, rank=3, noise=0, dtype="float32")
    for method in ("gram", "krylov", "rowgram"):
        with pytest.warns(UserWarning, match=r"less than 0\.001 .* give precision='exact'"):
            model = SVD(k=5, method=method, precision="fast").fit_model(X)
        assert model.rank_ == 3, method
    with pytest.raises(SpecError, match="precision='fast' would undo"):
        SVD(method="tsqr", precision="fast")
    with pytest.raises(SpecError, match="precision is 'exact' or 'fast', not 'single'"):
        PCA(precision="single")


@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        ("bool", "float32"),
        ("int8", "float32"),
        ("uint16", "float32"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("int32", "float64"),
        ("uint64", "float64"),
        (">f4", "float32"),
        (">i8", "float64"),
    ],
)
def test_dtypes(dtype, result):
    X = np.abs(np.round(20 * noisy(50, 12))).astype(dtype)
    expected = np.linalg.svd(X.astype(float), full_matrices=False)[1][:2]
    for order in "CF":
        U, S, V = SVD(k=2).fit(np.asarray(X, order=order))
        np.testing.assert_allclose(S, expected, rtol=1e-10)
        assert (U.dtype, S.dtype, V.dtype) == (result, "float64", result)


def test_rank_deficient_data_have_zeros_and_no_nan():
    X = noisy(40, 12, rank=3, noise=0)
    for method in METHODS:
        with pytest.warns(UserWarning, match="tsqr") if method != "tsqr" else nothing():
            U, S, V = factors = SVD(k=5, method=method).fit(X)
        assert factors.model.rank_ == 3, method
        assert (S[3:] == 0).all()
        assert (U[:, 3:] == 0).all()
        assert np.isfinite(V).all()
        np.testing.assert_allclose((U * S) @ V, X, atol=1e-6)


class nothing:  # noqa: N801  # as contextlib's nullcontext
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


def test_small_singular_values_need_tsqr():
    left, right = (np.linalg.qr(noisy(n, 3, rank=2))[0] for n in (60, 12))
    X = (left * [1, 1e-3, 1e-9]) @ right.T
    with pytest.warns(UserWarning, match="singular value 3 is less than 1e-06 times the first"):
        SVD(k=3).fit(X)
    S = SVD(k=3, method="tsqr").fit(X)[1]
    np.testing.assert_allclose(S, [1, 1e-3, 1e-9], rtol=1e-5)


def test_equal_singular_values_have_one_projector():
    X = np.linalg.qr(noisy(40, 10))[0]
    for method in METHODS:
        V = SVD(k=10, method=method).fit(X)[2]
        np.testing.assert_allclose(V.T @ V, np.eye(10), atol=1e-10)


def test_constant_columns_and_few_rows():
    X = noisy(3, 8, rank=2)
    X[:, 2] = 7
    model = PCA(k=2).fit_model(X)
    assert model.mean_[2] == 7
    assert np.abs(model.components_[:, 2]).max() < 1e-12
    U, S, V = SVD(k=1).fit(X[:1])
    np.testing.assert_allclose(U * S * V, X[:1])
    with pytest.raises(SpecError, match="principal components of a single row"):
        PCA(k=1).fit(X[:1])


def test_records_of_blocks_of_other_sizes_and_empty_partitions(engine):
    X = noisy(11, 6)
    T, W = PCA(k=2).fit(tl.series.fromarray(X, engine=engine, npartitions=9))
    expected = PCA(k=2).fit(X)
    np.testing.assert_array_equal(T, expected[0])
    np.testing.assert_array_equal(W, expected[1])


def test_the_shape_alone_chooses_the_method():
    def chosen(n, length, dtype="float32"):
        matrix = decomposition_matrix(n, length, dtype)
        return decomposition.method_for(matrix, "auto")

    assert chosen(10, 749) == "gram"
    assert chosen(10, 750) == "rowgram"
    assert chosen(1024, 750, "int8") == "rowgram"
    assert chosen(1025, 750) == "krylov"
    assert chosen(10**6, 10) == "gram"


def decomposition_matrix(n, length, dtype):
    from thunderlike.factorization._matrix import Matrix

    return Matrix(np.broadcast_to(np.zeros((), dtype), (n, length)))


def test_older_names_of_methods_and_other_names_of_arguments():
    X = noisy(50, 20)
    same = [
        ({"method": "direct"}, {"method": "gram"}),
        ({"svd_method": "em", "seed": 3}, {"method": "krylov", "random_state": 3}),
        ({"n_components": 2, "svd_solver": "tsqr"}, {"k": 2, "method": "tsqr"}),
    ]
    for one, other in same:
        for a, b in zip(SVD(**one).fit(X), SVD(**other).fit(X), strict=True):
            np.testing.assert_array_equal(a, b)
    for wrong in ({"k": 3, "n_components": 3}, {"seed": 1, "random_state": 1}):
        with pytest.raises(SpecError, match="give one of them"):
            PCA(**wrong)
    with pytest.raises(SpecError, match="n_components means k: give one of them"):
        SVD(3, n_components=3)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"k": 0}, "k must be a whole number, at least 1, not 0"),
        ({"k": 2.5}, "k must be a whole number"),
        ({"k": 7}, "k=7 components of a matrix of 20 x 6: give at most 6"),
        ({"tol": -1}, "tol must be a number, at least 0"),
        ({"tol": float("nan")}, "tol must be a number, at least 0"),
        ({"max_iter": 0}, "max_iter must be a whole number, at least 1"),
        ({"method": "arpack"}, "method is one of 'auto', 'gram'"),
        ({"nan": "omit"}, "nan is 'raise' or 'drop'"),
    ],
)
def test_arguments_are_checked(arguments, text):
    with pytest.raises(SpecError, match=text):
        SVD(**arguments).fit(noisy(20, 6))


def test_attributes_that_changed_are_checked_again():
    estimator = SVD(k=2)
    estimator.k = 0
    with pytest.raises(SpecError, match="k must be a whole number"):
        estimator.fit(noisy(20, 6))


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        ([1.0, 2.0], SpecError, "a matrix has 2 axes or more"),
        (np.zeros((3, 0)), SpecError, "empty matrix"),
        (np.zeros((0, 3)), SpecError, "empty matrix"),
        (np.ones((4, 4), complex), SpecError, "complex128 cannot be factorized"),
        ([["a", "b"], ["c", "d"]], WrongTypeError, "cannot factorize a list"),
        ([{1: 2}, None], WrongTypeError, "cannot factorize a list of object"),
        (tl.images.fromrandom((4, 4, 4)).toblocks((2, 2)), WrongTypeError, "call toseries"),
    ],
)
def test_data_are_checked(data, error, text):
    with pytest.raises(error, match=text):
        SVD(k=1).fit(data)


def test_lists_and_frames_are_arrays():
    import pandas

    X = noisy(10, 4)
    expected = SVD(k=2).fit(X)
    for data in (X.tolist(), pandas.DataFrame(X)):
        for one, other in zip(SVD(k=2).fit(data), expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("method", METHODS)
def test_bad_rows_are_counted_or_left_out(engine, method):
    X = noisy(40, 24)
    good = np.delete(X, [3, 20], axis=0)
    X[3, 5], X[20, 0] = np.nan, np.inf
    data = tl.series.fromarray(X, engine=engine)
    with pytest.raises(SpecError, match="2 of 40 series hold NaN or infinity: give nan='drop'"):
        PCA(k=2, svd_method=method, cache=True).fit(data)
    T, W = PCA(k=2, svd_method=method, nan="drop", cache=True).fit(data)
    np.testing.assert_allclose(W, PCA(k=2, svd_method=method).fit(good)[1], rtol=1e-9)
    assert np.isnan(T[[3, 20]]).all()
    assert np.isfinite(np.delete(T, [3, 20], axis=0)).all()


def test_values_whose_squares_overflow_are_an_error():
    with pytest.raises(SpecError, match="squares overflow: scale them"):
        SVD(k=1).fit(np.full((4, 3), 1e200))


def test_statistics_that_are_too_large_are_refused():
    wide = np.broadcast_to(np.float32(0), (3, 2**23))
    with pytest.raises(SpecError, match="columns, at most 8192 x 8192: give method='krylov'"):
        SVD(k=1, method="gram").fit(wide)
    with pytest.raises(SpecError, match=r"the block of vectors would take .* bytes, more than"):
        SVD(k=1, method="krylov").fit(np.broadcast_to(np.float32(0), (20, 2**23)))
    tall = np.broadcast_to(np.float32(0), (2**23, 3))
    with pytest.raises(SpecError, match="rows, at most 8192 x 8192: give method='krylov'"):
        SVD(k=1, method="rowgram").fit(tall)


def test_krylov_says_when_it_has_not_converged():
    X = np.random.default_rng(0).standard_normal((200, 60))
    with pytest.warns(UserWarning, match=r"have not converged to tol=1e-12 in 2 passes"):
        model = SVD(k=3, method="krylov", tol=1e-12, max_iter=2).fit_model(X)
    assert not model.converged_
    assert model.n_passes_ == 2


def test_units_do_not_change_when_krylov_ends():
    X = noisy(200, 60, noise=0.3)
    passes = {SVD(k=3, method="krylov").fit_model(X * scale).n_passes_ for scale in (1e-9, 1, 1e9)}
    assert len(passes) == 1


def test_krylov_restarts_where_its_vectors_take_too_much_memory(monkeypatch):
    X = noisy(150, 60, noise=1.0)
    expected = np.linalg.svd(X)[1][:3]
    monkeypatch.setattr(decomposition, "_BASIS_BYTES", 60 * 13 * 8 * 3)
    S = SVD(k=3, method="krylov", tol=1e-10, max_iter=60).fit(X)[1]
    np.testing.assert_allclose(S, expected, rtol=1e-8)


def test_krylov_is_accurate_on_noise_where_there_is_a_gap():
    rng = np.random.default_rng(5)
    X = noisy(1100, 760, rank=3, noise=1.0, seed=5) + np.cumsum(
        rng.standard_normal((1100, 1)) * 0.1, axis=0
    )
    squares, vectors = np.linalg.eigh(X.T @ X)
    with config(chunk_bytes=2**22):
        model = SVD(k=3).fit_model(X)
    assert model.method_ == "krylov"
    assert squares[-3] / squares[-4] >= 1.5**2
    assert sine(model.components_, vectors.T[-3:]) < 1e-2


@pytest.mark.parametrize(
    ("method", "passes", "asked"),
    [
        ("gram", 1, {"aggregate": 1}),
        ("tsqr", 1, {"aggregate": 1}),
        ("rowgram", 2, {}),  # an array in memory is cut into columns without a regroup
    ],
)
def test_passes(method, passes, asked):
    engine = CountingEngine()
    data = tl.series.fromarray(noisy(40, 24), engine=engine)
    model = PCA(k=2, svd_method=method).fit_model(data)
    assert (model.n_passes_, dict(engine.asked)) == (passes, asked)
    engine.asked.clear()
    model.transform(data, lazy=True)
    assert not engine.asked


def test_passes_of_krylov_are_counted():
    engine = CountingEngine()
    data = tl.series.fromarray(noisy(300, 60), engine=engine)
    model = SVD(k=3, method="krylov").fit_model(data)
    assert dict(engine.asked) == {"aggregate": model.n_passes_}
    assert 2 <= model.n_passes_ <= 6


@pytest.fixture
def stages(spark_context, monkeypatch):
    """Fit, and return the number of stages of each job with the number of passes."""
    groups, name = [], spark_context.setJobGroup

    def named(group, *args, **kwargs):
        groups.append(group)
        name(group, *args, **kwargs)

    monkeypatch.setattr(spark_context, "setJobGroup", named)
    tracker = spark_context.statusTracker()

    def fit(estimator, data):
        groups.clear()
        model = estimator.fit_model(data)
        jobs = [job for group in groups for job in sorted(tracker.getJobIdsForGroup(group))]
        return [len(tracker.getJobInfo(job).stageIds) for job in jobs], model.n_passes_

    return fit


@pytest.mark.spark
def test_passes_are_jobs_of_one_stage(spark_context, stages):
    """A second stage is a shuffle: 'rowgram' alone has one, which both of its passes read."""
    X = np.abs(noisy(80, 24))
    data = tl.series.fromarray(X, engine=spark_context, npartitions=3)
    assert stages(SVD(k=2), data) == ([1], 1)
    assert stages(PCA(k=2, svd_method="tsqr"), data) == ([1], 1)
    assert stages(PCA(k=2, svd_method="rowgram"), data) == ([2, 2], 2)
    for estimator in (
        SVD(k=2, method="krylov", cache=True),
        NMF(k=2, tol=1e-2, cache=True),
        ICA(k=2, tol=1e-2, cache=True),
    ):
        counts, passes = stages(estimator, data)
        assert counts == [1] * passes


@pytest.mark.spark
def test_uncached_records_on_a_cluster_are_worth_a_warning(spark_context):
    data = tl.series.fromarray(noisy(80, 24), engine=spark_context)
    with pytest.warns(UserWarning, match="computed again in every pass: give cache=True"):
        SVD(k=2, method="krylov").fit_model(data)
    assert not data.iscached()
    SVD(k=2, method="krylov", cache=True).fit_model(data)
    assert not data.iscached()


def test_random_numbers_of_the_user_are_left_alone():
    X = np.abs(noisy(60, 30))
    state = np.random.get_state()  # noqa: NPY002  # the state that Thunder changed
    SVD(k=2, method="em", seed=5).fit(X)
    tl.factorization.NMF(k=2, init="random", seed=5, tol=1e-2).fit(X)
    tl.factorization.ICA(k=2, seed=5, tol=1e-2).fit(X)
    after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(state[1], after[1])
    assert state[2:] == after[2:]


def test_seeds():
    X = noisy(200, 60, noise=1.0)

    def values(seed):
        return SVD(k=3, method="krylov", seed=seed, max_iter=3, tol=1).fit(X)[2]

    np.testing.assert_array_equal(values(None), values(0))
    assert (values(1) != values(0)).any()


@pytest.mark.parametrize("suffix", ["json", "h5"])
def test_models_are_read_back_exactly(suffix):
    X = noisy(40, 12).astype("float32")
    model = PCA(k=2).fit_model(tl.images.fromarray(X.reshape(40, 3, 4)))
    model.save(f"memory://pca.{suffix}")
    found = tl.factorization.load(f"memory://pca.{suffix}")
    assert type(found) is PCAModel
    assert repr(found) == repr(model)
    assert found.params == model.params
    np.testing.assert_array_equal(found.explained_variance_ratio_, model.explained_variance_ratio_)
    movie = tl.images.fromarray(X.reshape(40, 3, 4))
    np.testing.assert_array_equal(found.transform(movie), model.transform(movie))
    assert isinstance(found.inverse_transform(found.transform(movie, lazy=True)), tl.Images)


def test_rows_and_scores_of_other_sizes_are_errors():
    model = PCA(k=2).fit_model(noisy(20, 6))
    with pytest.raises(SpecError, match="rows have 5 values, and the components 6"):
        model.transform(noisy(20, 5))
    with pytest.raises(SpecError, match=r"scores have shape \(4, 3\), and there are 2 components"):
        model.inverse_transform(np.zeros((4, 3)))


def test_a_large_left_factor_is_worth_a_warning(monkeypatch):
    monkeypatch.setattr("thunderlike.factorization.models._LARGE", 100)
    with pytest.warns(ResourceWarning, match="collecting 320 bytes of scores: give lazy=True"):
        SVD(k=2).fit(noisy(20, 6))


def test_plots():
    pytest.importorskip("matplotlib")
    X = noisy(30, 12)
    model = PCA(k=3).fit_model(tl.images.fromarray(X.reshape(30, 3, 4)))
    ax = model.plot()
    assert ax.get_title() == "3 components, by row"
    assert ax.images[0].get_array().shape == (7, 9)
    assert len(PCA(k=3).fit_model(X).plot().lines) == 3
    lines = model.plot("variance").lines
    np.testing.assert_allclose(lines[1].get_ydata()[-1], model.explained_variance_ratio_.sum())
    volumes = tl.images.fromarray(X.reshape(30, 3, 2, 2))
    assert PCA(k=2).fit_model(volumes).plot().images[0].get_array().shape == (2, 5)
    with pytest.raises(SpecError, match="cannot plot 'error' of PCAModel: give 'components' or"):
        model.plot("error")
