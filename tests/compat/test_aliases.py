from __future__ import annotations

import importlib
import pickle
import runpy
import subprocess
import sys
from types import ModuleType

import pytest

from thunderlike.compat.aliases import contents, install, submodules
from thunderlike.errors import AlreadyImportedError, ThunderlikeError

MODULES = {"madeup": {"one": 1}, "madeup.inner": {"two": 2}, "madeup.inner.most": {"three": 3}}


@pytest.fixture(autouse=True)
def cleared(monkeypatch):
    """No made-up module from here on, nor afterwards."""
    monkeypatch.setattr("thunderlike.compat.aliases._installed", {})
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "madeup"]:
        del sys.modules[name]


def test_every_way_to_import():
    install(MODULES)
    import madeup.inner.most as most
    from madeup.inner import two

    madeup = importlib.import_module("madeup")
    assert (madeup.one, two, most.three, madeup.inner.most.three) == (1, 2, 3, 3)
    assert importlib.util.find_spec("madeup.inner").name == "madeup.inner"


def test_what_is_not_there_is_not_there():
    install(MODULES)
    with pytest.raises(ModuleNotFoundError, match=r"madeup\.other"):
        importlib.import_module("madeup.other")
    with pytest.raises(ImportError, match="four"):
        from madeup import four  # noqa: F401


def test_twice_is_once():
    install(MODULES)
    before = sys.modules["madeup"]
    install(MODULES)
    assert sys.modules["madeup"] is before


def test_the_real_one_is_left_alone(monkeypatch):
    real = ModuleType("madeup.inner")
    real.__file__ = "/lib/madeup/inner.py"
    monkeypatch.setitem(sys.modules, "madeup.inner", real)
    with pytest.raises(AlreadyImportedError, match=r"from /lib/madeup/inner\.py") as caught:
        install(MODULES)
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, ThunderlikeError)
    assert "madeup" not in sys.modules
    assert sys.modules["madeup.inner"] is real


BELOW = {
    "made": {},
    "made.list": {"itertools": "chain count", "thunderlike.storage": "natural"},
    "made.more": {},
    "made.more.*": "made_below:module",
}


@pytest.fixture
def declared(monkeypatch):
    monkeypatch.setattr("thunderlike.compat.aliases._declared", {})
    below = ModuleType("made_below")
    below.module = lambda name: {"main": print, "NAME": name} if name.startswith("a") else None
    monkeypatch.setitem(sys.modules, "made_below", below)
    submodules("thunderlike.compat", BELOW)
    yield
    import thunderlike.compat

    vars(thunderlike.compat).pop("made", None)
    for name in [name for name in sys.modules if name.startswith("thunderlike.compat.made")]:
        del sys.modules[name]


@pytest.mark.usefixtures("declared")
class TestSubmodules:
    def test_every_way_to_import(self):
        import thunderlike.compat.made.list as named
        from thunderlike.compat.made import more
        from thunderlike.compat.made.list import chain, natural

        assert (named.chain, named.natural) == (chain, natural)
        assert named.__all__ == ["chain", "count", "natural"]
        assert more.abc.NAME == "abc"
        assert "made.list" in named.__doc__

    def test_what_is_not_declared_is_not_there(self):
        with pytest.raises(ModuleNotFoundError, match=r"made\.other"):
            importlib.import_module("thunderlike.compat.made.other")
        with pytest.raises(ModuleNotFoundError, match=r"more\.xyz"):
            importlib.import_module("thunderlike.compat.made.more.xyz")
        with pytest.raises(AttributeError, match="xyz"):
            importlib.import_module("thunderlike.compat.made.more").xyz  # noqa: B018
        with pytest.raises(ImportError, match="islice"):
            from thunderlike.compat.made.list import islice  # noqa: F401
        assert contents("thunderlike.compat.made.other") is None

    def test_functions_are_pickled_by_their_own_module(self):
        from thunderlike.compat.made.list import natural

        assert pickle.loads(pickle.dumps(natural)) is natural

    def test_a_module_with_main_runs(self, capsys):
        found = runpy.run_module("thunderlike.compat.made.more.abc", run_name="__main__")
        assert (found["NAME"], capsys.readouterr().out) == ("abc", "\n")
        assert "main" not in runpy.run_module("thunderlike.compat.made.list")


def test_modules_of_a_table_import_only_what_defines_their_names(tmp_path):
    lines = """
import sys
import thunderlike.compat.datadings
assert "numpy" not in sys.modules
import thunderlike.compat.datadings.sets.VOC2012
assert "thunderlike.cli" not in sys.modules
"""
    ran = run(lines, path=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")


def run(code, *, path):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=path, check=False)


def test_thunderlike_alone_takes_no_name(tmp_path):
    ran = run("import thunderlike, thunderlike.images; import thunder", path=tmp_path)
    assert "No module named 'thunder'" in ran.stderr


def test_a_real_thunder_in_use_is_refused(tmp_path):
    (tmp_path / "thunder.py").write_text("")
    ran = run("import thunder; import thunderlike.compat.thunder", path=tmp_path)
    assert f"thunder is imported already, from {tmp_path}" in ran.stderr


def test_a_real_thunder_not_in_use_is_not(tmp_path):
    (tmp_path / "thunder.py").write_text("")
    ran = run("import thunderlike.compat.thunder; from thunder import images", path=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
