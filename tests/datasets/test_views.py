"""Views: parts, choices, repetitions and the shuffles of datadings; nested, pickled, resumed."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest

from thunderlike.datasets import (
    Cycler,
    DirectoryReader,
    FileWriter,
    ListReader,
    MsgpackReader,
    QuasiShuffler,
    Range,
    Repeater,
    Select,
    ShardedReader,
    Shuffler,
    TarReader,
)
from thunderlike.datasets.torch import Compose, IterableDataset
from thunderlike.errors import BadIndexError, KeyMissingError, SpecError, WrongTypeError


def numbers(count):
    return ListReader([{"key": str(i)} for i in range(count)])


def order(reader, count=None):
    return [int(sample["key"]) for sample in reader.slice(0, count)]


def looped(reader):
    return [int(sample["key"]) for sample in reader]


VIEWS = {
    "range": lambda r: Range(r, 10, -5),
    "select": lambda r: Select(r, [5, -1, 5, 0]),
    "repeater": lambda r: Repeater(r, 3),
    "shuffler": Shuffler,
    "fast": lambda r: Shuffler(r, seed=4, order="fast"),
    "quasi": lambda r: QuasiShuffler(r, 0.3, 4),
    "quasi fast": lambda r: QuasiShuffler(r, 20, 4, order="fast"),
    "nested": lambda r: Shuffler(Range(Repeater(r, 2), 5, 150)),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=list(VIEWS))
def test_a_view_is_a_reader(path, view):
    reader = view(MsgpackReader(path))
    listed = list(reader)
    assert len(listed) == len(reader)
    reader.seek(0)
    names = [sample["key"] for sample in listed]
    assert list(reader.keys()) == names
    assert [reader.get(i)["key"] for i in range(-3, 3)] == names[-3:] + names[:3]
    assert [key for key, _ in reader.items()] == names
    assert [sample["key"] for sample in reader[7:2:-2]] == names[7:2:-2]
    first = names[min(7, len(names) - 1)]
    assert reader.find_index(first) == names.index(first)
    assert first in reader
    with pytest.raises(BadIndexError):
        reader.get(len(reader))
    with pytest.raises(KeyMissingError):
        reader.find_index("no such key")
    next(reader)
    twin = pickle.loads(pickle.dumps(reader))
    assert [sample["key"] for sample in twin] == names[1:]
    fresh = view(MsgpackReader(path))
    fresh.load_state_dict(reader.state_dict())
    assert [sample["key"] for sample in fresh] == names[1:]
    with reader:
        assert type(reader.get(0, raw=True)) is bytes


def test_a_range_is_as_long_as_it_is():
    part = Range(numbers(10), 3, 6)
    assert (len(part), looped(part)) == (3, [3, 4, 5])
    part.seek(2)
    assert looped(part) == [5]
    assert len(Range(numbers(10), 6, 3)) == 0
    for start in (10, -11):
        with pytest.raises(BadIndexError):
            Range(numbers(10), start)
    with pytest.raises(KeyMissingError):
        part.find_index("9")


def test_a_repeater_is_as_long_as_it_is():
    assert looped(Repeater(numbers(2), 2)) == [0, 1, 0, 1]
    assert len(Repeater(numbers(2), 0)) == 0
    with pytest.raises(SpecError):
        Repeater(numbers(2), -1)


def test_a_cycle_never_ends():
    cycle = Cycler(numbers(3))
    taken = [int(sample["key"]) for _, sample in zip(range(5000), cycle, strict=False)]
    assert taken == [i % 3 for i in range(5000)]
    assert next(cycle)["key"] == str(5000 % 3)
    assert (len(cycle), cycle.find_index("2"), cycle.get(-1)) == (3, 2, {"key": "2"})
    assert list(Cycler(numbers(0))) == []


def test_the_shuffle_of_datadings():
    """The orders that datadings 3.4.7 gives for 100 samples, and in its second epoch."""
    reader = Shuffler(numbers(100))
    assert looped(reader)[:8] == [57, 76, 27, 11, 17, 34, 83, 89]
    assert looped(reader)[:5] == [64, 84, 95, 39, 45]
    assert reader.epoch == 1
    reader.set_epoch(0)
    assert order(reader, 3) == [57, 76, 27]
    reader.seek(102)
    assert looped(reader)[:3] == [95, 39, 45]
    reader.seek(-1)
    assert reader.epoch == 0
    assert len(looped(reader)) == 1


def test_the_nearby_shuffle_of_datadings():
    reader = QuasiShuffler(numbers(100))
    wanted = [52, 32, 57, 50, 62, 60, 56, 59, 37, 38]
    first = looped(reader)
    assert first[:10] == wanted
    assert sorted(first) == list(range(100))
    reader.seek(50)
    assert looped(reader) == first[50:]
    assert [int(s["key"]) for s in reader.iter(0, chunk_size=4)] == first  # only another read
    assert looped(reader) != first  # the next epoch
    assert sorted(looped(QuasiShuffler(numbers(0)))) == []


def test_the_order_is_drawn_as_far_as_it_is_read():
    reader = QuasiShuffler(numbers(100), 20, 4)
    whole = looped(QuasiShuffler(numbers(100), 20, 4))
    assert order(reader, 5) == whole[:5]
    assert reader._drawn._known == 5
    part = QuasiShuffler(numbers(100), 20, 4)
    assert int(part.get(30)["key"]) == whole[30]
    assert part._drawn._known == 31
    assert part.find_index(str(whole[70])) == 70


# Passes


def passes(view, count, start=0):
    found = [int(sample["key"]) for sample in itertools.islice(view.iter(start), 3 * count)]
    return [found[at : at + count] for at in range(0, 3 * count, count)]


def shufflers(count=8):
    return Shuffler(numbers(count), seed=1), QuasiShuffler(numbers(count), 4, 2, seed=1)


# What datadings 3.4.7 gives for three passes.
SHUFFLED = [[3, 6, 1, 5, 7, 0, 4, 2], [3, 6, 0, 1, 5, 2, 4, 7], [3, 1, 0, 4, 5, 2, 7, 6]]
QUASI = [[0, 6, 1, 2, 5, 7, 4, 3], [2, 1, 5, 0, 7, 6, 4, 3], [4, 1, 2, 0, 7, 3, 6, 5]]


@pytest.mark.parametrize("which", [0, 1], ids=["shuffler", "quasi"])
@pytest.mark.parametrize("over", [Cycler, lambda reader: Repeater(reader, 3)], ids=["cycle", "n"])
def test_every_pass_over_a_shuffler_has_its_own_order(which, over):
    wanted = [SHUFFLED, QUASI][which]
    view, flat = over(shufflers()[which]), list(itertools.chain(*wanted))
    assert passes(view, 8) == wanted
    assert [int(view.find_key(i)) for i in range(24)] == flat
    assert [int(view.get(i)["key"]) for i in (3, 11, 19, 4)] == [flat[i] for i in (3, 11, 19, 4)]
    assert [int(key) for key, _ in view.slice(5, 8, yield_key=True)] == flat[5:8]
    assert [int(s["key"]) for s in view.get_many([7, 1])] == [flat[7], flat[1]]
    assert view.find_index(str(flat[2])) == 2
    next(view.iter(0))
    rest = [int(s["key"]) for s in itertools.islice(pickle.loads(pickle.dumps(view)), 23)]
    assert rest == flat[1:]


@pytest.mark.parametrize("over", [Cycler, lambda reader: Repeater(reader, 3)], ids=["cycle", "n"])
def test_a_view_of_a_shuffler_is_resumed_in_its_pass(over):
    shuffler = shufflers()[0]
    shuffler.set_epoch(1)
    view = over(shuffler)
    for _ in zip(range(13), view, strict=False):
        pass
    fresh = over(shufflers()[0])
    fresh.load_state_dict(view.state_dict())
    wanted = SHUFFLED[2][5:]
    for reader in (view, fresh):
        assert [int(s["key"]) for s in itertools.islice(reader, 3)] == wanted


def test_a_second_loop_over_a_view_of_a_shuffler_goes_on():
    for whole in (Range(shufflers()[0]), Repeater(shufflers()[0], 1)):
        assert [looped(whole) for _ in range(3)] == SHUFFLED
        whole.set_epoch(1)
        assert (whole.epoch, looped(whole)) == (1, SHUFFLED[1])
    twice = Repeater(Repeater(shufflers()[0], 1), 2)
    assert looped(twice) == SHUFFLED[0] + SHUFFLED[1]
    assert looped(twice)[:8] == SHUFFLED[2]
    assert passes(Cycler(Repeater(shufflers()[0], 1)), 8) == SHUFFLED
    assert passes(Cycler(ShardedReader([shufflers()[0]])), 8) == SHUFFLED
    sharded = ShardedReader([shufflers()[0]])
    assert [looped(sharded) for _ in range(3)] == SHUFFLED


def test_parts_of_a_shuffled_dataset_never_overlap():
    shuffler = shufflers()[0]
    train, rest = Range(shuffler, 0, 6), Range(shuffler, 6)
    for _ in range(3):
        assert looped(train) == SHUFFLED[0][:6]
        assert looped(rest) == SHUFFLED[0][6:]
    assert passes(Cycler(rest), 2) == [SHUFFLED[0][6:]] * 3
    chosen = shuffler.select([0, 1, 2, 3, 4, 5, 6, 7])
    assert looped(chosen) == looped(chosen) == SHUFFLED[0]
    assert shuffler.epoch == 0


@pytest.mark.parametrize(
    "view",
    [Range, lambda reader: Repeater(reader, 1), Cycler, Shuffler],
    ids=["range", "repeater", "cycler", "shuffler"],
)
def test_epochs_of_pytorch_reach_the_shuffler_through_views(view):
    data = IterableDataset(view(shufflers()[0]))
    found = [[int(sample["key"]) for sample in data] for _ in range(3)]
    assert len(set(map(tuple, found))) == 3
    assert {tuple(sorted(one)) for one in found} == {tuple(range(8))}


def test_arguments_of_augments_by_position_are_refused():
    with pytest.raises(WrongTypeError, match="start must be a whole number or None, not True"):
        Shuffler(numbers(3)).iter(True)
    assert len(list(numbers(3).iter(chunk_size=None))) == 3


def test_the_given_fraction_is_honoured():
    assert QuasiShuffler(numbers(100), 0.5).buf_size == 64
    assert QuasiShuffler(numbers(100)).buf_size == 16
    assert QuasiShuffler(numbers(100), 20, 8).buf_size == 24
    for sizes in ((0, 4), (4, 0)):
        with pytest.raises(SpecError):
            QuasiShuffler(numbers(9), *sizes)


@pytest.mark.parametrize("kind", [Shuffler, QuasiShuffler])
def test_our_own_order_depends_on_seed_and_epoch_alone(kind):
    reader = kind(numbers(500), seed=7, order="fast")
    first, second = looped(reader), looped(reader)
    assert sorted(first) == sorted(second) == list(range(500))
    assert first != second
    again = kind(numbers(500), seed=7, order="fast")
    again.set_epoch(1)
    assert order(again) == second
    assert order(kind(numbers(500), seed=8, order="fast")) != first
    with pytest.raises(SpecError, match="unknown order"):
        kind(numbers(5), order="quick")


def test_our_own_shuffle_is_numpys():
    seeds = np.random.SeedSequence([3, 0])
    wanted = np.random.Generator(np.random.PCG64(seeds)).permutation(50)
    assert order(Shuffler(numbers(50), seed=3, order="fast")) == wanted.tolist()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _: Range(None), "a view shows the samples of a reader, not of None"),
        (lambda _: Shuffler([1]), r"a reader, not of \[1\]"),
        (lambda _: QuasiShuffler("ab"), "a reader, not of 'ab'"),
        (lambda _: Cycler(None), "a reader, not of None"),
        (lambda reader: Range(reader, "0"), "start must be a whole number, not '0'"),
        (lambda reader: Range(reader, 0, 1.5), r"stop is a whole number, not 1\.5"),
        (lambda reader: Repeater(reader, 1.5), r"times is a whole number, not 1\.5"),
        (lambda reader: Shuffler(reader, "x"), "seed must be a whole number or None, not 'x'"),
        (lambda reader: QuasiShuffler(reader, "3"), "buf_size must be a number, not '3'"),
        (
            lambda reader: QuasiShuffler(reader, 3, "a"),
            "chunk_size must be a whole number",
        ),
        (lambda reader: reader.iter("a"), "start must be a whole number or None, not 'a'"),
        (lambda reader: reader.iter(0, 1.5), r"stop is a whole number, not 1\.5"),
        (lambda reader: reader["1"], "index must be a whole number, not '1'"),
        (lambda reader: Cycler(reader).get(None), "index must be a whole number, not None"),
        (lambda _: ListReader(5), "samples is a list of dicts, not 5"),
        (lambda _: ListReader([{}, 2]), "sample 1 is a dict, not 2"),
        (lambda _: TarReader(None), "a path is text, .* not None"),
        (lambda _: DirectoryReader(5), "patterns are a path or several, not 5"),
        (lambda _: ShardedReader(5), "shards are a path or several, not 5"),
        (
            lambda _: FileWriter("a.msgpack", total="3"),
            "total must be a whole number or None",
        ),
        (lambda _: Compose(min)(1, 2), "params are a dict of names and values, not 2"),
    ],
)
def test_arguments_of_another_type_are_named(call, message):
    with pytest.raises(WrongTypeError, match=message):
        call(ListReader([{"key": key} for key in "abc"]))
