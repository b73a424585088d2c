"""Finding files by folder, pattern, extension and slice."""

from __future__ import annotations

import pytest

from thunderlike.errors import NotFoundError, SpecError
from thunderlike.storage import delete, find, write
from thunderlike.storage.glob import regex

NAMES = [
    "b.tif",
    "a.TIFF",
    "c.bin",
    "notes",
    ".hidden.tif",
    "deep/d.tif",
    "deep/er/e.tif",
    ".git/f.tif",
    "10.txt",
    "9.txt",
]


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path):
    """The files of NAMES, in each store."""
    address = f"{tmp_path}/raw" if request.param == "local" else f"memory://{tmp_path.name}/raw"
    for name in NAMES:
        write(f"{address}/{name}", b"xyz")
    yield address
    delete(address)


def names(folder, path, *args, **kwargs):
    return [entry.path.removeprefix(folder + "/") for entry in find(path, *args, **kwargs)]


def test_a_folder_gives_its_files_in_text_order(folder):
    assert names(folder, folder) == ["10.txt", "9.txt", "a.TIFF", "b.tif", "c.bin", "notes"]
    assert {entry.size for entry in find(folder)} == {3}


@pytest.mark.parametrize("ext", ["tif", "tiff", ".tif", "TIF"])
def test_tif_and_tiff_are_one_extension_in_any_case(folder, ext):
    assert names(folder, folder, ext) == ["a.TIFF", "b.tif"]


def test_an_extension_is_not_the_end_of_a_word(folder):
    write(f"{folder}/motif", b"")
    write(f"{folder}/x.ome.tiff", b"")
    assert "motif" not in names(folder, folder, "tif")
    assert names(folder, folder, "ome.tif") == ["x.ome.tiff"]


def test_recursive_looks_into_folders_but_not_into_hidden_ones(folder):
    found = names(folder, folder, "tif", recursive=True)
    assert found == ["a.TIFF", "b.tif", "deep/d.tif", "deep/er/e.tif"]


def test_a_file_named_in_full_is_taken_as_it_is(folder):
    assert names(folder, f"{folder}/notes", "tif") == ["notes"]
    assert names(folder, f"{folder}/.hidden.tif") == [".hidden.tif"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.tif", ["b.tif"]),
        ("?.t*", ["9.txt", "b.tif"]),
        ("*", ["10.txt", "9.txt", "a.TIFF", "b.tif", "c.bin", "notes"]),
        ("*/*.tif", ["deep/d.tif"]),
        ("**/*.tif", ["b.tif", "deep/d.tif", "deep/er/e.tif"]),
        ("deep/**", ["deep/d.tif", "deep/er/e.tif"]),
        ("d*/*r/?.tif", ["deep/er/e.tif"]),
        (".g*/*.tif", []),
        (".git/*.tif", [".git/f.tif"]),
    ],
)
def test_patterns(folder, pattern, expected):
    if expected:
        assert names(folder, f"{folder}/{pattern}") == expected
    else:
        with pytest.raises(NotFoundError):
            find(f"{folder}/{pattern}")


def test_an_extension_narrows_a_pattern_that_names_none(folder):
    assert names(folder, f"{folder}/*", "tif") == ["a.TIFF", "b.tif"]
    assert names(folder, f"{folder}/*.bin", "tif") == ["c.bin"]


def test_recursive_looks_into_the_folders_that_a_pattern_matches(folder):
    assert names(folder, f"{folder}/d??p", "tif", recursive=True) == ["deep/d.tif", "deep/er/e.tif"]


def test_a_star_in_the_path_of_the_folder(folder):
    assert names(folder, folder[:-2] + "*/b.tif") == ["b.tif"]


def test_brackets_and_regular_expressions_are_plain_text(folder):
    write(f"{folder}/x[1]+.dat", b"")
    assert names(folder, f"{folder}/x[1]+*") == ["x[1]+.dat"]


def test_a_name_with_wildcards_is_first_taken_literally(folder):
    write(f"{folder}/what?.tif", b"")
    write(f"{folder}/what1.tif", b"")
    write(f"{folder}/odd*/inside.tif", b"")
    assert names(folder, f"{folder}/what?.tif") == ["what?.tif"]
    assert names(folder, f"{folder}/odd*") == ["odd*/inside.tif"]


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 1), (1, None), (None, 2), (-2, None), (None, -1), (1, 4), (2, 100)]
)
def test_start_and_stop_slice(folder, start, stop):
    everything = names(folder, folder)
    assert names(folder, folder, start=start, stop=stop) == everything[start:stop]


@pytest.mark.parametrize(("start", "stop"), [(None, 0), (0, 0), (99, None), (3, 2)])
def test_a_slice_of_nothing_says_how_many_there_are(folder, start, stop):
    with pytest.raises(SpecError, match=f"start={start}, stop={stop} leave none of the 6 files"):
        find(folder, start=start, stop=stop)


def test_a_list_keeps_its_order_and_is_sliced_as_a_whole(folder):
    paths = [f"{folder}/c.bin", f"{folder}/*.txt", f"{folder}/b.tif"]
    assert names(folder, paths) == ["c.bin", "10.txt", "9.txt", "b.tif"]
    assert names(folder, iter(paths), start=1, stop=-1) == ["10.txt", "9.txt"]


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("", {"ext": "png"}, r"no \.png file; it contains 2 \.txt, 1 \."),
        (
            "/nothing",
            {},
            r"nothing: no such file or folder; .*/raw exists, but contains no 'nothing'",
        ),
        ("/no/thing", {}, r"/raw exists, but contains no 'no'"),
        ("/*.png", {}, r"\*\.png: no file fits it; .*raw contains 2 \.txt"),
        ("/no/*.png", {}, r"contains no 'no'"),
    ],
)
def test_nothing_found_says_what_is_there(folder, path, options, message):
    with pytest.raises(NotFoundError, match=message):
        find(folder + path, **options)


def test_a_folder_of_folders_points_to_recursive(folder):
    write(f"{folder}/only/folders/here.tif", b"")
    with pytest.raises(NotFoundError, match="recursive=True"):
        find(f"{folder}/only")
    assert len(find(f"{folder}/only", recursive=True)) == 1


def test_an_empty_folder_is_said_to_be_empty(tmp_path):
    with pytest.raises(NotFoundError, match="contains no files at any depth"):
        find(tmp_path, recursive=True)


def test_an_empty_list_is_not_found():
    with pytest.raises(NotFoundError, match="list of paths is empty"):
        find([])


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "a/b", False),
        ("**", "a/b", True),
        ("a?c", "a/c", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "axb", False),
        ("**/b", "ab", False),
        ("*", "line\nbreak", True),
    ],
)
def test_wildcards_stop_at_folders(pattern, text, fits):
    assert bool(regex(pattern).fullmatch(text)) is fits
