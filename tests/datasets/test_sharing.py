"""Shares of ranks and workers, transforms: what needs no PyTorch."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thunderlike.datasets import ListReader, QuasiShuffler, torch
from thunderlike.datasets.sharded import cut, left_over, share, size
from thunderlike.errors import (
    FormatError,
    KeyMissingError,
    SpecError,
    UnevenSharesError,
    WrongTypeError,
)


def numbers(ranges):
    return [n for start, stop in ranges for n in range(start, stop)]


COUNTS = st.integers(0, 40), st.integers(1, 7)


@given(*COUNTS)
def test_shares_hold_every_sample_once(total, shares):
    found = [share([(0, total)], i, shares, "error", None) for i in range(shares)]
    assert numbers([r for part in found for r in part]) == list(range(total))


@given(*COUNTS, st.sampled_from(["drop", "pad"]))
def test_even_shares_are_even(total, shares, even):
    found = [share([(0, total)], i, shares, even, 2) for i in range(shares)]
    wanted = total // shares if even == "drop" else -(-total // shares)
    assert {size(part) for part in found} == {wanted}
    held = {n for part in found for n in numbers(part)}
    assert held <= set(range(total))
    assert even == "drop" or held == set(range(total))


@given(*COUNTS, st.data())
def test_what_was_taken_and_what_is_left_are_all(total, shares, data):
    parts = [share([(0, total)], i, shares, "error", None) for i in range(shares)]
    taken = [data.draw(st.integers(0, size(part))) for part in parts]
    left = numbers(left_over(list(zip(parts, taken, strict=True))))
    gone = [n for part, k in zip(parts, taken, strict=True) for n in numbers(cut(part, 0, k))]
    assert sorted(left + gone) == list(range(total))


def test_uneven_batches_are_said_when_they_can_be_known():
    with pytest.raises(SpecError, match="one batch more than others"):
        share([(0, 9)], 0, 2, "error", 2)
    assert issubclass(UnevenSharesError, RuntimeError)
    with pytest.raises(UnevenSharesError):
        torch.IterableDataset(letters(9), batch_size=4, num_workers=2)
    assert share([(0, 8)], 1, 2, "error", 2) == [(4, 8)]
    with pytest.raises(SpecError, match="even is one of"):
        share([(0, 8)], 1, 2, "some", 2)


# Samples


def letters(count=12):
    return ListReader([{"key": str(i), "n": i} for i in range(count)])


def seen(data):
    return [sample["n"] for sample in data]


def test_one_worker_has_everything_in_order_each_epoch():
    data = torch.IterableDataset(letters())
    assert seen(data) == list(range(12)) == seen(data)
    assert (len(data), data.epoch) == (12, 2)


def test_a_shuffle_is_another_one_each_epoch_and_can_be_had_again():
    data = torch.IterableDataset(letters(), shuffle=True, seed=3)
    first, second = seen(data), seen(data)
    assert first != second
    data.set_epoch(0)
    assert seen(data) == first
    quasi = torch.IterableDataset(QuasiShuffler(letters(), 4, 2))
    assert sorted(seen(quasi)) == list(range(12))


def on(rank, world, **options):
    """A dataset as it is in some rank."""
    data = torch.IterableDataset(letters(), **options)
    data._rank, data._world = rank, world
    return data


@pytest.mark.parametrize("even", ["drop", "pad"])
@pytest.mark.parametrize("worlds", [(1, 3), (3, 2), (2, 5)])
def test_a_resumed_epoch_reads_exactly_what_was_left(worlds, even):
    before, after = worlds
    taken, states = [], []
    for rank in range(before):
        data = on(rank, before, batch_size=2, even=even)
        taken += [sample["n"] for _, sample in zip(range(2), data, strict=False)]
        states.append(data.state_dict(batches=1))
        assert states[-1] == data.state_dict()
    assert states == [states[0]] * before
    rest = []
    for rank in range(after):
        data = on(rank, after)
        data.load_state_dict(states[0])
        rest += seen(data)
    assert sorted(taken + rest) == list(range(12))


def test_batches_of_workers_are_counted_in_turn():
    data = on(0, 1, batch_size=2)
    left = data.state_dict(batches=3, num_workers=2)["left"]
    assert left == [[4, 6], [8, 12]]  # two batches of the first worker, one of the second
    with pytest.raises(SpecError, match="batch_size"):
        on(0, 1).state_dict(batches=3)


def test_a_batch_is_read_together():
    data = torch.Dataset(letters())
    assert [sample["n"] for sample in data.__getitems__([3, 1])] == [3, 1]
    assert data[-1]["n"] == 11


# Transforms


def add(value, amount, scale=1):
    return value + amount * scale


def test_functions_get_the_parameters_that_they_name():
    assert torch.Compose(add, abs)(-5, {"amount": 2, "x": 1}) == 3
    assert torch.Compose(f for f in [add, add])(0, {"amount": 1, "scale": 3}) == 6
    assert torch.Compose([add], prefix="a_")(0, {"a_amount": 1, "amount": 9}) == 1
    assert "add" in repr(torch.Compose(add))

    class Method:
        def __call__(self, value, amount):
            return value * amount

    assert torch.Compose(Method())(2, {"amount": 5}) == 10


def test_what_is_wrong_with_a_function_is_said():
    with pytest.raises(KeyMissingError, match="add needs the parameter 'amount'"):
        torch.Compose(add)(1, {})
    with pytest.raises(SpecError, match="takes no argument"):
        torch.Compose(lambda: 1)
    with pytest.warns(UserWarning, match="gets only the value"):
        some = torch.Compose(lambda *args: len(args))
    assert some(1, {"x": 2}) == 1

    def breaks(value):
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        torch.Compose(breaks)(1, {})


def test_values_are_transformed_with_parameters_of_their_sample():
    data = torch.Dataset(letters(), {"n": torch.Compose(add)}, rng=lambda s: {"amount": s["n"]})
    assert data[5] == {"key": "5", "n": 10, "__params__": {"amount": 5}}
    whole = torch.IterableDataset(letters(2), lambda sample: sample["key"])
    assert list(whole) == ["0", "1"]
    assert list(torch.dict2tuple(letters(2), ("key", "n"))) == [("0", 0), ("1", 1)]


def test_partial_fixes_constants():
    def scaled(value, factor, more=0):
        return value * factor + more

    params = {"factor": 7, "more": 5}
    fixed = functools.partial(scaled, factor=2)
    assert torch.Compose(fixed)(3, params) == 11
    assert torch.Compose(functools.partial(fixed, more=1))(3, params) == 7
    assert torch.Compose([fixed, scaled])(1, params) == 54
    assert torch.Compose(functools.partial(scaled, more=1))(3, params) == 22
    with pytest.raises(KeyMissingError, match="'factor'"):
        torch.Compose(functools.partial(scaled, more=1))(3, {})


def test_what_is_no_transform_or_no_image_is_named():
    for wrong in (None, 5, [abs, None]):
        with pytest.raises(WrongTypeError, match="cannot be called"):
            torch.Compose(wrong)
    with pytest.raises(FormatError, match="not an image that Pillow reads: b'junk'"):
        torch.CompressedToPIL()(b"junk")
    with pytest.raises(WrongTypeError, match="not int"):
        torch.CompressedToPIL()(5)
