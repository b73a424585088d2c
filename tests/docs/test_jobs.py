"""Parse the commands in spark-submit/README.md and in the help of the jobs."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from thunderlike import cli
from thunderlike.cli import scripts, submit
from thunderlike.jobs.submit import PROFILES, tried

ROOT = Path(__file__).parents[2]
README = (ROOT / "spark-submit" / "README.md").read_text("utf-8")
OURS = sorted(file.stem for file in Path(scripts.__file__).parent.glob("[!_]*.py"))


def job(name):
    return importlib.import_module(f"thunderlike.cli.scripts.{name}")


def commands(text):
    """Return the indented commands of a text, with continuation lines joined."""
    joined = re.sub(r" *\\\n +", " ", text)
    return re.findall(r"^ +((?:python|spark-submit|thunderlike submit) .*)$", joined, re.MULTILINE)


SHOWN = [
    *commands(README),
    *commands(submit.EPILOG),
    *(line for name in OURS for line in commands(job(name).EXAMPLES)),
]


def test_commands_are_found():
    assert len(commands(README)) > 10
    assert all(len(commands(job(name).EXAMPLES)) > 2 for name in OURS)


@pytest.mark.parametrize("line", SHOWN)
def test_commands_can_be_parsed(line):
    words = shlex.split(line)
    if words[0] == "thunderlike":
        args = cli._parser().parse_args(words[1:])
        name, given = args.job, args.passed_on
    else:
        script = next(word for word in words if word.endswith(".py"))
        assert (ROOT / script).is_file()
        name, given = Path(script).stem, words[words.index(script) + 1 :]
    if name in OURS and given != ["--help"]:
        job(name).parser().parse_args(given)


def test_every_job_is_linked_and_in_the_table():
    linked = {path.stem: path for path in (ROOT / "spark-submit").glob("*.py")}
    assert sorted(linked) == OURS
    for name, path in linked.items():
        assert path.resolve() == Path(job(name).__file__)
        assert f"| `{name}.py` |" in README


@pytest.mark.parametrize("profile", PROFILES)
def test_the_table_states_which_profiles_are_tested(profile):
    (row,) = re.findall(rf"^\| `{profile}` \|.*$", README, re.MULTILINE)
    assert ("| no |" in row) != tried(profile)
