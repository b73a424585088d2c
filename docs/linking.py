"""What names in docstrings lead to, and what code blocks look like.

A docstring names what it talks about as its readers do: ``Images`` finds ``thunderlike.Images``.
What exists and is not public stays text; what does not exist is an error.
"""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util.nodes import make_refnode

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.connect("missing-reference", resolve)
    app.connect("doctree-read", trim)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> Any:
    """Link to the public object of that last name, or show the name of what is not public."""
    if node.get("refdomain") != "py":
        return None
    objects = env.get_domain("py").objects
    target = node["reftarget"]
    for name in ends(target):
        found = [known for known in objects if known == name or known.endswith(f".{name}")]
        if found:
            best = min(found, key=len)
            page, anchor = objects[best].docname, objects[best].node_id
            return make_refnode(app.builder, node["refdoc"], page, anchor, content, best)
    return content if exists(target) or exists(f"{node.get('py:module')}.{target}") else None


def ends(name: str) -> list[str]:
    """All ends of a dotted name: ``a.B.c``, ``B.c``, ``c``."""
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


def exists(name: str) -> bool:
    """Say whether a dotted name of ours can be imported."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError):
        return False
    return name.startswith("thunderlike.")


def trim(_app: Sphinx, doctree: nodes.document) -> None:
    """Drop the empty line that a doctest needs before the fence."""
    for block in doctree.findall(nodes.literal_block):
        if block.astext() != block.astext().rstrip():
            block.rawsource = block.astext().rstrip()
            block.children = [nodes.Text(block.rawsource)]
