"""Check the prose of docs and package: phrases, first lines of docstrings, existing paths."""

from __future__ import annotations

import ast
import pkgutil
import re
from pathlib import Path

import thunderlike.compat.datadings  # noqa: F401  # its modules are created on import

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "thunderlike"
GUIDES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
PAGES = [
    *(*GUIDES, ROOT / "CHANGELOG.md", ROOT / "spark-submit" / "README.md"),
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if "decisions" not in path.parts),
]
PAGES = [path for path in PAGES if not {"generated", "_build", "jupyter_execute"} & {*path.parts}]
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = [
    *sorted((ROOT / "docs").glob("*.py")),
    *sorted((ROOT / "examples").glob("*.py")),
    *MODULES,
]

# Words and phrases that documentation of the field does not use.
ENTRIES = (ROOT / "docs" / "words.txt").read_text("utf-8").splitlines()
WORDS = re.compile(rf"\b({'|'.join(line.partition('->')[0] for line in ENTRIES)})\b", re.IGNORECASE)
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
    made = "NAME" in name or "_build" in name or name.startswith(".dev/")
    return made or (ROOT / name).exists() or (PACKAGE / name).exists()


def resolves(name):
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_pages_avoid_phrases_of_the_list():
    used = {str(path): PHRASES.findall(prose(path)) for path in PAGES}
    assert {path: phrases for path, phrases in used.items() if phrases} == {}


def test_paths_named_in_pages_exist():
    named = {
        (path.name, name)
        for path in PAGES
        for name in (ANY_PATH if path in GUIDES[1:] else NAMED).findall(prose(path))
    }
    assert len(named) > 100
    assert {(page, name) for page, name in named if not exists(name)} == set()


def test_modules_named_in_pages_exist():
    named = {(path.name, name) for path in PAGES for name in DOTTED.findall(prose(path))}
    assert len(named) > 20
    missing = {(page, name) for page, name in named if not resolves(name)}
    assert {name for _, name in missing} <= NO_OBJECTS


def test_sources_avoid_words_of_the_list():
    """Search revised packages; ``./dev lint`` searches the docs."""
    used = {str(path): WORDS.findall(path.read_text("utf-8")) for path in SOURCES}
    assert {path: words for path, words in used.items() if words} == {}


def test_docstrings_begin_with_a_verb_or_a_noun():
    found = {(str(path), doc) for path in SOURCES for doc in first_lines(path)}
    assert {(path, doc) for path, doc in found if RELATIVE.match(doc)} == set()


def first_lines(path):
    """Yield the first lines of all docstrings of a file."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, kinds) and (doc := ast.get_docstring(node)):
            yield doc.splitlines()[0]
