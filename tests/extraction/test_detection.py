from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

import thunderlike as tl
from thunderlike.errors import SpecError
from thunderlike.extraction import CellDetection
from thunderlike.extraction.blocks import BlockDetection
from thunderlike.extraction.footprints import Footprints
from thunderlike.extraction.quality import cells
from thunderlike.extraction.quality import masks_of as masks_of_footprints
from thunderlike.images.cell_movies import cell_movie

SIDE, COUNT = 64, 600


def drawn(**changes):
    usual = {"shape": (SIDE, SIDE), "count": COUNT, "cells": 8, "spacing": 14.0, "amplitude": 14.0}
    return cell_movie(**usual | {"seed": 5} | changes)


def detect(images, chunk_size=128, valid=None, **changes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CellDetection(**{"fs": 15.0} | changes).fit(images, chunk_size, valid=valid)


def masks_of(model):
    return model.masks()[model.accepted] > 0


def hits(model, truth, least=0.5):
    """Number of true masks that an accepted one matches, one to one."""
    found = masks_of(model).reshape(int(model.accepted.sum()), -1).astype(float)
    true = truth.reshape(len(truth), -1).astype(float)
    shared = true @ found.T
    iou = shared / (true.sum(axis=1)[:, None] + found.sum(axis=1) - shared)
    rows, columns = linear_sum_assignment(-np.where(iou >= least, iou, 0))
    return int((iou[rows, columns] >= least).sum())


def planted(centres, *, radius=5.5, height=12.0, count=COUNT, events=6, seed=0, dtype="float32"):
    """Discs with independent events on noise, and their masks."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((SIDE, SIDE))
    movie = rng.normal(100, 5, (count, SIDE, SIDE))
    masks = []
    for centre in centres:
        mask = np.hypot(y - centre[0], x - centre[1]) <= radius
        trace = np.zeros(count)
        trace[rng.choice(np.arange(5, count - 5), events, replace=False)] = height
        trace = np.convolve(trace, np.exp(-np.arange(60) / 10.5))[:count]
        movie += trace[:, None, None] * mask
        masks.append(mask)
    return movie.astype(dtype), np.array(masks)


def test_all_engines_find_the_same_cells(engine):
    movie = drawn(count=305)
    model = detect(movie.toimages(engine), chunk_size=40)
    expected = detect(movie.images, chunk_size=40)
    assert model.count > 0
    np.testing.assert_array_equal(model.weights.toarray(), expected.weights.toarray())
    np.testing.assert_array_equal(model.accepted, expected.accepted)
    for name, values in expected.quality.items():
        np.testing.assert_array_equal(model.quality[name], values)


def test_cells_are_found_and_nothing_else():
    movie = drawn()
    model = detect(movie.images)
    assert (hits(model, movie.masks, 0.7), int(model.accepted.sum())) == (8, 8)
    assert model.attrs["fs"] == 15
    assert model.attrs["diameter"] == [12, 12]
    assert (np.lexsort(model.centers.T[::-1]) == np.arange(model.count)).all()
    assert {"snr", "contrast", "spatial_r", "amplitude", "skew", "area"} < set(model.quality)


@pytest.mark.parametrize("neuropil", [0.0, 6.0])
@pytest.mark.parametrize("seed", [3, 4])
def test_noise_and_neuropil_are_not_cells(neuropil, seed):
    movie = drawn(cells=0, neuropil=neuropil, seed=seed)
    assert not detect(movie.images).accepted.any()


@pytest.mark.parametrize("count", [150, 600])
def test_weights_fitted_to_noise_do_not_raise_its_snr(count):
    noise = np.random.default_rng(count).normal(50, 2, (count, 96, 96)).astype("float32")
    model = detect(noise, threshold=6.0, advanced={"bin": 1})
    assert model.count
    assert model.quality["snr"].max() < 12 * (count / 150) ** (1 / 3)


def test_the_activity_image_is_large_at_cells(engine):
    frames, masks = planted([(20, 20), (44, 40)])
    frames[:, 5, 7] = np.nan
    frames[:, 6, 7] = 50
    movie = tl.images.fromarray(frames, engine=engine)
    movie.attrs["fs"] = 15.0
    image = movie.activity_image(diameter=12)
    assert image.shape == frames.shape[1:]
    assert np.argwhere(np.isnan(image)).tolist() == [[5, 7], [6, 7]]
    far = ~ndimage.binary_dilation(masks.any(axis=0), iterations=5)
    for mask in masks:
        assert np.median(image[mask]) > 2 * np.nanmax(image[far])
    np.testing.assert_array_equal(image, CellDetection(fs=15.0).activity_image(frames))


def test_blocks_find_the_cells_of_one_block():
    movie = drawn(shape=(80, 80), cells=12, count=900)
    one, many = detect(movie.images), detect(movie.images, chunk_size=40)
    assert hits(one, movie.masks) >= 11
    assert hits(many, movie.masks) >= 11
    assert many.accepted.sum() <= one.accepted.sum() + 1


def test_a_cell_on_the_border_of_blocks_is_found_once():
    images, masks = planted([(31.5, 31.5), (31.5, 12.0)])
    model = detect(images, chunk_size=32)
    assert (hits(model, masks, 0.7), int(model.accepted.sum())) == (2, 2)


def test_two_cells_four_pixels_apart_are_two():
    images, _ = planted([(30, 30), (30, 34)], radius=4.5, height=16)
    model = detect(images)
    assert int(model.accepted.sum()) == 2
    assert np.sort(model.centers[model.accepted, 1]) == pytest.approx([30, 34], abs=1.2)


def test_a_cell_at_the_edge_of_the_image_is_found():
    images, masks = planted([(2, 40)])
    assert hits(detect(images), masks, 0.7) == 1


def test_holes_of_doughnuts_are_filled():
    movie = drawn(doughnuts=1.0)
    model = detect(movie.images)
    assert hits(model, movie.masks, 0.7) == 8
    for mask in masks_of(model):
        np.testing.assert_array_equal(ndimage.binary_fill_holes(mask), mask)


def test_light_is_not_activity():
    """A static bright blob with bleaching, a light leak, and a bright first frame."""
    rng = np.random.default_rng(1)
    y, x = np.indices((SIDE, SIDE))
    scene = 50 + 150 * (np.hypot(y - 30, x - 30) < 6) + 20.0 * (np.hypot(y - 50, x - 20) < 6)
    light = np.linspace(1, 0.7, COUNT)
    light[300] *= 3
    light[0] *= 1.5
    light[400:] *= 1.2
    model = detect(rng.poisson(scene * light[:, None, None]).astype("uint16"))
    assert not model.accepted.any()


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float64"])
def test_dtypes_and_negative_values(dtype):
    images, masks = planted([(20, 20), (44, 40)])
    offset = 0 if dtype == "uint16" else -300
    kept = images.copy()
    model = detect((images + offset).round().astype(dtype))
    assert (hits(model, masks, 0.7), int(model.accepted.sum())) == (2, 2)
    np.testing.assert_array_equal(images, kept)


def test_pixels_and_frames_of_nan_are_left_out():
    images, masks = planted([(20, 20), (44, 40)])
    images[100:130, :4] = np.nan
    images[57] = np.nan
    images[200:220] = np.nan
    valid = np.ones((SIDE, SIDE), bool)
    valid[:, 58:] = False
    model = detect(images, valid=valid)
    assert (hits(model, masks, 0.7), int(model.accepted.sum())) == (2, 2)
    inside = model.masks().any(axis=0)
    assert not inside[:4].any()
    assert not inside[:, 58:].any()


@pytest.mark.parametrize(("fs", "count"), [(4.0, 300), (60.0, 1800)])
def test_other_frame_rates(fs, count):
    movie = drawn(fs=fs, count=count, cells=4, spacing=20.0, neuropil=2.0)
    model = detect(movie.images, fs=fs)
    assert hits(model, movie.masks) >= 3
    assert model.accepted.sum() <= 5


def test_the_rate_is_that_of_the_images():
    images = tl.images.fromarray(planted([(20, 20)])[0])
    with pytest.raises(SpecError, match="sampling rate"):
        CellDetection().fit(images)
    images.attrs["frame_interval"] = 1 / 15
    model = CellDetection().fit(images)
    assert model.attrs["fs"] == pytest.approx(15)


def test_volumes():
    movie = cell_movie(
        (5, 32, 32), 450, cells=2, spacing=18.0, amplitude=14.0, seed=1, neuropil=2.0
    )
    model = detect(movie.images, diameter=(2.5, 12.0, 12.0))
    assert hits(model, movie.masks) == 2
    assert model.accepted.sum() == 2


def test_the_diameter_is_chosen():
    for radius, expected in (((3.0, 3.5), 9), ((8.0, 9.0), 18)):
        movie = drawn(radius=radius, cells=5, spacing=18.0, doughnuts=0.0, neuropil=2.0)
        with pytest.warns(UserWarning, match="diameter='auto' takes"):
            model = CellDetection("auto", fs=15.0).fit(movie.images)
        assert model.attrs["diameter"] == [expected, expected]


def test_components_are_limited():
    model = detect(drawn().images, max_components=3)
    assert model.count == 3


def test_components_without_weights_vanish():
    frames = np.random.default_rng(0).normal(size=(30, 30, 20)).astype("float32")
    found = Footprints(np.ones((30, 30), bool), 20, (4.0, 4.0))
    found.movie[...] = frames
    found.add(np.array([[5, 5], [20, 20]]), frames, frames, 1.0)
    found.weights[:] = 0
    for _ in range(2):
        found.fit(1)
        found.merge(masks_of_footprints(found, (8, 8), 0.5))
        found.recentre()
        assert len(found) == 0
    assert cells(found, frames, frames, np.ones((30, 30)), (8, 8), cut=0.5, areas=(0.3, 3)) == []
    np.testing.assert_array_equal(found.removed(frames, np.empty_like(frames)), frames)


def test_an_interrupted_search_goes_on(tmp_path, monkeypatch):
    movie = drawn(cells=8, count=450)
    detection = CellDetection(fs=15.0)
    expected = detection.fit(movie.images, 32)
    search, searched = BlockDetection._one, []

    def failing(self, number, block):
        if number == 2 and len(searched) < 4:
            raise OSError("no space")
        searched.append(number)
        return search(self, number, block)

    monkeypatch.setattr(BlockDetection, "_one", failing)
    with pytest.raises(OSError, match="no space"):
        detection.fit(movie.images, 32, workdir=tmp_path)
    done = sorted(searched)
    assert 2 not in done
    monkeypatch.setattr(
        BlockDetection, "_one", lambda *given: searched.append(given[1]) or search(*given)
    )
    model = detection.fit(movie.images, 32, workdir=tmp_path)
    assert model == expected
    assert sorted(searched) == [0, 1, 2, 3]
    assert detection.fit(movie.images, 32, workdir=tmp_path) == expected
    assert len(searched) == 4
    CellDetection(fs=15.0, threshold=9.0).fit(movie.images, 32, workdir=tmp_path)
    detection.fit(movie.images[:-10], 32, workdir=tmp_path)
    assert len(searched) == 12


def test_blocks_are_kept_by_every_engine(engine, tmp_path):
    movie = drawn(count=305)
    images = movie.toimages(engine)
    detection = CellDetection(fs=15.0)
    expected = detection.fit(images, 32)
    assert detection.fit(images, 32, workdir=tmp_path) == expected
    files = sorted(tmp_path.iterdir())
    assert len(files) == 4
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:50])
    times = [file.stat().st_mtime_ns for file in (files[0], files[3])]
    assert detection.fit(images, 32, workdir=tmp_path) == expected
    assert sorted(tmp_path.iterdir()) == files
    assert [file.stat().st_mtime_ns for file in (files[0], files[3])] == times
    assert len(files[2].read_bytes()) > 50


def test_warnings():
    images, _ = planted([(20, 20)], dtype="uint16")
    images[:, 40:42, 40:42] = 65535
    images[:, 50, 50] = 7
    with pytest.warns(UserWarning, match="pixels") as found:
        CellDetection(fs=15.0).fit(images)
    texts = " ".join(str(one.message) for one in found)
    assert "4 pixels are saturated" in texts
    assert "5 pixels are constant" in texts
    with pytest.warns(UserWarning, match="no cell was found"):
        model = CellDetection(fs=15.0).fit(np.full((300, 32, 32), 5, "uint8"))
    assert (model.count, model.weights.shape) == (0, (0, 1024))


def test_frames_after_the_last_bin_are_left_out():
    images, _ = planted([(20, 20)])
    one, other = detect(images), detect(np.concatenate([images, images[:7]]))
    np.testing.assert_array_equal(one.weights.toarray(), other.weights.toarray())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"diameter": 0.5}, "at least 1 pixel"),
        ({"diameter": "wide"}, "or 'auto'"),
        ({"diameter": (12, 12, 12)}, "has 3 numbers"),
        ({"diameter": 40}, "more than half"),
        ({"fs": -1.0}, "fs=-1"),
        ({"tau": 0.0}, "tau=0"),
        ({"tau": 10.0}, "3000 frames, 200 s, are needed"),
        ({"rounds": 0}, "rounds=0"),
        ({"max_components": 0}, "max_components=0"),
        ({"advanced": {"speed": 3}}, "unknown option 'speed'"),
        ({"advanced": {"box": 0}}, "above 0"),
        ({"advanced": {"bin": 2.5}}, "whole number"),
    ],
)
def test_impossible_arguments_are_refused(changes, text):
    with pytest.raises(SpecError, match=text):
        detect(np.zeros((COUNT, SIDE, SIDE), "uint8"), **changes)


def test_masks_and_padding_are_checked():
    images = np.zeros((COUNT, SIDE, SIDE), "uint8")
    with pytest.raises(SpecError, match="valid has shape"):
        detect(images, valid=np.ones((3, 3), bool))
    with pytest.raises(SpecError, match="padding='wide'"):
        CellDetection(fs=15.0).fit(images, padding="wide")
