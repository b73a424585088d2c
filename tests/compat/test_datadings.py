"""``thunderlike.compat.datadings``: datadings' modules, names and orders of arguments."""

from __future__ import annotations

import importlib
import inspect
import re
import runpy
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from thunderlike import storage
from thunderlike.compat.datadings.commands import cat, convert_index, merge, sample, shuffle, split
from thunderlike.compat.datadings.reader import augment
from thunderlike.datasets import FileWriter, ListReader, MsgpackReader, sets

ROOT = "thunderlike.compat.datadings"
PAGE = (Path(__file__).parents[2] / "docs" / "coming-from" / "datadings.md").read_text("utf-8")

AUGMENT = "iter(yield_key, raw, copy, chunk_size) seek(index)"
READER = (
    "find_index(key) find_key(index) get(index, yield_key, raw, copy) "
    "slice(start, stop, yield_key, raw, copy) next() rawnext() rawiter(yield_key) "
    "seek(index) seek_index(index) seek_key(key) "
    "iter(start, stop, yield_key, raw, copy, chunk_size)"
)
FOUND = "labels, numeric_labels, initfun, convertfun, include, exclude, separator"
USUAL = "description, indir, outdir, no_confirm, skip_verification, shuffle"
SHORT = "argument_{}(parser, x)"
ARGUMENTS = (
    "calculate_weights indir infile no_confirm outdir outfile outfile_positional outfiles shuffle "
    "skip_verification"
)

# What the manual lists in each module: names, and what their arguments are called, in order.
MANUAL = {
    "reader": "MsgpackReader() ListReader() DirectoryReader() ZipFileReader() ShardedReader() "
    "Cycler() Range() Repeater() Shuffler() QuasiShuffler() Reader()",
    "reader.augment": "Cycler(reader) QuasiShuffler(reader, buf_size, chunk_size, seed) "
    "Range(reader, start, stop) Repeater(reader, times) Shuffler(reader, seed)",
    "reader.directory": f"DirectoryReader(patterns, {FOUND}, root_dir) "
    "check_included(filename, include, exclude)",
    "reader.list": "ListReader(samples, labels, numeric_labels, initfun, convertfun) "
    "load_lines(path) noop(x) sorted_labels(samples)",
    "reader.msgpack": "MsgpackReader(path, buffering)",
    "reader.reader": "Reader()",
    "reader.sharded": "ShardedReader(shards)",
    "reader.zipfile": f"ZipFileReader(path, patterns, {FOUND})",
    "index": "hash_keys(keys, max_tries) keys_len(path) legacy_index_len(path) "
    "legacy_load_index(path) load_filter(path) load_key_hashes(path) load_keys(path) "
    "load_offsets(path) write_filter(keys, path) write_key_hashes(keys, path) "
    "write_keys(keys, path) write_offsets(offsets, path)",
    "writer": "FileWriter(outfile, buffering, overwrite) Writer(outfile, buffering, overwrite) "
    "RawWriter(outfile)",
    "tools": "ProgressPrinter() document_keys(typefun, block, prefix, postfix) "
    "download_files_if_not_found(files, indir) download_if_not_found(url, path) "
    "hash_md5hex(path, read_size, progress) hash_string(s, salt) hash_string_bytes(s, salt) "
    "load_md5file(path) locate_files(files, indir) "
    "make_printer(bar_format, miniters, mininterval, smoothing) path_append(path, string) "
    "path_append_suffix(path, suffix) prepare_indir(files, args) print_over(x) "
    "query_user(question, default, answers) split_array(img, v_pixels, h_pixels, indices) "
    "tiff_to_nd_array(file_path, type) verify_file(meta, indir) verify_files(files, indir) "
    "yield_process(gen) yield_threaded(gen)",
    "tools.argparse": "MinMaxAction(option_strings, dest) YesNoAction(option_strings, dest) "
    + " ".join(map(SHORT.format, ARGUMENTS.split()))
    + " argument_threads(parser, default, max_threads) "
    + " ".join(
        f"{name}({USUAL}, formatter_class)" for name in ("make_parser", "make_parser_simple")
    ),
    "tools.cached_property": "cached_property(func)",
    "tools.compression": "open_comp(path, mode, level, encoding)",
    "tools.matlab": "iter_fields(arr, ignore) loadmat(mat)",
    "tools.msgpack": "make_packer() make_unpacker(x) pack(o, stream) packb(o) unpack(stream) "
    "unpackb(packed)",
    "torch": "Compose(transforms) CompressedToPIL() Dataset(reader, transforms, rng) "
    "DatasetBase(reader, transforms, rng) "
    "IterableDataset(reader, transforms, rng, batch_size, epoch, copy, chunk_size, group) "
    "dict2tuple(it, keys) no_rng(x)",
    "commands.bench": "entry() main()",
    "commands.cat": "entry() main() cat(infile, maxstring)",
    "commands.convert_index": "entry() main() convert_index(path, outdir)",
    "commands.merge": "entry() main() merge_concat(infiles, outfile, shuffle) "
    "merge_random(infiles, outfile, shuffle)",
    "commands.sample": "entry() main() sample(infile, outfile, number, strategy)",
    "commands.shuffle": "entry() main() shuffle(infile, outfile, args)",
    "commands.split": "entry() main() split_dataset(infile, outfiles, splits, overwrite)",
    "commands.write": "entry() main() find_writers()",
    "sets.types": "ADE20kData(key, image, label, label_image, parts_images) "
    "ANP460Data(key, image, experiments, anp, type) "
    "ANP460Experiment(locations, map, answer, duration) ImageData(key, image) "
    "ImageClassificationData(key, image, label) SaliencyData(key, image, experiments) "
    "ImageSegmentationData(key, image, label_image) SaliencyExperiment(locations, map) "
    "SaliencyTimeseriesExperiment(locations, map, timestamps, fixations)",
    "sets.ADE20k": "index_to_color(array)",
    "sets.CAMVID": "index_to_color(array)",
    "sets.Places2017": "",
    "sets.VOC2012": "bitget(byteval, idx) class_color_map(n) index_to_color(array) "
    "median_frequency_weights(counts)",
    "sets.YFCC100m": "YFCC100mReader(x)",
}
LISTED = [
    (module, name, arguments)
    for module, names in MANUAL.items()
    for name, arguments in re.findall(r"(\w+)\(([^)]*)\)", names)
]


def test_every_name_of_the_manual_takes_its_arguments_by_position_and_by_keyword():
    for module, name, given in LISTED:
        _binds(getattr(importlib.import_module(f"{ROOT}.{module}"), name), given)
    for kind, names in (
        (augment.Cycler, AUGMENT),
        (MsgpackReader, READER),
    ):
        for name, given in re.findall(r"(\w+)\(([^)]*)\)", names):
            _binds(getattr(kind, name), f"self, {given}" if given else "self")


def _binds(function, given):
    words = [word for word in given.split(", ") if word]
    signature = inspect.signature(function)
    if not words:
        return
    signature.bind(*words)
    taken = list(signature.parameters)
    if "x" not in words:
        assert taken[: len(words)] == words, function


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


def test_what_is_not_built_stands_on_the_page():
    """Names of the manual that are not here, and the reason for each."""
    for name in (
        "SentinelEnd", "SentinelError", "Yielder", "YielderProc", "load_json", "write_set",
        "write_sets", "COUNTS", "INDEXES", "WEIGHTS", "SCENELABELS", "load_statistics",
        "ImageNet21k_create_meta", "validator", "reader_msgpack", "cumsum", "yield_directory",
    ):  # fmt: skip
        assert f"`{name}`" in PAGE, name
