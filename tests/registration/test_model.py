"""Models of motion: correction, parts, sums, files, plots."""

from __future__ import annotations

import dataclasses
import functools
import pickle

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import BadIndexError, FormatError, NotFoundError, SpecError
from thunderlike.images.moving_cells import moving_cells
from thunderlike.registration import Displacement, PiecewiseRigid, Rigid, align, load


@functools.cache
def movie():
    found = moving_cells((96, 96), count=24, photons=20, kind="smooth", seed=2)
    found.images.flags.writeable = False
    return found


@functools.cache
def fitted(kind=PiecewiseRigid):
    return kind().fit(movie().images)


def field_error(model, found):
    """Root mean square error at the inner nodes of the truth; the reference may be warped."""
    from scipy.interpolate import RegularGridInterpolator

    points = np.stack(np.meshgrid(*found.nodes, indexing="ij"), axis=-1)
    flat = model.fields.reshape(-1, *model.fields.shape[2:]).astype(float)
    values = np.stack([RegularGridInterpolator(model.nodes, one)(points) for one in flat])
    apart = values.reshape(found.fields.shape) - found.fields
    return np.sqrt(np.square(apart - np.median(apart, axis=0))[..., 2:-2, 2:-2].mean())


def test_fields_are_found(engine):
    model = PiecewiseRigid().fit(movie().toimages(engine))
    assert model == fitted()
    assert model.fields.shape == (24, 2, 5, 5)
    assert model.fields.dtype == np.float32
    rigid = np.sqrt(np.square(movie().fields - movie().shifts[..., None, None]).mean())
    assert field_error(model, movie()) < 0.6 * rigid
    np.testing.assert_array_equal(
        model.transform(movie().toimages(engine)).toarray(),
        fitted().transform(movie().images).toarray(),
    )


@pytest.mark.filterwarnings("ignore:the reference is the mean")
def test_fields_of_volumes_are_the_same_in_all_planes(monkeypatch):
    volumes = np.repeat(movie().images[:10, np.newaxis, :, :], 3, axis=1)
    fits = []
    for value in ("0", "always"):
        monkeypatch.setenv("THUNDERLIKE_NUMBA", value)
        fits.append(PiecewiseRigid().fit(volumes))
    assert fits[0] == fits[1]
    assert fits[0].fields.shape == (10, 3, 1, 5, 5)
    assert not fits[0].fields[:, 0].any()
    assert (
        np.abs(fits[0].fields[:, 1:, 0] - PiecewiseRigid().fit(movie().images[:10]).fields).mean()
        < 0.1
    )
    assert fits[0].transform(volumes).shape == volumes.shape


def test_register_is_the_short_way(engine):
    images = movie().toimages(engine)
    images.attrs = {"rig": 2}
    corrected = images.register(max_shift=9)
    model = corrected.attrs["registration"]
    assert (corrected.attrs["rig"], model.algorithm) == (2, "Rigid")
    assert model == Rigid(max_shift=9).fit(movie().images)
    with pytest.raises(SpecError, match="'rigid' or 'piecewise'"):
        images.register("affine")


def test_a_model_is_saved_and_loaded(tmp_path):
    for kind in (Rigid, PiecewiseRigid):
        fitted(kind).save(tmp_path / "model.h5")
        assert load(tmp_path / "model.h5") == fitted(kind)
        assert pickle.loads(pickle.dumps(fitted(kind))) == fitted(kind)
    assert load(tmp_path / "model.h5") != fitted(Rigid)


