"""Sets of one's own, the declarations of ours, types, pickles and archives."""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import pickle
import re
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import thunderlike as tl
from thunderlike.cli import main
from thunderlike.datasets import MsgpackReader, images, sets
from thunderlike.datasets.archives import opened
from thunderlike.datasets.sets import catalog, rejected
from thunderlike.datasets.sets import spec as types
from thunderlike.errors import (
    CorruptSampleError,
    FormatError,
    KeyMissingError,
    NotFoundError,
    SpecError,
)
from thunderlike.formats import safe_pickle

PAGE = Path(__file__).parents[3] / "docs" / "datasets-sets.md"


def photo(seed=0, side=6):
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.fixture
def birds(tmp_path, monkeypatch):
    """The example of the page, as a module that can be imported, and its archive."""
    code = re.search(r"```python\n(\"\"\"Birds.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
    assert code.count("\n") < 40
    (tmp_path / "birds.py").write_text(code, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with zipfile.ZipFile(tmp_path / "birds.zip", "w") as archive:
        archive.writestr("birds/labels.csv", "wren/1.jpg,wren\nrobin/1.jpg,robin\n")
        archive.writestr("birds/wren/1.jpg", photo(1))
        archive.writestr("birds/robin/1.jpg", photo(2))
    yield tmp_path
    sys.modules.pop("birds", None)


def test_a_set_of_ones_own_is_one_declaration(birds, capsys):
    code = main(["datasets", "write", "birds:BIRDS", str(birds), "-o", str(birds / "out")])
    assert code == 0, capsys.readouterr().err
    with MsgpackReader(birds / "out" / "all.msgpack") as reader:
        assert {sample["key"]: sample["label"] for sample in reader} == {
            "wren/1.jpg": 1,
            "robin/1.jpg": 0,
        }
        assert reader.get(reader.find_index("wren/1.jpg"))["image"] == photo(1)


def test_a_package_brings_a_set_by_an_entry_point(birds, monkeypatch, capsys):
    point = importlib.metadata.EntryPoint("Birds", "birds:BIRDS", catalog.GROUP)
    monkeypatch.setattr(catalog, "entry_points", lambda group: [point])
    assert len(sets.names()) == 23
    assert sets.write("birds", birds)["all"].exists()
    assert main(["datasets", "write"]) == 0
    assert "Birds" in capsys.readouterr().out


def test_a_declaration_can_be_given_itself_and_must_be_one(birds):
    import birds as module

    assert sets.get(module.BIRDS) is module.BIRDS
    with pytest.raises(SpecError, match="expected a SetSpec, found"):
        sets.get("birds:Path")
    with pytest.raises(KeyMissingError, match="CIFAR10"):
        sets.get("Unicorns")


def test_samples_with_other_fields_than_declared_are_refused():
    with pytest.raises(SpecError, match="mask"):
        types.ordered("ImageData", {"key": "a", "image": b"", "mask": b""})


@pytest.mark.parametrize("name", types.TYPES)
def test_each_type_makes_a_sample_with_its_fields_in_order(name):
    make = getattr(types, name)
    fields = types.TYPES[name].split()
    made = make(*range(len(fields)))
    assert list(made.items()) == list(zip(fields, range(len(fields)), strict=True))
    assert list(make.__annotations__) == [*fields, "return"]
    with pytest.raises(TypeError):
        make()


def test_declarations_are_sound():
    # One file of one set, and two that only ever come as folders, have no md5.
    bare = {"images_original.zip", "wrangled_data.zip"}
    bare |= {"AerialImageDataset", "ISPRS_semantic_labeling_Vaihingen"}
    for spec in map(sets.get, sets.names()):
        assert spec.kind in sets.KINDS
        assert spec.sample in types.TYPES
        for low in (False, True):
            given = {"low_res": low} if spec.name == "Places365" else {}
            for source in spec.files(spec.chosen(given)).values():
                assert source.path in bare or re.fullmatch("[0-9a-f]{32}", source.md5)
                assert source.url or spec.manual
                assert source.url is None or source.url.startswith("https") or source.md5


def test_voc_colors_and_weights_are_those_of_the_devkit():
    assert sets.get("VOC2012").colors[:3] == ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    assert images.class_color_map(256)[255].tolist() == [224, 224, 192]
    assert images.median_frequency_weights({3: 2.0, 5: 1.0, 9: 4.0}) == [1.0, 2.0, 0.5]
    painted = images.index_to_color([[0, 2]], sets.get("VOC2012").colors)
    assert painted.tolist() == [[[0, 0, 0], [0, 128, 0]]]


# Pickles


class Hostile:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_hostile_pickle_runs_nothing(tmp_path, protocol):
    mark = tmp_path / "ran"
    for call in (
        (os.system, f"touch {mark}"),
        (eval, "1"),
        (getattr, "", "join"),
        (open, str(mark), "w"),
    ):
        data = pickle.dumps({b"data": Hostile(*call)}, protocol)
        with pytest.raises(FormatError, match="nothing was run"):
            safe_pickle.load(data, "data_batch_1")
    assert not mark.exists()


def test_a_hostile_cifar_archive_runs_nothing(tmp_path):
    mark = tmp_path / "ran"
    data = pickle.dumps({b"data": Hostile(os.system, f"touch {mark}")}, 2)
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    with pytest.raises(FormatError, match=r"data_batch_1: asks for .*system"):
        sets.write("CIFAR10", tmp_path, tmp_path / "out", verify=False)
    assert not mark.exists()
    assert not list((tmp_path / "out").glob("*"))


def test_arrays_of_older_and_newer_numpy_are_read():
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    for data in (
        pickle.dumps(array, 2),
        pickle.dumps(array, 2).replace(b"numpy._core", b"numpy.core"),
    ):
        np.testing.assert_array_equal(safe_pickle.load(data, "x"), array)
    with pytest.raises(FormatError, match="damaged"):
        safe_pickle.load(b"\x80\x02}q", "x")


# Archives


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../b"])
def test_names_outside_of_an_archive_are_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, b"")
    with pytest.raises(FormatError, match="outside"):
        opened(tmp_path / "a.zip").names  # noqa: B018


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_an_archive_that_is_cut_is_said_to_be_damaged(tmp_path, name):
    if name.endswith("zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("x", os.urandom(5000))
    else:
        with tarfile.open(tmp_path / name, "w:gz" if name.endswith("gz") else "w") as archive:
            info = tarfile.TarInfo("x")
            info.size = 5000
            archive.addfile(info, io.BytesIO(os.urandom(5000)))
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:2500])
    with pytest.raises(FormatError, match=rf"{name}: damaged"):
        dict(opened(tmp_path / name).stream())


