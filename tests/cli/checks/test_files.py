"""A format that changes images is caught."""

from __future__ import annotations

import pytest

from thunderlike.cli.checks import files
from thunderlike.data.images import Images


@pytest.mark.parametrize("name", files.FORMATS)
def test_images_come_back(name):
    assert files.round_trip(name).level == "ok"


def test_images_that_come_back_changed(monkeypatch):
    totif = Images.totif
    monkeypatch.setattr(Images, "totif", lambda images, path: totif(images + 1, path))
    finding = files.round_trip("tiff")
    assert finding.level == "FAIL"
    assert finding.fix
