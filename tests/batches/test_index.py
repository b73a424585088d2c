"""Labels, splits, and how epochs are cut into batches."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike.batches import Dataset, DatasetIndex, FilesIndex
from thunderlike.batches.index import cuts
from thunderlike.errors import (
    BadIndexError,
    KeyMissingError,
    NotFoundError,
    SpecError,
    WrongTypeError,
)


def positions(n, size, **how):
    return [cut.positions.tolist() for cut in cuts(n, size, **how)]


def test_labels_have_positions_and_positions_labels():
    index = DatasetIndex(["a", "b", "c"])
    assert (len(index), index.get_pos("c"), index.get_pos(["c", "a"]).tolist()) == (3, 2, [2, 0])
    assert index.subset_by_pos([2, 0]).indices.tolist() == ["c", "a"]
    assert (index + DatasetIndex(["d"])).indices.tolist() == list("abcd")
    assert DatasetIndex(3).indices.tolist() == [0, 1, 2]


def test_labels_may_come_twice_if_that_is_said():
    index = DatasetIndex(["a", "b", "a"], unique=False)
    assert (len(index), index.get_pos("a")) == (3, 2)
    assert (index + DatasetIndex(["b"])).indices.tolist() == list("abab")
    assert index.subset_by_pos([0, 2, 0]).indices.tolist() == list("aaa")


def test_a_batch_over_the_end_of_an_epoch_may_hold_an_item_twice():
    dataset = Dataset(3, preloaded={"x": np.arange(3) * 10})
    found = list(dataset.gen_batch(2, n_iters=30, shuffle=4))
    assert any(len(set(b.indices)) == 1 for b in found)
    for b in found:
        assert b.x.tolist() == (b.indices * 10).tolist()


@pytest.mark.parametrize(
    ("labels", "message"),
    [([], "at least one"), (0, "at least one"), (["a", "b", "a"], "'a' comes twice")],
)
def test_no_labels_and_labels_that_come_twice_are_refused(labels, message):
    with pytest.raises(SpecError, match=message):
        DatasetIndex(labels)


def test_a_label_that_is_not_there_is_named():
    with pytest.raises(KeyMissingError, match="'z'"):
        DatasetIndex(list("ab")).get_pos("z")
    with pytest.raises(BadIndexError, match="'z'"):
        DatasetIndex(list("ab")).create_subset(["a", "z"])


@pytest.mark.parametrize(
    ("shares", "sizes"),
    [
        (0.8, (8, 2, 0)),
        ([0.5, 0.3], (5, 3, 2)),
        ([0.5, 0.3, 0.2], (5, 3, 2)),
        (1, (10, 0, 0)),
        ([0.33, 0.33, 0.34], (3, 4, 3)),
    ],
)
def test_a_split_takes_validation_and_test_from_the_front_and_loses_none(shares, sizes):
    parts = DatasetIndex(10).split(shares)
    assert tuple(0 if part is None else len(part) for part in parts) == sizes
    front_to_back = [part for part in (parts[2], parts[1], parts[0]) if part is not None]
    assert np.concatenate([part.indices for part in front_to_back]).tolist() == list(range(10))


@pytest.mark.parametrize("shares", [1.2, [0.5, 0.6], [0.5, 0.2, 0.2], [-0.1], [0.25] * 4])
def test_shares_that_make_no_whole_are_refused(shares):
    with pytest.raises(SpecError, match="shares"):
        DatasetIndex(10).split(shares)


def test_a_shuffled_split_depends_on_its_seed_alone():
    one, two, other = (
        DatasetIndex(50).split(0.8, shuffle=s)[0].indices.tolist() for s in (1, 1, 2)
    )
    assert one == two != other


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ({"n_epochs": 1}, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]),
        ({"n_epochs": 2}, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] * 2),
        (
            {"n_epochs": 2, "wrap": True},
            [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1], [2, 3, 4, 5], [6, 7, 8, 9]],
        ),
        ({"n_epochs": 2, "drop_last": True}, [[0, 1, 2, 3], [4, 5, 6, 7]] * 2),
        ({"n_iters": 3}, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]),
        ({"n_iters": 3, "drop_last": True}, [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 2, 3]]),
        ({"n_epochs": 0}, []),
    ],
)
def test_batches_of_4_from_10(how, found):
    assert positions(10, 4, **how) == found


def test_a_batch_larger_than_all_is_all():
    assert positions(3, 10, n_epochs=1) == [[0, 1, 2]]
    assert positions(3, 10, n_epochs=1, drop_last=True) == [[0, 1, 2]]


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 0}, {"batch_size": -1}, {"n_iters": 1, "n_epochs": 1}]
)
def test_sizes_below_1_and_two_ends_are_refused(wrong):
    with pytest.raises(SpecError):
        list(cuts(10, **{"batch_size": 2, **wrong}))


def test_each_epoch_has_an_order_of_its_own_and_every_item():
    epochs = [np.concatenate(positions(20, 3, n_epochs=1, shuffle=5)).tolist()]
    both = np.concatenate(positions(20, 3, n_epochs=2, shuffle=5)).tolist()
    assert both[:20] == epochs[0] != both[20:]
    assert sorted(both[20:]) == list(range(20))


def test_files_come_in_the_order_in_which_people_count(tmp_path):
    for k in (10, 9, 1):
        (tmp_path / f"frame{k}.bin").write_bytes(b"")
    index = FilesIndex(tmp_path / "*.bin", no_ext=True)
    assert index.indices.tolist() == ["frame1", "frame9", "frame10"]
    assert index.get_fullpath("frame9") == str(tmp_path / "frame9.bin")
    assert index.subset_by_pos([2]).get_fullpath("frame10") == str(tmp_path / "frame10.bin")
    with pytest.raises(KeyMissingError, match="frame7"):
        index.get_fullpath("frame7")
    with pytest.raises(NotFoundError):
        FilesIndex(tmp_path / "*.tif")


def test_folders_may_be_labels(tmp_path):
    (tmp_path / "day2").mkdir()
    (tmp_path / "day10").mkdir()
    (tmp_path / "notes.txt").write_bytes(b"")
    assert FilesIndex(tmp_path / "*", dirs=True).indices.tolist() == ["day2", "day10"]


def test_labels_may_come_from_a_function_and_are_what_they_were():
    assert DatasetIndex(lambda: range(3, 0, -1)).index.tolist() == [3, 2, 1]
    mixed = DatasetIndex([1, "a"])
    assert (mixed.get_pos(1), mixed.get_pos("a")) == (0, 1)
    assert mixed.get_pos(slice(1, "a")) == slice(0, 1)
    assert DatasetIndex(5).get_pos(range(3)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "wrong", [[[1], [2]], [[1], [2, 3]], "abc", b"abc", None, 2.5, True, np.ones((2, 2))]
)
def test_what_is_no_row_of_labels_is_refused(wrong):
    with pytest.raises(WrongTypeError, match="labels"):
        DatasetIndex(wrong)


def test_the_next_batch_goes_on_where_the_last_ended():
    index = DatasetIndex(5)
    sizes = [index.next_batch(n, n_epochs=2, wrap=True).indices.tolist() for n in (3, 3, 4)]
    assert sizes == [[0, 1, 2], [3, 4, 0], [1, 2, 3, 4]]
    with pytest.raises(StopIteration):
        index.next_batch(1, n_epochs=2, wrap=True)
    index.reset()
    assert [index.next_batch(2).indices.tolist() for _ in range(3)] == [[0, 1], [2, 3], [4, 0]]
    drop = [index.next_batch(2, drop_last=True).indices.tolist() for _ in range(3)]
    assert drop == [[0, 1], [2, 3], [0, 1]]


def test_parts_are_of_the_same_class_and_known_afterwards():
    class Mine(DatasetIndex):
        pass

    index = Mine(["a", "b", "c", "d", "e"])
    assert type(index.create_batch([4, 0])) is Mine
    assert index.create_batch(["e"], pos=False).indices.tolist() == ["e"]
    assert index.create_batch([-1], as_array=True).tolist() == ["e"]
    assert index.calc_split([0.4, 0.4]) == (2, 2, 1)
    index.split([0.4, 0.4])
    assert (len(index.train), len(index.test), len(index.validation)) == (2, 2, 1)
    for wrong in ([5], [-6]):
        with pytest.raises(BadIndexError, match="not in 0"):
            index.create_batch(wrong)
    for odd in (["a"], [1.5], None):
        with pytest.raises(WrongTypeError, match="positions"):
            index.create_batch(odd)
    with pytest.raises(WrongTypeError, match="shares"):
        index.split("much")


def test_orders_may_come_from_a_generator_of_numpy():
    one, two = (DatasetIndex(9).split(0.5, np.random.RandomState(3))[0].indices for _ in range(2))
    np.testing.assert_array_equal(one, two)
    for wrong in ("x", 1.5, -1):
        with pytest.raises(WrongTypeError, match="shuffle"):
            DatasetIndex(3).next_batch(1, shuffle=wrong)


def test_files_may_be_given_by_label(tmp_path):
    index = FilesIndex(index=["a", "b"], paths={"a": tmp_path / "1", "b": tmp_path / "2"})
    assert index.get_fullpath("b") == str(tmp_path / "2")
    assert FilesIndex(index=["a"], paths=["x"]).paths == {"a": "x"}
    assert (index + FilesIndex(index=["c"], paths=["x"])).get_fullpath("c") == "x"
    with pytest.raises(KeyMissingError, match="'z'"):
        FilesIndex(index=["z"], paths={"a": "x"})
    with pytest.raises(SpecError, match="as many paths"):
        FilesIndex(index=["z"], paths=["x", "y"])
    with pytest.raises(SpecError, match="paths"):
        FilesIndex(index=["z"])


@pytest.mark.parametrize("wrong", [1, [2, 3], [None], b"x", None])
def test_what_is_no_pattern_is_refused(wrong):
    with pytest.raises(WrongTypeError, match="pattern"):
        FilesIndex(wrong)
    with pytest.raises(SpecError, match="empty"):
        FilesIndex([])
