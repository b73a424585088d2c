from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import thunderlike as tl
from thunderlike.errors import SpecError
from thunderlike.extraction import ExtractionModel, Matches


def places(rng, count, size, least):
    """Centers in a square, at least so far from one another."""
    found = []
    while len(found) < count:
        one = rng.uniform(8, size - 8, 2)
        if all(np.hypot(*(one - other)) >= least for other in found):
            found.append(one)
    return np.array(found)


def discs(centers, radii, size):
    y, x = np.indices((size, size))
    stack = [
        np.maximum(1.3 - np.hypot(y - a, x - b) / r, 0) * (np.hypot(y - a, x - b) <= r)
        for (a, b), r in zip(centers, radii, strict=True)
    ]
    return tl.extraction.frommasks(np.array(stack))


def sessions(seed, count=2, shift=(0, 0), size=200, cells=100):
    """Models of the same cells, each moved by about 1.5 px, and a fifth of them missing."""
    rng = np.random.default_rng(seed)
    centers, radii = places(rng, cells, size, 9), rng.uniform(4.5, 6.5, cells)
    for number in range(count):
        there = np.sort(rng.permutation(cells)[: cells * 4 // 5])
        jitter = rng.normal(0, 1.5 / np.sqrt(2), (cells, 2))
        moved = centers + jitter + np.array(shift) * number
        yield discs(moved[there], radii[there], size), there


def f1(found, one, other):
    """F1 of pairs of cells with known numbers."""
    right = int((one[found.pairs[:, 0]] == other[found.pairs[:, 1]]).sum())
    return 2 * right / (len(found) + len(np.intersect1d(one, other)))


@pytest.mark.parametrize("shift", [(0, 0), (7, -4)])
def test_cells_are_found_again_in_spite_of_jitter_and_absence(shift):
    scores = []
    for seed in (11, 12, 13):
        (model, one), (other, two) = sessions(seed, shift=shift)
        found = model.match(other)
        scores.append(f1(found, one, two))
        assert np.abs(found.shift - shift).max() < 1
    assert np.mean(scores) >= 0.95
    assert min(scores) >= 0.9


def test_the_shift_is_given_or_left_out():
    (model, one), (other, two) = sessions(3, shift=(7, -4))
    assert f1(model.match(other, shift=(7, -4)), one, two) > 0.9
    assert f1(model.match(other, shift=None), one, two) < 0.3
    images = [one.masks().sum(axis=0) for one in (model, other)]
    assert f1(model.match(other, images=images), one, two) > 0.9
    with pytest.raises(SpecError, match="shift is"):
        model.match(other, shift="none")
    with pytest.raises(SpecError, match="shift is"):
        model.match(other, shift=(1, 2, 3))


def warped(seed, size=200, cells=100):
    """Models of the same cells, those of the second moved by a smooth field of up to 5.7 px."""
    rng = np.random.default_rng(seed)
    centers, radii = places(rng, cells, size, 9), rng.uniform(4.5, 6.5, cells)
    phase = 2 * np.pi * centers / size
    field = np.stack([2 + 4 * np.sin(phase[:, 1]), 4 * np.cos(phase[:, 0]) - 1], axis=1)
    for moved in (0, field):
        there = np.sort(rng.permutation(cells)[: cells * 4 // 5])
        jitter = rng.normal(0, 0.5, (cells, 2))
        yield discs((centers + jitter + moved)[there], radii[there], size), there, field[there]


def test_cells_of_a_warped_session_are_found_by_a_field():
    (model, one, _), (other, two, truth) = warped(21)
    rigid, found = model.match(other), model.match(other, shift="piecewise")
    assert f1(rigid, one, two) < 0.9
    assert f1(found, one, two) > 0.95
    assert np.sqrt(np.square(found.displacements - truth).mean()) < 1.5
    pictures = [gaussian_filter(one.masks().sum(axis=0), 3) for one in (other, model)]
    motion = tl.registration.align(*pictures, kind="piecewise")
    assert f1(model.match(other, shift=motion), one, two) > 0.95
    joined = tl.extraction.union([model, other], shift="piecewise")
    assert joined.model.count == len(np.union1d(one, two))
    moving = tl.registration.Rigid().fit(np.stack(pictures), pictures[0])
    with pytest.raises(SpecError, match="2 frames"):
        model.match(other, shift=moving)


def test_a_model_matches_itself():
    (model, _), _ = sessions(4)
    found = model.match(model)
    assert np.array_equal(found.pairs[:, 0], found.pairs[:, 1])
    assert len(found) == model.count
    assert (found.iou == 1).all()
    assert (found.distance < 1e-12).all()
    assert (found.probability <= 1).all()


def test_the_sum_of_overlaps_decides_not_the_first_come():
    one = ExtractionModel([[[0, x] for x in range(4)], [[0, x] for x in range(2, 6)]], (1, 9))
    # The second of these overlaps more with the first cell than the first does.
    other = ExtractionModel([[[0, x] for x in range(3)], [[0, x] for x in range(1, 5)]], (1, 9))
    found = one.match(other, shift=None, max_distance=9, iou=0.1)
    assert found.pairs.tolist() == [[0, 0], [1, 1]]
    assert (found.probability < 1).all()


def test_models_without_cells():
    model = ExtractionModel([[[0, 0]]], (4, 4))
    for one, other in ((model[:0], model), (model, model[:0]), (model[:0], model[:0])):
        assert len(one.match(other)) == 0
    assert tl.extraction.union([model[:0], model]).index.tolist() == [[-1, 0]]


def test_matches_are_saved():
    (model, _), (other, _) = sessions(5)
    found = model.match(other)
    found.save("memory://matches.h5")
    assert np.array_equal(Matches.load("memory://matches.h5").pairs, found.pairs)


def test_the_union_of_sessions():
    given = list(sessions(6, count=3, shift=(3, 2), cells=60))
    found = tl.extraction.union([model for model, _ in given])
    truth = [there for _, there in given]
    for row in found.index:
        assert (row >= 0).any()
    right = 0
    for row in found.index:
        numbers = {int(truth[s][i]) for s, i in enumerate(row) if i >= 0}
        right += len(numbers) == 1
    every = set(np.concatenate(truth).tolist())
    assert right >= 0.95 * len(found.index)
    assert abs(len(found.index) - len(every)) <= 0.1 * len(every)
    for session, (model, _) in enumerate(given):
        assert sorted(found.index[found.index[:, session] >= 0, session]) == list(
            range(model.count)
        )
    assert np.abs(found.shifts - [(0, 0), (3, 2), (6, 4)]).max() < 1
    assert np.array_equal(found.model.quality["sessions"], (found.index >= 0).sum(axis=1))


def test_a_contradiction_is_broken_at_its_weakest():
    cell = [[0, x] for x in range(10)]
    near, nearer = [[0, x] for x in range(2, 12)], [[0, x] for x in range(1, 11)]
    first = ExtractionModel([cell], (1, 20))
    second = ExtractionModel([nearer], (1, 20))
    third = ExtractionModel([near, [[0, x] for x in range(10)]], (1, 20))
    found = tl.extraction.union([first, second, third], shift=None, max_distance=5)
    assert found.index.tolist() == [[0, 0, 1], [-1, -1, 0]]


def test_sessions_of_other_images_are_refused():
    one, other = (ExtractionModel([[[0, 0]]], (n, n)) for n in (3, 4))
    with pytest.raises(SpecError, match="one shape"):
        tl.extraction.union([one, other])
    with pytest.raises(SpecError, match="give the shift"):
        one.match(other)
    assert len(one.match(other, shift=None)) == 1
    with pytest.raises(SpecError, match="one model"):
        tl.extraction.union([])


# Merging


def test_chains_are_merged_into_one():
    chain = [[[0, x] for x in range(a, a + 9)] for a in (0, 3, 6)]
    model = ExtractionModel([*chain, [[5, 5]]], quality={"snr": [1.0, 2, 3, 4]})
    merged = model.merge(overlap=0.4)
    assert merged.areas.tolist() == [15, 1]
    assert merged.quality["snr"].tolist() == [1, 4]
    assert np.allclose(merged.weights.data, [*[1 / 15] * 15, 1])
    assert model.merge(overlap=0.6) == model


def test_merging_is_repeated():
    parts = [
        [[0, x] for x in range(6)],
        [[0, x] for x in range(3, 10)],
        [[0, x] for x in range(10)],
    ]
    model = ExtractionModel(parts)
    assert model.merge(overlap=0.65, max_iter=1).count == 2
    assert model.merge(overlap=0.55, max_iter=5).count == 1


def test_volumes_are_merged_and_weights_averaged():
    weights = np.array([[0.25, 0.75, 0, 0, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0, 0, 0, 0]])
    merged = ExtractionModel(weights, (2, 2, 2)).select([1]).merge()
    assert merged.weights.data.tolist() == [0.375, 0.625]
    assert merged.accepted.tolist() == [True]


@pytest.mark.parametrize("options", [{"overlap": 2}, {"max_iter": 0}, {"k_nearest": 0.5}])
def test_other_arguments_of_merging_are_refused(options):
    with pytest.raises(SpecError):
        ExtractionModel([[[0, 0]]]).merge(**options)
