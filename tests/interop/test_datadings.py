"""Both ways with the real datadings 3.4.7, in an environment of its own.

It brings libraries that nothing else here needs, so it is not installed with the tests. To run
these:

    python -m venv /tmp/datadings && /tmp/datadings/bin/pip install datadings==3.4.7
    THUNDERLIKE_DATADINGS=/tmp/datadings/bin/python pytest tests/interop/test_datadings.py
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from thunderlike.datasets import MsgpackReader, QuasiShuffler, Shuffler
from thunderlike.formats.msgpack import packb

HERE = Path(__file__).parent
THEIRS = os.environ.get("THUNDERLIKE_DATADINGS")

if THEIRS is None:
    pytest.skip(
        "THUNDERLIKE_DATADINGS names no Python with datadings: IT IS COMPARED WITH GOLDEN BYTES "
        "ALONE; the first lines of this file say how to compare with the real one",
        allow_module_level=True,
    )

COUNT = int(os.environ.get("THUNDERLIKE_SAMPLES", "10000"))
SUFFIXES = ("", ".offsets", ".keys", ".key_hashes", ".filter", ".md5")

READ = """
import sys
from datadings.reader import MsgpackReader, Shuffler, QuasiShuffler
from datadings.tools.msgpack import packb
reader = MsgpackReader(sys.argv[1])
assert reader.verify_data()
assert all(reader.find_index(reader.find_key(i)) == i for i in range(0, len(reader), 97))
assert all(reader.find_key(i) in reader for i in range(0, len(reader), 97))
messages = list(reader.rawiter())
again = [packb(sample) for sample in MsgpackReader(sys.argv[1])]
print(len(reader), messages == again)
for view in (Shuffler, QuasiShuffler):
    view = view(MsgpackReader(sys.argv[1]))
    for _ in range(2):
        print(*(key.split()[1] for key, _ in view.iter(yield_key=True)))
"""


def theirs(*words):
    command = [THEIRS, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The same samples, written by each of the two."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("mixed", HERE / "mixed.py")
    mixed = module_from_spec(spec)
    spec.loader.exec_module(mixed)
    folder = tmp_path_factory.mktemp("interop")
    for name in ("ours", "datadings"):
        (folder / name).mkdir()
    mixed.write("ours", folder / "ours" / "x.msgpack", COUNT)
    theirs(HERE / "mixed.py", "datadings", folder / "datadings" / "x.msgpack", COUNT)
    return folder


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_are_equal_byte_for_byte(written, suffix):
    one, other = (written / name / f"x.msgpack{suffix}" for name in ("ours", "datadings"))
    assert one.read_bytes() == other.read_bytes()


def test_each_reads_what_the_other_wrote_and_shuffles_alike(written):
    lines = theirs("-c", READ, written / "ours" / "x.msgpack").splitlines()
    assert lines[0] == f"{COUNT} True"
    reader = MsgpackReader(written / "datadings" / "x.msgpack")
    assert reader.verify(samples=True).ok
    assert list(map(packb, reader)) == list(reader.slice(0, raw=True))
    orders = [list(map(int, line.split())) for line in lines[1:]]
    views = [Shuffler(reader), QuasiShuffler(reader)]
    for number, order in enumerate(orders):
        view, epoch = views[number // 2], number % 2
        view.set_epoch(epoch)
        assert [int(key.split()[1]) for key, _ in view.items()] == order
