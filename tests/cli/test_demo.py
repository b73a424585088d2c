from __future__ import annotations

import argparse

import pytest

from thunderlike.cli import demo
from thunderlike.formats import png
from thunderlike.jobs import demo as demonstration


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run ``demo`` with these arguments, in an empty folder; gives the exit code."""
    monkeypatch.chdir(tmp_path)

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
def test_both_engines_are_compared(spark_context, command, capsys):
    assert command() == 0
    lines = capsys.readouterr().out.splitlines()
    [local] = [line for line in lines if line.startswith("local ")]
    [spark] = [line for line in lines if line.startswith("spark ")]
    assert local.endswith(" -")
    assert float(spark.split()[-1]) < 1e-12
    assert local.split()[2:-1] == spark.split()[2:-1]


def test_engines_that_differ_are_a_failure(command, monkeypatch, capsys):
    monkeypatch.setattr(demonstration, "largest_difference", lambda one, other: 2e-6)
    assert command("--engine", "local", "--frames", "2") == 1
    assert "differ by more than 1e-06" in capsys.readouterr().out


def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit):
        command("--help")
    assert "thunderlike demo --engine local" in capsys.readouterr().out
