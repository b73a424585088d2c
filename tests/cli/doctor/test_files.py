"""A format that changes images is caught."""

from __future__ import annotations

import pytest

from thunderlike.cli.doctor import machine
from thunderlike.data.images import Images


@pytest.mark.parametrize("name", machine.FORMATS)
def test_images_come_back(name):
    assert machine.round_trip(name).level == "ok"


def test_images_that_come_back_changed(monkeypatch):
    totif = Images.totif
    monkeypatch.setattr(Images, "totif", lambda images, path: totif(images + 1, path))
    finding = machine.round_trip("tif")
    assert finding.level == "FAIL"
    assert finding.fix
