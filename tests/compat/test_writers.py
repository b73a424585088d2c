from __future__ import annotations

import json

import numpy as np
import pytest
import thunder as td
from thunder.images import fromarray, frombinary, frompng, fromtif, writers
from thunder.series.writers import getlabel, write_config
from thunder.series.writers import tobinary as series_tobinary

from thunderlike.errors import ExistsError


@pytest.fixture
def array():
    return np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (writers.tobinary, frombinary),
        (writers.totif, fromtif),
        (writers.topng, frompng),
    ],
)
def test_what_they_write_can_be_read(engine, array, tmp_path, write, read):
    images = fromarray(array, engine=engine)
    write(images, tmp_path / "out", "frame")
    np.testing.assert_array_equal(read(tmp_path / "out").toarray(), array)
    names = sorted(path.stem for path in (tmp_path / "out").glob("*-*"))
    assert names == ["frame-00000", "frame-00001", "frame-00002"]
    with pytest.raises(ValueError, match="overwrite"):
        write(images, tmp_path / "out", "frame")
    write(images + 1, tmp_path / "out", "frame", True)  # Thunder's order of arguments
    np.testing.assert_array_equal(read(tmp_path / "out").toarray(), array + 1)


def test_series_too(engine, array, tmp_path):
    series = td.series.fromarray(array, engine=engine)
    series_tobinary(series, tmp_path / "out")
    series_tobinary(series * 2, tmp_path / "out", "series", True)
    found = td.series.frombinary(tmp_path / "out", engine=engine)
    assert found.shape == (3, 4, 5)
    np.testing.assert_array_equal(found.toarray(), array * 2)


def test_options_go_to_the_method(array, tmp_path):
    writers.topng(fromarray(array * 1.0), tmp_path / "out", vmin=0, vmax=255)
    np.testing.assert_array_equal(frompng(tmp_path / "out").toarray(), array)


def test_files_of_our_own_can_be_described(array, tmp_path):
    for number, image in enumerate(array):
        (tmp_path / f"{number}.bin").write_bytes(image.tobytes())
    writers.config(tmp_path, list(array.shape[1:]), array.dtype)
    np.testing.assert_array_equal(frombinary(tmp_path).toarray(), array)
    assert (tmp_path / "SUCCESS").read_bytes() == b""


def test_a_description_is_replaced_unless_overwrite_is_false(tmp_path):
    write_config(tmp_path, shape=(2, 3), dtype="int16", name="about.json")
    write_config(tmp_path, shape=(2, 4), dtype="int16", name="about.json")
    with pytest.raises(ExistsError, match=r"about\.json"):
        write_config(tmp_path, shape=(9, 9), dtype="int16", name="about.json", overwrite=False)
    found = json.loads((tmp_path / "about.json").read_text())
    assert found == {"shape": [2, 4], "dtype": "int16"}


def test_label_of_a_key():
    assert getlabel((np.int64(2), 123456)) == "00002-123456"
