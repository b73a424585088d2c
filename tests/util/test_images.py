"""Boxes that hold the object, crops, patches, files of images."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image
from skimage import transform

from thunderlike.errors import FormatError, SpecError
from thunderlike.util import images

IM = np.arange(30).reshape(5, 6)


def test_a_crop_to_a_box_holds_the_object():
    alpha = np.zeros((6, 8))
    alpha[2:4, 3:6] = 1
    assert images.crop_to_bounding_box(alpha, images.bounding_box(alpha)).sum() == 6
    alpha[:] = 0
    alpha[5, 7] = 0.5
    assert images.bounding_box(alpha) == (5, 7, 6, 8)
    assert images.bounding_box_as_binary_map(alpha, 0.4).sum() == 1
    for nothing in (alpha * 0, alpha * np.nan, np.zeros(3)):
        with pytest.raises(SpecError):
            images.bounding_box(nothing, 0.6)


def test_gray():
    assert images.asgray(IM) is IM
    rgb = np.random.default_rng(0).random((4, 5, 4))
    np.testing.assert_allclose(images.asgray(rgb), rgb[..., :3].mean(axis=2))
    with pytest.raises(SpecError):
        images.asgray(np.zeros((4, 5, 2)))


def test_crop_and_pad():
    assert images.crop(IM, (3, 4)).base is not None
    np.testing.assert_array_equal(images.crop(IM, (3, 4)), IM[1:4, 1:5])
    assert images.crop(np.zeros((5, 6, 3)), (3, 3)).shape == (3, 3, 3)
    with pytest.raises(SpecError):
        images.crop(IM, (7, 3))
    found = images.crop_or_pad(IM, (7, 3), value=-1)
    np.testing.assert_array_equal(found[1:6], IM[:, 1:4])
    assert (found[[0, 6]] == -1).all()
    assert found.dtype == IM.dtype
    assert images.crop_or_pad(np.zeros((5, 6, 3)), (7, 8)).shape == (7, 8, 3)


def test_patches_are_all_positions_and_the_same_for_a_seed():
    found = list(images.extract_patches([IM], (4, 5), 100, cycle=False))
    assert sorted(patch[0, 0] for patch in found) == [0, 1, 6, 7]
    assert len(list(images.extract_patches([IM], (5, 6), cycle=False))) == 1
    twice = [
        [
            p[0, 0]
            for p in itertools.islice(images.extract_patches([IM, -IM], (2, 2), 3, seed=7), 12)
        ]
        for _ in range(2)
    ]
    assert twice[0] == twice[1]
    assert len(twice[0]) == 12
    (copied,) = images.extract_patches([IM], (5, 6), cycle=False, copy=True)
    copied[:] = 0
    assert IM.sum() > 0
    with pytest.raises(SpecError):
        next(images.extract_patches([IM], (6, 6)))


def test_integrate_is_the_sum_of_a_rectangle():
    ii = transform.integral_image(IM)
    assert images.integrate(ii, 1, 2, 3, 4) == IM[1:4, 2:5].sum()
    assert images.integrate(ii, 0, 0, 4, 5) == IM.sum()
    assert images.integrate(ii, 0, 0, 4, 5).dtype == ii.dtype
    many = images.integrate(ii, [0, 1], [0, 2], [4, 3], [5, 4])
    assert many.tolist() == [IM.sum(), IM[1:4, 2:5].sum()]
    channels = np.stack([ii, 2 * ii], axis=-1)
    found = images.integrate(channels, 1, 2, 3, 4)
    assert found.tolist() == [IM[1:4, 2:5].sum(), 2 * IM[1:4, 2:5].sum()]


@pytest.mark.parametrize("shift", [(0, 0), (1, -2), (-3, 2), (10, 0), (-10, -10)])
def test_offset(shift):
    wanted = np.full_like(IM, 9)
    for row, column in np.ndindex(IM.shape):
        if 0 <= row + shift[0] < 5 and 0 <= column + shift[1] < 6:
            wanted[row + shift[0], column + shift[1]] = IM[row, column]
    np.testing.assert_array_equal(images.offset(IM, shift, 9), wanted)


def test_resize_keeps_channels():
    assert images.resize_by_factor(IM, 1) is IM
    rgb = np.random.default_rng(0).random((5, 6, 3))
    assert images.resize_by_factor(rgb, 0.5).shape == (3, 3, 3)
    assert images.resize_by_factor(rgb, 2).shape == (10, 12, 3)
    with pytest.raises(SpecError):
        images.resize_by_factor(rgb, 0)


def test_resize_to_a_side_or_a_shape():
    rgb = np.random.default_rng(0).random((40, 60, 3))
    assert images.resize(rgb, max_side=30).shape == (20, 30, 3)
    assert images.resize(rgb, min_side=80).shape == (80, 120, 3)
    assert images.resize(rgb, (21, 30)).shape == (20, 30, 3)
    assert images.resize(rgb, (40, 60)) is rgb
    np.testing.assert_array_equal(images.resize(rgb, (20, 30)), images.resize_by_factor(rgb, 0.5))
    for bad in ({}, {"max_side": 3, "min_side": 3}, {"shape": (40, 90)}, {"max_side": 0}):
        with pytest.raises(SpecError):
            images.resize(rgb, **bad)


def test_files_of_images(tmp_path):
    path = tmp_path / "x.png"
    images.save(path, np.array([[-0.1, 0.5, 1.2]]))
    assert images.load(path, "uint8").tolist() == [[0, 128, 255]]
    assert images.load(path, "float32").dtype == np.float32
    images.save(path, np.array([[0, 65535]], np.uint16))
    assert images.load(path).tolist() == [[0, 1]]
    assert images.load(path, np.uint8).tolist() == [[0, 255]]
    images.save(path, np.array([[True, False]]))
    assert images.load(path).tolist() == [[1, 0]]
    images.save(path, np.array([[3, 255]]))
    assert images.load_raw(path).tolist() == [[3, 255]]
    with pytest.raises(SpecError):
        images.save(path, np.array([[256]]))
    with pytest.raises(SpecError):
        images.load(path, "int16")
    (tmp_path / "no.png").write_bytes(b"text")
    with pytest.raises(FormatError):
        images.load(tmp_path / "no.png")


def test_a_palette_stays_numbers_when_raw(tmp_path):
    im = Image.new("P", (2, 1))
    im.putpalette([0, 0, 0, 255, 0, 0])
    im.putpixel((1, 0), 1)
    im.save(tmp_path / "p.png")
    assert images.load_raw(tmp_path / "p.png").tolist() == [[0, 1]]


@pytest.mark.parametrize("kind", ["png", "gif", "bmp", "tif", "webp", "ppm", "tga", "jp2", "ico"])
def test_pictures_of_the_usual_kinds_are_read(tmp_path, kind):
    grey = np.arange(256, dtype="u1").reshape(16, 16)
    Image.fromarray(grey).save(
        tmp_path / f"x.{kind}", **({"lossless": True} if kind == "webp" else {})
    )
    found = images.load(tmp_path / f"x.{kind}", np.uint8)
    np.testing.assert_array_equal(found if found.ndim == 2 else found[..., 0], grey)


def test_postscript_is_no_picture(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "x.eps")
    (tmp_path / "x.eps").rename(tmp_path / "x.png")
    with pytest.raises(FormatError, match="no image that Pillow reads"):
        images.load(tmp_path / "x.png")
