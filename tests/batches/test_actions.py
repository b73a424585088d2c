"""Functions over items: sources, destinations, errors and random numbers, on every target."""

from __future__ import annotations

import sys
import threading
import time

import cloudpickle
import numpy as np
import pytest

from thunderlike.batches import Batch, Dataset, P, action, apply_parallel, execution
from thunderlike.errors import BatchError, SpecError, WrongTypeError

LOCAL = ["for", "threads", "mpc"]
TARGETS = [*LOCAL, pytest.param("spark", marks=pytest.mark.spark)]
everywhere = pytest.mark.parametrize("target", TARGETS)


@pytest.fixture(autouse=True)
def _functions_of_this_file_go_by_value(request):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    if "spark" in request.node.name:
        request.getfixturevalue("spark_context")
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def batch():
    return Batch.from_data(data={"a": np.arange(12.0).reshape(6, 2), "b": np.ones((6, 2))})


def double(x):
    return 2 * x


def both(ab):
    return ab[0] + ab[1], ab[0] - ab[1]


A = np.arange(12.0).reshape(6, 2)


@everywhere
@pytest.mark.parametrize(
    ("func", "src", "dst", "found"),
    [
        (double, "a", None, {"a": 2 * A}),
        (double, "a", "c", {"a": A, "c": 2 * A}),
        (lambda x: (x, -x), "a", ("p", "q"), {"p": A, "q": -A}),
        (lambda x: (x, -x), "a", ["p", "q"], {"p": A, "q": -A}),
        (both, ("a", "b"), None, {"a": A + 1, "b": A - 1}),
        (lambda ab: ab[0] + ab[1], ("a", "b"), "c", {"c": A + 1}),
        (double, ["a", "b"], None, {"a": 2 * A, "b": np.full((6, 2), 2.0)}),
        (double, ["a", "b"], ["c", "d"], {"a": A, "c": 2 * A, "d": np.full((6, 2), 2.0)}),
        (double, A + 5, "o", {"o": 2 * A + 10}),
        (np.sum, "a", "s", {"s": A.sum(axis=1)}),
        (lambda x: str(x[0]), "a", "s", {"s": np.array([str(v) for v in A[:, 0]])}),
        (lambda x: int(x[0]) or 0.5, "a", "s", {"s": np.array([0.5, 2, 4, 6, 8, 10])}),
    ],
)
def test_the_table_of_sources_and_destinations(batch, target, func, src, dst, found):
    assert batch.apply_parallel(func, src=src, dst=dst, target=target) is batch
    for name, values in found.items():
        np.testing.assert_array_equal(getattr(batch, name), values)
        assert getattr(batch, name).dtype == values.dtype


@pytest.mark.parametrize("dst", ["c", ("c", "d"), ["c"], ["c", "d", "e"]])
def test_a_list_of_sources_needs_as_many_destinations(batch, dst):
    with pytest.raises(SpecError, match="list of 2 sources"):
        batch.apply_parallel(double, src=["a", "b"], dst=dst)


def test_items_may_come_from_init(batch):
    found = batch.apply_parallel(lambda label: 10 * label, init="indices", dst="o").o
    assert found.tolist() == [0, 10, 20, 30, 40, 50]
    spread = [((k,), {"power": 2}) for k in range(6)]
    assert batch.apply_parallel(lambda x, power: x**power, init=spread, dst="p").p[5] == 25
    named = [{"x": k} for k in range(6)]
    assert batch.apply_parallel(lambda x: x + 1, init=named, dst="q").q.tolist() == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]
    assert batch.apply_parallel(lambda x: -x, init=np.arange(6), dst="r").r[3] == -3
    assert batch.apply_parallel(lambda x: x, init=lambda src, dst: [dst] * 6, dst="s").s[0] == "s"
    assert batch.apply_parallel(lambda: 7, init="run_once", post=False) == [7]
    assert batch.apply_parallel(lambda none: none is None, init="array_of_nones", dst="t").t.all()


