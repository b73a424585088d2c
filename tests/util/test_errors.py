"""Failures of the helpers are errors of ours: wrong types, shapes and files."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike import util
from thunderlike.errors import BadIndexError, FormatError, NotFoundError, SpecError, WrongTypeError
from thunderlike.util import images

IM = np.zeros((4, 4))
FAILURES = {
    "memsize of a list": (WrongTypeError, lambda: util.memsize([1, 2])),
    "humanize text": (WrongTypeError, lambda: util.humanize_bytesize("a")),
    "humanize nan": (WrongTypeError, lambda: util.humanize_bytesize(float("nan"))),
    "span of text": (WrongTypeError, lambda: util.span("a")),
    "span of nothing": (SpecError, lambda: util.span([])),
    "apply no function": (WrongTypeError, lambda: util.apply_once(3, IM, 0)),
    "apply along text": (WrongTypeError, lambda: util.apply_once(np.sum, IM, "a")),
    "largest of None": (WrongTypeError, lambda: util.tupled_argmax(None)),
    "range of text": (WrongTypeError, lambda: util.multi_range("a")),
    "pad by text": (WrongTypeError, lambda: util.pad(IM, "a")),
    "pad by half": (WrongTypeError, lambda: util.pad(IM, 1.5)),
    "pad with text": (SpecError, lambda: util.pad(IM, 1, "a")),
    "pad to a number": (WrongTypeError, lambda: util.pad_to_size(IM, 9)),
    "pad with a shape": (SpecError, lambda: util.pad_to_size(IM, (9, 9), np.zeros(5))),
    "corner to a number": (WrongTypeError, lambda: util.pad_repeat_border_corner(IM, 9)),
    "whiten nan": (SpecError, lambda: util.whiten(np.full((3, 2), np.nan), 0.1)),
    "whiten text": (WrongTypeError, lambda: util.whiten(["a"], 0.1)),
    "whiten below 0": (SpecError, lambda: util.whiten(np.ones((3, 2)), -1)),
    "another matrix": (SpecError, lambda: util.apply_whitening_matrix(IM, np.eye(5))),
    "gray of text": (WrongTypeError, lambda: images.asgray("x")),
    "gray of a line": (SpecError, lambda: images.asgray(np.zeros(3))),
    "box of text": (WrongTypeError, lambda: images.bounding_box("x")),
    "crop to a number": (WrongTypeError, lambda: images.crop(IM, 3)),
    "crop to three": (SpecError, lambda: images.crop(IM, (1, 1, 1))),
    "crop below 0": (SpecError, lambda: images.crop(IM, (-1, 2))),
    "crop to half a box": (SpecError, lambda: images.crop_to_bounding_box(IM, (1, 2))),
    "pad an image": (WrongTypeError, lambda: images.crop_or_pad(IM, 2)),
    "patches of 3": (WrongTypeError, lambda: next(images.extract_patches(3, (1, 1)))),
    "patches of lines": (SpecError, lambda: next(images.extract_patches([IM[0]], (1, 1)))),
    "no patches": (SpecError, lambda: next(images.extract_patches([IM], (1, 1), -3))),
    "sum outside": (BadIndexError, lambda: images.integrate(IM, 0, 0, 9, 9)),
    "move by half": (WrongTypeError, lambda: images.offset(IM, (0.5, 1))),
    "move by one": (WrongTypeError, lambda: images.offset(IM, 3)),
    "scale by text": (WrongTypeError, lambda: images.resize_by_factor(IM, "a")),
    "scale a line": (SpecError, lambda: images.resize_by_factor(IM[0], 0.5)),
    "read a folder": (NotFoundError, lambda: images.load(".")),
    "read nothing": (NotFoundError, lambda: images.load_raw("nothing.png")),
    "read None": (WrongTypeError, lambda: images.load(None)),
    "read text": (FormatError, lambda: images.load("bad.png")),
    "read as no dtype": (WrongTypeError, lambda: images.load("bad.png", "none")),
    "write without a suffix": (SpecError, lambda: images.save("x", IM)),
    "write into no folder": (NotFoundError, lambda: images.save("nothing/x.png", IM)),
    "write four axes": (SpecError, lambda: images.save("x.png", np.zeros((2, 2, 2, 2)))),
    "write what jpg lacks": (SpecError, lambda: images.save("x.jpg", np.zeros((2, 2), "u2"))),
    "write nan": (SpecError, lambda: images.save("x.png", IM * np.nan)),
    "write nothing": (SpecError, lambda: images.save("x.png", np.zeros((0, 0)))),
    "a class of no text": (WrongTypeError, lambda: util.NamedRegistry.getclass([])),
    "an object of a list": (FormatError, lambda: util.SaveableRegistry.load("list.h5")),
    "load 3": (WrongTypeError, lambda: tl.load("list.h5", 3)),
    "load [3]": (WrongTypeError, lambda: tl.load("list.h5", [3])),
    "classes": (WrongTypeError, lambda: tl.load("list.h5", classes=3)),
    "a mode": (SpecError, lambda: tl.save("x.h5", 1, mode=[])),
    "ragged records": (SpecError, lambda: tl.hdf5.append("x.h5", "/x", [[1], [1, 2]])),
    "a pattern": (SpecError, lambda: tl.hdf5.ls("list.h5").text(pattern="(")),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_typed(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.png").write_text("no image")
    tl.save("list.h5", [1])
    kind, call = FAILURES[name]
    with pytest.raises(kind) as caught:
        call()
    assert isinstance(caught.value, tl.ThunderlikeError)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.png", "list.h5"]


def test_lists_are_images_too():
    assert images.asgray([[1, 2]]).tolist() == [[1, 2]]
    assert images.offset([[1, 2]], (0, 1)).tolist() == [[0, 1]]
    assert images.crop_or_pad([[1]], (1, 2)).tolist() == [[1, 0]]


def test_an_image_that_cannot_be_written_leaves_the_old_one(tmp_path):
    images.save(tmp_path / "x.png", IM)
    with pytest.raises(SpecError, match="cannot be written as PNG"):
        images.save(tmp_path / "x.png", np.zeros((2, 2, 5)))
    assert images.load(tmp_path / "x.png").shape == (4, 4)
