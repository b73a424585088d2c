"""Example series: the same everywhere, and as they say they are."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import KeyMissingError
from thunderlike.series.examples import CYCLES, rhythms


def test_every_engine_makes_the_same(engine):
    found = tl.series.fromexample("rhythms", engine=engine)
    np.testing.assert_array_equal(found.toarray(), rhythms().toarray())
    assert found.labels.tolist() == rhythms().labels.tolist()


@pytest.mark.parametrize("name", CYCLES)
def test_each_group_has_its_frequency(name):
    series = rhythms(seed=3)
    spectrum = np.abs(np.fft.rfft(series.toarray()[series.labels == name]))
    assert (spectrum[:, 1:].argmax(1) + 1 == CYCLES[name]).all()


def test_another_name_is_refused():
    with pytest.raises(KeyMissingError, match="rhythms"):
        tl.series.fromexample("iris")
