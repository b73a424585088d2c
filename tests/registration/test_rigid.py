"""Translations of whole frames: accuracy, equal results, frames that are hard."""

from __future__ import annotations

import functools
import pickle
import tracemalloc

import numpy as np
import pytest
from scipy import ndimage

from thunderlike.config import config
from thunderlike.errors import SpecError
from thunderlike.images.moving_cells import moving_cells
from thunderlike.progress import subscribe
from thunderlike.registration import PiecewiseRigid, Rigid, align
from thunderlike.registration.estimation import Estimator, FrameEstimation, Settings
from thunderlike.registration.reference import sample_rows
from thunderlike.testing import ComputedError, LazyEngine

SIZE, BORDER = 80, 12


@functools.cache
def movie(kind="rigid", shape=(80, 80), count=24, photons=20.0):
    """A movie of cells; its arrays must not be written to."""
    found = moving_cells(shape, count=count, photons=photons, kind=kind, seed=5)
    found.images.flags.writeable = False
    return found


@functools.cache
def scene(seed=0):
    """A smooth image with structure at all scales above a pixel, and a border around the frame."""
    rng = np.random.default_rng(seed)
    shape = (SIZE + 2 * BORDER,) * 2
    noise = sum(ndimage.gaussian_filter(rng.normal(size=shape), s) * s for s in (1.2, 3, 8))
    return 200 + 80 * noise


def frames(shifts, image=None):
    """Frames of an image at whole shifts of the content, without noise."""
    image = scene() if image is None else image
    starts = BORDER - np.asarray(shifts)
    return np.stack([image[y : y + SIZE, x : x + SIZE] for y, x in starts])


WHOLE = np.random.default_rng(1).integers(-4, 5, (24, 2))


def error(model, truth):
    """Root mean square error of the shifts along each axis; the reference may be elsewhere."""
    apart = model.shifts - truth
    return np.sqrt(np.square(apart - np.median(apart, axis=0)).mean(axis=0))


def test_a_movie_is_registered_in_two_lines(engine):
    found = movie()
    model = Rigid().fit(found.toimages(engine))
    corrected = model.transform(found.toimages(engine))
    assert error(model, found.shifts).max() < 0.08
    assert (corrected.shape, corrected.dtype) == (found.images.shape, found.images.dtype)
    inner = (slice(None), slice(12, -12), slice(12, -12))
    before, after = (np.std(x[inner].mean(axis=0)) for x in (found.images, corrected.toarray()))
    assert after > 1.02 * before
    assert not model.bad.any()
    assert np.abs(np.median(model.shifts, axis=0)).max() < 0.1


def test_engines_and_chunks_give_equal_bits(engine):
    found = movie(photons=2.0)
    expected = Rigid().fit(found.images)
    corrected = expected.transform(found.images).toarray()
    with config(chunk_bytes=3 * found.images[0].nbytes):
        images = found.toimages(engine)
        model = Rigid().fit(images)
        assert model == expected
        np.testing.assert_array_equal(model.transform(images).toarray(), corrected)


@pytest.mark.filterwarnings("ignore:the reference is the mean")
@pytest.mark.parametrize(("workers", "chunk"), [(1, 1), (3, 8), (4, 3)])
def test_any_number_of_workers_gives_equal_bits(workers, chunk):
    found = movie(photons=2.0)
    with config(workers=workers, chunk_bytes=chunk * found.images[0].nbytes):
        assert Rigid(nsample=8).fit(found.images) == _sampled_fit()


@functools.cache
def _sampled_fit():
    return Rigid(nsample=8).fit(movie(photons=2.0).images)


