"""A batch: components aligned to its items, labels, copies, merging."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from thunderlike.batches import Batch, Dataset
from thunderlike.errors import BadIndexError, KeyMissingError, SpecError, WrongTypeError


@pytest.fixture
def batch():
    return Batch(["a", "b", "c"], preloaded={"x": np.arange(3.0), "y": np.arange(6).reshape(3, 2)})


def test_whole_number_labels_are_places_in_all_data():
    data = np.arange(10) * 10
    assert Batch([7, 2], preloaded={"x": data}).x.tolist() == [70, 20]
    assert Batch([7, 2], preloaded=data).data.tolist() == [70, 20]
    with pytest.raises(BadIndexError, match="10 entries"):
        _ = Batch([7, 12], preloaded=data).data


def test_data_may_be_a_tuple_a_frame_a_structured_array_or_none():
    class Pair(Batch):
        components = ("x", "y")

    pandas = pytest.importorskip("pandas")
    x, y = np.arange(5), np.arange(5) * 2.5
    frame = pandas.DataFrame({"x": x, "y": y})
    for data in [(x, y), [x, y], {"x": x, "y": y}, frame, frame.to_records(index=False)]:
        part = Pair([3, 1], preloaded=data)
        assert (part.x.tolist(), part.y.tolist()) == ([3, 1], [7.5, 2.5])
    assert Batch(3).data is None


def test_without_an_index_items_are_counted_by_rows():
    class Pair(Batch):
        components = ("x", "y")

    assert len(Pair.from_data(data=(np.zeros(6), np.ones(6)))) == 6
    assert len(Batch.from_data(data=np.zeros((4, 2)))) == 4
    assert len(Batch.from_data(data={"x": np.zeros((5, 2))})) == 5


def test_components_are_a_tuple():
    with pytest.raises(WrongTypeError, match="tuple"):
        type("Wrong", (Batch,), {"components": ["x"]})


def test_an_item_is_found_by_its_label_and_what_is_set_reaches_the_batch(batch):
    assert batch["b"].x == 1
    assert batch["b"].y.tolist() == [2, 3]
    batch["b"].x = 9
    batch["c"].y[0] = 7
    assert (batch.x.tolist(), batch.y[2].tolist()) == ([0, 9, 2], [7, 5])
    assert [item.x for item in batch] == [0, 9, 2]
    with pytest.raises(KeyMissingError, match="'z'"):
        batch["z"]
    with pytest.raises(KeyMissingError, match="'z'"):
        batch["a"].z = 1
    assert batch.get("a", "x") == 0
    assert batch.get(component="x") is batch.x
    assert Batch([5, 6], preloaded=np.arange(9))[6] == 6


def test_lists_of_labels_and_slices_of_positions_give_batches(batch):
    assert batch[["c", "a"]].x.tolist() == [2, 0]
    assert batch[1:].indices.tolist() == ["b", "c"]
    assert batch[::-1].y.tolist() == [[4, 5], [2, 3], [0, 1]]
    with pytest.raises(KeyMissingError):
        batch[["a", "z"]]


def test_values_that_do_not_fit_the_items_are_refused(batch):
    with pytest.raises(SpecError, match=r"'x' got 99 entries for 3 items"):
        batch.x = np.zeros(99)
    batch.x = None
    assert batch.x is None
    batch.x = np.ones(3)


def test_components_may_be_added_once_and_whole(batch):
    batch.add_components("z", np.arange(3)).add_components(("p", "q"), [np.ones(3), None])
    assert batch.components == ("x", "y", "z", "p", "q")
    assert batch.q is None
    assert Batch.components is None
    for name in ("x", "load", "size", "_arrays"):
        with pytest.raises(SpecError, match="taken"):
            batch.add_components(name)
    with pytest.raises(SpecError, match="2 components need as many"):
        batch.add_components(("r", "s"), [np.ones(3)])
    with pytest.raises(SpecError, match="99 entries"):
        batch.add_components("r", np.ones(99))
    with pytest.raises(SpecError, match="without components"):
        Batch(3, preloaded=np.arange(3)).add_components("x")


def test_data_may_be_replaced(batch):
    batch.data = {"x": np.zeros(3), "y": np.zeros(3)}
    assert batch.x.tolist() == [0, 0, 0]
    batch.data_setter = {"x": np.ones(3)}
    assert batch.data.x.tolist() == [1, 1, 1]


def test_attributes_are_remembered(batch):
    batch.create_attrs(one=1).create_attrs(two=2)
    assert batch.get_attrs() == {"one": 1, "two": 2}
    assert batch.one == 1
    with pytest.raises(AttributeError, match="nothing"):
        _ = batch.nothing


def test_copies_share_nothing_or_all(batch):
    deep, shallow = batch.deepcopy(), copy.copy(batch)
    batch.x[0] = 5
    assert (deep.x[0], shallow.x[0], copy.deepcopy(batch).x[0]) == (0, 5, 5)
    shallow.add_components("z", np.ones(3))
    assert batch.components == ("x", "y")


def test_what_is_done_to_a_copied_batch_leaves_the_data_alone():
    data = np.zeros(4)
    Batch(4, preloaded={"x": data}, copy=True).x[0] = 1
    assert data[0] == 0
    Batch(4, preloaded={"x": data}).x[0] = 1
    assert data[0] == 1


def test_a_batch_survives_pickling_without_its_dataset(batch):
    dataset = Dataset(["a", "b"], preloaded={"x": np.arange(2)})
    came = pickle.loads(pickle.dumps(dataset.create_batch(["b"])))
    assert (came.x.tolist(), came.indices.tolist()) == ([1], ["b"])
    assert (came.dataset, came.pipeline) == (None, None)


def test_a_class_of_the_running_script_can_be_copied():
    code = """
        import numpy as np
        from thunderlike.batches import Batch

        class Mine(Batch):
            components = ("x",)

        print(type(Mine(3, preloaded=(np.arange(3),)).deepcopy()).__name__)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.check_output(command, text=True, timeout=300) == "Mine\n"


