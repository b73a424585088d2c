"""Write docs/generated/gallery: the scripts of examples/ as executed notebooks, with thumbnails.

    python docs/make_gallery.py

Scripts are in the percent format: ``# %%`` begins a code cell, ``# %% [markdown]`` a text cell. The
first cell has a heading and a sentence.
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbformat import NotebookNode

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
TARGET = HERE / "generated" / "gallery"
ORDER = (
    *("quickstart", "calcium", "motion_correction", "components", "regression", "volume"),
    *("dataset", "batches", "bigarray", "spark_first"),
)

HEAD = """\
# Gallery

Scripts of fewer than sixty lines in `examples/`, which run in Python and in Jupyter, without
downloads.

::::{grid} 1 2 2 3
:gutter: 3

"""
CARD = """\
:::{{grid-item-card}} {title}
:link: {name}
:link-type: doc
:img-top: {name}.png
:img-alt: {title}

{summary}
:::

"""
PAGES = """\
::::

```{{toctree}}
:hidden:

{names}
```
"""


def main() -> None:
    """Execute the scripts that changed, and write the index."""
    TARGET.mkdir(parents=True, exist_ok=True)
    scripts = [EXAMPLES / f"{name}.py" for name in ORDER]
    with kernel() as run:
        for script in scripts:
            if not is_made(script):
                make(script, run)
    cards = "".join(card(script) for script in scripts)
    names = "\n".join(script.stem for script in scripts)
    (TARGET / "index.md").write_text(HEAD + cards + PAGES.format(names=names), "utf-8")


def notebook(script: Path) -> NotebookNode:
    """Read a script, or a page with code cells, as a notebook."""
    import jupytext

    return jupytext.read(script, fmt="md:myst" if script.suffix == ".md" else "py:percent")


@contextmanager
def kernel(folder: Path | None = None) -> Iterator[Callable[[NotebookNode], NotebookNode]]:
    """Start a Jupyter kernel, and yield a function that executes a notebook in a clean namespace.

    A cell that raises gives ``nbclient.exceptions.CellExecutionError``.
    """
    from jupyter_client import KernelManager
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell

    sockets = tempfile.TemporaryDirectory()
    manager = KernelManager(transport="ipc", ip=f"{sockets.name}/kernel")

    def run(book: NotebookNode) -> NotebookNode:
        book.cells.insert(0, new_code_cell("%reset -f"))
        client = NotebookClient(book, km=manager, timeout=120)
        client.execute(cwd=str(folder or EXAMPLES.parent))
        client.kc.stop_channels()
        del book.cells[0]
        return book

    try:
        yield run
    finally:
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)
        sockets.cleanup()


def is_made(script: Path) -> bool:
    """Return whether the notebook of a script exists and is up to date."""
    made = TARGET / f"{script.stem}.made-from"
    return made.exists() and made.read_text("utf-8") == fingerprint(script)


def fingerprint(script: Path) -> str:
    """Return a hash of the script and the package."""
    sources = sorted((HERE.parent / "thunderlike").rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in (script, *sources))).hexdigest()


def make(script: Path, run: Callable[[NotebookNode], NotebookNode]) -> None:
    """Write the executed notebook of a script, and its last figure."""
    import nbformat

    book = run(notebook(script))
    nbformat.write(book, TARGET / f"{script.stem}.ipynb")
    (TARGET / f"{script.stem}.png").write_bytes(pictures(book)[-1])
    (TARGET / f"{script.stem}.made-from").write_text(fingerprint(script), "utf-8")


def pictures(book: NotebookNode) -> list[bytes]:
    """Return the PNG images in the outputs of a notebook."""
    shown = [
        output["data"]["image/png"]
        for cell in book.cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    return [base64.b64decode(picture) for picture in shown]


def card(script: Path) -> str:
    """Format the card of a script in the index."""
    heading, _, summary = notebook(script).cells[0].source.partition("\n")
    title = heading.lstrip("# ")
    return CARD.format(name=script.stem, title=title, summary=summary.strip())


if __name__ == "__main__":
    main()
