"""Arguments, progress and questions of scripts; messages to and from streams."""

from __future__ import annotations

import argparse
import io
import os

import msgpack
import numpy as np
import pytest

from thunderlike.datasets import packing, scripts, tools
from thunderlike.errors import FormatError, NonInteractiveError, SpecError, WrongTypeError
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
    getattr(scripts, f"argument_{name}")(parser, help="another text")
    assert "another text" in parser.format_help()


def test_an_argument_takes_more_spellings_and_parsers_take_flags_by_position():
    parser = argparse.ArgumentParser()
    scripts.argument_outdir(parser, "--target")
    assert parser.parse_args(["--target", "x"]).outdir == "x"
    parser = scripts.make_parser_simple("Makes samples.", True, True)
    assert vars(parser.parse_args(["here"])) == {"indir": "here", "outdir": None}
    action = type("Seven", (scripts.MinMaxAction,), {"min_value": 1, "max_value": 7})
    parser.add_argument("--days", type=int, action=action)
    assert [parser.parse_args(["--days", n]).days for n in ("9", "-3", "4", "0")] == [7, 1, 4, 7]


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


def test_a_printer_is_a_tqdm():
    drawn = io.StringIO()
    with tools.make_printer(total=3, unit="images", disable=False, file=drawn) as printer:
        printer()
        printer.set_description("converting")
        assert (printer.n, printer.total, printer.monitor_interval) == (1, 3, 0)
    assert "converting: " in drawn.getvalue()
    quiet = tools.ProgressPrinter(iter("abc"), disable=True)
    assert (list(quiet), quiet.n) == (["a", "b", "c"], 3)
    with pytest.raises(WrongTypeError, match="unknown option 'colour_of_bar'"):
        tools.make_printer(colour_of_bar="green")


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


def test_packing_has_the_options_and_methods_of_msgpack():
    packed = packing.packb({"a": [1, {2}], "x": np.arange(2)}, default=sorted)
    found = packing.unpackb(packed, use_list=False)
    assert found["a"] == (1, (2,))
    assert found["x"].tolist() == [0, 1]
    hooked = packing.unpackb(packed, object_hook=lambda found: list(found.items()))
    assert [name for name, _ in hooked] == ["a", "x"]
    assert packing.unpackb(b"\xd4\x05a") == msgpack.ExtType(5, b"a")
    packer = packing.make_packer(autoreset=False)
    packer.pack_map_header(1)
    packer.pack("key")
    packer.pack(np.float32(2))
    unpacker = packing.make_unpacker(io.BytesIO(packer.bytes() + b"\x92\x01\x02\x07"))
    assert (unpacker.read_map_header(), unpacker.unpack(), unpacker.unpack()) == (1, "key", 2)
    at = unpacker.tell()
    unpacker.skip()
    assert (unpacker.tell() - at, unpacker.unpack()) == (3, 7)
    with pytest.raises(msgpack.OutOfData):
        unpacker.unpack()


def test_packing_never_unpickles_and_raises_our_errors():
    forged = packing.packb(
        {b"nd": True, b"type": "|O", b"kind": b"O", b"shape": [1], b"data": b"x"}
    )
    for data in (forged, b"\xc1", b"\x92\x01", b"\x01\x02", b"\x91" * 5000):
        with pytest.raises(FormatError):
            packing.unpackb(data)
    for value, error in (({1}, WrongTypeError), (2**70, SpecError), (object(), WrongTypeError)):
        with pytest.raises(error, match="a message cannot hold"):
            packing.packb(value)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_questions_are_asked_until_they_are_answered():
    screen = io.StringIO()
    asked = Terminal("what\nn\n")
    assert tools.query_user("Well?", stdin=asked, stderr=screen) == "no"
    assert screen.getvalue().count("Well? [yes/no/abort] (yes)") == 2
    assert tools.query_user("Well?", stdin=Terminal("\n"), stderr=screen) == "yes"
    for reply, answer in (("\nno\n", "no"), ("?\n\nYES\n", "yes")):
        assert tools.query_user("Well?", None, stdin=Terminal(reply), stderr=screen) == answer
    with pytest.raises(SpecError, match="'perhaps' is not one of the answers yes, no"):
        tools.query_user("Well?", "perhaps", ("yes", "no"), stdin=Terminal(""), stderr=screen)
    for absent in (io.StringIO("yes\n"), Terminal("")):
        with pytest.raises(NonInteractiveError):
            tools.query_user("Well?", stdin=absent, stderr=screen)


def test_keys_are_documented():
    def sample(key, image):
        return {"key": key, "image": image}

    head = "Important:\n    Samples have the following keys:\n\n"
    wanted = head + '    - ``"key"``\n    - ``"image"``'
    assert tools.document_keys(sample) == wanted
    wanted = 'Note:\n    - ``"key"``\n    - ``"image"``\n\n    Both are needed.'
    assert tools.document_keys(sample, "Note:", "", "Both are needed.") == wanted