def test_merging_cuts_into_a_full_batch_and_a_rest():
    parts = [
        Batch([3, 4], preloaded={"x": np.arange(9)}),
        Batch([7], preloaded={"x": np.arange(9)}),
    ]
    whole, rest = Batch.merge(parts)
    assert (whole.x.tolist(), whole.indices.tolist(), rest) == ([3, 4, 7], [0, 1, 2], None)
    first, rest = Batch.merge(parts, batch_size=2, keep_index=True)
    assert (first.x.tolist(), first.indices.tolist()) == ([3, 4], [3, 4])
    assert (rest.x.tolist(), rest.indices.tolist()) == ([7], [7])
    assert Batch.merge(parts, batch_size=9)[1] is None


def test_merging_nothing_or_what_is_not_there_is_refused():
    with pytest.raises(SpecError, match="no batches"):
        Batch.merge([])
    one, other = Batch.from_data(data={"x": np.ones(2)}), Batch.from_data(data={"x": np.ones(2)})
    other.x = None
    with pytest.raises(SpecError, match=r"'x' is None in 1 of 2"):
        Batch.merge([one, other])


def test_lists_ragged_items_and_data_without_components_merge():
    ragged = np.empty(2, object)
    ragged[:] = [np.zeros(2), np.zeros(3)]
    parts = [Batch.from_data(data={"r": ragged}), Batch.from_data(data={"r": ragged})]
    assert [len(item) for item in Batch.merge(parts)[0].r] == [2, 3, 2, 3]
    assert Batch.merge([Batch.from_data(data=np.ones(2))] * 2)[0].data.tolist() == [1] * 4


def test_a_dataset_of_a_batch_has_its_items_even_untouched():
    dataset = Dataset(10, preloaded={"x": np.arange(10)}, scale=3)
    made = dataset.create_batch([4, 5]).as_dataset()
    assert len(made) == 2
    (batch,) = made.gen_batch(5)
    assert (batch.x.tolist(), batch.scale) == ([4, 5], 3)
    with pytest.raises(SpecError, match="the batch has none"):
        Batch(3).as_dataset()


def test_small_things(batch):
    assert batch.array_of_nones.tolist() == [None] * 3
    assert [len(one) for one in batch.items] == [1, 1, 1]
    assert batch.do_nothing(1, k=2) is batch
    assert batch.run_once() == [[]]
    assert batch.get_errors([1, ValueError()])
    assert batch.get_errors([1]) is None
    assert (batch.size, len(batch)) == (3, 3)
