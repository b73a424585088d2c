"""The job as a library and as a program: maps of a linear model, on every engine."""

from __future__ import annotations

import json

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.cli.scripts import regress as script
from thunderlike.errors import KeyMissingError, SpecError
from thunderlike.formats import tiff
from thunderlike.jobs import regress as job
from thunderlike.regression import convolve

N = 40
pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def behaviour():
    rng = np.random.default_rng(1)
    return {"speed": rng.normal(size=N), "place": rng.uniform(size=N)}


@pytest.fixture
def movie(behaviour):
    """Write two halves of a picture, each of which follows one regressor, and a corner at rest."""
    rng = np.random.default_rng(2)
    frames = rng.normal(1000, 5, (N, 9, 8))
    frames[:, :, 4:] += 8 * behaviour["speed"][:, None, None]
    frames[:, :, :4] -= 30 * behaviour["place"][:, None, None]
    frames[:, :2, :2] = 7
    return frames.astype(np.int16)


@pytest.fixture
def inputs(tmp_path, movie, behaviour):
    tl.images.fromarray(movie).totif(tmp_path / "movie")
    rows = zip(*behaviour.values(), ["rest"] * N, strict=True)
    lines = ["speed,place,state", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "behaviour.csv").write_text("\n".join(lines))
    return tmp_path / "movie", str(tmp_path / "behaviour.csv"), tmp_path / "maps"


def reference(movie, X):
    """Betas and R squared of each pixel by numpy."""
    y = movie.reshape(len(movie), -1).astype(np.float64)
    columns = np.column_stack([np.ones(len(y)), *X])
    betas, *_ = np.linalg.lstsq(columns, y, rcond=None)
    sse, sst = ((y - columns @ betas) ** 2).sum(0), ((y - y.mean(0)) ** 2).sum(0)
    shape = movie.shape[1:]
    rsquared = np.where(sst > 0, 1 - sse / np.where(sst > 0, sst, 1), 1)
    return betas.T.reshape(*shape, -1), rsquared.reshape(shape)


def test_the_folder_that_it_writes(engine, inputs, movie, behaviour):
    found, summary = job.run(job.plan(*inputs, cv=4), engine, command="job --cv 4")
    output = inputs[2]
    assert {file.name for file in output.iterdir()} == {*job.OUTPUTS, "SUCCESS"}
    betas, rsquared = reference(movie, behaviour.values())
    maps = tl.load(output / "maps.h5")
    np.testing.assert_allclose(maps["betas"], betas, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(maps["rsquared"][..., 0], rsquared, rtol=1e-8)
    assert maps["regressors"] == ["speed", "place"]
    assert maps["cv_rsquared"].shape == (9, 8, 1)
    pages = tiff.decode((output / "betas.tif").read_bytes())
    np.testing.assert_array_equal(pages, np.moveaxis(maps["betas"], -1, 0).astype(np.float32))
    pages = tiff.decode((output / "tvalues.tif").read_bytes())
    assert (np.abs(pages[1, 2:, 4:]) > 4).all()
    assert (pages[2, 2:, :4] < -4).all()
    assert tiff.decode((output / "rsquared.tif").read_bytes()).shape in ((9, 8), (1, 9, 8))
    assert json.loads((output / "summary.json").read_text()) == summary
    assert summary["engine"] == engine.name
    assert summary["significant_pixels"]["speed"] >= 30
    assert summary["best"] == list(found.best)
    assert summary["best_rsquared"] == pytest.approx(rsquared[found.best])
    assert rsquared[found.best] == pytest.approx(rsquared[2:].max())
    np.testing.assert_array_equal(found.trace, movie[(slice(None), *found.best)])
    left = 1 - np.var(found.trace - found.fitted) / np.var(found.trace)
    assert left == pytest.approx(summary["best_rsquared"])
    assert set(summary["seconds"]) == {"load", "fit", "trace", "write", "total"}


def test_some_regressors_seen_through_an_indicator(inputs, movie, behaviour):
    plan = job.plan(*inputs, regressors=["place"], tau=3, start=5, stop=-5)
    found, _ = job.run(plan, tl.images.fromarray(movie).engine)
    regressor = convolve(behaviour["place"], 3)[5:-5]
    betas, _ = reference(movie[5:-5], [regressor])
    np.testing.assert_allclose(found.map("betas"), betas, rtol=1e-7, atol=1e-7)


def test_volumes_and_autocorrelated_residuals(engine, tmp_path, movie, inputs):
    volumes = movie.reshape(N, 3, 3, 8)
    tl.images.fromarray(volumes).totif(tmp_path / "volumes")
    plan = job.plan(tmp_path / "volumes", *inputs[1:], prewhiten="ar1", standardize=True)
    found, summary = job.run(plan, engine)
    assert len(found.best) == 3
    assert tiff.decode((inputs[2] / "betas.tif").read_bytes()).shape == (9, 3, 8)
    assert summary["autocorrelation"] == found.model.rho


def test_a_movie_that_never_changes(tmp_path, inputs, engine):
    tl.images.fromarray(np.ones((N, 4, 5), np.uint8)).tobinary(tmp_path / "dark")
    found, summary = job.run(job.plan(tmp_path / "dark", *inputs[1:]), engine)
    assert (summary["best"], summary["best_rsquared"], found.best) == (None, None, None)
    assert summary["significant_pixels"] == {"speed": 0, "place": 0}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tau": -1}, SpecError, "tau must be a number of images, 0 or more, not -1"),
        ({"npartitions": 0}, SpecError, "npartitions must be 1 or more, not 0"),
        ({"regressors": ["size"]}, KeyMissingError, r"no signal named 'size'; available: speed"),
        ({"stop": 3}, SpecError, r"csv: 3 images do not determine 2 regressors"),
        ({"cv": 1}, SpecError, "cv=1 must be a number of folds"),
    ],
)
def test_plans_that_make_no_sense(inputs, options, error, message):
    with pytest.raises(error, match=message):
        job.run(job.plan(*inputs, **options), tl.images.fromarray(np.zeros((1, 2, 2))).engine)
    assert not inputs[2].exists()


def test_the_program(inputs, capsys):
    given = ["--images", str(inputs[0]), "--design", inputs[1], "--output", str(inputs[2])]
    assert script.main([*given, "--engine", "local", "--dry-run"]) == 0
    assert "speed, place" in capsys.readouterr().out
    assert not inputs[2].exists()
    assert script.main([*given, "--engine", "local", "--regressors", "speed", "--cv", "5"]) == 0
    assert "best pixel (" in capsys.readouterr().out
    assert tl.load(inputs[2] / "maps.h5")["regressors"] == ["speed"]
    assert script.main([*given, "--engine", "local"]) == 2
    assert "--overwrite to replace it" in capsys.readouterr().err