# The reader of packs


@pytest.fixture
def packs(tmp_path):
    for number, pack in enumerate(["00ab", "0fff"]):
        with zipfile.ZipFile(tmp_path / f"{pack}.zip", "w") as archive:
            for n in range(3):
                archive.writestr(f"{pack}/{number}{n}c", photo(n, 300 if n else 8))
            archive.writestr(f"{pack}/readme.txt", b"")
    return tmp_path


def test_packs_are_read_as_one_in_order(packs):
    reader = sets.YFCC100mReader(packs)
    assert len(reader) == 6
    assert list(reader.keys()) == [
        f"{p}/{n}{i}c" for n, p in enumerate(["00ab", "0fff"]) for i in range(3)
    ]
    assert reader.get(4) == {"key": "0fff/11c", "image": photo(1, 300)}
    assert reader.find_index("0fff/12c") == 5
    with pytest.raises(KeyMissingError):
        reader.find_index("0fff/ff")
    assert 5 not in reader  # a key that is no text is a missing one
    assert [sample["key"] for sample in reader[::3]] == ["00ab/00c", "0fff/10c"]
    again = pickle.loads(pickle.dumps(reader))
    assert again.get(-1) == reader.get(5)


def test_what_is_not_worth_seeing_is_left_out(packs):
    found = rejected(packs / "00ab.zip")
    assert found == {"00ab.zip": [0]}
    reader = sets.YFCC100mReader(packs, reject=found)
    assert list(reader.keys())[:3] == ["00ab/01c", "00ab/02c", "0fff/10c"]
    assert reader.find_index("0fff/10c") == 2


def test_counts_are_remembered_while_packs_are_the_same(packs):
    sets.YFCC100mReader(packs)
    counts = json.loads((packs / "counts.json").read_bytes())
    assert {name: count for name, (_, count) in counts.items()} == {"00ab.zip": 3, "0fff.zip": 3}
    with zipfile.ZipFile(packs / "0fff.zip", "a") as archive:
        archive.writestr("0fff/13c", photo(3))
    assert len(sets.YFCC100mReader(packs)) == 7
    with pytest.raises(NotFoundError, match="packs"):
        sets.YFCC100mReader(packs / "nowhere")


def test_nothing_is_written_of_packs(tmp_path):
    with pytest.raises(SpecError, match="YFCC100mReader"):
        sets.write("YFCC100m", tmp_path)


# The command line


def test_without_arguments_the_sets_are_listed_by_kind(capsys):
    assert main(["datasets", "write"]) == 0
    output = capsys.readouterr().out
    places = [output.index(f"{kind}:") for kind in sets.KINDS]
    assert places == sorted(places)
    assert re.search(r"ILSVRC2012 +144 GB +registration", output)
    assert all(name in output for name in sets.names())


def test_help_of_a_set_is_made_from_its_declaration(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["datasets", "write", "Places365", "-h"])
    output = capsys.readouterr().out
    assert stopped.value.code == 0
    for word in ("--low-res", "--challenge", "training.msgpack", "key image label", "-y"):
        assert word in output


def test_options_of_another_set_and_missing_files_are_errors(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["datasets", "write", "CIFAR10", str(tmp_path), "--low-res"])
    assert stopped.value.code == 2
    assert main(["datasets", "write", "Cityscapes", str(tmp_path)]) == 2
    assert "register at https://www.cityscapes-dataset.com" in capsys.readouterr().err


def test_metadata_is_printed(birds, capsys):
    assert main(["datasets", "write", "birds:BIRDS", str(birds), "--species"]) == 0
    assert json.loads(capsys.readouterr().out) == {"species": ["robin", "wren"]}


def test_a_truncated_photo_of_ones_own_set_is_named(birds):
    with zipfile.ZipFile(birds / "birds.zip", "w") as archive:
        archive.writestr("birds/labels.csv", "wren/1.jpg,wren\n")
        archive.writestr("birds/wren/1.jpg", photo(1)[:-200])
    with pytest.raises(CorruptSampleError, match=r"wren/1.jpg") as caught:
        tl.datasets.sets.write("birds:BIRDS", birds)
    assert caught.value.key == "wren/1.jpg"
    paths = tl.datasets.sets.write("birds:BIRDS", birds, check_images=False)
    assert len(MsgpackReader(paths["all"])) == 1
