"""Tuning curves of every record, against plain means and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import thunderlike as tl
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.regression import TuningCurves
from thunderlike.regression.tuning import Bins

T = 96


@pytest.fixture
def stimulus():
    return np.random.default_rng(1).permutation(np.arange(T) % 8) * 45.0


@pytest.fixture
def y(stimulus):
    rng = np.random.default_rng(2)
    preferred = rng.uniform(0, 360, (4, 5, 1))
    return 2 + np.exp(np.cos(np.deg2rad(stimulus - preferred))) + rng.normal(size=(4, 5, T))


@pytest.mark.parametrize("statistic", ["mean", "median", "max"])
def test_curves_are_statistics_of_the_samples_in_a_bin(engine, stimulus, y, statistic):
    series = tl.series.fromarray(y, engine=engine)
    tuning = TuningCurves(stimulus, statistic=statistic).fit(series)
    groups = [y[..., stimulus == angle] for angle in range(0, 360, 45)]
    expected = np.stack([getattr(np, statistic)(group, axis=-1) for group in groups], axis=-1)
    np.testing.assert_allclose(tuning.curve.toarray(), expected, rtol=1e-9)
    sem = np.stack([stats.sem(group, axis=-1) for group in groups], axis=-1)
    np.testing.assert_allclose(tuning.sem.toarray(), sem, rtol=1e-9)
    assert tuning.curve.index.tolist() == tuning.centers.tolist() == list(range(0, 360, 45))
    assert tuning.count.tolist() == [12] * 8
    anova = stats.f_oneway(*groups, axis=-1)
    np.testing.assert_allclose(tuning.fvalues.toarray(), anova.statistic, rtol=1e-8)
    np.testing.assert_allclose(tuning.pvalues.toarray(), anova.pvalue, rtol=1e-6)
    assert tuning.curve.mode == series.mode
    assert "bins: 8\n" in repr(tuning)


def test_the_bits_do_not_depend_on_engine_and_division(engine, stimulus, y):
    options = {"circular": 360, "n_permutations": 5}
    here = TuningCurves(stimulus, **options).fit(y).results.toarray()
    there = TuningCurves(stimulus, **options).fit(tl.series.fromarray(y, engine=engine))
    assert np.array_equal(here, there.results.toarray())
    alone = TuningCurves(stimulus, **options).fit(y[2, 3]).results.toarray()
    assert np.array_equal(alone, here[2, 3])


def test_a_von_mises_of_known_preference():
    angles = np.arange(8) * np.pi / 4
    cell = np.exp(2 * np.cos(angles - 1))
    tuning = TuningCurves(angles, circular=True).fit(cell)
    assert tuning.preferred.toarray() == pytest.approx(0.99986, abs=1e-4)
    assert tuning.selectivity.toarray() == pytest.approx(0.698, abs=5e-4)
    assert tuning.kappa.toarray() == pytest.approx(2.06, abs=5e-3)
    R = tuning.selectivity.toarray()
    assert tuning.width.toarray() == pytest.approx(np.sqrt(-2 * np.log(R)))
    degrees = TuningCurves(np.rad2deg(angles) - 720, circular=360).fit(cell)
    assert degrees.preferred.toarray() == pytest.approx(np.rad2deg(tuning.preferred.toarray()))
    assert degrees.width.toarray() == pytest.approx(np.rad2deg(tuning.width.toarray()))
    both = np.exp(2 * np.cos(2 * (angles - 1)))  # of an orientation
    found = TuningCurves(angles, circular=True).fit(both)
    assert found.selectivity.toarray() == pytest.approx(0, abs=1e-9)
    assert found.osi.toarray() > 0.6


def test_the_mean_and_width_of_a_stimulus_on_a_line():
    x = np.repeat(np.linspace(0, 10, 21), 4)
    cell = 5 + np.exp(-((x - 6) ** 2) / 2 / 1.2**2)
    tuning = tl.series.fromarray(cell).tuning(x)
    assert tuning.preferred.toarray() == pytest.approx(6, abs=0.01)
    assert tuning.width.toarray() == pytest.approx(1.2, abs=0.02)
    with pytest.raises(SpecError, match="selectivity is that of a circular stimulus"):
        tuning.selectivity  # noqa: B018


def test_bins_of_equal_width_edges_and_samples_outside(engine):
    x = np.array([0, 1, 2.5, 4, 5, 10, np.nan, 7])
    y = np.array([[1.0, 2, 3, 4, 5, 6, 99, 7]])
    series = tl.series.fromarray(y, engine=engine)
    equal = TuningCurves(x, bins=4).fit(series)
    np.testing.assert_array_equal(equal.centers, [1.25, 3.75, 6.25, 8.75])
    np.testing.assert_allclose(equal.curve.toarray(), [1.5, 3.5, 6, 6])
    given = TuningCurves(x, bins=[0, 2, 3, 3.5, 6]).fit(series)
    np.testing.assert_allclose(given.curve.toarray(), [1.5, 3, np.nan, 4.5])
    np.testing.assert_allclose(given.sem.toarray(), [0.5, np.nan, np.nan, 0.5])
    assert given.count.tolist() == [2, 1, 0, 2]
    assert given.fvalues.toarray() == pytest.approx(stats.f_oneway([1, 2], [3], [4, 5]).statistic)
    assert 0 < given.preferred.toarray() < 6


def test_circular_values_are_wrapped_into_the_period_of_the_edges(engine):
    directions = [-10.0, 350, 355, 0, 10, 80, 90, 100]
    series = tl.series.fromarray(np.array([[9.0, 9, 9, 1, 1, 2, 2, 2]]), engine=engine)
    tuning = TuningCurves(directions, bins=[-45, 45, 135, 225, 315], circular=360).fit(series)
    assert tuning.count.tolist() == [5, 3, 0, 0]
    np.testing.assert_allclose(tuning.curve.toarray(), [5.8, 2, np.nan, np.nan])
    np.testing.assert_array_equal(tuning.centers, [0, 90, 180, 270])


@pytest.mark.parametrize(
    ("values", "edges", "period", "expected"),
    [
        ([-45, 315, 675, 314, -46, np.nan, np.inf], [-45, 45, 315], 360, [0, 0, 0, 1, 1, -1, -1]),
        ([300, 360, 20, 60, 61, 420, 299, -300], [300, 360, 420], 360, [0, 1, 1, 1, -1, 1, -1, 1]),
        ([-1e-17, 360, 1e-17 - 360, -1], [0, 90, 180], 360, [0, 0, 0, -1]),
        ([0.1, 360.1, -359.9, 360.2, 360.3, 3600.3], [0.1, 0.2, 0.3], 360, [0, 0, 0, 1, 1, 1]),
        ([np.nextafter(0.2, 0), 0.2], [0.1, 0.2, 0.3], 360, [0, 1]),
        ([-np.pi, np.pi, 3 * np.pi, 3, 7], np.linspace(-np.pi, np.pi, 3), True, [0, 0, 0, 1, 1]),
        ([-1e-20, 360, 359], 4, 360, [0, 0, 3]),
        ([-1e-20, 360, 359, 0], None, 360, [0, 0, 1, 0]),
    ],
)
def test_circular_values_at_the_edges(values, edges, period, expected):
    assert Bins.of(values, edges, period).numbers.tolist() == expected


@pytest.mark.parametrize("turns", [-1000, -3, 1, 7, 1000])
def test_rounding_of_circular_values_loses_no_sample(turns):
    for edges in (np.deg2rad(np.arange(-45, 316, 45)), np.linspace(0.1, 2 * np.pi + 0.1, 8)):
        found = Bins.of(edges + turns * 2 * np.pi, edges, circular=True).numbers
        assert found.tolist() == [*range(len(edges) - 1), 0]


def test_strange_records(stimulus):
    y = np.zeros((4, T))
    y[1], y[2, 4], y[3] = 0.1, np.nan, -1
    tuning = TuningCurves(stimulus, circular=360).fit(y)
    curve = tuning.curve.toarray()
    np.testing.assert_array_equal(curve[:2], np.repeat([[0], [0.1]], 8, axis=1))
    assert np.isnan(tuning.results.toarray()[2]).all()
    assert tuning.rsquared.toarray()[:2].tolist() == [1, 1]
    assert np.isnan(tuning.preferred.toarray()[[0, 2, 3]]).all()
    assert np.isnan(TuningCurves(stimulus).fit(y).preferred.toarray()).all()
    assert TuningCurves(stimulus).fit(np.zeros((0, T))).curve.shape == (0, 8)


def test_permutations_by_circular_shifts(stimulus, y):
    tuning = TuningCurves(stimulus, n_permutations=T - 1).fit(y)
    shifted = [TuningCurves(np.roll(stimulus, s)).fit(y).rsquared.toarray() for s in range(T)]
    expected = np.mean(np.array(shifted) >= shifted[0] - 1e-12, axis=0)
    np.testing.assert_allclose(tuning.permutation_pvalues.toarray(), expected)


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        (list("ab") * 48, {}, WrongTypeError, "the stimulus has dtype <U1"),
        (np.ones((T, 2)), {}, SpecError, r"the stimulus has shape \(96, 2\)"),
        (np.full(T, np.nan), {}, SpecError, "NaN where there was none"),
        (np.arange(T), {}, SpecError, "96 distinct values: give bins="),
        (np.arange(T), {"bins": 0}, SpecError, "bins=0 must be a whole number from 1, or edges"),
        (np.arange(T), {"bins": [3, 2]}, SpecError, "must increase"),
        (np.ones(T), {"bins": 3}, SpecError, "must increase"),
        (np.arange(T), {"bins": [-9, -8]}, SpecError, "no sample of the stimulus is in a bin"),
        (np.arange(T - 1), {"bins": 3}, SpecError, "the stimulus has 95 samples, the series 96"),
        (np.arange(T), {"bins": 3, "circular": -1}, SpecError, "circular=-1 must be the period"),
        (
            np.arange(T),
            {"bins": [0, 200, 361], "circular": 360},
            SpecError,
            "more than circular=36",
        ),
        (np.arange(T), {"statistic": "mode"}, SpecError, "statistic='mode' must be one of mean"),
        (np.arange(T), {"bins": 3, "n_permutations": T}, SpecError, "have 95 circular shifts"),
        (np.arange(T), {"n_permutations": -1}, SpecError, "n_permutations=-1 must be a whole"),
    ],
)
def test_stimuli_that_make_no_sense(y, given, options, error, message):
    with pytest.raises(error, match=message):
        TuningCurves(given, **options).fit(y)


def test_a_tuning_map_has_the_hue_of_the_preferred_stimulus(stimulus, y):
    tuning = TuningCurves(stimulus, circular=360).fit(y)
    colours = tuning.hsv()
    assert (colours.shape, colours.dtype) == ((4, 5, 3), np.uint8)
    from matplotlib.colors import rgb_to_hsv

    found = rgb_to_hsv(colours / 255)
    away = (found[..., 0] - tuning.preferred.toarray() / 360 + 0.5) % 1 - 0.5
    assert np.abs(away[found[..., 2] > 0.3]).max() < 0.02
    assert tuning.plot().child_axes[0].get_ylabel() == "preferred stimulus"
    volume = TuningCurves(stimulus).fit(y.reshape(2, 2, 5, T))
    assert volume.hsv(plane=1).shape == (2, 5, 3)
    with pytest.raises(SpecError, match=r"series of base shape \(20,\) are no picture"):
        TuningCurves(stimulus).fit(y.reshape(20, T)).hsv()
