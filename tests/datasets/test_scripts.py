"""Arguments, progress and questions of scripts; messages to and from streams."""

from __future__ import annotations

import argparse
import io
import os

import numpy as np
import pytest

from thunderlike.datasets import packing, scripts, tools
from thunderlike.errors import FormatError, NonInteractiveError
from thunderlike.progress import subscribe


def test_the_usual_arguments():
    parser = scripts.make_parser("Makes samples.")
    found = vars(parser.parse_args([]))
    assert found == {
        "indir": ".",
        "outdir": None,
        "no_confirm": False,
        "skip_verification": False,
        "shuffle": True,
    }
    found = parser.parse_args(["there", "-o", "out", "-y", "-s", "--shuffle", "no"])
    assert list(vars(found).values()) == ["there", "out", True, True, False]
    simple = scripts.make_parser_simple("Makes samples.", shuffle=True)
    assert vars(simple.parse_args([])) == {"shuffle": True}
    with pytest.raises(SystemExit):
        simple.parse_args(["--shuffle", "perhaps"])


@pytest.mark.parametrize("name", scripts.ARGUMENTS)
def test_each_argument_has_a_function_and_takes_other_words(name):
    parser = argparse.ArgumentParser()
    getattr(scripts, f"argument_{name}")(parser, help="told otherwise")
    assert "told otherwise" in parser.format_help()


@pytest.mark.parametrize(
    ("most", "given", "found"),
    [(4, "3", 3), (4, "9", 4), (4, "0", 4), (4, "-2", 1), (0, "0", None), (-2, "999", None)],
)
def test_threads_are_as_many_as_allowed(most, given, found):
    parser = argparse.ArgumentParser()
    scripts.argument_threads(parser, max_threads=most)
    assert parser.parse_args([]).threads == 1
    cores = os.cpu_count() * (2 if most < 0 else 1)
    assert parser.parse_args(["-t", given]).threads == (found or cores)


def test_a_line_is_written_over():
    stream = io.StringIO()
    tools.print_over("a", 1, file=stream, flush=True, end="")
    assert stream.getvalue() == "\ra 1\033[K"


def test_a_printer_counts_and_says_so():
    events = []
    with subscribe(events.append), tools.make_printer(total=3, desc="converting") as printer:
        printer()
        printer.update(2)
    assert [(one.label, one.done, one.finished) for one in events][-1] == ("converting", 3, True)


def test_messages_go_through_streams():
    values = [{"key": "a", "x": np.arange(3)}, [1, None]]
    stream = io.BytesIO()
    for value in values:
        packing.pack(value, stream)
    data = stream.getvalue()
    assert data == b"".join(map(packing.make_packer().pack, values))
    found = list(packing.make_unpacker(io.BytesIO(data)))
    np.testing.assert_array_equal(found[0]["x"], values[0]["x"])
    assert found[1] == values[1]
    assert packing.unpack(io.BytesIO(packing.packb(values[1]))) == values[1]
    with pytest.raises(FormatError):
        packing.unpack(io.BytesIO(data))
    pieces = packing.Unpacker()
    for at in range(len(data)):
        pieces.feed(data[at : at + 1])
    assert len(list(pieces)) == 2
    pieces.feed(b"\xc1")
    with pytest.raises(FormatError, match="0xc1"):
        next(pieces)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_questions_are_asked_until_they_are_answered():
    told = io.StringIO()
    asked = Terminal("what\nn\n")
    assert tools.query_user("Well?", stdin=asked, stderr=told) == "no"
    assert told.getvalue().count("Well? [yes/no/abort] (yes)") == 2
    assert tools.query_user("Well?", stdin=Terminal("\n"), stderr=told) == "yes"
    for nobody in (io.StringIO("yes\n"), Terminal("")):
        with pytest.raises(NonInteractiveError):
            tools.query_user("Well?", stdin=nobody, stderr=told)


def test_keys_are_documented():
    def sample(key, image):
        return {"key": key, "image": image}

    assert tools.document_keys(sample) == "Sample keys:\n\n- ``key``\n- ``image``"