def test_the_results_may_go_elsewhere(batch):
    assert batch.apply_parallel(np.sum, src="a", post=False) == [1, 5, 9, 13, 17, 21]
    total = batch.apply_parallel(
        np.sum, src="a", dst="s", post=lambda results, src, dst: (sum(results), src, dst)
    )
    assert total == (66, "a", "s")
    assert batch.components == ("a", "b")


def test_what_a_function_does_not_take_is_not_given(batch):
    calls = []
    batch.apply_parallel(
        lambda x, src, dst: calls.append((src, dst)) or x, src="a", dst="c", target="for"
    )
    batch.apply_parallel(
        lambda x, **kwargs: calls.append(sorted(kwargs)) or x, src="a", target="for"
    )
    assert calls[0] == ("a", "c")
    assert calls[-1] == ["dst", "src"]
    assert batch.apply_parallel(np.add, 1, src="a", dst="d").d[0].tolist() == [1, 2]


def test_results_that_do_not_fit_their_destinations_are_refused_with_both_counts(batch):
    with pytest.raises(SpecError, match=r"gave 3 results for 2 destinations"):
        batch.apply_parallel(lambda x: (x, x, x), src="a", dst=("p", "q"))
    with pytest.raises(SpecError, match=r"gave 1 results for 2 destinations"):
        batch.apply_parallel(lambda x: x, src="a", dst=("p", "q"))
    with pytest.raises(SpecError, match="no destination for the results"):
        batch.apply_parallel(double, src=A)
    with pytest.raises(SpecError, match="5 entries for 6 items"):
        batch.apply_parallel(double, src=A[:5], dst="o")
    with pytest.raises(SpecError, match="no component 'z'"):
        batch.apply_parallel(double, src="z")
    with pytest.raises(SpecError, match="no data to work on"):
        Batch(3).apply_parallel(double, dst="o")
    with pytest.raises(SpecError, match="target"):
        batch.apply_parallel(double, src="a", target="nogil")


@everywhere
def test_ragged_results_are_objects(batch, target):
    batch.apply_parallel(lambda x: np.zeros(int(x[0]) + 1), src="a", dst="r", target=target)
    assert batch.r.dtype == object
    assert [len(item) for item in batch.r] == [1, 3, 5, 7, 9, 11]
    batch.apply_parallel(lambda x: None, src="a", dst="n", target=target)
    assert batch.n.tolist() == [None] * 6


@pytest.mark.parametrize(("pays", "here"), [(float("inf"), True), (-1, False)])
def test_quick_items_stay_in_this_thread_and_slow_ones_go_to_others(monkeypatch, pays, here):
    monkeypatch.setattr(execution, "PAYS", pays)
    monkeypatch.setattr(execution, "FIRST", pays)
    batch = Batch.from_data(data={"a": np.zeros(300)})
    batch.apply_parallel(lambda _: threading.get_ident(), src="a", dst="who", n_workers=2)
    assert (set(batch.who) == {threading.get_ident()}) is here
    assert batch.who[0] == threading.get_ident()


# errors


def fails_at_4(x):
    if x[0] == 4:
        raise ValueError("no fours")
    return x


@everywhere
def test_an_error_names_the_label_and_leaves_the_batch_alone(target):
    batch = Batch(list("uvwxyz"), preloaded={"a": A.copy(), "b": A.copy()})
    with pytest.raises(BatchError, match=r"item 'w' raised ValueError: no fours") as caught:
        batch.apply_parallel(fails_at_4, src=["b", "a"], dst=["c", "d"], target=target)
    assert isinstance(caught.value, RuntimeError)
    assert [(label, str(error)) for label, error in caught.value.errors] == [("w", "no fours")]
    assert "in fails_at_4" in str(caught.value)
    assert batch.components == ("a", "b")


@everywhere
def test_failed_items_may_be_left_out(batch, target):
    part = batch.apply_parallel(fails_at_4, src="a", dst="c", target=target, on_error="skip")
    assert part is not batch
    assert part.indices.tolist() == [0, 1, 3, 4, 5]
    assert part.c.tolist() == part.a.tolist()
    both_ways = batch.apply_parallel(
        lambda x: (fails_at_4(x), 1), src="a", dst=("p", "q"), target=target, on_error="skip"
    )
    assert both_ways.q.tolist() == [1] * 5


