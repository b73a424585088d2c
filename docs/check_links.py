"""Find dead links within the built site: files and anchors.

    python docs/check_links.py          after ./dev docs, which runs it

External links are not checked.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SITE = Path(__file__).parent / "_build" / "html"


class Page(HTMLParser):
    """Links and anchors of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect links and anchors."""
        found = dict(attrs)
        self.links |= {found[name] or "" for name in ("href", "src") if name in found}
        self.places |= {found[name] or "" for name in ("id", "name") if name in found}


def dead(site: Path = SITE) -> list[str]:
    """Return the dead links of a site, each as ``page: link``."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html")) if ours(path)}
    return [
        f"{path.relative_to(site.resolve())}: {link}"
        for path, page in pages.items()
        for link in sorted(page.links)
        if not leads_somewhere(path, link, pages)
    ]


def ours(path: Path) -> bool:
    """Return whether a file is a page of the site, not a template of the theme."""
    return "_static" not in path.parts


def leads_somewhere(path: Path, link: str, pages: dict[Path, Page]) -> bool:
    """Return whether a link leads to an existing file and anchor."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return False
    place = unquote(parts.fragment)
    return not place or target not in pages or place in pages[target].places


def main() -> int:
    """Print dead links; return 1 if there are any, or if there is no site."""
    found = dead() if (SITE / "index.html").exists() else [f"{SITE}: run ./dev docs first"]
    sys.stdout.writelines(f"dead link in {line}\n" for line in found)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
