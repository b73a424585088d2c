"""Files on a disk that are replaced while they are read: the old, the new or an error, no mixture.

``python tests/support/generations.py FOLDER`` is the long version, a minute for each format.
"""

from __future__ import annotations

import pytest
from generations import FORMATS, read_during


@pytest.mark.parametrize("name", FORMATS)
def test_one_generation_is_read_while_others_are_written(tmp_path, name):
    counts = read_during(name, str(tmp_path), overwrites=4)
    assert not counts.mixtures
    assert not counts.untyped
    assert counts.reads
