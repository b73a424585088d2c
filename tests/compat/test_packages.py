"""What regression, registration, factorization and extraction ask of Thunder, in our own words."""

from __future__ import annotations

import itertools
import textwrap
from operator import add

import numpy as np
import pytest
from bolt.spark.array import BoltArraySpark
from thunder.images import Images, fromarray, fromlist
from thunder.series import Series, fromrdd
from thunder.series import fromarray as series_fromarray


@pytest.fixture
def random():
    return np.random.default_rng(4)


@pytest.fixture(name="Line")
def line():
    """A model such as scikit-learn's: it is fitted, and then has attributes."""

    class Line:
        def fit(self, X, y):
            columns = np.column_stack([np.ones(len(X)), X])
            betas = np.linalg.lstsq(columns, y, rcond=None)[0]
            self.intercept_, self.coef_ = betas[0], betas[1:]
            return self

        def score(self, X, y):
            left = y - self.intercept_ - X @ self.coef_
            return 1 - np.sum(left**2) / np.sum((y - y.mean()) ** 2)

    return Line


class TestRegression:
    @pytest.fixture(name="X")
    def design(self, random):
        return random.standard_normal((10, 2))

    @pytest.fixture
    def y(self, random):
        return random.standard_normal((4, 10))

    @pytest.fixture
    def series(self, y, engine):
        return series_fromarray(y, engine=engine)

    def test_models_are_records(self, Line, X, y, series):
        models = series.map(lambda v: Line().fit(X, v))
        assert (models.shape, models.dtype, models.mode) == ((4, 1), object, series.mode)
        betas = models.map(lambda v: np.r_[v[0].intercept_, v[0].coef_])
        expected = [np.r_[line.intercept_, line.coef_] for line in (Line().fit(X, v) for v in y)]
        np.testing.assert_allclose(betas.toarray(), expected)
        assert models.map(lambda v: v[0].intercept_).toarray().shape == (4,)

    def test_pairs_of_score_and_model(self, Line, X, y, series):
        def fit(v):
            fitted = Line().fit(X, v)
            return [fitted.score(X, v), fitted]

        both = series.map(fit)
        assert both.shape == (4, 2)
        scores = both.map(lambda v: v[0])
        np.testing.assert_allclose(scores.toarray(), [Line().fit(X, v).score(X, v) for v in y])
        assert both.map(lambda v: v[1]).map(lambda v: v[0].coef_).shape == (4, 2)

    def test_score_looks_records_up_by_key(self, Line, X, y, series):
        """Locally by the array of values; on Spark, where a function can't, by a join."""
        models = series.map(lambda v: Line().fit(X, v))
        if series.mode == "spark":
            joined = models.tordd().join(series.tordd())
            result = joined.mapValues(lambda v: np.array([v[0][0].score(X, v[1])]))
            scores = fromrdd(result, shape=models.shape)
        else:
            values = series.values
            scores = models.map(lambda kv: kv[1][0].score(X, values[kv[0]]), with_keys=True)
        assert scores.shape == (4, 1)
        np.testing.assert_allclose(scores.toarray(), [Line().fit(X, v).score(X, v) for v in y])

    def test_columns_of_results(self, series):
        both = series.map(lambda v: np.r_[v.sum(), v])
        assert (both[:, 1:].shape, both[:, [0]].shape) == ((4, 10), (4, 1))
        np.testing.assert_array_equal(both[:, 1:].toarray(), series.toarray())

    def test_every_kind_of_input_becomes_series(self, y, series):
        values = series.values
        assert type(values) is (BoltArraySpark if series.mode == "spark" else np.ndarray)
        again = fromrdd(values.tordd()) if type(values) is BoltArraySpark else Series(values)
        np.testing.assert_array_equal(again.toarray(), y)


class TestRegistration:
    @pytest.mark.parametrize("count", [1, 5])
    def test_a_table_of_objects_by_key(self, engine, count):
        images = fromlist([np.full((3, 4), i) for i in range(count)], engine=engine)

        def measure(item):
            key, image = item
            pair = np.empty(2, object)
            pair[:] = [key, {"level": int(image[0, 0])}]
            return pair

        pairs = images.map(measure, with_keys=True).toarray()
        table = dict([pairs] if count == 1 else pairs)
        assert table == {(i,): {"level": i} for i in range(count)}

        def apply(item):
            key, image = item
            return image - table[key]["level"]

        flat = images.map(apply, value_shape=images.value_shape, dtype=images.dtype, with_keys=True)
        assert (flat.shape, flat.dtype) == (images.shape, images.dtype)
        assert not flat.toarray().any()

    def test_what_is_no_images_becomes_them(self):
        assert isinstance(fromarray(np.asarray([np.eye(3)] * 2)), Images)
        assert len(fromarray(np.zeros((2, 3, 4, 5))).shape) == 4


