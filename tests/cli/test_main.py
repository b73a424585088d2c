"""The command line itself: help, errors, exit codes, and how quickly it starts."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from thunderlike import __version__, cli
from thunderlike.cli import COMMANDS, main
from thunderlike.errors import NotFoundError


def python(*words, **options):
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )


@pytest.fixture
def lost(monkeypatch):
    """A command that finds nothing."""

    def add(commands):
        commands.add_parser("lost")

    def run(args):
        raise NotFoundError("/data: no such\nfolder")

    monkeypatch.setitem(COMMANDS, "lost", SimpleNamespace(add=add, run=run))


def test_every_module_of_the_room_is_a_command():
    found = {module.name for module in pkgutil.iter_modules(cli.__path__)} - {"options", "scripts"}
    parts = {name for name in found if name.partition("_")[0] in found - {name}}
    assert set(COMMANDS) == found - parts
    for name, module in COMMANDS.items():
        assert module.__name__ == f"thunderlike.cli.{name}"
        assert callable(module.add)
        assert callable(module.run)


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    captured = capsys.readouterr().out
    assert all(f"\n    {name} " in captured for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert f"\n  thunderlike {name}" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"thunderlike {__version__}"
    assert re.search(r"Python 3\.\d+.*, numpy \d.*(, pyspark \d|, no pyspark)", second)
    assert second.endswith(("Java 17", "Java 21", "Java 25", "no Java"))


def test_version_without_java(capsys, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.endswith(", no Java\n")


def test_without_a_command_it_says_which_there_are(capsys):
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "doctor" in captured.err


def test_a_word_that_is_no_command(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["dcotor"])
    assert "dcotor" in capsys.readouterr().err


@pytest.mark.usefixtures("lost")
def test_our_errors_are_one_line_and_code_2(capsys):
    assert main(["lost"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "/data: no such\\nfolder" in captured.err


@pytest.mark.usefixtures("lost")
@pytest.mark.parametrize("words", [["--debug", "lost"], ["lost", "--debug"]])
def test_debug_lets_the_error_through_wherever_it_stands(words):
    with pytest.raises(NotFoundError, match="/data"):
        main(words)


def test_python_m_thunderlike_is_the_same():
    assert python("-m", "thunderlike", "--version").stdout.startswith(
        f"thunderlike {__version__}\n"
    )


def test_starting_it_imports_nothing_heavy():
    heavy = ("numpy", "scipy", "tifffile", "PIL", "matplotlib", "pyspark", "packaging", "tqdm")
    code = (
        "import sys, thunderlike.cli as c; c._parser();"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    assert python("-c", code).stdout == "[]\n"


def test_a_reader_that_leaves_early_is_no_crash():
    code = (
        "import os, sys, thunderlike.cli as c\n"
        "from types import SimpleNamespace\n"
        "def run(args):\n"
        "    for _ in range(100_000): print('a line')\n"
        "add = lambda commands: commands.add_parser('much')\n"
        "c.COMMANDS['much'] = SimpleNamespace(add=add, run=run)\n"
        "sys.exit(c.main(['much']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout.readline() == b"a line\n"
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(timeout=300) == 2
