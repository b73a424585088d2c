"""``thunderlike.compat.datadings``: what its modules do; test_manuals.py binds their arguments."""

from __future__ import annotations

import importlib
import pydoc
import runpy
import sys
from argparse import Namespace

import pytest
from thunderlike.compat.datadings.commands import cat, convert_index, merge, sample, shuffle, split
from thunderlike.compat.datadings.reader import augment

from thunderlike import storage
from thunderlike.datasets import FileWriter, ListReader, MsgpackReader, sets

ROOT = "thunderlike.compat.datadings"


def test_augments_take_their_arguments_in_the_order_of_datadings():
    letters = ListReader([{"key": k} for k in "abc"])
    for view in (augment.Range(letters), augment.Repeater(letters, 1), augment.Shuffler(letters)):
        pairs = list(view.iter(True))
        assert sorted(pairs) == [(k, {"key": k}) for k in "abc"]
        assert isinstance(view, augment.Augment)
        assert all(raw.startswith(b"\x81\xa3key") for raw in view.rawiter())
        assert len(list(view)) == 3
    assert next(augment.Cycler(letters).iter(True)) == ("a", {"key": "a"})


def test_shards_come_in_the_order_of_datadings():
    sharded = importlib.import_module(f"{ROOT}.reader").ShardedReader
    for number in (9, 10):
        with FileWriter(f"memory://text-order/s{number}.msgpack", overwrite=True) as writer:
            writer.write({"key": str(number)})
    assert list(sharded("memory://text-order/*.msgpack").keys()) == ["10", "9"]
    assert list(sharded("memory://text-order/*.msgpack", order="natural").keys()) == ["9", "10"]


@pytest.mark.parametrize("name", sets.names())
def test_each_set_has_two_modules(name):
    facts = importlib.import_module(f"{ROOT}.sets.{name}")
    writer = importlib.import_module(f"{ROOT}.sets.{name}_write")
    assert all(hasattr(facts, one) for one in facts.__all__)
    assert bool(getattr(facts, "CLASSES", ())) == bool(sets.get(name).classes)
    assert {one["path"] for one in writer.FILES.values()} == {
        one.path for one in sets.get(name).files(sets.get(name).chosen({})).values()
    }
    assert callable(writer.main)


MODULES = [
    "commands",
    "commands.bench",
    "commands.cat",
    "commands.convert_index",
    "commands.merge",
    "commands.sample",
    "commands.shuffle",
    "commands.split",
    "commands.write",
    "index",
    "reader",
    "reader.augment",
    "reader.directory",
    "reader.list",
    "reader.msgpack",
    "reader.reader",
    "reader.sharded",
    "reader.zipfile",
    "sets",
    "sets.types",
    "tools",
    "tools.argparse",
    "tools.cached_property",
    "tools.compression",
    "tools.matlab",
    "tools.msgpack",
    "torch",
    "writer",
]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported(name):
    module = importlib.import_module(f"{ROOT}.{name}")
    assert module.__all__ or name == "sets"
    assert [one for one in module.__all__ if not hasattr(module, one)] == []
    help_text = pydoc.render_doc(module, renderer=pydoc.plaintext)
    assert all(one in help_text for one in module.__all__)


def test_modules_run_as_commands(tmp_path, monkeypatch, capsys):
    for module in ("commands.write", "sets.CIFAR10_write"):
        monkeypatch.setattr(sys, "argv", [module, "-h"])
        monkeypatch.delitem(sys.modules, f"{ROOT}.{module}", raising=False)
        with pytest.raises(SystemExit) as caught:
            runpy.run_module(f"{ROOT}.{module}", run_name="__main__")
        assert caught.value.code == 0
        assert "usage: thunderlike datasets write" in capsys.readouterr().out
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{ROOT}.sets.NoSuchSet")


def test_functions_of_commands_do_what_the_commands_do(tmp_path, capsys):
    files = [tmp_path / f"{letter}.msgpack" for letter in "abcdefg"]
    for file in files[:2]:
        with FileWriter(file) as writer:
            writer.write_many({"key": f"{file.stem}{i}"} for i in range(4))

    def keys(file):
        return list(MsgpackReader(file).keys())

    merge.merge_concat(files[:2], files[2], False)
    merge.merge_random(files[:2], files[3])
    sample.sample(files[2], files[4], 3, "sequential")
    shuffle.shuffle(files[2], files[5], Namespace(true_shuffle=True, buf_size=0.01, chunk_size=16))
    both = [f"{stem}{i}" for stem in "ab" for i in range(4)]
    assert keys(files[2]) == both
    assert sorted(keys(files[3])) == sorted(keys(files[5])) == both
    assert keys(files[4]) == both[:3]
    split.split_dataset(files[2], [files[4], files[6]], [5], True)
    assert keys(files[6]) == both[5:]
    cat.cat(files[6], 40)
    assert "'b2'" in capsys.readouterr().out
    old = tmp_path / "old.msgpack"
    old.write_bytes(b"\x81\xa3key\xa1a")
    (tmp_path / "old.msgpack.index").write_bytes(b"\x81\xa1a\x00")
    convert_index.convert_index(old, tmp_path)
    assert keys(old) == ["a"]
    storage.delete(tmp_path / "old.msgpack.index")
    assert keys(old) == ["a"]