@pytest.mark.spark
def test_spark_runs_two_jobs_without_a_shuffle(spark_context, monkeypatch):
    run, lineages = spark_context.runJob, []

    def counted(rdd, *args, **kwargs):
        lineages.append(rdd.toDebugString().decode())
        return run(rdd, *args, **kwargs)

    monkeypatch.setattr(spark_context, "runJob", counted)
    images = movie().toimages(spark_context)
    corrected = Rigid().fit(images).transform(images)
    assert len(lineages) == 2
    lineages.append(corrected.tordd().toDebugString().decode())
    assert not [lineage for lineage in lineages if "Shuffle" in lineage]


def test_the_correction_is_lazy():
    model = Rigid().fit(movie().images)
    planned = model.transform(movie().toimages(LazyEngine()))
    assert planned.shape == movie().images.shape
    with pytest.raises(ComputedError):
        Rigid().fit(movie().toimages(LazyEngine()), model)


def test_compiled_loops_and_numpy_give_equal_bits(monkeypatch):
    fits = []
    for value in ("0", "always"):
        monkeypatch.setenv("THUNDERLIKE_NUMBA", value)
        fits += [kind().fit(movie(kind="smooth").images) for kind in (Rigid, PiecewiseRigid)]
    assert fits[0] == fits[2]
    assert fits[1] == fits[3]


# Properties


def test_shifts_of_a_scene_are_found_exactly():
    model = Rigid(max_shift=8).fit(frames(WHOLE))
    assert np.abs(error(model, WHOLE)).max() < 0.02
    moved = Rigid(max_shift=14).fit(frames(WHOLE + np.array([3, -2])), model)
    np.testing.assert_allclose(moved.shifts - model.shifts, np.tile([3, -2], (24, 1)), atol=0.02)


def test_identical_frames_have_no_shift_and_are_not_changed():
    still = np.repeat(movie().images[:1], 24, axis=0)
    for kind in (Rigid, PiecewiseRigid):
        model = kind().fit(still)
        assert not model.shifts.any()
        assert not model.bad.any()
        for order in (0, 1, 3):
            np.testing.assert_array_equal(model.transform(still, order).toarray(), still)


@pytest.mark.parametrize("offset", [-5_000_000, 1_000_000, 100_000_000])
def test_a_large_offset_costs_no_precision(offset):
    images = movie().images.astype(np.int32)
    expected, found = Rigid().fit(images), Rigid().fit(images + np.int32(offset))
    assert not found.bad.any()
    np.testing.assert_allclose(found.shifts, expected.shifts, atol=0.05)
    np.testing.assert_allclose(found.gain, expected.gain, atol=0.03)


@pytest.mark.parametrize("algorithm", [Rigid(), PiecewiseRigid()])
def test_values_are_of_a_scale_for_single_precision(algorithm):
    images = movie().images.astype(np.float64)
    expected = algorithm.fit(images)
    for factor in (1e-12, 1e12):
        found = algorithm.fit(images * factor)
        np.testing.assert_allclose(found.shifts, expected.shifts, atol=0.01)
    for factor, advice in ((1e-20, r"about \de\+19"), (1e30, r"about \de-31")):
        with pytest.raises(SpecError, match=advice):
            algorithm.fit(images * factor)


def test_noise_of_the_reference_does_not_darken_it():
    image = np.asarray(frames([(0, 0)])[0], np.float32)
    noise = np.random.default_rng(2).normal(0, image.std(), image.shape).astype(np.float32)
    settings = Settings(np.full(2, 5.0), 1.15, 12, np.ones_like(image), 5, compiled=False)
    noisy, variance = image + noise, np.ones_like(image)
    power = float(image.var())
    assert Estimator.of(noisy, variance, settings)(image).gain < 0.6
    found = Estimator.of(noisy, variance, settings, noise=power)(image)
    assert found.gain == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("gain", "offset"), [(0.3, 0), (3, -100), (1, 5000)])
def test_brightness_does_not_change_shifts(gain, offset):
    model = Rigid().fit(movie().images)
    other = Rigid().fit(gain * movie().images.astype(float) + offset, model)
    np.testing.assert_allclose(other.shifts, model.shifts, atol=0.03)
    np.testing.assert_allclose(other.gain, gain * model.gain, rtol=0.05)


