"""The job as a library: what it computes, on every engine, and what it writes."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import tifffile
from scipy import ndimage

import thunderlike as tl
from thunderlike.errors import ExistsError, FormatError, SpecError
from thunderlike.formats import npy, tiff
from thunderlike.jobs import activity_map as job

N = 40
pytestmark = pytest.mark.usefixtures("undrawn")


def reference(movie, signal, sigma):
    """The same in float64, plainly."""
    smooth = [ndimage.gaussian_filter(image.astype(np.float64), sigma) for image in movie]
    series = np.moveaxis(np.stack(smooth), 0, -1)
    time = np.arange(len(signal)) - (len(signal) - 1) / 2
    centered = series - series.mean(axis=-1, keepdims=True)
    flat = centered - (centered @ time / (time @ time))[..., np.newaxis] * time
    deviation = np.where(np.ptp(series, axis=-1) == 0, np.nan, flat.std(axis=-1))
    standard = (signal - signal.mean()) / signal.std()
    return (flat * standard).mean(axis=-1) / deviation


@pytest.fixture
def signal():
    return np.random.default_rng(1).normal(size=N)


def moving(shape, signal, dtype=np.int16):
    """A bright movie with a trend; some pixels follow the signal, a corner never changes."""
    rng = np.random.default_rng(2)
    movie = rng.normal(1000, 5, (N, *shape)) + np.linspace(0, 30, N).reshape(-1, *[1] * len(shape))
    movie[..., -3:] += 8 * signal.reshape(-1, *[1] * len(shape))
    movie = movie.astype(dtype)
    movie[..., :4, :4] = 7
    return movie


@pytest.mark.parametrize(
    ("shape", "sigma", "dtype"),
    [
        ((12, 11), 0, np.int16),
        ((12, 11), 0, np.float32),
        ((12, 11), 1.5, np.float32),
        ((12, 11), 1.5, np.uint16),
        ((3, 9, 8), 0.5, np.uint8),
    ],
)
def test_it_equals_a_plain_computation(engine, signal, shape, sigma, dtype):
    movie = moving(shape, signal, dtype)
    images = tl.images.fromarray(movie, engine=engine)
    found = job.activity_map(images, signal, sigma).toarray()
    expected = reference(movie, signal, sigma)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert (np.isnan(found).sum() > 0) == (sigma < 1)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16"])
def test_detrended_series_have_no_trend(engine, signal, dtype):
    movie = (100 * moving((12, 11), signal)).astype(dtype)
    series = job.detrended(tl.images.fromarray(movie, engine=engine)).toarray()
    assert series.dtype == np.float64
    lively = series[4:] - series[4:].mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(lively @ np.arange(N), 0, atol=1e-6)
    assert (lively.std(axis=-1) > 0.1).all()


@pytest.fixture
def inputs(tmp_path, signal):
    """Write a movie and its signal; return their paths and an output next to them."""
    tl.images.fromarray(moving((12, 11), signal)).totif(tmp_path / "movie")
    (tmp_path / "speed.json").write_text(
        json.dumps(
            [
                {"name": "speed", "value": signal.tolist()},
                {"name": "place", "value": list(range(N))},
            ]
        )
    )
    return tmp_path / "movie", f"{tmp_path / 'speed.json'}:speed", tmp_path / "map"


def test_the_folder_that_it_writes(engine, inputs, signal):
    found, _ = job.run(job.plan(*inputs, sigma=0.5), engine)
    movie, output = moving((12, 11), signal), inputs[2]
    assert {file.name for file in output.iterdir()} == {*job.OUTPUTS, "SUCCESS"}
    correlation = npy.decode((output / "correlation.npy").read_bytes())
    np.testing.assert_allclose(correlation, reference(movie, signal, 0.5), rtol=0, atol=1e-6)
    small = tiff.decode((output / "correlation.tif").read_bytes())
    np.testing.assert_array_equal(small, correlation.astype(np.float32), strict=True)
    mean = tiff.decode((output / "mean.tif").read_bytes())
    np.testing.assert_allclose(mean, movie.mean(axis=0), rtol=1e-6)
    assert mean.dtype == np.float32
    np.testing.assert_array_equal(found.correlation, correlation)


def test_the_best_pixel_and_its_trace(engine, inputs, signal):
    found, _ = job.run(job.plan(*inputs), engine)
    assert found.correlation[found.best] == np.nanmax(found.correlation) == found.best_correlation
    assert found.trace.shape == (N,)
    assert np.corrcoef(found.trace, signal)[0, 1] == pytest.approx(found.best_correlation)


def test_the_summary_says_what_was_done(engine, inputs):
    found, summary = job.run(job.plan(*inputs, sigma=0.5), engine, command="job --sigma 0.5")
    assert json.loads((inputs[2] / "summary.json").read_text()) == summary
    expected = {
        "signal": {"file": str(inputs[0].parent / "speed.json"), "name": "speed"},
        "sigma": 0.5,
        "engine": engine.name,
        "best": list(found.best),
        "best_correlation": found.best_correlation,
        "constant_pixels": int(np.isnan(found.correlation).sum()),
        "output": str(inputs[2]),
        "command": "job --sigma 0.5",
    }
    assert {name: summary[name] for name in expected} == expected
    movie = {"path": str(inputs[0]), "format": "tif", "shape": [N, 12, 11], "dtype": "int16"}
    assert summary["input"].items() >= movie.items()
    assert set(summary["seconds"]) == {"load", "mean", "correlate", "trace", "write", "total"}
    assert set(summary["versions"]) == {"python", "thunderlike", "numpy", "scipy", "pyspark"}
    assert summary["versions"]["thunderlike"] == tl.__version__


def test_volumes(engine, tmp_path, signal):
    movie = moving((3, 9, 8), signal)
    tl.images.fromarray(movie).totif(tmp_path / "volumes")
    np.savetxt(tmp_path / "speed.txt", signal)
    plan = job.plan(tmp_path / "volumes", str(tmp_path / "speed.txt"), tmp_path / "map")
    found, summary = job.run(plan, engine)
    assert summary["input"]["shape"] == [N, 3, 9, 8]
    assert len(found.best) == 3
    np.testing.assert_allclose(found.correlation, reference(movie, signal, 0), rtol=0, atol=1e-6)


def test_a_movie_that_never_changes(engine, tmp_path, signal):
    tl.images.fromarray(np.ones((N, 4, 5), np.uint8)).tobinary(tmp_path / "dark")
    np.savetxt(tmp_path / "speed.txt", signal)
    plan = job.plan(tmp_path / "dark", str(tmp_path / "speed.txt"), tmp_path / "map")
    found, summary = job.run(plan, engine)
    assert np.isnan(found.correlation).all()
    assert (summary["best"], summary["best_correlation"]) == (None, None)
    assert summary["constant_pixels"] == 20


def test_some_of_the_images_with_the_signal_of_all(engine, inputs, signal):
    found, _ = job.run(job.plan(*inputs, start=5, stop=-5), engine)
    expected = reference(moving((12, 11), signal)[5:-5], signal[5:-5], 0)
    np.testing.assert_allclose(found.correlation, expected, rtol=0, atol=1e-6)


def test_some_of_the_images_of_one_file_with_the_signal_of_all(inputs, signal):
    movie = moving((12, 11), signal).astype("u2")
    options = {"imagej": True, "metadata": {"axes": "TYX"}}
    tifffile.imwrite(inputs[2].parent / "one.tif", movie, **options)
    plan = job.plan(inputs[2].parent / "one.tif", *inputs[1:], start=5, stop=-5)
    assert plan.movie.collection.shape == movie[5:-5].shape
    np.testing.assert_array_equal(plan.signal.values, signal[5:-5])


def test_partitions_change_nothing(engine, inputs):
    found, _ = job.run(job.plan(*inputs, npartitions=1), engine)
    other, _ = job.run(job.plan(*inputs, npartitions=7), engine, overwrite=True)
    np.testing.assert_allclose(other.correlation, found.correlation, rtol=0, atol=1e-12)


def test_a_signal_of_another_length_is_refused_before_an_engine_is_needed(inputs):
    (inputs[0] / "image-00039.tif").unlink()
    with pytest.raises(SpecError, match=r"speed\.json: 'speed' has 40 values and the movie 39"):
        job.plan(*inputs)


@pytest.mark.parametrize("sigma", [-1, np.nan, np.inf])
def test_an_impossible_sigma_is_refused(inputs, sigma):
    with pytest.raises(SpecError, match="sigma must be a number of pixels"):
        job.plan(*inputs, sigma=sigma)


def test_no_partitions_are_refused(inputs):
    with pytest.raises(SpecError, match="npartitions must be 1 or more, not 0"):
        job.plan(*inputs, npartitions=0)


def test_a_full_folder_is_refused_before_anything_is_read(engine, inputs):
    inputs[2].mkdir()
    (inputs[2] / "thesis.txt").write_text("years of work")
    plan = job.plan(*inputs)
    (inputs[0] / "image-00003.tif").write_bytes(b"II*\0")
    with pytest.raises(ExistsError, match="is not empty"):
        job.run(plan, engine)
    assert [file.name for file in inputs[2].iterdir()] == ["thesis.txt"]


def test_what_stood_there_stays_when_the_job_fails(engine, inputs):
    job.run(job.plan(*inputs), engine)
    before = (inputs[2] / "correlation.npy").read_bytes()
    (inputs[0] / "image-00003.tif").write_bytes(b"II*\0")
    with pytest.raises(FormatError, match=r"image-00003\.tif"):
        job.run(job.plan(*inputs), engine, overwrite=True)
    assert (inputs[2] / "correlation.npy").read_bytes() == before
    assert {file.name for file in inputs[2].parent.iterdir()} == {"movie", "speed.json", "map"}


def test_without_matplotlib_there_is_all_but_the_picture(engine, inputs, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    _, summary = job.run(job.plan(*inputs), engine)
    assert "thunderlike[viz]" in summary["picture"]
    names = {file.name for file in inputs[2].iterdir()} - {"SUCCESS"}
    assert names == {*job.OUTPUTS} - {"summary.png"}
