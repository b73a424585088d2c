"""Check the prose of the docs: phrases, first lines of docstrings, and paths that exist."""

from __future__ import annotations

import ast
import pkgutil
import re
from pathlib import Path

import pytest

import thunderlike.compat.datadings  # noqa: F401  # its modules are created on import

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "thunderlike"
GUIDES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
PAGES = [
    *(*GUIDES, ROOT / "CHANGELOG.md", ROOT / "spark-submit" / "README.md"),
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if "decisions" not in path.parts),
]
PAGES = [path for path in PAGES if not {"generated", "_build", "jupyter_execute"} & {*path.parts}]
SOURCES = [*sorted((ROOT / "docs").glob("*.py")), *sorted((ROOT / "examples").glob("*.py"))]

# Phrases that documentation of the field does not use; docs/words.txt has single words.
PHRASES = re.compile(r"\b(is none|but for|as it stands|let go of|nobody|somebody)\b", re.IGNORECASE)
RELATIVE = re.compile(r"(What|How|Where|Which|Whether)\b")

FOLDERS = "thunderlike|tests|benchmarks|conf|docs|examples|spark-submit"
NAMED = re.compile(rf"`((?:{FOLDERS})/[\w./-]+)`")
ANY_PATH = re.compile(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:py|toml|cfg|md))`")
DOTTED = re.compile(r"`(thunderlike(?:\.\w+)+)`")
NO_OBJECTS = {"thunderlike.toml", "thunderlike.sets"}  # a file; a group of entry points


def prose(path):
    """Return the text of a page without its code blocks."""
    return re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def exists(name):
    """Return whether a path exists in the repository or in the package, or is a placeholder."""
    made = "NAME" in name or "_build" in name
    return made or (ROOT / name).exists() or (PACKAGE / name).exists()


def resolves(name):
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_avoid_phrases_of_the_list(path):
    assert PHRASES.findall(prose(path)) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_and_modules_named_in_pages_exist(path):
    text = prose(path)
    named = (ANY_PATH if path in GUIDES[1:] else NAMED).findall(text)
    assert [name for name in named if not exists(name)] == []
    assert [n for n in DOTTED.findall(text) if n not in NO_OBJECTS and not resolves(n)] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_begin_with_a_verb_or_a_noun(path):
    tree = ast.parse(path.read_text("utf-8"))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]
    assert [doc.splitlines()[0] for doc in docs if RELATIVE.match(doc)] == []