@pytest.mark.parametrize("kind", [Rigid, PiecewiseRigid])
def test_each_frame_is_estimated_alone(kind):
    images = movie(kind="smooth").images
    model = kind().fit(images)
    order = np.random.default_rng(0).permutation(len(images))
    assert kind().fit(images[order], model).shifts.tolist() == model.shifts[order].tolist()
    part = kind().fit(images[5:9], model)
    assert part == model[5:9]
    assert model[[5, 6, 7, 8]] == part
    assert model == kind().fit(images)


def test_transposed_frames_have_transposed_shifts():
    found = Rigid().fit(movie().images)
    turned = Rigid().fit(movie().images.transpose(0, 2, 1))
    np.testing.assert_allclose(turned.shifts[:, ::-1], found.shifts, atol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "int32", ">u2", "float64"])
def test_the_dtype_of_equal_values_does_not_matter(dtype):
    images = movie().images
    other = np.asfortranarray(images.astype(dtype))
    other.flags.writeable = False
    assert Rigid().fit(other).shifts.tolist() == _fit().shifts.tolist()


@functools.cache
def _fit():
    return Rigid().fit(movie().images)


def test_the_corrected_movie_does_not_move():
    left = Rigid().fit(_fit().transform(movie().images))
    assert np.sqrt(np.square(left.shifts).mean()) <= 1.5 * left.stderr.max()


def test_the_model_of_one_channel_corrects_another():
    red = movie().images.astype("float32") * 2 + 7
    corrected = _fit().transform(movie().images.astype("float32")).toarray()
    np.testing.assert_allclose(_fit().transform(red).toarray(), corrected * 2 + 7, rtol=1e-4)


def test_a_given_reference_moves_all_shifts():
    reference = frames([(0, 0)])[0]
    for offset in ((0, 0), (5, -3)):
        model = Rigid(max_shift=14).fit(frames(WHOLE + offset), reference)
        np.testing.assert_allclose(model.shifts, WHOLE + offset, atol=0.02)


# Frames that are hard


def spoiled(number, value):
    """The movie with one frame replaced."""
    images = movie().images.astype("float64")
    images[number] = value
    return images


@pytest.mark.parametrize("value", [0, 65535, np.nan, np.inf])
def test_a_bad_frame_is_flagged_and_interpolated(value):
    model = Rigid().fit(spoiled(7, value))
    assert np.flatnonzero(model.bad).tolist() == [7]
    good = np.arange(24) != 7
    assert error(model[good], _fit().shifts[good]).max() < 0.03
    np.testing.assert_allclose(model.shifts[7], model.shifts[[6, 8]].mean(axis=0))


def test_a_saturated_patch_does_not_throw_a_frame_away():
    images = movie().images.copy()
    images[7, 20:50, 20:50] = 65535
    model = PiecewiseRigid().fit(images, _fit())
    assert np.abs(model.shifts[7] - _fit().shifts[7]).max() < 3
    assert np.abs(model.fields).max() < 20


def test_missing_pixels_hardly_change_shifts():
    images = movie().images.astype("float32")
    images[:, :10] = np.nan
    images[3, 30:50, 30:50] = np.inf
    model = Rigid().fit(images)
    assert error(model, movie().shifts).max() < 0.08
    assert not model.bad.any()
    assert np.isnan(model.reference[:4]).all()


@pytest.mark.parametrize("count", [1, 2, 5, 19])
def test_few_frames_work_with_a_warning(count):
    with pytest.warns(UserWarning, match="the reference is the mean of") as seen:
        model = Rigid().fit(movie().images[:count])
    assert len(seen) == 1
    assert not model.bad.any()
    assert error(model, movie().shifts[:count]).max() < 0.12


