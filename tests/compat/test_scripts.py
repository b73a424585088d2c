"""Scripts as people wrote them for Thunder 1.x: the import is all that changes."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.ndimage as ndi
import thunder as td
import tifffile


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def movie(rng):
    """20 images whose upper left corner follows a stimulus."""
    values = rng.integers(90, 110, (20, 6, 8)).astype("int16")
    values[::4, :2, :2] += 60
    return values


@pytest.fixture
def stimulus():
    return (np.arange(20) % 4 == 0).astype(float)


@pytest.fixture
def tifs(movie, tmp_path):
    for number, image in enumerate(movie):
        tifffile.imwrite(tmp_path / f"time_{number:04d}.tif", image)
    return str(tmp_path)


def test_a_map_of_what_follows_a_stimulus(engine, tifs, movie, stimulus):
    data = td.images.fromtif(tifs, engine=engine)
    series = data.map(lambda im: im.astype("float32")).gaussian_filter(0.5).toseries()
    correlations = series.detrend("linear").correlate(stimulus).toarray()
    assert correlations.shape == (6, 8)
    assert (correlations[:2, :2] > 0.9).all()
    assert (correlations[3:, 3:] < 0.8).all()


def test_some_of_the_files_and_of_the_images(engine, tifs, movie):
    data = td.images.fromtif(tifs + "/time_*.tif", start=2, stop=12, engine=engine)
    assert data.shape == (10, 6, 8)
    assert data.count() == 10
    np.testing.assert_array_equal(data.first(), movie[2])
    np.testing.assert_array_equal(data[3:5, ::2].toarray(), movie[5:7, ::2])
    bright = data.filter(lambda im: im.max() > 130)
    np.testing.assert_array_equal(bright.toarray(), movie[[4, 8]])


def test_reference_image_and_background(engine, movie):
    data = td.images.fromarray(movie, engine=engine)
    reference = data.mean().toarray()
    np.testing.assert_allclose(reference, movie.mean(axis=0))
    np.testing.assert_allclose(data.subtract(reference).max().toarray(), (movie - reference).max(0))
    np.testing.assert_array_equal(data.reduce(np.maximum).toarray(), movie.max(axis=0))
    shifted = data.map(lambda kv: kv[1] + kv[0][0], with_keys=True)
    np.testing.assert_array_equal(shifted[7].toarray(), movie[7] + 7)


def test_each_image_is_processed(engine, movie):
    data = td.images.fromarray(movie, engine=engine)
    np.testing.assert_array_equal(
        data.median_filter(3).subsample(2).toarray(),
        [ndi.median_filter(image, 3)[::2, ::2] for image in movie],
    )
    np.testing.assert_array_equal(
        data.map_as_series(lambda s: np.sort(s)).toarray(), np.sort(movie, axis=0)
    )


def test_blocks_are_worked_on_by_themselves(engine, movie):
    data = td.images.fromarray(movie, engine=engine)
    blocks = data.toblocks(chunk_size=(3, 4), padding=(1, 1))
    smooth = blocks.map(lambda b: ndi.uniform_filter(b, (0, 3, 3))).toimages()
    expected = ndi.uniform_filter(movie, (0, 3, 3))
    np.testing.assert_array_equal(smooth.toarray()[:, 1:5, 1:7], expected[:, 1:5, 1:7])
    assert [b.shape for b in blocks.collect_blocks()] == [(20, 4, 5)] * 4


def test_responses_by_trial_and_condition(engine, rng):
    trial, condition = np.repeat([0, 1, 2], 4), np.tile([0, 0, 1, 1], 3)
    values = rng.random((5, 12))
    index = list(zip(trial.tolist(), condition.tolist(), strict=True))
    series = td.series.fromarray(values, index=index, engine=engine)
    means = series.mean_by_index(level=1)
    expected = np.stack([values[:, condition == c].mean(axis=1) for c in (0, 1)], axis=1)
    np.testing.assert_allclose(means.toarray(), expected)
    assert means.index.tolist() == [0, 1]
    second = series.select_by_index(1, level=0, squeeze=True)
    np.testing.assert_array_equal(second.toarray(), values[:, trial == 1])
    assert second.index.tolist() == [0, 0, 1, 1]


def test_traces_are_normalised_and_averaged(engine, rng):
    values = rng.random((4, 3, 12)) + 5
    series = td.series.fromarray(values, engine=engine)
    baseline = np.percentile(values, 20, axis=2, keepdims=True)
    normalized = series.normalize("percentile", perc=20)
    np.testing.assert_allclose(normalized.toarray(), (values - baseline) / (baseline + 0.1))
    panels = series.mean_by_panel(4).toarray()
    np.testing.assert_allclose(panels, values.reshape(4, 3, 3, 4).mean(axis=2))
    chosen = series.between(2, 6).select(lambda i: i % 2 == 0)
    assert chosen.index.tolist() == [2, 4]
    squelched = series.squelch(values.max()).flatten().toarray()
    assert (squelched.any(axis=1)).sum() == 1


def test_when_each_pixel_peaks(engine):
    time = np.arange(40)
    values = np.stack([1 + np.sin(2 * np.pi * 4 * (time - lag) / 40) for lag in (0, 2, 3)])
    found = td.series.fromarray(values, engine=engine).fourier(freq=4)
    assert found.index.tolist() == ["coherence", "phase"]
    coherence = found.select("coherence").toarray()
    np.testing.assert_allclose(coherence, [1, 1, 1], atol=1e-6)
    lags = td.series.fromarray(values, engine=engine).crosscorr(values[0], lag=5)
    assert lags.toarray().argmax(axis=1).tolist() == [5, 7, 8]


def test_principal_components(engine, rng):
    values = rng.random((6, 4, 5))
    series = td.series.fromarray(values, engine=engine).center(0)
    matrix = (values - values.mean((0, 1))).reshape(24, 5)
    np.testing.assert_allclose(series.gramian().toarray(), matrix.T @ matrix, atol=1e-10)
    vectors = np.linalg.eigh(series.cov().toarray())[1][:, ::-1][:, :2]
    scores = series.flatten().times(vectors).toarray()
    np.testing.assert_allclose(scores, matrix @ vectors, atol=1e-10)


def test_arithmetic_of_collections(engine, movie):
    data = td.images.fromarray(movie, engine=engine)
    np.testing.assert_array_equal(data.plus(data).toarray(), movie + movie)
    np.testing.assert_array_equal(data.minus(3).toarray(), movie - 3)
    np.testing.assert_allclose(data.dotdivide(data.dottimes(2)).toarray(), movie / (movie * 2))
    by_name = data.element_wise(data, lambda x, y: x * y)
    np.testing.assert_array_equal(by_name.toarray(), movie * movie)


def test_what_is_written_is_read_again(engine, movie, tmp_path):
    path = str(tmp_path / "out")
    td.images.fromarray(movie, engine=engine).tobinary(path)
    assert td.images.frombinary(path, engine=engine).shape == movie.shape
    td.images.fromarray(movie, engine=engine).totif(path + "-tif", prefix="t", overwrite=True)
    np.testing.assert_array_equal(td.images.fromtif(path + "-tif").toarray(), movie)


def test_a_table_of_text(engine, rng, tmp_path):
    """Two columns of keys, then the values, as Thunder's first example had them."""
    values = rng.random((4, 6)).round(3)
    rows = [[i // 2, i % 2, *row] for i, row in enumerate(values)]
    np.savetxt(tmp_path / "pixels.txt", rows, fmt="%g")
    series = td.series.fromtext(str(tmp_path / "pixels.txt"), skip=2, engine=engine)
    np.testing.assert_allclose(series.toarray(), values)
    images = series.reshape(2, 2, 6).toimages()
    np.testing.assert_allclose(images.toarray(), values.T.reshape(6, 2, 2))


@pytest.mark.spark
def test_a_session_on_spark(spark_context, movie):
    data = td.images.fromarray(movie, npartitions=5, engine=spark_context)
    assert (data.mode, data.npartitions()) == ("spark", 5)
    data.cache()
    data.compute()
    series = data.toseries()
    assert [key for key, _ in series.repartition(3).tordd().take(3)] == [(0, 0), (0, 1), (0, 2)]
    records = data.tordd().mapValues(lambda im: im * 2)
    again = td.images.fromrdd(records, dims=(6, 8), nrecords=20, dtype="int16")
    np.testing.assert_array_equal(again.tolocal().toarray(), movie * 2)
    assert data.coalesce(2).npartitions() == 2
    data.uncache()


SCRIPT = """
    import thunderlike.compat.thunder
    import helpers
    import thunder as td
    from thunder.series import Series

    data = td.images.fromrandom(shape=(10, 4, 5), seed=1)
    series = helpers.prepared(data)
    assert isinstance(series, Series)
    print(series)
"""
HELPERS = """
    from thunder.images import Images

    def prepared(data):
        assert isinstance(data, Images)
        return data.toseries().zscore()
"""


def test_a_folder_of_scripts(tmp_path):
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "helpers.py").write_text(textwrap.dedent(HELPERS))
    command = [sys.executable, "script.py"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (ran.stdout, ran.stderr) == (
        "Series\nmode: local\ndtype: float64\nshape: (4, 5, 10)\n",
        "",
    )
