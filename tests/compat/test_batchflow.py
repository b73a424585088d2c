"""batchflow's names with batchflow's conventions."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from thunderlike import batches
from thunderlike.compat import batchflow as bf
from thunderlike.errors import KeyMissingError, SpecError, WrongTypeError

MODULES = {
    "batch": ["Batch", "ImagesBatch"],
    "config": ["Config"],
    "dataset": ["Dataset"],
    "decorators": ["action", "any_action_failed", "apply_parallel", "inbatch_parallel"],
    "dsindex": ["DatasetIndex", "FilesIndex"],
    "named_expr": ["B", "C", "D", "F", "I", "L", "P", "PP", "R", "V", "W", "eval_expr"],
    "pipeline": ["Pipeline"],
    "utils": ["is_iterable", "read_data_from", "save_data_to"],
    "utils_random": ["make_rng", "make_seed_sequence", "spawn_seed_sequence"],
}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_a_module_here(module):
    found = importlib.import_module(f"thunderlike.compat.batchflow.{module}")
    assert [name for name in MODULES[module] if not hasattr(found, name)] == []
    shared = [name for name in MODULES[module] if name in bf.__all__]
    assert all(getattr(bf, name) is getattr(found, name) for name in shared)


@pytest.fixture(params=[bf.Batch, batches.Batch])
def dataset(request):
    data = {"images": np.arange(20.0).reshape(5, 2, 2), "labels": np.arange(5)}
    return bf.Dataset(5, request.param, preloaded=data)


# indices


def test_orders_and_splits_are_batchflows():
    index = bf.DatasetIndex(index=list("abcde"))
    assert index.shuffle(shuffle=False).tolist() == [0, 1, 2, 3, 4]
    assert index.shuffle(13).tolist() == bf.make_rng(13).permutation(5).tolist()
    assert index.calc_split([0.3, 0.3, 0.3]) == (2, 1, 2)
    index.split([0.3, 0.3, 0.3])
    assert len(index.train) + len(index.test) + len(index.validation) == 5
    assert type(index.train) is bf.DatasetIndex
    with pytest.raises(SpecError, match="1 items cannot be split into 3"):
        bf.DatasetIndex(1).calc_split([0.5, 0.3, 0.2])


def test_batches_of_an_index_go_on_into_the_next_epoch():
    index = bf.DatasetIndex(5)
    sizes = [len(index.next_batch(2, n_epochs=3, drop_last=False)) for _ in range(8)]
    assert sizes == [2] * 7 + [1]
    assert [len(one) for one in index.gen_batch(2, False, None, 3)] == sizes
    with pytest.raises(SpecError, match="larger than the index"):
        index.next_batch(7)


def test_labels_that_come_twice_are_warned_of():
    with pytest.warns(UserWarning, match="more than once"):
        assert len(bf.DatasetIndex([1, 1])) == 2


def test_files_keep_the_path_of_the_pattern(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    for name in ("b.txt", "a.txt"):
        (tmp_path / "d" / name).write_bytes(b"")
    index = bf.FilesIndex(path="d/*", sort=True, no_ext=True)
    assert (index.indices.tolist(), index.get_fullpath("b")) == (["a", "b"], "d/b.txt")
    assert index.create_subset(bf.DatasetIndex(["b"])).get_fullpath("b") == "d/b.txt"
    assert len(bf.FilesIndex(bf.DatasetIndex(["x"]), paths={"x": "y"})) == 1
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "a.txt").write_bytes(b"")
    with pytest.raises(SpecError, match=r"'a\.txt' comes twice"):
        bf.FilesIndex(path="*/*")


# batches


@pytest.mark.parametrize("dataset", [bf.Batch], indirect=True)
def test_arguments_come_in_batchflows_order(dataset):
    batch = dataset.create_batch([1, 2])
    batch.apply_parallel(lambda x, add: x + add, None, None, "labels", "more", 10)
    assert batch.more.tolist() == [11, 12]
    batch.to_array("images", "uint8", "first")
    assert (batch.images.shape, batch.images.dtype) == ((2, 1, 2, 2), np.uint8)
    assert batch.to_array(src="labels", dst="floats").floats.dtype == np.float32
    assert isinstance(batch.random_seed, np.random.SeedSequence)
    batch.random_seed = np.random.SeedSequence(5)
    assert batch.random_seed.entropy == 5
    assert bf.spawn_seed_sequence(batch).entropy == 5
    assert bf.make_seed_sequence(batch).entropy == 5


def test_items_are_worked_on_by_decorated_methods():
    class Mine(bf.Batch):
        components = "images", "labels"

        @bf.action
        @bf.inbatch_parallel(init="indices", post="_assemble", target="threads", dst="labels")
        def number(self, ix, start, **kwargs):
            return ix + start

        @bf.action
        @bf.inbatch_parallel(init="items")
        def look(self, item, seen, **kwargs):
            seen.append(float(item.images.max()))

        @bf.apply_parallel(src="images", target="for")
        def flip(self, image):
            return image[::-1]

        @bf.action
        def fails(self):
            assert bf.any_action_failed([1, ValueError()])
            return self

    data = np.arange(8.0).reshape(2, 2, 2), np.zeros(2)
    seen = []
    (batch,) = (
        bf.Dataset(2, Mine, preloaded=data).p.number(5).look(seen).flip().fails().gen_batch(2)
    )
    assert (batch.labels.tolist(), sorted(seen)) == ([5, 6], [3, 7])
    assert batch.images[0, 0].tolist() == [2, 3]


# pipelines


def test_a_pipeline_has_batchflows_names(dataset):
    seen = []
    pipeline = (
        dataset.pipeline({"model/rate": 3})
        .init_variable("n", 0, lock=True)
        .init_variables({"a": {"default": []}, "b": None})
        .call(lambda size, k: seen.append((size, k)), bf.B.size, k=bf.C("model/rate"))
        .call(lambda: 7, save_to=bf.V("n"))
        .save_to(bf.V("a", mode="a"), bf.I("c"))
        .update_variable("b", bf.V("n"))
    )
    assert type(pipeline) is bf.Pipeline
    assert pipeline.num_actions == 4
    pipeline.run_later(2, n_epochs=1).run()
    later = pipeline.run_now(2)
    assert seen[:3] == [(2, 3), (2, 3), (1, 3)]
    assert [later.get_variable(name) for name in "nab"] == [7, [1, 2, 3], 7]
    pipeline.set_variable("n", 4)
    pipeline.assign_variable("b", 5)
    pipeline.update_config({"model/rate": 4})
    assert (pipeline.v("n"), pipeline.v("b"), pipeline.config["model"]["rate"]) == (4, 5, 4)
    assert pipeline.get_variable("z", 3, create=True) == 3
    assert pipeline.delete_variable("z").has_variable("z") is False
    with pytest.raises(KeyMissingError, match="'z'"):
        pipeline.del_variable("z")


def test_a_dataset_may_be_split_when_it_is_made():
    dataset = bf.Dataset(6, n_splits=3, classes=2)
    assert dataset.cv(2).test.indices.tolist() == [4, 5]
    assert (dataset.classes, type(dataset.train.p)) == (2, bf.Pipeline)
    assert type(dataset.index) is bf.DatasetIndex


def test_values_are_stored_and_read():
    place, pipeline = np.zeros(3), bf.Pipeline(config=bf.Config(some=100))
    bf.save_data_to([[1, 2, 3], 200], [place, bf.C("value")], pipeline=pipeline)
    assert (place.tolist(), pipeline.config["value"]) == ([1, 2, 3], 200)
    assert bf.read_data_from([bf.C("some"), 4], pipeline=pipeline) == [100, 4]
    assert bf.eval_expr(bf.B.size * 2, batch=bf.Batch(3)) == 6


@pytest.mark.parametrize("wrong", ["x", 1.5, object()])
def test_what_is_no_seed_is_refused(wrong):
    for make in (bf.make_rng, bf.make_seed_sequence, bf.spawn_seed_sequence):
        with pytest.raises(WrongTypeError):
            make(wrong)


# config


def test_settings_have_paths():
    config = bf.Config({"a": 1, "b/c": 2, "b": {"d": 3}}, e=4)
    assert config.flatten() == {"a": 1, "b/c": 2, "b/d": 3, "e": 4}
    assert (config["b/c"], config.b.d, config.get("b/z", default=9)) == (2, 3, 9)
    assert config.get(["a", "b/d"]) == (1, 3)
    assert ("b/c" in config, "b/z" in config) == (True, False)
    config["b"] = {"x": 1}
    config.update({"b/y/z": 2})
    assert config.flatten() == {"a": 1, "b/x": 1, "b/y/z": 2, "e": 4}
    assert config.pop("b/x") == 1
    del config["e"]
    assert config == {"a": 1, "b": {"y": {"z": 2}}}
    assert config.copy() is not config
    assert config + {"q": 1} != config
    assert ({"q": 1} + config)["q"] == 1
    with pytest.raises(KeyMissingError, match="'no/such'"):
        config["no/such"]
    for wrong in ({0: 1}, [(0, 1)], 5):
        with pytest.raises(WrongTypeError):
            bf.Config(wrong)
    with pytest.raises(SpecError, match="pairs"):
        bf.Config([("a", 0, 1)])
