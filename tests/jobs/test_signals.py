from __future__ import annotations

import json

import numpy as np
import pytest

from thunderlike.errors import FormatError, KeyMissingError, NotFoundError, SpecError
from thunderlike.jobs.signals import Signal, read_signal, read_signals

NAMED = [{"name": "speed", "value": [1, 2.5, 3]}, {"name": "place", "value": [0, 0, 9]}]


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


@pytest.mark.parametrize(
    "content",
    [
        "1\n2.5\n3\n",
        "1\n2.5\n3",
        "speed\n1\n2.5\n3\n",
        "# a comment\n\n1\n2.5  # another\n3\n",
        "\ufeffspeed\n1\n2.5\n3\n",
        "1\r\n2.5\r\n3\r\n",
        [1, 2.5, 3],
        NAMED[:1],
    ],
)
def test_a_lone_signal_needs_no_name(file, content):
    signal = read_signal(file("speed.txt", content))
    assert signal.values.tolist() == [1, 2.5, 3]
    assert signal.values.dtype == np.float64
    assert signal.name == "speed"


@pytest.mark.parametrize(
    "content",
    [
        "time,speed\n0,1\n1,2.5\n2,3\n",
        'time, "speed"\n0, 1\n1, 2.5\n2, 3\n',
        "time speed\n0 1\n1\t2.5\n2   3\n",
        NAMED,
    ],
)
def test_a_name_chooses_one_of_several(file, content):
    path = file("data.csv", content)
    signal = read_signal(f"{path}:speed")
    assert signal.values.tolist() == [1, 2.5, 3]
    assert (signal.path, signal.name) == (path, "speed")


def test_columns_without_names_are_numbered(file):
    path = file("data.txt", "0 1\n1 2.5\n")
    assert read_signal(f"{path}:1").values.tolist() == [1, 2.5]


def test_a_file_name_may_hold_colons(file):
    path = file("run:12:30.txt", "1\n2\n")
    assert read_signal(path).values.tolist() == [1, 2]
    path = file("log:12.csv", "a,b:c\n1,2\n3,4\n")
    assert read_signal(f"{path}:b:c").values.tolist() == [2, 4]


@pytest.mark.parametrize("name", ["", ":speed", ":a:b"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(NotFoundError, match=r"none\.csv.*: no such file"):
        read_signal(f"{tmp_path}/none.csv{name}")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(NotFoundError, match="no such file"):
        read_signal(str(tmp_path))


def test_an_unknown_name_lists_those_that_there_are(file):
    path = file("data.json", NAMED)
    with pytest.raises(KeyMissingError) as caught:
        read_signal(f"{path}:Speed")
    assert str(caught.value) == f"{path}: no signal named 'Speed'; available: speed, place"


def test_a_name_for_a_signal_without_one_is_refused(file):
    path = file("data.txt", "1\n2\n")
    with pytest.raises(KeyMissingError, match="'speed'; available: one without a name"):
        read_signal(f"{path}:speed")


def test_one_of_several_must_be_named(file):
    with pytest.raises(KeyMissingError, match="FILE:NAME; available: time, speed"):
        read_signal(file("data.csv", "time,speed\n0,1\n1,2\n"))


def test_a_gap_is_not_a_column_of_text(file):
    path = file("data.csv", "speed,task\n1,rest\n,go\n3,rest\n")
    with pytest.raises(FormatError, match="value 1 of 'speed' is '', not a number: correct it"):
        read_signals(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("speed,speed\n0,1\n1,2\n", "two columns are named 'speed'"),
        ([{"name": "a", "value": [1]}] * 2, "two columns are named 'a'"),
        ("time,speed\n0,1\n1\n", "line 3 has 1 columns, the first line 2"),
        ("1\n2\nthree\n", "value 2 of 'data' is 'three', not a number"),
        ("speed\n1\n--\n", "value 1 of 'speed' is '--', not a number"),
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("[1, 2", "not JSON"),
        ({"speed": [1, 2]}, "JSON of another form"),
        ([{"name": "speed"}], "JSON of another form"),
        ([1, {"name": "a", "value": []}], "JSON of another form"),
        ([1, None], "value 1 of 'data' is None, not a number"),
        ([1, True], "value 1 of 'data' is True, not a number"),
    ],
)
def test_what_cannot_be_read_is_named(file, content, says):
    path = file("data.txt", content)
    with pytest.raises(FormatError) as caught:
        read_signal(path)
    assert str(caught.value).startswith(path)
    assert says in str(caught.value)


def test_bytes_are_no_signal(tmp_path):
    path = tmp_path / "speed.bin"
    path.write_bytes(bytes(range(128, 256)))
    with pytest.raises(FormatError, match=r"speed\.bin: neither JSON nor text"):
        read_signal(str(path))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_value_that_is_not_finite_is_refused(file, value):
    with pytest.raises(SpecError, match=rf"value 1 of 'data' is {value}"):
        read_signal(file("data.txt", f"0\n{value}\n2\n"))


def test_nan_in_json_is_refused(file):
    with pytest.raises(SpecError, match="value 1 of 'data' is nan"):
        read_signal(file("data.txt", "[0, NaN, 1]"))


@pytest.mark.parametrize("content", ["3\n3\n3\n", "3\n", "[]", "speed\n"])
def test_a_signal_that_never_changes_is_refused(file, content):
    with pytest.raises(SpecError, match="all equal"):
        read_signal(file("data.txt", content))


def signal(count):
    return Signal("speed.txt", "speed", np.arange(count, dtype=float))


def test_a_signal_with_a_value_for_each_chosen_image_is_taken():
    assert signal(3).matching(3, slice(2, 5), 9).values.tolist() == [0, 1, 2]


def test_a_signal_for_all_files_is_cut_as_they_are():
    assert signal(9).matching(3, slice(2, 5), 9).values.tolist() == [2, 3, 4]


def test_another_length_names_the_file_and_both_lengths():
    with pytest.raises(SpecError, match=r"speed\.txt: 'speed' has 8 values and the movie 9 images"):
        signal(8).matching(9, slice(None), 9)


def test_a_cut_that_leaves_a_constant_is_refused():
    values = Signal("speed.txt", "speed", np.array([0.0, 0, 0, 1]))
    with pytest.raises(SpecError, match="all equal"):
        values.matching(3, slice(0, 3), 4)