def test_all_errors_may_be_collected(batch):
    ran = []

    def odd_fails(x):
        ran.append(x)
        if x[0] % 4:
            raise KeyError("odd")
        return x

    with pytest.raises(BatchError, match="3 of 6 items failed") as caught:
        batch.apply_parallel(odd_fails, src="a", on_error="collect")
    assert [label for label, _ in caught.value.errors] == [1, 3, 5]
    assert len(ran) == 6


def test_an_exception_that_is_returned_is_a_result(batch):
    batch.apply_parallel(lambda x: ValueError("fine"), src="a", dst="e")
    assert str(batch.e[0]) == "fine"


def test_an_interrupt_passes(batch):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch.apply_parallel(stop, src="a")


@pytest.mark.parametrize("target", ["for", "threads", "mpc"])
def test_a_timeout_is_an_error(batch, target):
    with pytest.raises(TimeoutError, match=r"longer than 0\.1 s"):
        batch.apply_parallel(
            lambda x: time.sleep(0.4 if x[0] else 0), src="a", target=target, timeout=0.1
        )
    assert batch.apply_parallel(double, src="a", target=target, timeout=60).a[1, 0] == 4


# random numbers


def noisy(x, rng):
    return x + rng.random(2)


def drawn(target="for", size=6, shuffle=False, prefetch=0, **how):
    dataset = Dataset(12, preloaded={"x": np.zeros((12, 2))})
    pipeline = (
        dataset.p.apply_parallel(noisy, src="x", requires_rng=True, target=target).apply_parallel(
            noisy, src="x", dst="y", requires_rng=True, target=target, p=0.5
        )
        if how.pop("twice", False)
        else dataset.p.apply_parallel(noisy, src="x", requires_rng=True, target=target)
    )
    found = {}
    for batch in pipeline.gen_batch(size, seed=7, shuffle=shuffle, prefetch=prefetch, **how):
        found |= dict(zip(batch.indices.tolist(), batch.x.tolist(), strict=True))
    return [found[k] for k in range(12)]


@everywhere
def test_random_streams_do_not_depend_on_who_runs_them_or_on_the_batch(target):
    expected = drawn()
    assert drawn(target, size=5) == expected
    assert len({tuple(value) for value in expected}) == 12


@pytest.mark.parametrize("how", [{"prefetch": 2}, {"shuffle": 3}, {"size": 1}, {"size": 12}])
def test_nor_on_order_or_prefetch(how):
    assert drawn(**how) == drawn()


def test_epochs_actions_and_seeds_have_streams_of_their_own():
    dataset = Dataset(3, preloaded={"x": np.zeros((3, 2))})
    once = dataset.p.apply_parallel(noisy, src="x", dst="u", requires_rng=True)
    one, two = once.gen_batch(3, n_epochs=2, seed=1)
    (other,) = once.gen_batch(3, seed=2)
    (again,) = once.apply_parallel(noisy, src="x", dst="w", requires_rng=True).gen_batch(3, seed=1)
    streams = [one.u, two.u, other.u, again.w]
    assert len({s.tobytes() for s in streams}) == 4
    np.testing.assert_array_equal(again.u, one.u)


def test_image_and_mask_are_changed_alike(batch):
    batch.apply_parallel(
        lambda x, rng: rng.random(), src=["a", "b"], dst=["u", "w"], requires_rng=True
    )
    np.testing.assert_array_equal(batch.u, batch.w)
    batch.apply_parallel(lambda x: x * 0 + 100, src=["a", "b"], p=0.5)
    np.testing.assert_array_equal(batch.a == 100, batch.b == 100)


def test_seeds_may_be_given(batch):
    def draw(_, rng):
        return rng.random()

    one = batch.apply_parallel(draw, src="a", dst="u", requires_rng=True, rng_seeds=5).u
    two = batch.apply_parallel(draw, src="a", dst="w", requires_rng=True, rng_seeds=5).w
    same = batch.apply_parallel(draw, src="a", dst="v", requires_rng=True, rng_seeds=[3] * 6).v
    np.testing.assert_array_equal(one, two)
    assert len(set(one)) == 6
    assert len(set(same)) == 1
    with pytest.raises(SpecError, match="2 seeds for 6"):
        batch.apply_parallel(draw, src="a", dst="z", requires_rng=True, rng_seeds=[1, 2])


