"""Names that lead out of their folder, and links that lead to files of others."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile

import h5py
import numpy as np
import pytest

import thunderlike as tl
from thunderlike import storage
from thunderlike.datasets import (
    FileWriter,
    MsgpackReader,
    ShardedReader,
    TarReader,
    ZipFileReader,
)
from thunderlike.datasets.operations import export_tar
from thunderlike.errors import FormatError, SpecError, StorageError
from thunderlike.jobs.contents import look
from thunderlike.jobs.convert import convert

OUT = ("../victim", "/victim", "a/../../victim", "a/\0")
MOVIE = np.arange(48, dtype="u1").reshape(3, 4, 4)


@pytest.fixture
def victim(tmp_path):
    """Return a file of another user, in a folder next to ours, that must stay as it is."""
    (tmp_path / "theirs").mkdir()
    file = tmp_path / "theirs" / "victim"
    file.write_bytes(b"precious")
    yield file
    assert file.read_bytes() == b"precious"
    assert list(file.parent.iterdir()) == [file]


# Names


@pytest.mark.parametrize("name", OUT)
def test_a_manifest_names_no_shard_elsewhere(tmp_path, name):
    (tmp_path / "in").mkdir()
    with FileWriter(tmp_path / "victim.msgpack") as writer:
        writer.write({"key": "a"})
    manifest = {"shards": [{"name": f"{name}.msgpack"}]}
    (tmp_path / "in/manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(tl.ThunderlikeError, match=r"leads out of this folder|no list of shards"):
        ShardedReader(tmp_path / "in")


@pytest.mark.parametrize("label", ["../victim", "/victim"])
def test_a_label_is_no_path(tmp_path, label):
    batch = tl.batches.Batch([label]).load({"x": np.zeros(1)}, dst="x")
    with pytest.raises(FormatError, match="leads out of this folder"):
        batch.dump(str(tmp_path / "in"), fmt="blosc")
    with pytest.raises(FormatError, match="leads out of this folder"):
        batch.load(str(tmp_path / "in"), fmt="blosc")
    assert not list(tmp_path.rglob("*.blosc"))


def tarred(path, name, kind=tarfile.REGTYPE, link=""):
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, link, 0 if link else 5
        archive.addfile(member, io.BytesIO(b"bytes"))


def zipped(path, name):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"bytes")


@pytest.mark.parametrize("name", OUT[:3])
@pytest.mark.parametrize(("make", "reader"), [(tarred, TarReader), (zipped, ZipFileReader)])
def test_a_member_of_an_archive_is_in_it(tmp_path, make, reader, name):
    make(tmp_path / "x", name)
    with pytest.raises(FormatError, match="lies outside of it"):
        reader(tmp_path / "x", "**")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_an_archive_are_no_files(tmp_path, victim, kind):
    tarred(tmp_path / "x", "cat/a", kind, str(victim))
    reader = TarReader(tmp_path / "x", "**", allow_empty=True)
    assert [sample["data"] for sample in reader] == []
    reader.close()


@pytest.mark.parametrize("key", ["../victim", "/victim", "a/../../b"])
def test_keys_are_names_in_the_file(tmp_path, key):
    tl.save(tmp_path / "x.h5", {key: 1, "b": {key: [1, 2]}})
    assert tl.load(tmp_path / "x.h5")[key] == 1
    with FileWriter(tmp_path / "x.msgpack") as writer:
        writer.write({"key": key})
    assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {"x"}


WRITERS = {
    "totif": lambda path, **options: tl.images.fromarray(MOVIE).totif(path, **options),
    "topng": lambda path, **options: tl.images.fromarray(MOVIE).topng(path, **options),
    "tobinary": lambda path, **options: tl.images.fromarray(MOVIE).tobinary(path, **options),
    "series.tobinary": lambda path, **options: tl.series.fromarray(MOVIE).tobinary(path, **options),
    "series.totext": lambda path, **options: tl.series.fromarray(MOVIE).totext(path, **options),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("prefix", ["../victim", "/victim", "a/b", ".hidden", "a*", "a\0", 7])
def test_a_prefix_is_the_beginning_of_a_name(tmp_path, write, prefix):
    with pytest.raises(SpecError, match=r"prefix(=.* begins the names of files| must be text)"):
        write(tmp_path / "in" / "out", prefix=prefix)
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "out", prefix="day 1")
    assert any(path.name.startswith("day 1-0000") for path in (tmp_path / "out").iterdir())


@pytest.mark.parametrize("sample", [{"key": "/victim", "x": b"1"}, {"key": "a", "/../../x": b"1"}])
def test_a_key_is_no_path_out_of_an_archive(tmp_path, sample):
    with FileWriter(tmp_path / "x.msgpack") as writer:
        writer.write(sample)
    with pytest.raises(FormatError, match="leads out of this folder"):
        export_tar(MsgpackReader(tmp_path / "x.msgpack"), tmp_path / "x.tar")
    assert not (tmp_path / "x.tar").exists()


# Links


def written_as(name):
    images, series = tl.images.fromarray(MOVIE), tl.series.fromarray(MOVIE)
    return {
        "tif": lambda path: images.totif(path, overwrite=True),
        "binary": lambda path: series.tobinary(path, overwrite=True),
        "zarr": lambda path: images.tozarr(path, overwrite=True),
        "msgpack": lambda path: images.tomsgpack(path, overwrite=True),
        "npy": lambda path: images.tonpy(path, overwrite=True),
        "hdf5": lambda path: images.tohdf5(path, overwrite=True),
        "save": lambda path: tl.save(path, {"a": 1}),
    }[name]


@pytest.mark.parametrize("name", ["tif", "binary", "zarr", "msgpack"])
def test_a_folder_that_is_a_link_is_not_replaced(tmp_path, victim, name):
    (tmp_path / "out").symlink_to(victim.parent)
    with pytest.raises(StorageError, match="it is a link to"):
        written_as(name)(tmp_path / "out")
    assert (tmp_path / "out").is_symlink()


@pytest.mark.parametrize("name", ["npy", "hdf5", "save"])
def test_a_file_that_is_a_link_is_refused_or_replaced_but_not_followed(tmp_path, victim, name):
    (tmp_path / "out").symlink_to(victim)
    try:
        written_as(name)(tmp_path / "out")
    except StorageError as error:
        assert "not written by us" in str(error)  # noqa: PT017
    else:
        assert not (tmp_path / "out").is_symlink()


@pytest.mark.parametrize("name", ["npy", "hdf5", "save"])
def test_a_link_to_nowhere_makes_no_file_there(tmp_path, victim, name):
    (tmp_path / "out").symlink_to(victim.parent / "new")
    written_as(name)(tmp_path / "out")
    assert not (tmp_path / "out").is_symlink()


@pytest.mark.parametrize("name", ["tif", "zarr"])
def test_links_in_old_results_are_removed_and_not_what_they_lead_to(tmp_path, victim, name):
    written_as(name)(tmp_path / "out")
    old = next(p for p in (tmp_path / "out").rglob("*") if p.is_file() and p.name != "SUCCESS")
    old.unlink()
    old.symlink_to(victim)
    (tmp_path / "out" / "folder").symlink_to(victim.parent)
    written_as(name)(tmp_path / "out")
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


def test_temporary_names_cannot_be_foreseen_and_are_never_followed(tmp_path, victim, monkeypatch):
    foreseen = iter(["0" * 32, "1" * 32])
    monkeypatch.setattr("uuid.uuid4", lambda: type("Id", (), {"hex": next(foreseen)}))
    (tmp_path / f".{'0' * 32}.partial").symlink_to(victim)
    with pytest.raises(StorageError, match="the target exists already"):
        storage.write(tmp_path / "out.bin", b"new")


def test_a_conversion_keeps_nothing_behind_a_link(tmp_path, victim):
    tl.images.fromarray(MOVIE).totif(tmp_path / "movie")
    (tmp_path / ".out.unfinished").symlink_to(victim.parent)
    with pytest.raises(StorageError, match="it is a link to"):
        convert(look(str(tmp_path / "movie")), str(tmp_path / "out"), "png")


def test_a_conversion_removes_nothing_that_a_note_tells_it_to(tmp_path, victim):
    tl.images.fromarray(MOVIE).totif(tmp_path / "movie")
    work = tmp_path / ".out.unfinished"
    work.mkdir()
    (work / "place").write_text(str(victim))
    convert(look(str(tmp_path / "movie")), str(tmp_path / "out"), "png")
    assert not work.exists()


# Files that name others


def test_an_image_stack_opens_no_file_that_it_names(tmp_path, victim):
    import tifffile

    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels DimensionOrder="XYZCT" ID="P" SizeC="1" SizeT="2" SizeX="4" SizeY="4" SizeZ="1" '
        'Type="uint8"><TiffData IFD="0" FirstT="0"><UUID FileName="../theirs/victim">u</UUID>'
        '</TiffData><TiffData IFD="0" FirstT="1"><UUID FileName="x.tif">v</UUID></TiffData>'
        "</Pixels></Image></OME>"
    )
    (tmp_path / "in").mkdir()
    other = victim.parent / "victim.tif"
    tifffile.imwrite(other, np.full((4, 4), 66, "u1"))
    xml = xml.replace("theirs/victim", "theirs/victim.tif")
    tifffile.imwrite(tmp_path / "in/x.tif", MOVIE[0], description=xml, metadata=None)
    found = tl.images.fromtif(tmp_path / "in").toarray(squeeze=False)
    other.unlink()
    assert not (found == 66).any()


def test_an_entity_of_xml_reads_no_file_and_grows_without_bound_nowhere(tmp_path, victim):
    import tifffile

    laughs = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    xml = (
        f'<!DOCTYPE OME [<!ENTITY a0 "ha"><!ENTITY f SYSTEM "file://{victim}">{laughs}]>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image><Pixels '
        'SizeX="&a9;">&f;</Pixels></Image></OME>'
    )
    tifffile.imwrite(tmp_path / "x.tif", MOVIE[0], description=xml, metadata=None)
    try:
        attrs = tl.images.fromtif(tmp_path / "x.tif").attrs
    except FormatError:
        attrs = {}
    assert "precious" not in str(attrs)
    assert len(str(attrs)) < 10_000


def test_hdf5_links_lead_to_no_other_file(tmp_path, victim):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = MOVIE
        file["out"] = h5py.ExternalLink(str(victim), "/")
    with pytest.raises(tl.errors.RefusedError, match=r"other|another"):
        tl.load(tmp_path / "x.h5", "/out")
    assert tl.images.fromhdf5(tmp_path / "x.h5").shape == MOVIE.shape
