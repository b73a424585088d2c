from __future__ import annotations

import argparse

import pytest

from thunderlike.cli import demo
from thunderlike.formats import png
from thunderlike.jobs import demo as demonstration
from thunderlike.progress import _Lines


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run ``demo`` with these arguments, in an empty folder; gives the exit code."""
    monkeypatch.chdir(tmp_path)
    # A busy machine may take ten seconds, and report progress.
    monkeypatch.setattr(_Lines, "every", float("inf"))

    def run(*arguments):
        parser = argparse.ArgumentParser(prog="thunderlike")
        demo.add(parser.add_subparsers())
        args = parser.parse_args(["demo", "--frames", "60", *arguments])
        return args.run(args)

    return run


def test_it_ends_with_a_table_and_the_picture(command, tmp_path, capsys):
    assert command("--engine", "local") == 0
    out, err = capsys.readouterr()
    assert err == ""
    header, row, _, last = out.splitlines()[-4:]
    assert header.split()[:3] == ["engine", "seconds", "best"]
    assert row.startswith("local ")
    assert last == f"The picture: {tmp_path}/demo-output/result/map.png"
    assert png.decode((tmp_path / "demo-output" / "result" / "map.png").read_bytes()).ndim == 3


def test_the_folder_can_be_chosen_and_the_shortest_movie_has_a_picture(command, tmp_path, capsys):
    assert command("--engine", "local", "--frames", "2", "--output", "elsewhere") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]
    assert "The picture: " in capsys.readouterr().out


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
    assert command("--engine", "local", "--frames", "2") == 1
    assert "differ by more than 1e-06" in capsys.readouterr().out


def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit):
        command("--help")
    assert "thunderlike demo --engine local" in capsys.readouterr().out