@pytest.mark.parametrize("kind", [Rigid, PiecewiseRigid])
def test_a_constant_movie_does_not_move(kind):
    with pytest.warns(UserWarning, match="no motion was found in any frame") as seen:
        model = kind().fit(np.full((24, 64, 64), 7, "uint16"))
    assert len(seen) == 1
    assert model.bad.all()
    assert not model.shifts.any()


def test_motion_beyond_the_range_is_flagged():
    shifts = np.zeros((24, 2), int)
    shifts[9] = 7, 0
    model = Rigid(max_shift=4).fit(frames(shifts))
    assert np.flatnonzero(model.bad).tolist() == [9]
    assert np.abs(model.shifts).max() < 0.05


def test_a_step_of_the_scene_is_followed():
    shifts = np.where(np.arange(24)[:, np.newaxis] < 12, (0, 0), (9, -7))
    assert error(Rigid(max_shift=20).fit(frames(shifts)), shifts).max() < 0.05


def test_black_frames_are_left_out_of_the_reference():
    images = movie().images.copy()
    images[:8] = 100
    with pytest.warns(UserWarning, match="the mean of 16 frames"):
        model = Rigid().fit(images)
    assert model.bad.tolist() == [True] * 8 + [False] * 16
    assert error(model[8:], movie().shifts[8:]).max() < 0.08


def test_bleaching_does_not_move_frames():
    fade = np.linspace(1, 0.3, 24)[:, np.newaxis, np.newaxis]
    # Five frames of 24 stay a fifth of a pixel apart: the reference is made of them too.
    assert error(Rigid().fit(movie().images * fade), movie().shifts).max() < 0.25


@pytest.mark.parametrize(("dtype", "base"), [("uint16", 65000), ("int16", -32700)])
def test_values_at_the_limits_of_a_dtype_do_not_wrap(dtype, base):
    limits = np.iinfo(dtype)
    images = np.clip(base + 3 * (frames(WHOLE) - 200), limits.min, limits.max).astype(dtype)
    model = Rigid(max_shift=8).fit(images)
    corrected = model.transform(images).toarray()
    inner = (slice(None), slice(10, -10), slice(10, -10))
    apart = corrected[inner].astype(int) - np.median(corrected[inner], axis=0)
    assert np.abs(apart).max() < 200


def test_odd_and_small_sides():
    for shape in ((79, 53), (8, 64)):
        images = movie().images[:, : shape[0], : shape[1]]
        model = Rigid().fit(images)
        assert model.shifts.shape == (24, 2)
        assert np.isfinite(model.shifts).all()


# Volumes, planes, lines


@functools.cache
def volumes():
    found = moving_cells((10, 48, 48), count=20, photons=20, kind="rigid", seed=3)
    found.images.flags.writeable = False
    return found


def test_volumes_move_along_three_axes():
    model = Rigid().fit(volumes().images)
    assert model.shifts.shape == (20, 3)
    assert error(model, volumes().shifts).max() < 0.1
    assert model.transform(volumes().images).shape == volumes().images.shape


@pytest.mark.parametrize("planes", [1, 2])
def test_volumes_of_few_planes(planes):
    images = np.repeat(movie().images[:, np.newaxis], planes, axis=1)
    model = Rigid().fit(images)
    assert error(model[:], np.insert(movie().shifts, 0, 0, axis=1)).max() < 0.06
    assert not model.shifts[:, 0].any()


def test_planes_are_registered_alone(engine):
    from thunderlike.images import fromarray

    images = np.stack([frames(WHOLE), frames(-WHOLE)], axis=3)
    expected = np.stack([WHOLE, -WHOLE], axis=1)
    model = Rigid(axis=-1, max_shift=8).fit(fromarray(images, engine=engine))
    assert model.shifts.shape == (24, 2, 2)
    assert error(model, expected).max() < 0.03
    assert model.bad.shape == model.peak.shape == (24, 2)
    corrected = model.transform(images).toarray()[:, 12:-12, 12:-12]
    assert np.abs(corrected - corrected.mean(axis=0)).max() < 25
    assert model.crop()[2] == slice(0, 2)
    assert model.transformations[(3,)].axis == 2