class TestFactorization:
    @pytest.fixture
    def x(self, random):
        return random.standard_normal((10, 6))

    @pytest.fixture
    def values(self, x, engine):
        return series_fromarray(x, engine=engine).values

    def test_series_and_images_are_made_of_values(self, values, x):
        assert values.ndim == 2
        assert isinstance(values, BoltArraySpark | np.ndarray)
        series = series_fromarray(values.reshape(2, 5, 6))
        assert (series.baseshape, series.flatten().values.shape) == ((2, 5), (10, 6))
        images = fromarray(values.reshape(10, 2, 3))
        assert images.value_shape == (2, 3)
        flat = images.map(lambda v: v.flatten()).values
        assert isinstance(flat, type(values))
        np.testing.assert_array_equal(np.asarray(flat), x)

    def test_singular_values(self, values, x):
        mat = Series(values)
        eigenvalues, vectors = np.linalg.eigh(mat.gramian().toarray() / mat.shape[0])
        order = np.argsort(eigenvalues)[::-1][:2]
        s = np.sqrt(eigenvalues[order] * mat.shape[0])
        u = mat.times(vectors[:, order] / s)
        np.testing.assert_allclose(s, np.linalg.svd(x)[1][:2])
        shaped = u.values.reshape(2, 5, 2)
        assert (shaped.shape, np.asarray(shaped).shape) == ((2, 5, 2), (2, 5, 2))
        np.testing.assert_allclose(np.linalg.norm(np.asarray(u.values), axis=0), 1)

    def test_centred_products(self, values, x):
        centred = Series(values).center(0)
        np.testing.assert_allclose(centred.toarray(), x - x.mean(axis=0), atol=1e-12)
        by = np.arange(12.0).reshape(6, 2)
        times = centred.times(by)
        np.testing.assert_allclose(times.toarray(), (x - x.mean(axis=0)) @ by, atol=1e-9)

    @pytest.mark.spark
    def test_the_rdd_is_worked_with_directly(self, spark_context, x):
        values = series_fromarray(x, engine=spark_context).values
        mat = values.tordd()
        assert mat.values().first().size == 6
        halves = mat.mapValues(lambda v: v[:3])
        product = halves.values().zip(mat.values()).map(lambda v: np.outer(*v)).reduce(add)
        np.testing.assert_allclose(product, x[:, :3].T @ x)
        again = fromrdd(halves, nrecords=10, shape=(10, 3), dtype=x.dtype)
        np.testing.assert_array_equal(np.asarray(again.values), x[:, :3])
        factor = mat.context.broadcast(2.0)
        total = mat.context.accumulator(0.0)
        mat.values().foreach(lambda v: total.add(float(v.sum()) * factor.value))
        np.testing.assert_allclose(total.value, 2 * x.sum())


class TestExtraction:
    @pytest.fixture
    def movie(self, random):
        return random.random((7, 10, 12))

    def test_sources_of_each_block(self, engine, movie):
        images = fromlist(list(movie), engine=engine).astype("float")
        blocks = images.toblocks(chunk_size=(5, 6), padding=(2, 2))
        assert (blocks.blockshape, blocks.padding) == ((7, 5, 6), (0, 2, 2))
        sources = np.asarray(blocks.map_generic(lambda b: [b.shape[1:]] * 2))
        assert (sources.shape, sources.dtype) == ((2, 2), object)
        assert sources[0, 1] == [(7, 8)] * 2
        flat = list(itertools.chain.from_iterable(sources.flatten().tolist()))
        assert flat == [(7, 8)] * 8

    def test_block_by_block_brightest_pixel(self, engine, movie):
        blocks = fromarray(movie, engine=engine).toblocks(chunk_size=(5, 6), padding=(2, 2))
        found = blocks.map_generic(lambda b: [np.unravel_index(b[0].argmax(), b.shape[1:])])
        corners = [
            np.multiply(at, blocks.blockshape[1:])
            - [p if i else 0 for i, p in zip(at, blocks.padding[1:], strict=True)]
            for at in np.ndindex(found.shape)
        ]
        places = [
            c + spot for c, spots in zip(corners, found.ravel(), strict=True) for spot in spots
        ]
        brightest = max(places, key=lambda at: movie[0][tuple(at)])
        assert movie[0][tuple(brightest)] == movie[0].max()

    @pytest.mark.parametrize("regions", [1, 2])
    def test_the_mean_of_each_region(self, engine, movie, regions):
        where = [(np.array([0, 0]), np.array([0, 1])), (np.array([1]), np.array([2]))][:regions]

        def means(image):
            return np.array([image[at].mean() for at in where]).reshape((1, -1))

        series = fromarray(movie, engine=engine).map(means).toseries()
        assert series.shape == (1, regions, 7)
        expected = [movie[:, *at].mean(axis=1) for at in where]
        np.testing.assert_allclose(series.toarray(), np.squeeze(expected))


@pytest.mark.spark
def test_workers_can_import_thunder(spark_context, tmp_path):
    """A method of a package's class is sent by name: the worker imports what defines it."""
    source = """
        from thunder.images import Images

        class Halved:
            def image(self, image):
                assert Images.__name__ == "Images"
                return image / 2
    """
    path = tmp_path / "written_for_thunder.py"
    path.write_text(textwrap.dedent(source))
    spark_context.addPyFile(str(path))
    from written_for_thunder import Halved

    images = fromarray(np.ones((3, 2, 2)), engine=spark_context)
    assert images.map(Halved().image).toarray().tolist() == [[[0.5, 0.5]] * 2] * 3
    blocks = images.toblocks((1, 2))
    assert [b.max() for b in blocks.map_generic(Halved().image).ravel()] == [0.5, 0.5]
