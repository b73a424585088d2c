"""Resolve short names in docstrings, and trim code blocks.

``Images`` in a docstring links to ``thunderlike.Images``. Names that exist but are not public stay
text; names that do not exist are errors.
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
    """Register the extension with Sphinx."""
    app.connect("missing-reference", resolve)
    app.connect("doctree-read", trim)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> Any:
    """Link to the public object with this name, or return text for private names."""
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
    """Return the suffixes of a dotted name: ``a.B.c``, ``B.c``, ``c``."""
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


def exists(name: str) -> bool:
    """Return whether a dotted name of thunderlike can be imported."""
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
