"""The commands of ``thunderlike datasets`` that write: shuffle, merge, split, sample and more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike.cli.datasets_look import tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

__all__ = ["add"]


def add(commands: Any) -> None:
    """Describe the commands to argparse."""
    _add_shuffle(commands)
    _add_merge(commands)
    _add_split(commands)
    _add_sample(commands)
    _add_export(commands)
    _add_write(commands)


def _command(commands: Any, name: str, act: Any, told: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=told, description=told)
    parser.add_argument("-y", "--no-confirm", action="store_true", help="replace without asking")
    parser.set_defaults(act=act)
    return parser


def _seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, metavar="N", help="of the order; drawn and told if not")


def _add_shuffle(commands: Any) -> None:
    parser = _command(commands, "shuffle", _shuffle, "write a dataset in random order")
    parser.add_argument("infile", metavar="FILE")
    parser.add_argument("outfile", metavar="OUT")
    parser.add_argument("--true-shuffle", action="store_true", help="over the whole dataset")
    parser.add_argument(
        "--buf-size", type=float, default=0.01, metavar="F", help="draw among these (%(default)s)"
    )
    parser.add_argument(
        "--chunk-size", type=int, default=16, metavar="N", help="read together (%(default)s)"
    )
    _seed(parser)


def _add_merge(commands: Any) -> None:
    parser = _command(commands, "merge", _merge, "write several datasets as one")
    parser.add_argument("infile", nargs="+", metavar="FILE")
    parser.add_argument("outfile", metavar="OUT")
    parser.add_argument("-s", "--strategy", choices=("concat", "random"), default="concat")
    parser.add_argument("--shuffle", action="store_true", help="each of them, before that")
    parser.add_argument("--prefix-keys", action="store_true", help="put the file's name before")
    _seed(parser)


def _add_split(commands: Any) -> None:
    parser = _command(commands, "split", _split, "write the parts between some samples")
    parser.add_argument("infile", metavar="FILE")
    parser.add_argument("split", nargs="+", type=int, metavar="N", help="where parts begin")
    parser.add_argument("-o", "--outfiles", nargs="+", metavar="OUT", help="NAME-0.msgpack ...")


def _add_sample(commands: Any) -> None:
    parser = _command(commands, "sample", _sample, "write some samples")
    parser.add_argument("infile", metavar="FILE")
    parser.add_argument("outfile", metavar="OUT")
    parser.add_argument("number", type=int, metavar="N")
    parser.add_argument("-s", "--strategy", choices=("sequential", "random"), default="sequential")
    _seed(parser)


def _add_export(commands: Any) -> None:
    parser = _command(commands, "export", _export, "write a tar archive or a table")
    parser.add_argument("infile", metavar="FILE")
    told = "a tar archive as webdataset reads it, or a Parquet file (.parquet)"
    parser.add_argument("outfile", metavar="OUT", help=told)


def _add_write(commands: Any) -> None:
    parser = _command(commands, "write", _write, "write files of folders or archives as a dataset")
    parser.add_argument("patterns", nargs="+", metavar="PATTERN", help="such as 'in/{LABEL}/**'")
    parser.add_argument("-o", "--outfile", required=True, metavar="OUT")
    parser.add_argument("--archive", metavar="FILE", help="a zip or tar that the patterns look in")
    parser.add_argument("--labels", metavar="FILE", help="all labels, one on each line")
    parser.add_argument("--include", nargs="+", default=(), metavar="PATTERN")
    parser.add_argument("--exclude", nargs="+", default=(), metavar="PATTERN")
    parser.add_argument("--separator", default="\t", help="in a list of files")
    parser.add_argument("--root-dir", default="", metavar="DIR", help="of a list of files")
    parser.add_argument("--shuffle", action="store_true", help="in random order")
    _seed(parser)


def _agreed(args: argparse.Namespace, paths: Sequence[str]) -> bool:
    """Ask whether files may be replaced; where nobody can answer, that is an error."""
    from thunderlike import storage
    from thunderlike.datasets.tools import query_user
    from thunderlike.errors import NonInteractiveError

    for path in paths:
        if storage.exists(path) and not args.no_confirm:
            try:
                answer = query_user(f"{path} is there already, replace it?")
            except NonInteractiveError:
                raise NonInteractiveError(f"{path} is there already; -y replaces it") from None
            if answer != "yes":
                return False
    return True


def _drawn(args: argparse.Namespace) -> int:
    from thunderlike.datasets.operations import random_seed

    return random_seed() if args.seed is None else int(args.seed)


def _act(operation: str, *options: str) -> Callable[[argparse.Namespace], int]:
    """An act that hands these options on to an operation on infile and outfile."""

    def act(args: argparse.Namespace) -> int:
        from thunderlike.datasets import operations

        if not _agreed(args, [args.outfile]):
            return 2
        given = {option: getattr(args, option) for option in options}
        given |= {"seed": _drawn(args), "overwrite": True}
        count = getattr(operations, operation)(args.infile, args.outfile, **given)
        tell(args, {"samples": count, "seed": given["seed"]})
        return 0

    return act


_shuffle = _act("shuffle", "true_shuffle", "buf_size", "chunk_size")
_merge = _act("merge", "strategy", "shuffle", "prefix_keys")
_sample = _act("sample", "number", "strategy")


def _split(args: argparse.Namespace) -> int:
    from thunderlike.datasets.operations import split, split_names

    outfiles = args.outfiles or split_names(args.infile, args.split)
    if not _agreed(args, outfiles):
        return 2
    counts = split(args.infile, args.split, outfiles, overwrite=True)
    tell(args, {"samples": dict(zip(outfiles, counts, strict=True))})
    return 0


def _export(args: argparse.Namespace) -> int:
    from thunderlike.datasets import MsgpackReader
    from thunderlike.datasets.exports import export_parquet, export_tar

    if not _agreed(args, [args.outfile]):
        return 2
    export = export_parquet if args.outfile.endswith(".parquet") else export_tar
    tell(args, {"samples": export(MsgpackReader(args.infile), args.outfile)})
    return 0


def _write(args: argparse.Namespace) -> int:
    from thunderlike.datasets import FileWriter, Shuffler

    if not _agreed(args, [args.outfile]):
        return 2
    seed = _drawn(args)
    with _files(args) as reader:
        ordered = Shuffler(reader, seed) if args.shuffle else reader
        with FileWriter(args.outfile, overwrite=True, total=len(reader)) as writer:
            writer.write_many(ordered.slice(0))
    tell(args, {"samples": len(reader), **({"seed": seed} if args.shuffle else {})})
    return 0


def _files(args: argparse.Namespace) -> Any:
    from thunderlike.datasets import DirectoryReader, TarReader, ZipFileReader

    chosen = {
        "labels": args.labels,
        "include": args.include,
        "exclude": args.exclude,
        "separator": args.separator,
    }
    if args.archive is None:
        return DirectoryReader(args.patterns, root_dir=args.root_dir, **chosen)
    kind = ZipFileReader if args.archive.endswith(".zip") else TarReader
    return kind(args.archive, args.patterns, **chosen)
