"""`dev` decides well: which Python, which Java, what to set up, what to run."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

DEV = Path(__file__).parents[1] / "dev"


@pytest.fixture
def dev(tmp_path, monkeypatch):
    """The script as a module, at home in an empty checkout."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("dev", str(DEV))
    module = module_from_spec(spec_from_loader("dev", loader))
    loader.exec_module(module)
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "pyproject.toml").write_text("[project]\n")
    places = {"ROOT": root, "VENV": root / ".venv", "LOGS": root / ".dev"}
    places |= {"PYTHON": root / ".venv/bin/python", "STAMP": root / ".venv/made-by-dev"}
    for name, place in places.items():
        monkeypatch.setattr(module, name, place)
    return module


@pytest.fixture
def installed(dev, monkeypatch):
    """What set-up would have installed; it makes a Python that is there, and nothing else."""
    seen = []

    def install(python, *wishes):
        seen.append("updated" if dev.PYTHON.exists() else "made")
        dev.PYTHON.parent.mkdir(parents=True, exist_ok=True)
        dev.PYTHON.touch()

    monkeypatch.setattr(dev, "install", install)
    return seen


def program(folder, name, script):
    """Write a shell script into `folder` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def java(folder, version):
    return program(folder, "java", f"echo 'openjdk version \"{version}\" 2025-04-15' >&2")


def run_dev(*arguments):
    return subprocess.run(
        [sys.executable, str(DEV), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


# ---- The command line


def test_it_speaks_python_3_8():
    ast.parse(DEV.read_text("utf-8"), feature_version=(3, 8))


def test_it_needs_the_standard_library_only():
    nodes = list(ast.walk(ast.parse(DEV.read_text("utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert names <= sys.stdlib_module_names


def test_it_can_be_executed():
    assert os.access(DEV, os.X_OK)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_names_every_command(dev, arguments):
    ran = run_dev(*arguments)
    assert ran.returncode == 0
    assert ran.stderr == ""
    for name in dev.COMMANDS:
        assert f"./dev {name}" in ran.stdout


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["lint", "--fox"], ["setup", "now"], ["clean", "all"], ["run"]]
)
def test_a_slip_of_the_pen_is_one_line_and_exit_code_2(arguments):
    ran = run_dev(*arguments)
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    assert arguments[-1] in ran.stderr


# ---- Which Python


def test_the_python_that_runs_dev_is_taken_if_it_fits(dev):
    python, version = dev.find_python()
    assert version == sys.version_info[:2]
    assert Path(python).samefile(sys.executable)


def test_the_newest_python_that_runs_is_found_on_path(dev, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path, "python3.13", "exit 127")
    works = program(tmp_path, "python3.12", "exit 0")
    program(tmp_path, "python3.11", "exit 0")
    assert dev.find_python() == (os.path.realpath(works), (3, 12))


def test_an_old_python_alone_is_refused_with_the_needed_one(dev, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(dev.Stop, match=r"thunderlike needs 3\.11, 3\.12 or 3\.13"):
        dev.find_python()


# ---- Set-up


def test_set_up_happens_once(dev, installed):
    assert dev.set_up()
    assert not dev.set_up()
    assert installed == ["made"]


def test_the_demo_installs_a_part_and_the_rest_follows(dev, installed):
    assert dev.set_up("demo")
    assert not dev.set_up("demo")
    assert dev.set_up()
    assert not dev.set_up("demo")
    assert installed == ["made", "updated"]


def test_a_changed_pyproject_updates_what_is_there(dev, installed):
    dev.set_up()
    (dev.ROOT / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    assert dev.set_up()
    assert installed == ["made", "updated"]


def test_another_python_creates_it_again(dev, installed, monkeypatch):
    dev.set_up()
    monkeypatch.setattr(dev, "find_python", lambda: ("python", (3, 0)))
    assert dev.set_up()
    assert installed == ["made", "made"]


def test_a_checkout_that_moved_creates_it_again(dev, installed, monkeypatch, tmp_path):
    dev.set_up()
    monkeypatch.setattr(dev, "ROOT", tmp_path / "moved")
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "pyproject.toml").write_text("[project]\n")
    assert dev.set_up()
    assert installed == ["made", "made"]


def test_a_python_that_is_gone_creates_it_again(dev, installed):
    dev.set_up()
    dev.PYTHON.unlink()
    dev.PYTHON.symlink_to(dev.ROOT / "uninstalled")
    assert dev.set_up()
    assert installed == ["made", "made"]


@pytest.mark.parametrize("finished_before", [False, True])
def test_an_interrupted_set_up_creates_it_again(dev, installed, monkeypatch, finished_before):
    if finished_before:
        dev.set_up()
        (dev.ROOT / "pyproject.toml").write_text("changed")

    def interrupt(python, *wishes):
        dev.PYTHON.parent.mkdir(parents=True, exist_ok=True)
        dev.PYTHON.touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dev, "install", interrupt)
        with pytest.raises(KeyboardInterrupt):
            dev.set_up()
    assert dev.set_up()
    assert installed[-1] == "made"


def test_pip_goes_on_where_uv_fails(dev, monkeypatch, capfd):
    ran = []

    def must(*command):
        ran.append(command)
        if command[0] == "uv":
            raise dev.Stop("no index")

    monkeypatch.setattr(dev, "must", must)
    monkeypatch.setattr(dev.shutil, "which", lambda name: f"/bin/{name}")
    dev.install(sys.executable, *dev.PARTS["all"])
    assert ran[-1][-2:] == ("--group", "dev")
    assert "-m" in ran[-1]
    assert "no index; going on with pip" in capfd.readouterr().err


def test_no_index_is_ever_named():
    assert "index" not in DEV.read_text("utf-8")  # pip and uv read their own configuration


def test_a_python_without_venv_is_helped_by_its_pip(dev, tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(dev, "must", lambda *command: ran.append(command))
    python = program(tmp_path, "python", '[ "$2" = pip ]')
    dev.make_venv_with_pip(str(python))
    assert [command[1:4] for command in ran] == [
        ("-m", "venv", "--without-pip"),
        ("-m", "pip", "--python"),
    ]


def test_a_python_with_neither_is_refused_with_the_package_to_install(dev, tmp_path):
    python = program(tmp_path, "python", "exit 1")
    with pytest.raises(dev.Stop, match="apt-get install python3-venv"):
        dev.make_venv_with_pip(str(python))


def test_the_spark_of_the_venv_is_found_and_reads_our_conf(dev):
    spark = dev.VENV / "lib" / "python3.12" / "site-packages" / "pyspark"
    spark.mkdir(parents=True)
    (dev.VENV / "bin").mkdir()
    (dev.ROOT / "conf").mkdir()
    dev.link_spark()
    dev.link_spark()
    assert (dev.VENV / "bin" / "spark-distribution").samefile(spark)
    assert (spark / "conf").samefile(dev.ROOT / "conf")


# ---- Java


@pytest.mark.parametrize(
    ("output", "version"),
    [("17.0.15", 17), ("21", 21), ("25-ea", 25), ("1.8.0_351", 8), ("11.0.2", 11)],
)
def test_the_version_of_java(dev, tmp_path, output, version):
    assert dev.java_version(str(java(tmp_path, output))) == version


@pytest.mark.parametrize("script", ["exit 1", "echo 'no runtime present' >&2; exit 1"])
def test_a_java_that_does_not_run_is_not_used(dev, tmp_path, script):
    assert dev.java_version(str(program(tmp_path, "java", script))) == 0
    assert dev.java_version(str(tmp_path / "nowhere")) == 0


@pytest.fixture
def bare(dev, tmp_path, monkeypatch):
    """A machine without any Java, whose PATH is one folder; returns that folder."""
    monkeypatch.setattr(dev, "JAVA_HOMES", (f"{tmp_path}/jvm/*".lstrip("/"),))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return tmp_path / "path"


def test_a_java_on_path_is_enough(dev, bare):
    java(bare, "17.0.1")
    assert dev.missing_java() == ""


def test_java_home_is_stronger_than_path(dev, bare, tmp_path, monkeypatch):
    java(bare, "17.0.1")
    java(tmp_path / "old" / "bin", "11.0.2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    assert f"({tmp_path}/old/bin/java is Java 11)" in dev.missing_java()


def test_a_java_elsewhere_is_named_as_the_remedy(dev, bare, tmp_path):
    java(tmp_path / "jvm" / "a" / "bin", "11.0.2")
    java(tmp_path / "jvm" / "b" / "bin", "21.0.1")
    assert dev.missing_java().endswith(f"export JAVA_HOME={tmp_path}/jvm/b")


@pytest.mark.parametrize("installer", ["apt-get", "dnf", "brew"])
def test_the_platform_decides_how_to_get_java(dev, bare, installer):
    program(bare, installer, "exit 0")
    assert f"; to get it: {installer} install " in dev.missing_java()


def test_an_unknown_platform_is_reported_too(dev, bare):
    assert dev.missing_java().endswith("; install it and set JAVA_HOME")


# ---- Which engine


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["--engine", "local"], "local"),
        (["-k", "x", "--engine=spark"], "spark"),
        (["-k", "--engine local"], None),
        ([], None),
    ],
)
def test_the_engine_that_was_asked_for(dev, arguments, asked):
    assert dev.asked("engine", tuple(arguments)) == asked


def test_without_java_spark_is_left_out_in_one_line(dev, bare, capfd):
    assert dev.on_engines_that_run(("-x",)) == ("--engine", "local", "-x")
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_without_java_the_local_engine_says_nothing(dev, bare, capfd):
    assert dev.on_engines_that_run(("--engine", "local")) == ("--engine", "local")
    assert capfd.readouterr().err == ""


def test_without_java_spark_cannot_be_asked_for(dev, bare):
    with pytest.raises(dev.Stop, match="Spark cannot run"):
        dev.on_engines_that_run(("--engine=spark",))


def test_with_java_nothing_is_added(dev, bare, capfd):
    java(bare, "21.0.1")
    assert dev.on_engines_that_run(("-x",)) == ("-x",)
    assert capfd.readouterr().err == ""


@pytest.fixture
def steps(dev, monkeypatch):
    """The commands that `./dev test` would have run."""
    seen = []
    monkeypatch.setattr(dev, "set_up", lambda *part: False)
    monkeypatch.setattr(dev, "run_steps", lambda *commands: seen.extend(commands) or 0)
    return seen


def test_the_quick_loop_is_pytest_alone(dev, steps):
    assert dev.main(["test", "--engine", "local", "-x"]) == 0
    assert steps == [["pytest", *dev.WORKERS, "--engine", "local", "-x"]]


def test_the_checks_run_also_where_java_is_missing(dev, steps, bare):
    assert dev.main(["test"]) == 0
    assert steps[:-1] == [line.split() for line in dev.CHECKS]
    assert steps[-1] == ["pytest", *dev.WORKERS, "--engine", "local"]


def test_another_spark_has_an_environment_of_its_own(dev, installed, bare, monkeypatch):
    java(bare, "17.0.1")
    ran = []
    monkeypatch.setattr(dev, "run_steps", lambda *commands: ran.extend(commands) or 0)
    dev.set_up()
    assert dev.main(["test", "--spark", "3.5", "-x"]) == 0
    assert ran == [["pytest", *dev.WORKERS, "-m", "spark", "-x"]]
    assert dev.VENV == dev.LOGS / "spark-3.5"
    assert dev.environment()["PATH"].startswith(f"{dev.ROOT}/.dev/spark-3.5/bin:")
    assert dev.read_stamp().endswith("all pyspark==3.5.*\n")
    assert installed == ["made", "made"]
    assert not dev.set_up("all", "pyspark==3.5.*")


@pytest.mark.parametrize("version", ["four", "3", "3.5;x"])
def test_another_spark_is_a_version(dev, bare, version):
    with pytest.raises(dev.Stop, match=r"such as 3\.5"):
        dev.main(["test", "--spark", version])


def test_another_spark_needs_java_too(dev, bare):
    with pytest.raises(dev.Stop, match="Spark cannot run"):
        dev.main(["test", "--spark=3.5"])


# ---- Benchmarks


@pytest.fixture
def called(dev, monkeypatch):
    seen = []
    monkeypatch.setattr(dev, "set_up", lambda: False)
    monkeypatch.setattr(dev, "succeeds", lambda *_: True)
    monkeypatch.setattr(dev, "call", lambda *command: seen.append(command) or 0)
    monkeypatch.setattr(dev, "ROOT", DEV.parent)
    return seen


def test_a_benchmark_by_its_name(dev, called):
    assert dev.main(["bench", "operations", "--check"]) == 0
    assert called == [("python", "benchmarks/operations.py", "--check")]


def test_all_benchmarks_that_compare(dev, called):
    assert dev.main(["bench"]) == 0
    assert {"benchmarks/operations.py", "benchmarks/rivals.py"} <= {path for _, path in called}
    assert "benchmarks/harness.py" not in {path for _, path in called}
    assert called[-1] == ("python", "benchmarks/report.py")


def test_an_unknown_benchmark(dev, called):
    with pytest.raises(dev.Stop, match=r"no benchmark 'speed'; there are .*operations"):
        dev.main(["bench", "speed"])
    assert called == []


# ---- Running things


def test_every_step_runs_and_one_failure_fails_all(dev, capfd):
    shell = ["sh", "-c"]
    assert dev.run_steps([*shell, "echo loud; exit 3"], [*shell, "echo quiet"]) == 1
    out = capfd.readouterr().out
    assert "loud\n" in out
    assert "\nquiet\n" not in out
    assert [line.split()[2] for line in out.splitlines()[-2:]] == ["FAILED", "ok"]


def test_commands_keep_compiled_modules_whatever_the_environment_says(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    loader = SourceFileLoader("dev", str(DEV))
    module = module_from_spec(spec_from_loader("dev", loader))
    loader.exec_module(module)
    asked = "import sys; sys.exit(sys.dont_write_bytecode)"
    assert module.call(sys.executable, "-c", asked) == 0


def test_a_failure_shows_its_end_and_names_its_log(dev, capfd):
    assert dev.call("sh", "-c", "seq 1000; exit 1", log="count") == 1
    shown = capfd.readouterr().out.splitlines()
    assert shown[0].startswith("$ sh -c ")
    assert shown[1:-1] == [str(number) for number in range(941, 1001)]
    assert str(dev.LOGS / "count.log") in shown[-1]
    assert (dev.LOGS / "count.log").read_text().startswith("1\n2\n")


def test_clean_removes_what_we_made_and_nothing_else(dev, capfd):
    kept, cache = dev.ROOT / "pyproject.toml", dev.ROOT / "tests" / "__pycache__"
    for folder in (cache, dev.VENV, dev.ROOT / ".mypy_cache", dev.ROOT / "demo-output"):
        folder.mkdir(parents=True)
    (dev.ROOT / ".coverage").touch()
    assert dev.main(["clean"]) == 0
    assert sorted(dev.ROOT.rglob("*")) == [kept, cache.parent]
    removed = capfd.readouterr().out.split()[1::2]
    assert set(removed) == {".venv", "demo-output", ".*_cache", ".coverage", "**/__pycache__"}


# ---- The site


def test_the_site_is_built_with_warnings_as_errors(dev, called):
    assert dev.main(["docs"]) == 0
    assert called[-3][:5] == ("python", "-m", "sphinx", "-n", "-W")
    checks = ["docs/check_links.py", "docs/check_search.py"]
    assert called[-2:] == [("python", check) for check in checks]


def test_what_builds_the_site_is_installed_on_first_use(dev, called, monkeypatch):
    added = []
    monkeypatch.setattr(dev, "succeeds", lambda *_: False)
    monkeypatch.setattr(dev, "add_group", added.append)
    assert dev.main(["docs"]) == 0
    assert added == ["docs"]


# ---- A release


def test_a_release_is_checked_with_the_given_options(dev, called, monkeypatch):
    added = []
    monkeypatch.setattr(dev, "succeeds", lambda *_: False)
    monkeypatch.setattr(dev, "add_group", added.append)
    assert dev.main(["release", "--install"]) == 0
    assert added == ["release"]
    assert called[-1] == ("python", "release/check.py", "--install")
