"""Figures of every pixel: right on every engine, in any number of batches, taken up again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import thunderlike as tl
from thunderlike import storage
from thunderlike.errors import ExistsError, SpecError
from thunderlike.jobs import outputs, series_stats
from thunderlike.jobs.contents import look
from thunderlike.jobs.series_stats import Baseline, Figures

MOVIE = np.random.default_rng(0).integers(0, 900, (30, 6, 5)).astype(np.int16)
MOVIE[:, 0, 0] = 7
FIGURES = Figures((10, 50), Baseline("window", window=7, perc=30))


@pytest.fixture
def movie(tmp_path):
    tl.images.fromarray(MOVIE).totif(tmp_path / "movie")
    return str(tmp_path / "movie")


def check(out, figures=FIGURES):
    """Compare what was written with what the methods of series give."""
    series = tl.images.fromarray(MOVIE).toseries()
    maps = {"mean": series.series_mean(), "std": series.series_std()}
    maps |= {f"p{q}": series.series_percentile(q) for q in figures.percentiles}
    for name, expected in maps.items():
        found = tl.images.fromhdf5(f"{out}/stats.h5", dataset=name).toarray()
        np.testing.assert_allclose(found, expected.toarray(), rtol=1e-12)
    dff = series.normalize("window", 7, 30).toarray()
    np.testing.assert_allclose(tl.series.fromhdf5(f"{out}/dff.h5").toarray(), dff, rtol=1e-5)


def hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("batch", [None, 500])
def test_figures_of_a_movie(engine, movie, tmp_path, batch):
    plan = series_stats.plan(look(movie), str(tmp_path / "out"), FIGURES)
    summary = series_stats.run(plan, tl.engines.engine_for(engine), batch=batch)
    check(tmp_path / "out")
    assert summary["maps"]["mean"]["min"] == 7
    assert summary["maps"]["std"] == {
        "min": 0.0,
        "max": pytest.approx(MOVIE.std(0).max()),
        "undefined": 0,
    }
    assert hidden(tmp_path) == []


def test_figures_of_series(tmp_path):
    tl.images.fromarray(MOVIE).toseries().tohdf5(tmp_path / "all.h5")
    plan = series_stats.plan(
        look(str(tmp_path / "all.h5"), as_series=True), str(tmp_path / "out"), FIGURES
    )
    series_stats.run(plan, tl.engines.local(), batch=200)
    check(tmp_path / "out")


def test_maps_alone(movie, tmp_path):
    plan = series_stats.plan(look(movie), str(tmp_path / "out"), Figures((), None))
    assert series_stats.run(plan, tl.engines.local())["baseline"] is None
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "SUCCESS", "stats.h5", "summary.json",
    ]  # fmt: skip


def test_pixels_without_a_value_are_counted(tmp_path):
    values = MOVIE.astype(float)
    values[3, 2, 2] = np.nan
    tl.images.fromarray(values).tonpy(tmp_path / "movie.npy")
    plan = series_stats.plan(look(str(tmp_path / "movie.npy")), str(tmp_path / "out"), FIGURES)
    maps = series_stats.run(plan, tl.engines.local())["maps"]
    assert {name: seen["undefined"] for name, seen in maps.items()} == dict.fromkeys(maps, 1)


def test_what_is_done_is_not_done_again(movie, tmp_path, monkeypatch):
    plan, write = (
        series_stats.plan(look(movie), str(tmp_path / "out"), FIGURES),
        outputs.each_block,
    )
    with monkeypatch.context() as patch:
        calls = itertools.count()

        def fail_at_last(records, *rest):
            if len(records.spec.shape) == 1 and next(calls) == 2:
                raise KeyboardInterrupt
            return write(records, *rest)

        patch.setattr(outputs, "each_block", fail_at_last)
        with pytest.raises(KeyboardInterrupt):
            series_stats.run(plan, tl.engines.local(), batch=600)
    assert not (tmp_path / "out").exists()
    again = series_stats.plan(look(movie), str(tmp_path / "out"), FIGURES)
    monkeypatch.setattr(series_stats, "Hdf5", lambda *_: pytest.fail("rewritten again"))
    assert series_stats.run(again, tl.engines.local(), batch=600)["batches_done_before"] == 2
    check(tmp_path / "out")
    assert hidden(tmp_path) == []


def test_the_target_is_looked_at_first(movie, tmp_path, monkeypatch):
    storage.write(tmp_path / "out/thesis.txt", b"years")
    plan = series_stats.plan(look(movie), str(tmp_path / "out"), FIGURES)
    monkeypatch.setattr(outputs, "each_block", lambda *_: pytest.fail("computed"))
    with pytest.raises(ExistsError, match=r"thesis\.txt"):
        series_stats.run(plan, tl.engines.local())
    with pytest.raises(tl.ThunderlikeError, match="not written by us"):
        series_stats.run(plan, tl.engines.local(), overwrite=True)


@pytest.mark.parametrize(
    ("figures", "says"),
    [
        (Figures((101,)), "invalid percentile 101"),
        (Figures((), Baseline("window")), "needs a window"),
        (Figures((), Baseline("median")), "unknown baseline 'median'"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_read(movie, figures, says):
    with pytest.raises(SpecError, match=says):
        series_stats.plan(look(movie), "out", figures)
