from __future__ import annotations

import argparse

import pytest

from thunderlike.cli import demo
from thunderlike.formats import png
from thunderlike.images.cell_movies import cell_movie
from thunderlike.jobs import demo as demonstration
from thunderlike.progress import _Lines


def small(frames, seed):
    return cell_movie(
        (64, 64), frames, cells=8, amplitude=14.0, spacing=14.0, texture=0.3, kind="rigid",
        seed=seed,
    )  # fmt: skip


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run ``demo`` with these arguments, in an empty folder; gives the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demonstration, "recording", small)
    # A busy machine may take ten seconds, and report progress.
    monkeypatch.setattr(_Lines, "every", float("inf"))

    def run(*arguments):
        parser = argparse.ArgumentParser(prog="thunderlike")
        demo.add(parser.add_subparsers())
        args = parser.parse_args(["demo", "--frames", "240", *arguments])
        return args.run(args)

    return run


def test_it_ends_with_a_table_the_report_and_the_picture(command, tmp_path, capsys):
    assert command("--engine", "local", "--output", "elsewhere") == 0
    out, err = capsys.readouterr()
    assert err == ""
    header, row, _, report, picture = out.splitlines()[-5:]
    assert header.split()[:4] == ["engine", "seconds", "hits", "misses"]
    assert row.startswith("local ")
    assert report == f"The report: {tmp_path}/elsewhere/local/report.html"
    assert picture == f"The picture: {tmp_path}/elsewhere/result/cells.png"
    assert png.decode((tmp_path / "elsewhere" / "result" / "cells.png").read_bytes()).ndim == 3
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


@pytest.mark.spark
def test_all_engines_are_compared(spark_context, command, capsys):
    assert command() == 0
    lines = capsys.readouterr().out.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("engine "))
    local, disk, spark = (line.split() for line in lines[start + 1 : start + 4])
    assert [row[0] for row in (local, disk, spark)] == ["local", "disk", "spark"]
    assert local[-1] == "-"
    assert float(disk[-1]) == 0
    assert float(spark[-1]) == 0
    assert local[2:-1] == disk[2:-1] == spark[2:-1]


def test_the_engines_of_each_choice(command, monkeypatch):
    class Chosen(Exception):
        pass

    def demo(output, engines, **options):
        raise Chosen(*engines)

    monkeypatch.setattr(demonstration, "demo", demo)
    for choice, engines in {
        "all": ("local", "disk", "spark"),
        "both": ("local", "spark"),
        "disk": ("disk",),
    }.items():
        with pytest.raises(Chosen) as caught:
            command("--engine", choice)
        assert caught.value.args == engines


def test_engines_that_differ_are_a_failure(command, monkeypatch, capsys):
    monkeypatch.setattr(demonstration, "largest_difference", lambda one, other: 2e-6)
    assert command("--engine", "local") == 1
    assert "The engines differ" in capsys.readouterr().out


def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit):
        command("--help")
    assert "thunderlike demo --engine local" in capsys.readouterr().out
