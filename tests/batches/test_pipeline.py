"""Datasets and pipelines: what runs on which batch, where errors come, what is drawn."""

from __future__ import annotations

import time

import numpy as np
import pytest

from thunderlike.batches import B, Batch, C, Dataset, F, P, Pipeline, R, V, action, apply_parallel
from thunderlike.errors import (
    BadIndexError,
    BatchError,
    EngineError,
    KeyMissingError,
    SpecError,
    WrongTypeError,
)


class Steps(Batch):
    components = ("x",)

    @action
    def add(self, amount=1):
        self.x = self.x + amount

    @apply_parallel(src="x", target="for")
    def check(self, value):
        if value == 5:
            raise ValueError("five")
        return value


@pytest.fixture
def dataset():
    return Dataset(10, Steps, preloaded=(np.arange(10.0),))


def xs(batches):
    return [batch.x.tolist() for batch in batches]


# datasets


def test_a_split_and_its_parts_keep_their_labels(dataset):
    dataset.split([0.5, 0.3])
    assert dataset.validation.indices.tolist() == [0, 1]
    assert xs(dataset.test.gen_batch(10)) == [[2, 3, 4]]
    assert xs(dataset.train.gen_batch(3)) == [[5, 6, 7], [8, 9]]


def test_labels_that_are_text_name_rows_of_all_data_in_parts_too():
    dataset = Dataset(list("abcd"), preloaded={"x": np.arange(4)})
    assert dataset.create_batch(["d", "b"]).x.tolist() == [3, 1]
    part = dataset.create_subset(["c", "a", "d"])
    assert part.create_batch(["d"]).x.tolist() == [3]
    assert [batch.x.tolist() for batch in part.gen_batch(2)] == [[2, 0], [3]]


def test_what_is_not_there_is_named(dataset):
    for call in (dataset.create_subset, dataset.create_batch):
        with pytest.raises(BadIndexError, match="99"):
            call([1, 99])
    with pytest.raises(BadIndexError, match="99"):
        dataset.create_batch([99], pos=True)
    assert dataset.create_batch([3, -1], pos=True).x.tolist() == [3, 9]


def test_cross_validation_leaves_each_item_out_once(dataset):
    dataset.cv_split(n_splits=3)
    folds = [dataset.cv0, dataset.cv1, dataset.cv2]
    assert sorted(np.concatenate([f.test.indices for f in folds])) == list(range(10))
    for fold in folds:
        assert sorted([*fold.test.indices, *fold.train.indices]) == list(range(10))
    for wrong in ({"method": "other"}, {"n_splits": 1}, {"n_splits": 11}):
        with pytest.raises(SpecError):
            dataset.cv_split(**wrong)


def test_next_batch_never_ends(dataset):
    found = [dataset.next_batch(4).x.tolist() for _ in range(4)]
    assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1], [2, 3, 4, 5]]


# pipelines


def test_a_pipeline_is_never_changed(dataset):
    base = dataset.p.add(1)
    assert base.add(10) is not base
    assert xs(base.gen_batch(5)) == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
    assert xs((Pipeline().add(2) << dataset).gen_batch(10))[0][0] == 2
    assert xs((dataset >> Pipeline().add(2)).gen_batch(10))[0][0] == 2
    assert xs((base + Pipeline().add(10)).gen_batch(10))[0][0] == 11
    assert dataset.preloaded[0][0] == 0


@pytest.mark.parametrize(("times", "first"), [(0, 0), (1, 1), (3, 3)])
def test_a_pipeline_may_be_repeated(dataset, times, first):
    assert xs((dataset.p.add(1) * times).gen_batch(10))[0][0] == first


def test_a_pipeline_may_run_with_a_probability(dataset):
    assert xs((dataset.p.add(1) @ 0).gen_batch(10))[0][0] == 0
    assert xs((dataset.p.add(1) @ 1).gen_batch(10))[0][0] == 1
    some = [batch[0] for batch in xs((dataset.p.add(100) @ 0.5).gen_batch(1, n_epochs=4, seed=1))]
    assert 0 < sum(value >= 100 for value in some) < 40
    for wrong in (lambda: dataset.p @ 1.5, lambda: dataset.p * -1):
        with pytest.raises(SpecError):
            wrong()