@pytest.mark.parametrize("p", [0, 0.0, np.float32(0), [0] * 6, False])
def test_with_probability_0_nothing_is_called(batch, p):
    batch.apply_parallel(lambda x: 1 / 0, src="a", p=p)
    np.testing.assert_array_equal(batch.a, A)


@pytest.mark.parametrize("p", [1, 1.0, np.float64(1), True, [1] * 6])
def test_with_probability_1_all_are(batch, p):
    np.testing.assert_array_equal(batch.apply_parallel(double, src="a", p=p).a, 2 * A)


def test_items_that_are_not_chosen_are_what_they_were(batch):
    chosen = [1, 0, 1, 0, 0, 1]
    batch.apply_parallel(double, src="a", p=P(chosen))
    np.testing.assert_array_equal(batch.a, A * (1 + np.array(chosen))[:, None])
    batch.add_components("c", np.full((6, 2), -1.0))
    batch.apply_parallel(double, src="b", dst="c", p=chosen)
    assert batch.c[:, 0].tolist() == [2, -1, 2, -1, -1, 2]
    batch.apply_parallel(double, src="b", dst="new", p=chosen)
    np.testing.assert_array_equal(batch.new, batch.b * (1 + np.array(chosen))[:, None])
    with pytest.raises(SpecError, match="give it some first"):
        batch.apply_parallel(np.sum, src="b", dst="sum", p=chosen)


def test_about_half_are_chosen_with_probability_a_half():
    batch = Batch.from_data(data={"x": np.zeros(400)})
    batch.random_seed = 3
    assert 150 < batch.apply_parallel(lambda x: x + 1, src="x", p=0.5).x.sum() < 250


@pytest.mark.parametrize("p", [-0.1, 1.5, [0.5] * 5, [2] * 6])
def test_what_is_no_probability_is_refused(batch, p):
    with pytest.raises(SpecError):
        batch.apply_parallel(double, src="a", p=p)


def test_the_seed_of_a_batch_decides_its_streams(batch):
    batch.random_seed = 5
    first = batch.random.random()
    batch.random_seed = np.random.SeedSequence(5)
    assert batch.random.random() == first
    assert batch.random.random() != first


# decorated methods


class Pictures(Batch):
    components = ("image",)
    shift = 10

    @apply_parallel
    def scale(self, image, by=2):
        return image * by

    @apply_parallel(target="for", src="image", dst="moved")
    def move(self, image):
        return image + self.shift

    @action
    def forget(self):
        self.image = None


@everywhere
def test_a_method_of_an_item_becomes_one_of_the_batch(target):
    batch = Pictures(4, preloaded=(np.arange(4.0),))
    assert batch.scale(src="image", by=3, target=target) is batch
    assert batch.image.tolist() == [0, 3, 6, 9]
    assert batch.move(target=target).moved.tolist() == [10, 13, 16, 19]
    assert batch._scale_(5) == 10
    assert batch.forget() is batch


@pytest.mark.parametrize(
    ("shape", "channels", "found"),
    [
        ((4, 5), "last", (4, 5, 1)),
        ((4, 5), "first", (1, 4, 5)),
        ((4, 5), None, (4, 5)),
        ((4, 5, 3), "last", (4, 5, 3)),
        ((4, 5, 3), "first", (3, 4, 5)),
        ((7,), "last", (7,)),
        ((7,), "first", (7,)),
    ],
)
def test_to_array(shape, channels, found):
    batch = Batch.from_data(data={"x": np.ones((2, *shape), "uint8")})
    batch.to_array(channels=channels)
    assert batch.x.shape == (2, *found)
    assert batch.x.dtype == np.float32
    assert batch.to_array("x", dtype=None).x.dtype == np.float32