def test_lines_are_registered_alone():
    rng = np.random.default_rng(0)
    line = ndimage.gaussian_filter1d(rng.normal(size=(12, 200)), 2, axis=1) * 50
    shifts = rng.integers(-4, 5, 24)
    images = np.stack([line[:, 20 - s : 148 - s] for s in shifts])
    model = Rigid(axis=0).fit(images)
    assert model.shifts.shape == (24, 12, 1)
    apart = model.shifts[..., 0] - shifts[:, np.newaxis]
    assert np.median(np.abs(apart - np.median(apart, axis=0))) < 0.05


# Sensor


def test_an_aperture_needs_inside():
    images = movie().images.astype("float32")
    y, x = np.indices(images.shape[1:]) - 39.5
    aperture = np.hypot(y, x) < 34
    images *= aperture
    box = (slice(20, 60), slice(20, 60))
    model = Rigid(inside=box).fit(images)
    assert error(model, movie().shifts).max() < 0.2
    mask = np.zeros((80, 80), bool)
    mask[box] = True
    assert Rigid(inside=mask).fit(images) == model


def test_a_gain_pattern_is_estimated():
    rng = np.random.default_rng(2)
    images = movie().images * rng.normal(1, 0.2, (80, 80)).clip(0.4)
    off, on = (error(Rigid(fixed_pattern=n).fit(images), movie().shifts).max() for n in (0, 2))
    assert on < 0.6 * off


@pytest.mark.parametrize("offset", [2.0, "auto"])
def test_rows_scanned_backwards_are_moved_first(offset):
    images = movie().images.copy()
    images[:, 1::2, 2:] = images[:, 1::2, :-2]
    model = Rigid(bidirectional=offset).fit(images)
    assert abs(model.offset - 2) < 0.2
    assert error(model, movie().shifts).max() < 0.08
    assert Rigid(bidirectional=offset).fit(images[3:6], model) == model[3:6]
    corrected = model.transform(images).toarray().mean(axis=0)[12:-12, 12:-12]
    plain = _fit().transform(movie().images).toarray().mean(axis=0)[12:-12, 12:-12]
    assert np.corrcoef(corrected.ravel(), plain.ravel())[0, 1] > 0.97


def test_memory_does_not_grow_with_the_movie():
    from thunderlike.images import fromarray

    peaks = []
    for count in (60, 480):  # 0.75 and 6.1 MB
        images = np.resize(movie().images, (count, 80, 80))
        with config(chunk_bytes=8 * images[0].nbytes, workers=1):
            tracemalloc.start()
            found = fromarray(images, engine="disk")
            Rigid().fit(found, _fit()).transform(found).sum()
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000


def test_progress_counts_frames():
    seen = []
    with subscribe(seen.append):
        Rigid().fit(movie().images)
    ends = {event.label: (event.done, event.total) for event in seen if event.finished}
    assert ends["registering"] == (24, 24)
    assert ends["reference"] == (96, 96)


# Arguments


def test_a_sample_is_at_even_distances_and_fits_in_memory():
    assert sample_rows(100, 4, 10).tolist() == [0, 25, 50, 75]
    assert len(sample_rows(10**5, 300, 512**2)) == 256
    assert len(sample_rows(10**5, 300, 2048**2)) == 16


