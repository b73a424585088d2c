"""Named expressions: what they evaluate to, what they store, and what they cannot do."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from thunderlike.batches import (
    PP,
    B,
    Batch,
    C,
    D,
    Dataset,
    F,
    I,
    L,
    NamedExpression,
    P,
    Pipeline,
    R,
    V,
    W,
    action,
)
from thunderlike.errors import KeyMissingError, SpecError, WrongTypeError


@pytest.fixture
def batch():
    return Batch.from_data(data={"x": np.arange(4.0), "y": np.ones(4)})


@pytest.mark.parametrize("kind", [B, C, D, F, I, L, P, PP, R, V, W])
def test_every_kind_is_one_class_tree(kind):
    assert issubclass(kind, NamedExpression)
    made = kind("size")
    assert type(pickle.loads(pickle.dumps(made))) is kind
    assert type(copy.deepcopy(made)) is kind


def test_attributes_entries_and_calls_of_a_part_are_evaluated(batch):
    cases = [
        (B("x").repeat(2).sum(), 12),
        (B.x.mean(), 1.5),
        (B.x[B.size - 1], 3),
        (B.x[1 : B.size - 1].tolist(), [1, 2]),
        (B.x.reshape(B.size // 2, -1).shape, (2, 2)),
        (B.x.max(initial=B.size * 10), 40),
        (B.indices[::-1][0] + F(int)("3"), 6),
        ((B.size == 4) & ~(B.size != 4), True),
        (B.size.format("{:03d}"), "004"),
        (B.size.str(), "4"),
        (F(np.add)(B.x, 1)[0], 1),
        ([B.size, {"n": B.size}], [4, {"n": 4}]),
    ]
    for expression, value in cases:
        got = batch.apply_parallel(
            lambda _, given: given, init=[0] * 4, post=False, given=expression
        )
        assert got == [value] * 4


def test_a_value_is_stored_where_an_attribute_or_entry_points(batch):
    batch.box = SimpleNamespace(n=0, held={})
    B.box.n.set(batch, 7)
    B.box.held["k"].set(batch, 8)
    B.x[B.size - 1].set(batch, 9)
    B("y").set(batch, np.zeros(4))
    assert (batch.box.n, batch.box.held, batch.x[3], batch.y.sum()) == (7, {"k": 8}, 9, 0)
    for wrong in (R("normal"), F(len), B.size + 1, B(), I()):
        with pytest.raises(SpecError):
            wrong.set(batch, 1)


def test_l_works_on_each_object(batch):
    things = [SimpleNamespace(n=k, held={"a": k}, inner=SimpleNamespace(n=-k)) for k in range(4)]
    batch.add_components("things", things)
    assert L("things").n.get(batch) == [0, 1, 2, 3]
    assert L.things.held["a"].get(batch) == [0, 1, 2, 3]
    L("things").n.set(batch, L("things").inner.n.get(batch))
    L("things").held["a"].set(batch, [5, 6, 7, 8])
    assert [t.n for t in things] == [0, -1, -2, -3]
    assert L("things").held.items().get(batch)[3] == {"a": 8}.items()
    with pytest.raises(SpecError, match="2 values"):
        L("things").n.set(batch, [1, 2])


@pytest.mark.parametrize(
    ("first", "mode", "added", "found"),
    [
        ([1], "a", 2, [1, 2]),
        ([1], "append", [2], [1, [2]]),
        ([1], "e", [2, 3], [1, 2, 3]),
        ({1}, "a", {2}, {1, 2}),
        ({"a": 1}, "u", {"b": 2}, {"a": 1, "b": 2}),
        (None, "a", [1], [1]),
        (5, "w", 6, 6),
    ],
)
def test_modes_of_storing(first, mode, added, found):
    pipeline = Dataset(3).p.init_variable("v", first).update(V("v", mode=mode), added)
    assert pipeline.run(3).v("v") == found
    assert first in (None, 5) or first == pipeline._defaults["v"]
    pipeline.reset("vars")
    assert pipeline.v("v") == first


def test_what_cannot_be_added_to_says_so():
    with pytest.raises(SpecError, match="int, which has no append"):
        Dataset(3).p.init_variable("v", 5).update(V("v", mode="a"), 6).run(3)
    with pytest.raises(SpecError, match="mode"):
        V("v", mode="z")


def test_i_counts_batches():
    def seen(name, **how):
        pipeline = Dataset(10).p.init_variable("v", []).update(V("v", mode="a"), I(name))
        pipeline.run(4, **how)
        return pipeline.v("v")

    assert seen("current") == seen("c") == [1, 2, 3]
    assert seen("max", n_epochs=2, drop_last=True) == seen("t", n_iters=4) == [4] * 4
    assert seen("ratio", n_iters=2) == [0.5, 1]
    assert seen("c", prefetch=2) == [1, 2, 3]
    lazy = Dataset(4).p.init_variable("v").update(V("v"), I("m")).run(2, n_epochs=None, lazy=True)
    lazy.next_batch()
    assert lazy.v("v") is None
    with pytest.raises(SpecError, match="needs their number"):
        Dataset(4).p.do_nothing(I("r")).next_batch(2)
    with pytest.raises(SpecError, match="I is current"):
        Dataset(4).p.do_nothing(I("x")).next_batch(2)


def test_d_is_the_dataset():
    dataset = Dataset(6, classes=3)
    (batch,) = dataset.p.update(B.n, D("classes") * D.size).gen_batch(6)
    assert batch.n == 18
    assert D().get(batch) is dataset
    with pytest.raises(KeyMissingError, match="nothing"):
        D("nothing").get(batch)
    with pytest.raises(SpecError, match="no dataset"):
        D().get(Batch(3))


def test_c_is_the_config_of_this_or_another_pipeline():
    other = Pipeline(config={"rate": 3})
    pipeline = Dataset(2).pipeline({"rate": 1}).init_variable("v", [])
    pipeline = pipeline.update(V("v"), [C("rate"), C("rate", pipeline=other), C("no", default=7)])
    pipeline = pipeline.update(C("new"), B.size)
    assert pipeline.run(2).v("v") == [1, 3, 7]
    assert (pipeline.config["new"], C().get(pipeline=other)) == (2, {"rate": 3})
    with pytest.raises(KeyMissingError, match="'z'"):
        C("z").get(pipeline=other)
    with pytest.raises(WrongTypeError, match="fallback"):
        C("z", fallback=1)


def test_pp_is_evaluated_for_each_item_and_p_once(batch):
    drawn = []

    def number():
        drawn.append(1)
        return len(drawn)

    def add(x, by):
        return x * 0 + by

    batch.apply_parallel(add, src=["x", "y"], by=PP(F(number)))
    assert batch.x.tolist() == batch.y.tolist() == [1, 2, 3, 4]
    batch.apply_parallel(add, src="x", by=P(B.indices * 10))
    assert batch.x.tolist() == [0, 10, 20, 30]
    shaped = batch.apply_parallel(
        lambda _, m: m, src="x", dst="m", m=PP(R("normal", R("normal", 50, 1, size=3), 1))
    ).m
    assert shaped.shape == (4, 3)


def test_random_expressions_in_p_are_drawn_for_each_item_whatever_they_are_part_of():
    def draws(size, kind):
        pipeline = Dataset(6, preloaded={"x": np.zeros(6)}).p
        pipeline = pipeline.apply_parallel(
            np.add, kind(R("uniform", 1, 2) * 10 + B.size * 0), src="x"
        )
        return np.concatenate([b.x for b in pipeline.gen_batch(size, seed=2)]).tolist()

    for kind in (P, PP):
        assert len(set(draws(6, kind))) == 6
        assert draws(6, kind) == draws(4, kind)


def test_a_seed_of_its_own_fixes_a_draw():
    def draws(seed, **how):
        pipeline = Dataset(6).p.init_variable("v", [])
        pipeline = pipeline.update(V("v", mode="a"), R("integers", 10**9, seed=seed))
        return pipeline.run(2, **how).v("v")

    assert draws(5) == draws(5, shuffle=False)
    assert draws(5) != draws(6)
    assert len(set(draws(5))) == 3


def test_w_hands_an_expression_on_and_no_eval_keeps_one():
    class Keeps(Batch):
        @action(no_eval="kept")
        def keep(self, given, kept=None):
            self.given, self.kept = given, kept

    (batch,) = Dataset(3, Keeps).p.keep(W(B.size), kept=B.size).gen_batch(3)
    assert isinstance(batch.given, B)
    assert batch.kept.get(batch) == batch.given.get(batch) == 3
    (batch,) = Dataset(3, Keeps).p.keep(B.size).gen_batch(3)
    assert batch.given == 3


def test_an_expression_has_no_truth_length_or_end():
    for wrong in (bool, list, lambda e: e in [1], len):
        with pytest.raises((WrongTypeError, TypeError)):
            wrong(B.size > 1)
    assert not hasattr(B.size, "__array__")
    with pytest.raises(AttributeError):
        _ = B.size._private


def test_what_has_no_value_yet_says_why():
    for wrong in (B.size, P([1]), I()):
        with pytest.raises(SpecError, match="needs a batch"):
            wrong.get()
    with pytest.raises(SpecError, match="needs a pipeline"):
        V("x").get(Batch(3))
    with pytest.raises(SpecError, match="no distribution 'gauss'"):
        R("gauss").get(Batch(3))
    with pytest.raises(SpecError, match="cannot be drawn"):
        R("normal", 0, -1).get(Batch(3))
    with pytest.raises(WrongTypeError, match="F calls"):
        F("x").get(Batch(3))