def test_coroutines_run_together_also_within_a_running_loop(batch):
    import asyncio

    async def wait(x):
        await asyncio.sleep(0.01)
        return 2 * x

    np.testing.assert_array_equal(
        batch.apply_parallel(wait, src="a", dst="c", target="async").c, 2 * A
    )

    async def within():
        return batch.apply_parallel(wait, src="a", dst="d", target="a").d

    np.testing.assert_array_equal(asyncio.run(within()), 2 * A)
    with pytest.raises(SpecError, match="coroutine"):
        batch.apply_parallel(double, src="a", target="async")


@pytest.mark.usefixtures("no_thread_left")
def test_no_thread_is_left_by_a_call_that_is_over(batch):
    for _ in range(5):
        batch.apply_parallel(double, src="a", target="threads", timeout=30)


# defaults, whole items, and arguments by position


class Defaults(Batch):
    apply_defaults = {"target": "for", "post": "_assemble", "src": "a", "dst": "out"}  # noqa: RUF012

    @apply_parallel
    def halve(self, a):
        return a / 2


def test_defaults_of_a_class_say_where_results_come_from_and_go():
    batch = Defaults.from_data(data={"a": np.arange(4.0)})
    batch.apply_parallel(double)
    assert (batch.a.tolist(), batch.out.tolist()) == ([0, 1, 2, 3], [0, 2, 4, 6])
    assert batch.halve().out.tolist() == [0, 0.5, 1, 1.5]
    assert batch.apply_parallel(double, src="out", dst="a").a.tolist() == [0, 1, 2, 3]
    assert batch.to_array("a", dtype=int).a.dtype == int


def test_without_a_source_a_function_takes_whole_items(batch):
    def lower(item):
        item.a[...] = item.a - item.b

    assert batch.apply_parallel(lower) is batch
    np.testing.assert_array_equal(batch.a, A - 1)
    batch.apply_parallel(lambda item: item.a.sum() + item.b.sum(), dst="total", target="threads")
    np.testing.assert_array_equal(batch.total, A.sum(axis=1))
    chosen = [1, 0, 0, 0, 0, 1]
    batch.apply_parallel(lower, p=chosen)
    np.testing.assert_array_equal(batch.a[:, 0], A[:, 0] - 1 - np.array(chosen))
    with pytest.raises(SpecError, match="give dst"):
        batch.apply_parallel(lambda item: item.a)
    with pytest.raises(SpecError, match="cannot be changed in place"):
        batch.apply_parallel(lower, target="mpc")
    found = batch.apply_parallel(lambda item: item.b.sum(), dst="ones", target="mpc").ones
    assert found.tolist() == [2] * 6


def test_a_static_method_is_applied_to_some_items():
    class Mine(Batch):
        components = ("x",)

        @staticmethod
        def mark(item):
            item.x = -1
            return item

    batch = Mine(400, preloaded=(np.zeros(400),))
    batch.random_seed = 1
    batch.apply_parallel(Mine.mark, p=0.5)
    assert 150 < -batch.x.sum() < 250


def test_data_without_components_is_replaced():
    batch = Batch.from_data(data=np.arange(4.0))
    assert batch.apply_parallel(double).data.tolist() == [0, 2, 4, 6]
    assert batch.apply_parallel(double, p=[1, 0, 0, 1]).data.tolist() == [0, 2, 4, 12]
    with pytest.raises(SpecError, match="no data to work on"):
        Batch(3).apply_parallel(double)


def test_init_and_post_are_given_what_they_take(batch):
    seen = []

    def init(src, dst, p, target, scale):
        seen.append((src, dst, p, target, scale))
        return np.arange(6)

    batch.apply_parallel(lambda x, scale: x * scale, init=init, dst="o", scale=10)
    assert seen == [(None, "o", None, "threads", 10)]
    assert batch.o.tolist() == [0, 10, 20, 30, 40, 50]
    found = batch.apply_parallel(
        double, src="o", post=lambda results, src, dst, k=0: (len(results), src, dst)
    )
    assert found == (6, "o", "o")
    assert batch.apply_parallel(lambda: 3, init=batch.run_once(1, k=2), post=False) == [3]


