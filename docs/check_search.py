"""Check that the search of the built site finds the words of the field.

    python docs/check_search.py         after ./dev docs, which runs it

Each query must lead to the page that answers it: the page has all words of the query in its text,
titles or index entries, as the search of Sphinx requires.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from sphinx.search.en import SearchEnglish

INDEX = Path(__file__).parent / "_build" / "html" / "searchindex.js"

# What people type, and the page that they look for.
QUERIES = {
    "motion correction": "howto/motion-correction",
    "registration": "howto/motion-correction",
    "image stabilisation": "glossary",
    "bidirectional scanner": "howto/motion-correction",
    "dF/F": "howto/calcium-imaging",
    "ΔF/F": "howto/calcium-imaging",
    "baseline": "howto/calcium-imaging",
    "bleaching": "howto/calcium-imaging",
    "ROI": "howto/calcium-imaging",
    "region of interest": "glossary",
    "traces": "howto/calcium-imaging",
    "correlation image": "howto/calcium-imaging",
    "memory map": "glossary",
    "memmap": "howto/too-big",
    "larger than memory": "howto/too-big",
    "out of core": "howto/too-big",
    "lazy": "reference",
    "chunk": "formats",
    "block": "glossary",
    "shuffle": "costs",
    "tuning curve": "howto/regression",
    "GLM": "howto/regression",
    "t-values": "howto/regression",
    "PCA": "howto/components",
    "ICA": "howto/components",
    "NMF": "howto/components",
    "multi-page TIFF": "formats",
    "ScanImage": "formats",
    "Zarr": "choosing",
    "NWB": "interop",
    "suite2p": "interop",
    "S3 credentials": "storage",
    "Spark cluster": "project/spark-submit/README",
    "which engine": "choosing",
    "GPU": "glossary",
}


def load(path: Path = INDEX) -> dict[str, Any]:
    """Read the index of a built site."""
    text = path.read_text("utf-8")
    found: dict[str, Any] = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    return found


def pages(index: dict[str, Any], query: str) -> set[str]:
    """Return the pages that have every word of a query."""
    english = SearchEnglish({})
    names = index["docnames"]
    found = set(names)
    for word in re.findall(r"\w+", query):
        if word.lower() in english.stopwords:
            continue
        stem = english.stem(word.lower())
        hits = [index[table].get(form, []) for table in ("terms", "titleterms") for form in {stem}]
        entries = [
            [place[0] for place in places]
            for entry, places in index["indexentries"].items()
            if word.lower() in entry.lower()
        ]
        numbers = {n for hit in (*hits, *entries) for n in ([hit] if isinstance(hit, int) else hit)}
        found &= {names[number] for number in numbers}
    return found


def missing(index: dict[str, Any]) -> list[str]:
    """Return the queries that do not lead to their page, each with the pages that it finds."""
    lines = []
    for query, wanted in QUERIES.items():
        found = pages(index, query)
        if wanted not in found:
            lines.append(f"{query!r} finds {', '.join(sorted(found)) or 'nothing'}, not {wanted}")
    return lines


def main() -> int:
    """Print the failed queries; return 1 if there are any, or if there is no site."""
    found = missing(load()) if INDEX.exists() else [f"{INDEX}: run ./dev docs first"]
    sys.stdout.writelines(f"search: {line}\n" for line in found)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