def test_files_that_are_no_models_are_named(tmp_path):
    with pytest.raises(NotFoundError):
        load(tmp_path / "none.h5")
    tl.save(tmp_path / "other.h5", {"shifts": np.zeros(3)})
    with pytest.raises(FormatError, match=r"other\.h5"):
        load(tmp_path / "other.h5")
    fitted(Rigid).save(tmp_path / "model.h5")
    saved = tl.load(tmp_path / "model.h5")
    tl.save(tmp_path / "later.h5", saved | {"version": 99})
    with pytest.raises(FormatError, match="99"):
        load(tmp_path / "later.h5")
    content = (tmp_path / "model.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(FormatError):
        load(tmp_path / "cut.h5")


def test_parts_of_a_model():
    model = fitted()
    assert len(model[3:7]) == 4
    assert model[3:7] == model[[3, 4, 5, 6]] == model[np.isin(np.arange(24), [3, 4, 5, 6])]
    assert model[(3,)] == Displacement(model.shifts[3].tolist())
    assert len(model.transformations) == 24
    assert repr(model) == "RegistrationModel\nlength: 24\nalgorithm: PiecewiseRigid"
    assert model.toarray() is model.shifts


def test_another_session_is_added():
    session = align(movie().images[0], movie().images[5])
    for kind in (Rigid, PiecewiseRigid):
        both = fitted(kind).then(session)
        np.testing.assert_allclose(both.shifts, fitted(kind).shifts + session.shifts)
        assert both.transform(movie().images).shape == movie().images.shape
    piecewise = align(movie().images[0], movie().images[5], "piecewise")
    both = fitted(Rigid).then(piecewise)
    expected = fitted(Rigid).shifts[..., None, None] + piecewise.fields
    np.testing.assert_allclose(both.fields, expected, atol=1e-4)
    with pytest.raises(SpecError, match="a model of one frame, not of 24"):
        fitted().then(fitted())
    with pytest.raises(SpecError, match="other nodes: fit both with one spacing"):
        fitted().then(align(movie().images[0], movie().images[5], "piecewise", spacing=16))


def test_fields_of_two_correlation_lengths_are_added():
    session = align(movie().images[0], movie().images[5], "piecewise", length=40)
    assert session.grid.length != fitted().grid.length
    both = fitted().then(session)
    np.testing.assert_allclose(both.fields, fitted().fields + session.fields, atol=1e-5)
    np.testing.assert_allclose(both.shifts, fitted().shifts + session.shifts)
    assert both.transform(movie().images).shape == movie().images.shape


def test_the_crop_has_data_in_all_frames():
    for kind in (Rigid, PiecewiseRigid):
        model = fitted(kind)
        corrected = model.transform(movie().images, fill="nan", dtype="float32").toarray()
        part = model.crop()
        assert np.isfinite(corrected[(slice(None), *part)]).all()
        wider = tuple(slice(max(0, one.start - 2), one.stop + 2) for one in part)
        assert np.isnan(corrected[(slice(None), *wider)]).any()


def test_no_crop_is_left():
    far = dataclasses.replace(fitted(Rigid)[:2], shifts=np.array([[70.0, 0], [-70, 0]]))
    with pytest.raises(
        SpecError, match=r"along axis 0 are from -70\.00 to 70\.00 px, and its length is 96"
    ):
        far.crop(bad=True)
    volume = np.random.default_rng(0).normal(size=(2, 48, 48))
    model = align(volume, volume)[[0, 0]]
    moved = dataclasses.replace(model, shifts=np.array([[0.1, 4, 0], [-0.1, 0, 0]]))
    with pytest.raises(SpecError, match=r"axis 0 .* length is 2: .* register planes alone, axis=0"):
        moved.crop()


def test_frames_that_do_not_exist_are_an_error_of_ours():
    with pytest.raises(BadIndexError, match="position 99 is outside axis 0 of length 24"):
        fitted(Rigid)[99]
    with pytest.raises(BadIndexError, match="a list of as many bool"):
        fitted(Rigid)[[True, False]]


def test_images_that_do_not_fit_the_model_are_named(engine):
    images = movie().toimages(engine)
    with pytest.raises(SpecError, match="the model has 24 frames of shape"):
        fitted(Rigid).transform(images[:5])
    with pytest.raises(SpecError, match="order 2 must be"):
        fitted(Rigid).transform(images, order=2)
    with pytest.raises(SpecError, match="fill 'nan'"):
        fitted(Rigid).transform(images, fill="nan")


def test_labels_and_attrs_stay():
    images = tl.images.fromarray(movie().images, labels=range(24))
    images.attrs = {"pixel_size": {"y": 1.0, "x": 1.0}}
    corrected = fitted(Rigid).transform(images)
    assert corrected.labels.tolist() == list(range(24))
    assert corrected.attrs == images.attrs


def test_models_are_drawn():
    assert len(fitted(Rigid).plot().axes) == 3
    assert len(fitted().plot().axes) == 4
    from thunderlike.viz.axes import drawing

    ax = drawing()
    assert fitted(Rigid).plot(ax) is ax.figure
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["y", "x"]


def test_displacements_refuse_other_images():
    with pytest.raises(SpecError, match="an image of 1 axes"):
        Displacement([1, 2]).apply(np.zeros(4))


def test_series_are_not_images():
    with pytest.raises(SpecError, match=r"series were given.*give series\.toimages\(\)"):
        Rigid().fit(tl.series.fromarray(np.zeros((8, 8, 30))))