def test_names_are_checked_when_they_are_written_down(dataset):
    with pytest.raises(AttributeError, match="no_such"):
        dataset.p.no_such()
    with pytest.raises(AttributeError, match="get"):
        dataset.p.get()
    assert Pipeline().check


def test_what_cannot_run_says_why(dataset):
    with pytest.raises(EngineError, match="no dataset"):
        Pipeline().add().gen_batch(3)
    with pytest.raises(EngineError, match="batch_size"):
        dataset.p.run()
    with pytest.raises(SpecError, match="target"):
        dataset.p.gen_batch(3, target="gpu")


def test_a_lazy_run_is_remembered(dataset):
    seen = []
    pipeline = dataset.p.call(lambda batch: seen.append(len(batch))).run(4, n_epochs=2, lazy=True)
    assert seen == []
    pipeline.run()
    assert seen == [4, 4, 2] * 2


def test_a_run_without_an_end_warns(dataset):
    def stop(batch):
        raise ValueError("enough")

    with pytest.warns(UserWarning, match="never stops"), pytest.raises(ValueError, match="enough"):
        dataset.p.call(stop).run(4, n_epochs=None)


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("target", ["threads", "for"])
def test_an_error_is_raised_at_the_batch_that_failed(dataset, prefetch, target):
    found = dataset.p.check().gen_batch(2, prefetch=prefetch, target=target)
    assert [next(found).x.tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(BatchError, match="item 5 raised ValueError: five"):
        next(found)


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("how", [{"on_error": "skip"}, {"ignore_exceptions": True}])
def test_batches_that_fail_may_be_left_out(dataset, prefetch, how):
    found = xs(dataset.p.check().gen_batch(2, prefetch=prefetch, **how))
    assert found == [[0, 1], [2, 3], [6, 7], [8, 9]]


@pytest.mark.parametrize(
    "run",
    [
        Pipeline.gen_batch,
        lambda pipeline, *_, **how: [pipeline.next_batch(2, n_epochs=1, **how) for _ in range(4)],
    ],
)
def test_an_expression_says_whether_failed_batches_are_left_out(dataset, run):
    pipeline = dataset.pipeline({"ignore": True}).check()
    assert xs(run(pipeline, 2, ignore_exceptions=C("ignore"))) == [[0, 1], [2, 3], [6, 7], [8, 9]]


def test_prefetch_goes_a_little_ahead_and_keeps_the_order(dataset):
    made = []

    def note(batch):
        time.sleep(0.01 * (3 - len(made) % 3))
        made.append(batch.x[0])

    found = dataset.p.call(note).gen_batch(1, n_epochs=5, prefetch=2)
    assert made == []
    first = [next(found).x[0] for _ in range(5)]
    assert first == [0, 1, 2, 3, 4]
    assert len(made) <= 5 + 3
    found.close()


@pytest.mark.usefixtures("no_thread_left")
def test_a_generator_that_is_closed_starts_nothing_more(dataset):
    made = []
    found = dataset.p.call(lambda batch: made.append(1)).gen_batch(1, n_epochs=50, prefetch=3)
    next(found)
    found.close()
    time.sleep(0.05)
    count = len(made)
    time.sleep(0.05)
    assert count == len(made) < 20


@pytest.mark.parametrize("size", [1, 3, 6, 10, 25])
def test_batches_may_be_cut_again(dataset, size):
    found = list(dataset.p.rebatch(size).add(1).gen_batch(4))
    assert [len(batch) for batch in found] == [size] * (10 // size) + [10 % size] * bool(10 % size)
    assert np.concatenate(xs(found)).tolist() == list(range(1, 11))


def test_rebatching_changes_no_random_stream():
    def noisy(x, rng):
        return x + rng.random()

    dataset = Dataset(10, preloaded={"x": np.zeros(10)})
    one = dataset.p.do_nothing().apply_parallel(noisy, src="x", requires_rng=True)
    other = dataset.p.rebatch(3).apply_parallel(noisy, src="x", requires_rng=True)
    flat = [np.concatenate(xs(p.gen_batch(4, seed=2))).tolist() for p in (one, other)]
    assert flat[0] == flat[1]


# expressions


def test_expressions_are_worked_out_for_each_batch(dataset):
    pipeline = (
        dataset.pipeline({"amount": 5})
        .init_variable("sizes", [])
        .init_variable("sum", 0)
        .update(V("sizes", mode="a"), B.size)
        .update(V("sum"), V("sum") + F(np.sum)(B("x")))
        .add(C("amount") * 2 - C("missing", default=1))
        .update(B.peak, F(np.max)(B.x))
    )
    found = list(pipeline.gen_batch(4))
    assert xs(found)[0] == [9, 10, 11, 12]
    assert [batch.peak for batch in found] == [12, 16, 18]
    assert pipeline.v("sizes") == [4, 4, 2]
    assert pipeline.v("sum") == 45
    with pytest.raises(KeyMissingError, match="nothing"):
        list(dataset.p.add(C("nothing")).gen_batch(4))
    with pytest.raises(KeyMissingError, match="init_variable"):
        dataset.p.v("nothing")
    with pytest.raises(SpecError, match="no place"):
        list(dataset.p.update(R("random"), 1).gen_batch(4))


def test_operators_make_expressions(dataset):
    batch = dataset.create_batch([1, 2])
    cases = [
        (B.size + 1, 3),
        (1 + B.size, 3),
        (7 - B.size, 5),
        (B.size**3, 8),
        (-B.size, -2),
        (B.size > 1, True),
        (B.x[1], 2.0),
        (abs(-B.size), 2),
        (9 // B.size, 4),
        (9 % B.size, 1),
    ]
    for expression, value in cases:
        assert expression.get(batch) == value
    assert B().get(batch) is batch
    assert B("x").get(batch) is batch.x


def test_r_draws_for_a_batch_and_p_of_r_for_each_item(dataset):
    def shift(x, by):
        return x + by

    one = dataset.p.apply_parallel(shift, by=R("uniform", 1, 2), src="x")
    each = dataset.p.apply_parallel(shift, by=P(R("uniform", 1, 2)), src="x")
    whole = np.concatenate(xs(one.gen_batch(10, seed=3))) - np.arange(10)
    assert np.ptp(whole) < 1e-9
    own = [np.concatenate(xs(each.gen_batch(n, seed=3))) - np.arange(10) for n in (10, 3)]
    assert len(set(own[0])) == 10
    np.testing.assert_allclose(own[0], own[1])
    assert R([5], size=2).get(dataset.create_batch([1])).tolist() == [5, 5]


def test_p_gives_each_item_its_own_and_needs_one_for_each(dataset):
    batch = dataset.create_batch([1, 2, 3])
    batch.apply_parallel(lambda x, by: x * by, by=P([1, 10, 100]), src="x")
    assert batch.x.tolist() == [1, 20, 300]
    batch.apply_parallel(np.subtract, P([1, 20, 300]), src="x")
    assert batch.x.tolist() == [0, 0, 0]
    with pytest.raises(SpecError, match="P has 2 values for 3 items"):
        batch.apply_parallel(np.add, P([1, 2]), src="x")


def test_batches_by_number_are_the_batches(dataset):
    pipeline = dataset.p.apply_parallel(lambda x, rng: x + rng.random(), src="x", requires_rng=True)
    batches = pipeline.sequence(4, shuffle=3)
    assert len(batches) == 3
    found = [batches[k]["x"].tolist() for k in (2, 0, 1)]
    expected = xs(pipeline.gen_batch(4, shuffle=3))
    assert found == [expected[2], expected[0], expected[1]]
    assert [batch["x"].tolist() for batch in batches] == expected
    with pytest.raises(SpecError, match="rebatch"):
        pipeline.rebatch(3).sequence(4)
    with pytest.raises(EngineError, match="no dataset"):
        Pipeline().sequence(4)


def test_a_loader_of_torch_takes_them(dataset):
    data = pytest.importorskip("torch.utils.data")
    loader = data.DataLoader(dataset.p.add(1).sequence(4), batch_size=None)
    assert [batch["x"].tolist() for batch in loader] == xs(dataset.p.add(1).gen_batch(4))


def test_a_pipeline_that_wants_the_next_gets_it(dataset):
    pipeline = dataset.p.add(1)
    assert [pipeline.next_batch(6).x[0] for _ in range(3)] == [1, 7, 3]


def test_the_pipeline_of_a_batch_is_the_one_that_runs(dataset):
    pipeline = dataset.p.add(1)
    (batch,) = pipeline.gen_batch(10)
    assert batch.pipeline is pipeline
    assert batch.dataset is dataset


# Steps that are not steps of a batch


def test_functions_of_namespaces_are_steps(dataset):
    pipeline = (
        dataset.p.add_namespace(np, "math")
        .init_variable("top")
        .init_variable("floor")
        .max(B.x, save_to=V("top"))
        .floor(2.5, save_to=V("floor"))
    )
    assert pipeline.run(10).v("top") == 9
    assert pipeline.v("floor") == 2
    with pytest.raises(AttributeError, match="no_such"):
        pipeline.no_such()
    with pytest.raises(SpecError, match="no_such_module"):
        dataset.p.add_namespace("no_such_module")


def test_a_call_has_the_batch_first_unless_it_names_it(dataset):
    seen = []
    place = np.zeros(2)
    pipeline = (
        dataset.p.call(lambda *args: seen.append(args))
        .call(lambda *args: seen.append(args), 1)
        .call(lambda *args: seen.append(args), 1, B())
        .call(lambda **kwargs: seen.append(tuple(kwargs)), batch=B())
        .call(lambda batch: (batch.size, 7), save_to=place)
        .init_variable("a")
        .init_variable("b")
        .call(lambda batch: (1, 2), save_to=(V("a"), V("b")))
    )
    (batch,) = pipeline.gen_batch(10)
    assert seen == [(batch,), (batch, 1), (1, batch), ("batch",)]
    assert place.tolist() == [10, 7]
    assert (pipeline.v("a"), pipeline.v("b")) == (1, 2)


def test_a_value_goes_into_arrays_and_several_places(dataset):
    place = np.zeros(3)
    pipeline = dataset.p.init_variable("n").update([place, V("n")], [[1, 2, 3], B.size])
    pipeline.run(10)
    assert (place.tolist(), pipeline.v("n")) == ([1, 2, 3], 10)
    with pytest.raises(SpecError, match="does not fit"):
        dataset.p.update(place, [1, 2]).run(10)
    with pytest.raises(SpecError, match="3 values cannot be stored in 2"):
        dataset.p.update([place, place], [1, 2, 3]).run(10)
    with pytest.raises(WrongTypeError, match="stored in"):
        dataset.p.update("x", 1).run(10)


def test_what_runs_once_runs_before_and_after(dataset):
    seen = []
    pipeline = (
        dataset.p.init_variable("n", 5)
        .before.call(seen.append, "before")
        .call(seen.append, V("n"))
        .pipeline.call(lambda batch: seen.append(len(batch)))
        .after.call(seen.append, "after")
        .pipeline
    )
    assert seen == []
    list(pipeline.gen_batch(4))
    assert seen == ["before", 5, 4, 4, 2, "after"]
    joined = dataset.p.before.add_namespace("operator").neg(2, save_to=V("m")) + Pipeline()
    assert joined.init_variable("m").run(4).v("m") == -2


def test_a_lazy_run_is_what_batches_are_made_by(dataset):
    pipeline = dataset.p.run(4, n_epochs=1, lazy=True)
    assert [pipeline.next_batch().size for _ in range(3)] == [4, 4, 2]
    with pytest.raises(StopIteration):
        pipeline.next_batch()
    pipeline.reset("iter")
    assert pipeline.next_batch().size == 4
    assert [batch.size for batch in pipeline.gen_batch()] == [4, 4, 2]
    for wrong in (dataset.p.next_batch, dataset.p.gen_batch, dataset.p.run(lazy=True).next_batch):
        with pytest.raises(EngineError, match="batch_size"):
            wrong()


def test_arguments_of_a_run_may_be_expressions(dataset):
    pipeline = dataset.pipeline({"size": 3, "epochs": 2})
    found = pipeline.gen_batch(C("size"), n_epochs=C("epochs"), drop_last=C("d", default=True))
    assert [batch.size for batch in found] == [3] * 6
    assert [b.size for b in pipeline.rebatch(C("size") * 2).gen_batch(4)] == [6, 4]


def test_a_notifier_sees_every_batch(dataset, capsys):
    seen = []
    dataset.p.run(4, notifier=lambda batch: seen.append(batch.size))
    assert seen == [4, 4, 2]
    dataset.p.run(4, notifier=True)
    assert capsys.readouterr().out == ""
    with pytest.raises(WrongTypeError, match="notifier"):
        dataset.p.run(4, notifier=3)


def test_values_are_printed_for_each_batch(dataset, capsys):
    dataset.p.print("size", B.size, top=F(np.max)(B.x)).run(5)
    assert capsys.readouterr().out == "size 5 top=4.0\nsize 5 top=9.0\n"


def test_probabilities_and_repeats_may_be_expressions(dataset):
    twice = dataset.pipeline({"times": 2, "odds": 1.0}).add(1)
    assert xs((twice * C("times")).gen_batch(10))[0][0] == 2
    assert xs((twice @ C("odds")).gen_batch(10))[0][0] == 1
    assert xs((twice @ (B.size > 99)).gen_batch(10))[0][0] == 0
    for wrong in (lambda: twice * 1.5, lambda: twice @ "x", lambda: twice + 3):
        with pytest.raises(SpecError):
            wrong()


def test_the_config_of_a_pipeline_changes_alone(dataset):
    base = dataset.pipeline({"a": 1})
    longer = base.add(C("a"))
    base.set_config({"a": 5, "b": 2})
    assert (base.config, longer.config) == ({"a": 5, "b": 2}, {"a": 1})
    assert xs((longer << {"a": 7}).gen_batch(10))[0][0] == 7
    assert longer.set_config({"z": 1}, clear=True).config == {"z": 1}


def test_a_dataset_may_be_an_expression(dataset):
    dataset.cv_split(n_splits=5)
    pipeline = Pipeline() << dataset.CV(C("fold")).test
    for fold in range(5):
        pipeline.set_config({"fold": fold})
        assert [b.indices.tolist() for b in pipeline.gen_batch(9)] == [[2 * fold, 2 * fold + 1]]


def test_actions_of_one_lock_run_one_at_a_time(dataset):
    running, most = [], []

    class Locked(Steps):
        @action(use_lock="mine")
        def one(self):
            running.append(1)
            most.append(len(running))
            time.sleep(0.002)
            running.pop()

    locked = Dataset(10, Locked, preloaded=(np.arange(10.0),))
    list(locked.p.one().gen_batch(1, prefetch=3))
    assert most == [1] * 10


def test_folds_are_attributes_and_parts_of_the_parts(dataset):
    dataset.cv_split(n_splits=4)
    dataset.cv_split(n_splits=3, shuffle=2)
    assert dataset.cv(1) is dataset.cv1
    assert dataset.train.cv2 is dataset.cv2.train
    assert dataset.test.cv(2) is dataset.cv2.test
    for one in (dataset, dataset.train, dataset.test):
        assert not hasattr(one, "cv3")
    with pytest.raises(BadIndexError, match="fold 3 is out of bounds"):
        dataset.cv(3)


def test_a_dataset_is_made_of_another(dataset):
    part = Dataset.from_dataset(dataset, [3, 1])
    assert xs(part.gen_batch(2)) == [[3, 1]]
    assert Dataset.from_dataset(dataset, dataset.index) is dataset
    other = Dataset.from_dataset(dataset, [4], Batch, classes=2)
    assert (other.batch_class, other.classes) == (Batch, 2)
    assert len(Dataset.build_index(25)) == 25
    text = Dataset(list("abc"), preloaded={"x": np.arange(3)})
    assert xs(Dataset.from_dataset(text, ["c"]).gen_batch(1)) == [[2]]
    assert text.copy().create_batch([1], pos=True).x.tolist() == [1]


def test_what_is_no_dataset_batch_class_or_pipeline_is_refused(dataset):
    for wrong in (
        lambda: Dataset(3, int),
        lambda: Dataset(3, "Batch"),
        lambda: dataset >> 3,
        lambda: list((Pipeline() << 3).gen_batch(2)),
        lambda: dataset.p.gen_batch("four"),
        lambda: dataset.p.gen_batch(2, shuffle="yes"),
        lambda: list(dataset.p.gen_batch(2, shuffle="yes")),
        lambda: dataset.p.next_batch(2, colour="red"),
        lambda: dataset.p.call(3).run(2),
    ):
        try:
            wrong()
        except WrongTypeError:
            continue
        assert wrong.__code__.co_names[-1] == "gen_batch"  # refused when the first is asked for


def test_an_action_returns_a_batch(dataset):
    class Odd(Steps):
        @action
        def seven(self):
            return 7

    odd = Dataset(4, Odd, preloaded=(np.arange(4.0),))
    with pytest.raises(SpecError, match="seven returned int"):
        odd.p.seven().run(2)