def test_arguments_of_the_call_by_position_are_refused(batch):
    tolerant = lambda x, *args, **kwargs: (x, args)  # noqa: E731
    for args in ((None, None, "a", "o"), ("indices", "_assemble", ("a", "b")), (None, None, "a")):
        with pytest.raises(TypeError, match="by name"):
            batch.apply_parallel(tolerant, *args, src="a")
    assert batch.apply_parallel(np.clip, 1, 2, src="a").a.max() == 2


def test_items_that_p_leaves_out_are_what_their_source_is_in_a_new_component(batch):
    chosen = [1, 0, 1, 0, 0, 1]
    batch.apply_parallel(
        lambda ab: (ab[0] + 1, ab[1] + 2), src=("a", "b"), dst=("p", "q"), p=chosen
    )
    np.testing.assert_array_equal(batch.p, A + np.array(chosen)[:, None])
    np.testing.assert_array_equal(batch.q, 1 + 2 * np.array(chosen)[:, None] * np.ones((6, 2)))
    for wrong in (
        {"src": "a", "dst": ("r", "s"), "func": lambda x: (x, x)},
        {"src": ("a", "b"), "dst": "r", "func": lambda ab: ab[0]},
        {"init": "indices", "dst": "r", "func": double},
    ):
        with pytest.raises(SpecError, match="give it some first"):
            batch.apply_parallel(p=chosen, **wrong)


def test_results_are_assembled_as_a_class_that_overrides_it_asks():
    class Two(Batch):
        components = ("c1", "c2")

        def _assemble(self, results, **kwargs):
            return super()._assemble([r * 10 for r in results], **kwargs)

    batch = Two(2, preloaded=(np.ones(2), np.ones(2)))
    assert batch.apply_parallel(double, src="c1", dst="c2").c2.tolist() == [20, 20]
    batch = Batch(2).add_components(("c1", "c2"))
    batch._assemble(np.array([[0, 2], [1, 3]]), dst_default="components")
    assert (batch.c1.tolist(), batch.c2.tolist()) == ([0, 1], [2, 3])
    with pytest.raises(BatchError, match="Could not assemble the batch"):
        batch._assemble(np.array([ValueError("x"), 0], dtype=object))


def test_a_dtype_where_a_component_is_meant_is_refused(batch):
    with pytest.raises(WrongTypeError, match="dtype='uint8'"):
        batch.to_array("a", "uint8")
    for wrong in ({"dtype": "blue"}, {"channels": "middle"}):
        with pytest.raises(SpecError):
            batch.to_array("a", **wrong)


def test_the_data_has_entries_too(batch):
    assert batch.data["a"] is batch.data.a is batch.a
    assert (list(batch.data), len(batch.data), set(dict(batch.data))) == (["a", "b"], 2, {"a", "b"})
    batch.data["a"] = np.zeros(6)
    batch.data.b = np.ones(6)
    assert (batch.a.sum(), batch.b.sum(), batch.data_setter.a.sum()) == (0, 6, 0)
    for wrong in (lambda: batch.data["z"], lambda: batch.data.__setitem__("z", 1)):
        with pytest.raises(KeyError, match="'z'"):
            wrong()
    with pytest.raises(AttributeError, match="'z'"):
        _ = batch.data.z


def test_merging_takes_one_name_and_the_class_of_the_first():
    class Mine(Batch):
        components = ("x", "y")

    parts = [Mine(2, None, None, (np.ones(2), np.zeros(2)), True) for _ in range(2)]
    merged, _ = Batch.merge(parts, components="x")
    assert (type(merged), merged.components, merged.x.tolist()) == (Mine, ("x",), [1] * 4)
    assert type(Batch.merge(parts, batch_class=Batch)[0]) is Batch
    assert Mine.merge_component(data=[np.ones(1), np.zeros(2)]).tolist() == [1, 0, 0]
    for wrong in (
        {"batches": [3]},
        {"batches": parts, "batch_size": 0},
        {"batches": parts, "batch_size": "x"},
    ):
        with pytest.raises(SpecError):
            Batch.merge(**wrong)
    with pytest.raises(KeyError, match="'z'"):
        Batch.merge(parts, components="z")
    with pytest.raises(SpecError, match="no values to join"):
        Batch.merge_component()
