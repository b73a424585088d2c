"""``thunderlike datasets write SET``: the public sets, each with the options it declares."""

from __future__ import annotations

import argparse
import difflib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thunderlike.cli.datasets_look import tell
from thunderlike.cli.options import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike.datasets.sets import SetSpec

__all__ = ["add"]

# The driver's own options: the keyword of `write` and how argparse is told.
_COMMON: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "indir": (("indir",), {"metavar": "INDIR", "nargs": "?", "default": ".", "help": "downloads"}),
    "outdir": (("-o", "--outdir"), {"metavar": "DIR", "help": "for the datasets; INDIR if none"}),
    "splits": (("--splits",), {"nargs": "+", "metavar": "SPLIT", "help": "only these"}),
    "seed": (("--seed",), {"type": int, "default": 0, "metavar": "N", "help": "of the order (0)"}),
    "workers": (("-t", "--threads"), {"type": int, "metavar": "N", "help": "all cores by default"}),
    "overwrite": (("-y", "--no-confirm"), {"action": "store_true", "help": "replace datasets"}),
    "verify": (("-s", "--skip-verification"), {"action": "store_false", "help": "of the md5"}),
    "shuffle": (("--shuffle",), {"choices": ("yes", "no"), "help": "write in random order"}),
    "check_images": (("--check-images",), {"choices": ("yes", "no"), "help": "decode each"}),
}


def add(commands: Any) -> None:
    """Let ``write`` take the name of a set in place of files."""
    commands.choices["write"] = _Write(commands.choices["write"])


class _Write(argparse.ArgumentParser):
    """Goes by the first word: none lists the sets, one of a set takes its options, else files."""

    def __init__(self, files: argparse.ArgumentParser) -> None:
        super().__init__(prog=files.prog, add_help=False)
        self._files = files

    def add_argument(self, *names: Any, **settings: Any) -> Any:
        """Add it for files too."""
        if "_files" in self.__dict__:
            self._files.add_argument(*names, **settings)
        return super().add_argument(*names, **settings)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse with the parser that the first word asks for."""
        from thunderlike.errors import KeyMissing

        words = list(args or [])
        first = words[0] if words else ""
        if not first or (first.startswith("-") and not {"-h", "--help"} & set(words)):
            return self._listing(words, namespace)
        try:
            spec = _known(first)
        except (KeyMissing, ImportError) as error:
            if _NAME.fullmatch(first) and not Path(first).exists():
                self.error(_meant(first, error))
            return self._files.parse_known_args(words, namespace)
        return self._of_set(spec).parse_known_args(words[1:], namespace)

    def _listing(self, words: Sequence[str], namespace: Any) -> Any:
        parser = argparse.ArgumentParser(prog=self.prog, parents=[self])
        parser.set_defaults(act=_list)
        return parser.parse_known_args(words, namespace)

    def _of_set(self, spec: SetSpec) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(
            prog=f"{self.prog} {spec.name}",
            description=spec.about,
            epilog=_told(spec),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[self],
        )
        for keyword, (names, settings) in _COMMON.items():
            dest: dict[str, Any] = {} if names[0] == keyword else {"dest": keyword}
            parser.add_argument(*names, **dest, **settings)
        _add_own(parser, spec)
        parser.set_defaults(act=_write, spec=spec)
        return parser


def _known(name: str) -> SetSpec:
    from thunderlike.datasets import sets
    from thunderlike.errors import KeyMissing

    if ":" in name and "/" in name:
        raise KeyMissing(name)
    return sets.get(name)


def _meant(name: str, error: Exception) -> str:
    """What to say of a word that is neither a set nor a file: the names that come close, first."""
    from thunderlike.datasets import sets

    known = {one.lower(): one for one in sets.names()}
    close = [known[one] for one in difflib.get_close_matches(name.lower(), known)]
    close += [one for low, one in known.items() if low.startswith(name.lower())]
    hint = f"; did you mean {' or '.join(dict.fromkeys(close))}?" if close else ""
    return f"{error}{hint}"


# As names of sets are; patterns of files have a slash, a dot or a star.
_NAME = re.compile(r"\w+")


def _add_own(parser: argparse.ArgumentParser, spec: SetSpec) -> None:
    for option in spec.options:
        names = option.flags or (f"--{option.name.replace('_', '-')}",)
        given = {"dest": option.name, "default": option.default, "help": option.help}
        parser.add_argument(*names, **given, **option.settings)
    if spec.weights:
        names = ("--calculate-weights", "--class-counts")
        parser.add_argument(*names, action="store_true", help="count the pixels of each class")
    for what in spec.meta:
        told = f"print {what.replace('_', ' ')} and stop"
        name = f"--{what.replace('_', '-')}"
        parser.add_argument(name, action="append_const", dest="show", const=what, help=told)


def _told(spec: SetSpec) -> str:
    """What a declaration says besides options, for ``--help``."""
    from thunderlike.datasets.sets.types import fields_of

    sources = spec.files(spec.chosen({})).values()
    lines = ["files, fetched when they are missing unless they have to come by hand (*):"]
    for one in sources:
        lines += [f"  {one.path}{'' if one.url else ' *'}{'' if one.md5 else ', md5 unknown'}"]
    lines += ["datasets:"]
    for split in spec.splits:
        fields = " ".join(fields_of(split.sample or spec.sample))
        lines.append(f"  {split.file}: {split.total or '?'} samples of {fields}")
    lines += [f"* {spec.manual}"] if spec.manual else []
    return "\n".join([*lines, *([f"see {spec.see}"] if spec.see else [])])


def _list(args: argparse.Namespace) -> int:
    """Print all sets by kind."""
    from thunderlike.datasets import sets

    found = [sets.get(name) for name in sets.names()]
    if args.json:
        keys = ("name", "kind", "about", "size", "registration")
        listed = [{key: getattr(spec, key) for key in keys} for spec in found]
        show(*json.dumps(listed, indent=2).split("\n"))
        return 0
    for kind in sets.KINDS:
        show(f"{kind}:")
        for spec in (spec for spec in found if spec.kind == kind):
            asks = "registration" if spec.registration else ""
            show(f"  {spec.name:<15} {spec.size or '?':<16} {asks:<13} {spec.about}".rstrip())
    show("", "sizes of downloads are rough, ? is not known")
    show("thunderlike datasets write SET INDIR -o OUTDIR; SET -h says more")
    return 0


def _write(args: argparse.Namespace) -> int:
    """Write a set, or print what its archives tell."""
    from thunderlike.datasets import sets

    spec = args.spec
    own = {option.name: getattr(args, option.name) for option in spec.options}
    if wanted := getattr(args, "show", None):
        found = {w: sets.metadata(spec, w, args.indir, verify=args.verify, **own) for w in wanted}
        show(json.dumps(found))
        return 0
    common = {keyword: getattr(args, keyword) for keyword in _COMMON}
    for keyword in ("shuffle", "check_images"):
        common[keyword] = None if common[keyword] is None else common[keyword] == "yes"
    weights = bool(getattr(args, "calculate_weights", False))
    paths = sets.write(spec, **common, calculate_weights=weights, **own)
    tell(args, {split: str(path) for split, path in paths.items()})
    return 0
