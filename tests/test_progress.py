"""Progress as events, bars and lines."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time

import pytest

import thunderlike as tl
from thunderlike.progress import Event, _Bars, _Lines, _set_total, subscribe, track, watched


def test_events_of_one_piece_of_work():
    seen = []
    with tl.progress(False):
        with subscribe(seen.append), track("reading", 4, "files") as work:
            assert watched()
            work.advance()
            work.advance(3)
        assert not watched()
    assert [(e.done, e.total, e.unit, e.finished) for e in seen] == [
        (0, 4, "files", False),
        (1, 4, "files", False),
        (4, 4, "files", False),
        (4, 4, "files", True),
    ]
    assert len({e.work for e in seen}) == 1


def test_the_last_event_comes_also_when_the_work_fails():
    seen = []
    with pytest.raises(ZeroDivisionError), subscribe(seen.append), track("reading"):
        _ = 1 // 0
    assert seen[-1].finished


def test_a_line_every_ten_seconds_and_none_for_what_is_quick():
    stream, now = io.StringIO(), [0.0]
    lines = _Lines(stream, clock=lambda: now[0])
    for second in range(35):
        now[0] = float(second)
        lines.show(Event(1, "reading", second, 100, "files"))
    lines.show(Event(1, "reading", 100, 100, "files", finished=True))
    assert stream.getvalue().splitlines() == [
        f"reading: {second} of 100 files ({second} %), 1 files/s, {left} left"
        for second, left in [(10, "0:01:30"), (20, "0:01:20"), (30, "0:01:10")]
    ]


def test_a_bar_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    bars = _Bars(stream, after=0)
    bars.show(Event(1, "reading", 5, 10, "files"))
    bars.show(Event(1, "reading", 10, 10, "files", finished=True))
    assert bars._bars == bars._began == {}
    assert "10/10" in stream.getvalue()


def test_no_bar_for_what_is_quick():
    stream = io.StringIO()
    bars = _Bars(stream, after=3600)
    for done in range(3):
        bars.show(Event(1, "reading", done, 2, "files", finished=done == 2))
    assert stream.getvalue() == ""


def test_reading_and_computing_emit_events():
    labels = set()
    with subscribe(lambda event: labels.add(event.label)):
        tl.images.fromrandom((5, 4, 4)).toseries().zscore().mean()
    assert labels == {"reading", "regrouping", "computing", "reducing"}


def test_nothing_is_shown_of_quick_work(capsys):
    tl.images.fromrandom((5, 4, 4)).mean()
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


LONG = """
import sys, time, thunderlike as tl
progress = sys.modules["thunderlike.progress"]
progress._LONG = 0.15
progress._Lines.every = 0.15
tl.images.fromrandom((9, 4, 4)).map(lambda image: time.sleep(0.05) or image)
"""


def run(code, stderr=subprocess.PIPE, **environment):
    command = [sys.executable, "-c", code]
    env = os.environ | {"THUNDERLIKE_PROGRESS": "1"} | environment
    return subprocess.run(command, stderr=stderr, text=True, env=env, timeout=60, check=True).stderr


def test_long_work_is_shown_by_lines_in_a_log():
    assert re.search(r"^computing: \d of 9 records \(\d+ %\), ", run(LONG), re.MULTILINE)


@pytest.mark.parametrize("hidden", ["call", "block", "setting", "listener"])
def test_long_work_can_be_hidden(hidden):
    line = {
        "call": "tl.progress(False)",
        "block": "tl.progress(False).__enter__()",
        "listener": "seen = progress.subscribe(lambda event: None); seen.__enter__()",
    }.get(hidden, "")
    code = LONG.replace("progress._LONG", f"{line}\nprogress._LONG")
    environment = {"THUNDERLIKE_PROGRESS": "0"} if hidden == "setting" else {}
    assert run(code, **environment) == ""


def test_the_display_from_before_comes_back():
    with tl.progress(False):
        with tl.progress(io.StringIO()):
            assert watched()
        assert not watched()
    assert watched()


def test_a_bar_that_learns_its_total_tells_its_widget():
    class Widget:
        max, bar_style = 1, "info"

        class layout:  # noqa: N801
            width = "20px"

    bar = type("Bar", (), {"total": None})()
    bar.container = type("Box", (), {"children": (None, Widget, None)})()
    _set_total(bar, 24)
    assert (bar.total, Widget.max, Widget.bar_style, Widget.layout.width) == (24, 24, "", None)


def test_a_terminal_shows_a_bar_that_moves():
    code = """
import time, thunderlike as tl
from thunderlike.progress import track
with tl.progress(), track("counting", 8, "steps") as work:
    for _ in range(8):
        time.sleep(0.15)
        work.advance()
"""
    shown = b""
    here, there = pty.openpty()
    termios.tcsetwinsize(there, (24, 80))
    with subprocess.Popen([sys.executable, "-c", code], stderr=there) as process:
        os.close(there)
        while select.select([here], [], [], 30)[0]:
            try:
                shown += os.read(here, 4096)
            except OSError:  # raised when the other end of a terminal is closed
                break
    os.close(here)
    assert process.returncode == 0
    steps = re.findall(rb"counting: +(\d+)%", shown)
    assert steps == sorted(steps, key=int)
    assert len(set(steps)) > 2
    assert steps[-1] == b"100"


def test_a_bar_is_drawn_first_with_the_steps_and_the_rate_since_the_start():
    stream = io.StringIO()
    bars = _Bars(stream, 0.1)
    bars.show(Event(1, "smoothing", 0, 100, "records"))
    time.sleep(0.2)
    bars.show(Event(1, "smoothing", 30, 100, "records"))
    bars.close()
    first, *_ = stream.getvalue().strip("\r\n").split("\r")
    assert "30/100" in first
    assert float(re.search(r"([\d.]+) ?records/s", first)[1]) <= 150
