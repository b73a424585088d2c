"""Damage valid files and read them: run as a script, for what is hostile may end a process.

python fuzzing.py FORMAT,FORMAT... EXAMPLES SEED

Each format runs in a fork, which limits its memory and listens to its audit events. It ends with
the number of outcomes, or at the first one that is neither a value nor an error of ours, with the
damage that it takes. Nothing may be run, no other file opened, no memory taken that the
files do not have, and no reader may take longer than a few seconds.
"""

from __future__ import annotations

import collections
import faulthandler
import os
import resource
import sys
import sysconfig
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

import thunderlike as tl

MEMORY = 2**30  # bytes of address space beyond what there is when all is imported
SECONDS = 30  # for what takes milliseconds

# ---- Damage: a list of small changes, which is what hypothesis makes shorter

DIGITS = b"0123456789"
EDGES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
PLACES = st.integers(0, 2**16)
BYTES = st.one_of(st.sampled_from(EDGES), st.integers(0, 255))
CHANGES = st.one_of(
    st.tuples(st.just("set"), PLACES, BYTES),
    st.tuples(st.just("flip"), PLACES, st.integers(0, 7)),
    st.tuples(st.just("fill"), PLACES, st.sampled_from((0x00, 0xFF, 0x7F))),
    st.tuples(st.just("cut"), PLACES, st.just(0)),
    st.tuples(st.just("copy"), PLACES, PLACES),
    st.tuples(st.just("drop"), PLACES, st.integers(1, 16)),
    st.tuples(st.just("add"), PLACES, st.binary(min_size=1, max_size=12)),
    st.tuples(st.just("digit"), PLACES, st.sampled_from((b"-1", b"99999999999", b"1e999", b"[]"))),
)


def damaged(data, changes):
    data = bytearray(data)
    for kind, place, value in changes:
        at = place % max(1, len(data))
        if kind == "set" and data:
            data[at] = value
        elif kind == "flip" and data:
            data[at] ^= 1 << value
        elif kind == "fill":
            data[at : at + 4] = bytes([value]) * len(data[at : at + 4])
        elif kind == "cut":
            del data[at:]
        elif kind == "copy":
            other = value % max(1, len(data))
            data[at : at + 8] = data[other : other + 8]
        elif kind == "drop":
            del data[at : at + value]
        elif kind == "add":
            data[at:at] = value
        elif kind == "digit" and (digits := [i for i, byte in enumerate(data) if byte in DIGITS]):
            at = digits[place % len(digits)]
            data[at : at + 1] = value
    return bytes(data)


# ---- Watching what is done meanwhile

RUNS = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "os.fork", "socket.connect",
        "socket.getaddrinfo", "ctypes.dlopen", "urllib.Request")  # fmt: skip
CHANGING = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod",
            "os.truncate", "shutil.rmtree", "shutil.move")  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
OF_PYTHON = tuple({sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), "/proc", "/dev",
                   str(Path(tl.__file__).parent), "/usr/share/zoneinfo", "/sys"})  # fmt: skip


class Watch:
    """An audit hook that writes down what no reader of a file has a reason to do."""

    def __init__(self, folder):
        self.seen, self.armed, self.folder = [], False, os.path.realpath(folder)
        sys.addaudithook(self.hear)  # for good: Python takes none away

    def __enter__(self):
        self.seen, self.armed = [], True

    def __exit__(self, *_):
        self.armed = False
        assert not self.seen, f"it did {self.seen}"

    def hear(self, event, args):
        if not self.armed:
            return
        runs = event in RUNS or (event == "pickle.find_class" and not self._harmless(args))
        changes = event in CHANGING and not self._inside(args[0])
        if runs or changes or (event == "open" and self._elsewhere(*args)):
            self.seen.append((event, repr(args)[:200]))

    def _elsewhere(self, place, mode, flags):
        """Whether a file is opened that is neither one of those to be read nor a part of Python."""
        if self._inside(place):
            return False
        return bool(flags & WRITING) or not os.fsdecode(place).startswith(OF_PYTHON)

    def _inside(self, place):
        if isinstance(place, int):
            return True
        return os.path.realpath(os.fsdecode(place)).startswith(self.folder)

    @staticmethod
    def _harmless(args):
        return args[0].startswith("numpy") or args == ("_codecs", "encode")


# ---- One example


def outcome(read, folder):
    """What became of damaged files: 'value' or 'refused'; an AssertionError for any other."""
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            found = read_one(read, folder)
        warned = [str(one.message) for one in heard if one.category is not UserWarning]
        assert not warned, f"warned: {warned}"
    finally:
        faulthandler.cancel_dump_traceback_later()
    return found


def read_one(read, folder):
    try:
        read(folder)
    except tl.ThunderlikeError as error:
        message = str(error)
    else:
        return "value"
    assert "\n" not in message, f"more than a line: {message}"
    assert len(message) < 1000, f"too long: {message}"
    return "refused"


# ---- Many of them


@dataclass(frozen=True)
class Victim:
    """A file to be damaged, what is in it, and who reads the folder that it is in."""

    file: Path
    data: bytes
    folder: Path
    readers: tuple


def victims(seed, folder):
    """All files of a seed; read once, so that all that is needed for them is imported."""
    folder.mkdir()
    seed.make(folder)
    for read in seed.readers:
        read(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [Victim(file, file.read_bytes(), folder, seed.readers) for file in files]


def bounded():
    """Let this process take little more memory than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def explore(seeds, examples, number, base):
    """Damage the files of some seeds in many ways; how often what came out."""
    made = [victims(seed, base / f"seed-{index}") for index, seed in enumerate(seeds)]
    watch, counts = Watch(base), collections.Counter()
    bounded()

    @seeded(number)
    @settings(max_examples=examples, deadline=None, database=None, print_blob=False,
              suppress_health_check=list(HealthCheck),
              phases=(Phase.generate, Phase.shrink))  # fmt: skip
    @given(PLACES, PLACES, st.lists(CHANGES, min_size=1, max_size=4))
    def check(which, file, changes):
        files = made[which % len(made)]
        victim = files[file % len(files)]
        victim.file.write_bytes(damaged(victim.data, changes))
        try:
            for read in victim.readers:
                with watch:
                    counts[outcome(read, victim.folder)] += 1
        finally:
            victim.file.write_bytes(victim.data)

    check()
    return counts


def main(names, examples, number):
    faulthandler.enable()
    from seeds import SEEDS

    for name in names.split(","):
        if (child := os.fork()) == 0:
            fuzz(name, SEEDS[name], int(examples), int(number))
            return
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            sys.exit(f"{name}: exit code {code}")


def fuzz(name, seeds, examples, number):
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        tempfile.tempdir = folder  # what readers unpack belongs there too
        found = explore(seeds, examples, number, Path(folder))
    counts = " ".join(f"{word}={count}" for word, count in sorted(found.items()))
    sys.stdout.write(f"{name}: {counts}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
