"""What the examples of the older manuals do, with the import changed: calls in their order.

Those of Thunder are in test_scripts.py; ClearMap's manual has none. What needs the internet is left
out: downloads of public sets, and Thunder's examples.
"""

from __future__ import annotations

import io
import itertools
import random
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from thunderlike.compat.datadings.sets.types import ImageClassificationData
from thunderlike.compat.datadings.tools.argparse import (
    MinMaxAction,
    argument_threads,
    make_parser,
    make_parser_simple,
)
from thunderlike.compat.datadings.writer import FileWriter

import thunderlike.compat.batchflow as bf
import thunderlike.compat.deepdish as dd
from thunderlike.compat.datadings import reader as readers
from thunderlike.compat.datadings import tools, torch


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The examples name files of the folder that they run in."""
    monkeypatch.chdir(tmp_path)


# deepdish


def saved(data, **options):
    dd.io.save("x.h5", data)
    return dd.io.load("x.h5", **options)


def test_structures_come_back():
    found = saved({"foo": {"bar": np.arange(10), "baz": np.zeros(3)}, "qux": np.ones(12, "i1")})
    assert (found["foo"]["bar"][3], found["qux"].dtype) == (3, np.int8)
    found = saved(SimpleNamespace(foo=SimpleNamespace(bar=np.arange(10)), qux="text"))
    assert (found.foo.bar[3], found.qux) == (3, "text")
    for plain in ({"a": 10, "b": "test", "c": None}, [{"foo": 10}, {"bar": 20}, 30], (1, "x")):
        assert saved(plain) == plain
    assert saved([np.arange(5), 100])[1] == 100
    assert saved({"a": 100}, unpack=True) == 100


@pytest.mark.parametrize("types", ["python", "numpy"])
def test_frames_and_sparse_matrices_come_back(types):
    from scipy import sparse

    frame = pd.DataFrame({"int": np.arange(3), "name": ["zero", "one", "two"]})
    pd.testing.assert_frame_equal(saved(frame, types=types), frame)
    for kind in ("bsr", "coo", "csc", "csr", "dia"):
        matrix = sparse.random(8, 9, 0.3, format=kind, random_state=1)
        found = saved(matrix, types=types)
        assert (found.format, (found != matrix).nnz) == (kind, 0)


def test_parts_of_a_file_are_loaded():
    dd.io.save("x.h5", {"foo": {"bar": np.ones((10, 5))}, "label": np.arange(3)})
    assert dd.io.load("x.h5", "/foo/bar").shape == (10, 5)
    assert dd.io.load("x.h5", "/foo/bar", sel=dd.aslice[:5, -2:]).shape == (5, 2)
    bar, label = dd.io.load("x.h5", ["/foo/bar", "/label"])
    assert (bar.shape, label.tolist()) == ((10, 5), [0, 1, 2])


@pytest.mark.parametrize("compression", ["default", "zlib", "blosc", "bzip2", ("blosc", 5), None])
def test_arrays_are_compressed(compression):
    dd.io.save("x.h5", np.arange(1000), compression=compression)
    np.testing.assert_array_equal(dd.io.load("x.h5"), np.arange(1000))


def test_one_object_by_two_names_is_one_again():
    ones = np.ones((5, 4, 3))
    data = {"foo": np.arange(10), "bar": ones, "baz": ones}
    data["self"] = data
    found = saved(data)
    assert found["bar"] is found["baz"]
    assert found["self"] is found


def test_anything_can_be_pickled_by_force():
    dd.io.save("x.h5", {"foo": dd.io.ForcePickle("a string")})
    assert dd.io.load("x.h5", pickle="allow") == {"foo": "a string"}


class Shape(dd.util.SaveableRegistry):
    def __init__(self, x):
        self.x = x

    @classmethod
    def load_from_dict(cls, d):
        return Shape(d["x"])

    def save_to_dict(self):
        return {"x": self.x}


@Shape.register("bar")
class Bar(Shape):
    def __init__(self, x, y):
        self.x, self.y = x, y

    @classmethod
    def load_from_dict(cls, d):
        return Bar(d["x"], d["y"])

    def save_to_dict(self):
        return {"x": self.x, "y": self.y}


def test_objects_of_registered_classes_save_themselves():
    Shape(10).save("foo.h5")
    found = Shape.load("foo.h5")
    assert (type(found), found.x) == (Shape, 10)
    Bar(10, 20).save("bar.h5")
    found = Shape.load("bar.h5")
    assert (type(found), found.y, found.name) == (Bar, 20, "bar")


def test_functions_are_mapped():
    values = np.arange(100)
    assert list(dd.parallel.imap(lambda x: 2 * x, range(20))) == list(range(0, 40, 2))
    batches = enumerate(np.array_split(values, 10))
    doubled = dd.parallel.starmap(lambda batch, x: 2 * x, batches)
    np.testing.assert_array_equal(np.concatenate(list(doubled)), 2 * values)
    found = np.zeros_like(values)
    parts = ((i, values[i]) for i in np.array_split(values, 10))
    for indices, part in dd.parallel.starmap_unordered(lambda i, x: (i, 2 * x), parts):
        found[indices] = part
    np.testing.assert_array_equal(found, 2 * values)
    assert dd.parallel.rank() == 0


def test_arrays_are_padded():
    ones = np.ones((3, 3))
    assert dd.util.pad(ones, (1, 2), value=0.0).sum(axis=0).tolist() == [0, 0, 3, 3, 3, 0, 0]
    sized = dd.util.pad_to_size(np.ones((4, 2)), (5, 5))
    assert sized.tolist() == [[0, 1, 1, 0, 0]] * 4 + [[0] * 5]
    counts = np.arange(12).reshape(3, 4)
    assert dd.util.pad_repeat_border(counts, 2)[[0, -1]].tolist() == [
        [0, 0, 0, 1, 2, 3, 3, 3],
        [8, 8, 8, 9, 10, 11, 11, 11],
    ]
    assert dd.util.pad_repeat_border_corner(counts, (5, 5))[-1].tolist() == [8, 9, 10, 11, 11]


def test_arrays_are_described_and_timed(capsys):
    images = np.random.RandomState(0).uniform(size=(10, 3, 3))
    found = dd.apply_once(np.std, images, [1, 2], keepdims=False)
    np.testing.assert_allclose(found, images.reshape(10, 9).std(axis=1))
    assert dd.tupled_argmax(np.arange(6).reshape(2, 3)) == (1, 2)
    with dd.timed("Sleep"):
        pass
    assert capsys.readouterr().out.startswith("[timed] Sleep: ")
    times = []
    with dd.timed(callback=times.append):
        pass
    assert len(times) == 1


def test_patches_are_drawn_from_images():
    images = [np.full((8, 9), level) for level in (0.0, 0.5, 1.0)]
    patches = (x for x in dd.image.extract_patches(images, (5, 5)) if x.mean() > 0.1)
    assert np.array(list(itertools.islice(patches, 25))).shape == (25, 5, 5)


# datadings


@pytest.fixture
def numbers():
    with FileWriter("numbers.msgpack", total=100) as writer:
        for i in range(100):
            writer.write({"key": str(i), "data": i.to_bytes(50, "big"), "label": i % 10})
    return "numbers.msgpack"


def test_a_reader_goes_through_all_or_to_one_sample(numbers):
    with readers.MsgpackReader(numbers) as reader:
        assert [sample["label"] for sample in reader] == [*range(10)] * 10
    reader = readers.MsgpackReader(numbers)
    reader.seek_key("17")
    assert reader.next()["key"] == "17"
    reader.seek_index(42)
    assert reader.next()["key"] == "42"
    assert isinstance(reader.rawnext(), bytes)
    reader.seek(0)
    assert len([raw for raw in reader.rawiter() if isinstance(raw, bytes)]) == len(reader) == 100
    assert next(iter(reader))["key"] == "0"
    assert reader.verify_data(progress=True) is reader.verify_index(progress=True) is True


def test_augments_are_read_like_readers(numbers):
    with readers.Shuffler(readers.MsgpackReader(numbers)) as reader:
        keys = [sample["key"] for sample in reader]
    assert sorted(keys, key=int) == [str(i) for i in range(100)] != keys
    with readers.Cycler(readers.MsgpackReader(numbers)) as reader:
        assert [s["key"] for s in itertools.islice(reader, 250)][-1] == "49"


def test_a_tree_of_folders_becomes_a_dataset():
    for label, name in [("a", "a1"), ("a", "a2"), ("b", "b1")]:
        file = Path("set") / label / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"content of {name}".encode())
    with FileWriter("set.msgpack") as writer:
        for sample in readers.DirectoryReader("set/{LABEL}/**"):
            writer.write(sample)
    assert next(iter(readers.MsgpackReader("set.msgpack"))) == {
        "key": "a/a1", "label": 0, "path": "set/a/a1", "_additional_info": [], "_label": "a",
        "data": b"content of a1",
    }  # fmt: skip


def test_transforms_share_random_numbers_by_their_names():
    def add(v, number):
        return v + number

    def sub(x, value):
        return x - value

    def rng(_):
        return {"number": random.randrange(1, 10), "value": random.randrange(1, 10)}

    samples = [{"a": 0, "b": 0, "c": 0, "d": 0} for _ in range(10)]
    transforms = {
        "a": torch.Compose(add),
        "b": torch.Compose(sub),
        "c": torch.Compose((add, sub)),
        "d": torch.Compose(partial(add, number=1)),
    }
    dataset = torch.Dataset(readers.ListReader(samples), transforms=transforms, rng=rng)
    for i in range(len(dataset)):
        sample = dataset[i]
        assert sample["c"] == sample["a"] + sample["b"]
        assert (sample["a"] > 0, sample["d"]) == (True, 1)


def test_images_come_decoded_in_pairs_with_their_labels():
    file = io.BytesIO()
    Image.fromarray(np.arange(48, dtype="u1").reshape(4, 4, 3)).save(file, "png")
    with FileWriter("train.msgpack") as writer:
        for i in range(8):
            writer.write(ImageClassificationData(str(i), file.getvalue(), i % 3))
    transforms = {"image": torch.Compose(torch.CompressedToPIL(), np.asarray)}
    dataset = torch.IterableDataset(
        readers.MsgpackReader("train.msgpack"), transforms=transforms, batch_size=4
    )
    pairs = list(torch.dict2tuple(dataset))
    assert [(image.shape, label) for image, label in pairs[:2]] == [((4, 4, 3), 0), ((4, 4, 3), 1)]


def test_a_script_that_writes_a_set_takes_the_usual_arguments():
    parser = make_parser("what it writes")
    argument_threads(parser)
    args = parser.parse_args(["in", "-y", "-s", "-o", "out"])
    assert (args.indir, args.outdir, args.no_confirm, args.threads) == ("in", "out", True, 1)
    Path("in").mkdir()
    Path("in/train.zip").write_bytes(b"x")
    url = "http://127.0.0.1:9/train.zip"  # not requested: the file exists
    files = {"train": {"path": "train.zip", "url": url, "md5": "56ad5c77e6c8f72ed9ef2901628d6e48"}}
    found = tools.prepare_indir(files, args)
    assert Path(found["train"]["path"]).read_bytes() == b"x"

    class Clamped(MinMaxAction):
        min_value, max_value = 1, 7

    parser = make_parser_simple("another")
    parser.add_argument("number", action=Clamped, type=int)
    assert parser.parse_args(["9"]).number == 7


def test_a_pool_converts_what_a_thread_reads():
    def yield_samples():
        for i in range(20):
            yield ImageClassificationData(str(i), b"image", i)

    for _ in range(2):
        try:
            writer = FileWriter("split.msgpack", total=20, overwrite=True)
        except FileExistsError:
            continue
        with writer, ThreadPool(2) as pool:
            for sample in pool.imap_unordered(dict, tools.yield_threaded(yield_samples())):
                writer.write(sample)
    assert len(readers.MsgpackReader("split.msgpack")) == 20


def test_suffixes_are_appended_to_names():
    name = Path("some.file")
    assert tools.path_append_suffix(name, ".file") == name
    assert tools.path_append_suffix(name, ".txt") == Path("some.file.txt")
    assert tools.path_append_suffix(name, "txt") == Path("some.filetxt")


# batchflow


class Pictures(bf.Batch):
    components = "images", "masks"

    @staticmethod
    def look_at(item):
        assert item is not None

    def doubled(self, item):
        return item * 2


@pytest.fixture
def batch():
    return Pictures(range(4), preloaded=(np.ones((4, 3, 3)), np.zeros((4, 3, 3))))


def test_components_are_loaded_from_what_there_is():
    table = pd.DataFrame({"features": [1.0, 2, 3, 4], "labels": [0, 1, 0, 1]})
    images, masks = np.zeros((4, 3, 3)), np.ones((4, 3, 3))

    class Table(bf.Batch):
        components = "features", "labels"

    assert Table(range(4)).load(src=table).labels.tolist() == [0, 1, 0, 1]
    two = bf.Batch(range(4)).load(src=table, dst=("features", "labels"))
    assert two.features.tolist() == [1, 2, 3, 4]
    assert bf.Batch(range(4)).load(src=table, dst="features").features.shape == (4, 2)
    for src in ({"images": images, "masks": masks}, (images, masks)):
        both = bf.Batch(range(4)).load(src=src, dst=("images", "masks"))
        assert (both.images.sum(), both.masks.sum()) == (0, 36)
    assert bf.Batch(range(4)).load(src=images, dst="images").images.shape == (4, 3, 3)
    table.to_csv("table.csv")
    read = bf.Batch(range(4)).load(
        fmt="csv", src="table.csv", dst=("features", "labels"), index_col=0
    )
    assert (read.features.tolist(), read.labels.tolist()) == ([1, 2, 3, 4], [0, 1, 0, 1])


def test_functions_are_applied_to_components(batch):
    batch.apply_parallel(lambda image: image + 4, src="images", dst="masks")
    assert (batch.masks == 5).all()
    batch.add_components("sums")
    batch.apply_parallel(lambda pair: pair[0] + pair[1], src=("images", "masks"), dst="sums")
    assert (batch.sums == 6).all()
    batch.apply_parallel(np.negative, src=["images", "masks"], dst=["images", "masks"], p=0.2)
    assert set(np.unique(batch.masks)) <= {-5.0, 5.0}
    batch.apply_parallel(Pictures.look_at, p=0.5)


def test_methods_are_applied_by_name(batch):
    pipeline = bf.Pipeline().apply_parallel(bf.B.doubled, src="images", p=0.5)
    data = bf.Dataset(range(4), Pictures, preloaded=(batch.images, batch.masks))
    assert set(np.unique((data >> pipeline).next_batch(4).images)) <= {1.0, 2.0}