def test_algorithms_have_parameters_as_in_scikit_learn():
    algorithm = PiecewiseRigid(length=90, max_shift=(10, 12))
    assert repr(algorithm) == "PiecewiseRigid(max_shift=(10, 12), length=90)"
    again = PiecewiseRigid(**algorithm.get_params())
    assert again.get_params() == algorithm.get_params()
    assert pickle.loads(pickle.dumps(algorithm)).length == 90
    assert Rigid().set_params(smooth=3).smooth == 3
    with pytest.raises(SpecError, match="no parameter 'sharpness'"):
        PiecewiseRigid().set_params(sharpness=3)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_shift": 0}, "max_shift=0 must be a number above 0"),
        ({"max_shift": float("nan")}, "max_shift=nan"),
        ({"max_shift": 40}, "half of the 80 pixels"),
        ({"max_shift": 0.5}, "half of the 80 pixels"),
        ({"max_shift": (3, 3, 3)}, "max_shift has 3 values, frames have 2 axes"),
        ({"axis": 2}, "axis=2 is not an axis of frames of shape"),
        ({"inside": (slice(0, 5), slice(0, 5))}, "inside selects 25 pixels"),
        ({"inside": np.ones((3, 3), bool)}, "inside has shape"),
        ({"nsample": 0}, "nsample=0 must be a whole number of 1 or more"),
        ({"bidirectional": "yes"}, "bidirectional='yes' must be a number"),
        ({"spacing": 7}, "spacing=7 must be a number of 8 or more"),
        ({"spacing": 41}, "use Rigid"),
        ({"spacing": (8, 8, 8)}, "spacing has 3 values"),
        ({"deviation": 0}, "deviation=0 must be"),
    ],
)
def test_invalid_parameters_are_named(params, message):
    kind = PiecewiseRigid if {"spacing", "deviation"} & params.keys() else Rigid
    with pytest.raises(SpecError, match=message):
        kind(**params).fit(movie().images)


def test_a_short_length_is_doubtful():
    with pytest.warns(UserWarning, match="length=10 is less than half of spacing=24"):
        PiecewiseRigid(length=10)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((5, 3, 3, 9, 9)), "frames have 4 axes"),
        (np.zeros((5, 16, 16), complex), "dtype complex128"),
        (np.zeros((5, 16, 16), bool), "dtype bool"),
        (np.zeros((5, 7, 16)), "too small to register"),
        (np.zeros((0, 16, 16)), "no frames to build a reference"),
    ],
)
def test_images_that_have_no_motion_are_named(images, message):
    with pytest.raises(SpecError, match=message):
        Rigid().fit(images)


def test_references_that_do_not_fit_are_named(engine):
    images = movie().toimages(engine)
    with pytest.raises(SpecError, match=r"shape \(9, 9\), frames have shape \(80, 80\)"):
        Rigid().fit(images, np.zeros((9, 9)))
    with pytest.raises(SpecError, match="no finite pixel"):
        Rigid().fit(images, np.full((80, 80), np.nan))


def test_align_names_its_arguments():
    frame = movie().images[0]
    with pytest.raises(SpecError, match="kind must be 'rigid' or 'piecewise'"):
        align(frame, frame, "affine")
    with pytest.raises(SpecError, match="needs a reference"):
        align(frame, None)
    with pytest.raises(SpecError, match="no parameter 'iterations'"):
        align(frame, frame, iterations=3)


@pytest.mark.parametrize("kind", [Rigid, PiecewiseRigid])
def test_no_frames_with_a_reference_make_an_empty_model(kind):
    model = kind().fit(movie().images[:0], movie().images[0])
    assert (len(model), model.shifts.shape) == (0, (0, 2))
    assert model.transform(movie().images[:0]).shape == (0, 80, 80)


def test_the_kernel_computes_the_same_for_any_block():
    model = _fit()
    estimators = _estimators(model)
    kernel = FrameEstimation(estimators)
    whole = kernel(0, movie().images)
    parts = np.concatenate([kernel(n, movie().images[n : n + 5]) for n in range(0, 24, 5)])
    np.testing.assert_array_equal(parts, whole)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(kernel))(0, movie().images), whole)


def _estimators(model):
    from thunderlike.registration.algorithms import _Plan, _reference_of
    from thunderlike.registration.model import as_images

    return _Plan.of(Rigid(), as_images(movie().images)).estimators(_reference_of(model))
