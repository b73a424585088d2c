"""Write the tables of docs/coming-from: where a signature is not the one of the older manual.

    python docs/make_differences.py

The rows are those of docs/coming-from/NAME.toml; tests/compat/test_manuals.py holds them against
every signature of the manual and against this package.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "coming-from"
HEAD = """\
## Other arguments

{rest} of the manual binds as it stands there, by name and by position. Made by
`python docs/make_differences.py`; the tests compare each row with the signatures.
"""
TABLE = """
| there | here | why |
| --- | --- | --- |
"""


def rows(name: str) -> list[dict[str, Any]]:
    """Return the differences of one manual: `names`, how each `differs`, and `why`.

    A name may be a pattern, of which `except` takes some out again.
    """
    source = HERE / f"{name}.toml"
    return tomllib.loads(source.read_text("utf-8"))["row"]


def page(name: str) -> Path:
    """Return the page that shows them."""
    return HERE / f"{name}.md"


def section(name: str) -> str:
    """Return the section of the page, made from the rows."""
    if not rows(name):
        return HEAD.format(rest="Everything")
    lines = [HEAD.format(rest="Everything else"), TABLE]
    for row in rows(name):
        there = shown(row["names"])
        if "except" in row:
            there += f" except {shown(row['except'])}"
        lines.append(f"| {there} | {'; '.join(row['differs'])} | {row['why']} |\n")
    return "".join(lines)


def shown(names: list[str]) -> str:
    """Return names of the manual as readers of the page know them."""
    return ", ".join(f"`{name.replace(':?', '.').replace(':', '.').strip('.')}`" for name in names)


def main() -> None:
    """Replace the section of each page, or add it at the end."""
    for source in sorted(HERE.glob("*.toml")):
        target = page(source.stem)
        rest = re.sub(
            r"\n## Other arguments\n.*?(?=\n## |\Z)", "", target.read_text("utf-8"), flags=re.DOTALL
        )
        target.write_text(f"{rest.rstrip()}\n\n{section(source.stem)}", "utf-8")


if __name__ == "__main__":
    main()
