"""``gslt data``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from jsonargparse import Namespace

from gslt.cli.options import Action, add_reading, add_root, add_split, address_of
from gslt.cli.output import LOG, Outcome
from gslt.cli.parser import Commands, Parser
from gslt.errors import DataError, GsltWarning, pasted, warn
from gslt.files import plain


def add(commands: Commands) -> None:
    """Add the commands to a parser."""
    text = "list, show, convert, fetch or make data sets"
    data = commands.group("data", "Data sets: list, show, convert, fetch or make them.", text)
    for name, (about, options, text) in _PARSERS.items():
        data.add(name, partial(_parser, about, options), text)


def _parser(about: str, options: Callable[[Parser], None]) -> Parser:
    parser = Parser(description=about)
    options(parser)
    add_root(parser)
    return parser


def _of_one(parser: Parser) -> None:
    parser.add_argument("name", type=str, metavar="DATASET", help="name or path")
    add_split(parser)
    add_reading(parser)


def _of_convert(parser: Parser) -> None:
    parser.add_argument("source", type=str, metavar="DATASET", help="name or path")
    text = "file to write, which ends in .safetensors"
    parser.add_argument("target", type=Path, metavar="FILE", help=text)
    add_split(parser)
    add_reading(parser)


def _of_download(parser: Parser) -> None:
    parser.add_argument("name", type=str, metavar="DATASET", help="name")


def _of_synthesize(parser: Parser) -> None:
    parser.add_argument("--scale", type=float, default=1.0, help="size; 1 is OGBN-Arxiv's")
    parser.add_argument("--seed", type=int, default=0, help="seed of the graph")


#: Description, options and line in the list of commands.
_PARSERS: dict[str, tuple[str, Callable[[Parser], None], str]] = {
    "list": (
        "Known data sets, and which are present.",
        lambda parser: None,
        "known data sets",
    ),
    "info": ("Facts about one data set.", _of_one, "facts about one data set"),
    "convert": (
        "Write a data set as gslt's own file, without pickle.",
        _of_convert,
        "write one as gslt's own file",
    ),
    "download": (
        "Fetch a data set. No other command uses the network.",
        _of_download,
        "fetch one; no other command uses the network",
    ),
    "synthesize": (
        "Write a synthetic OGBN-Arxiv stand-in in OGB's raw layout.",
        _of_synthesize,
        "write a synthetic OGBN-Arxiv stand-in",
    ),
}


def _data_list(options: Namespace) -> Outcome:
    from gslt.data import list_datasets

    if options.dataset_dir is not None and not options.dataset_dir.is_dir():
        warn(f"{str(options.dataset_dir)!r} is no folder, so that nothing is there", GsltWarning)
    facts = list_datasets(options.dataset_dir)
    width = max(len(fact.name) for fact in facts)
    lines = [
        f"{fact.name:<{width}}  {'present' if fact.present else 'absent':<7}  {fact.description}"
        for fact in facts
    ]
    return Outcome("\n".join(lines), plain(facts))


def _data_info(options: Namespace) -> Outcome:
    from gslt.data import load_dataset
    from gslt.data.profile import lines, profile

    name = address_of(options.name, options)
    facts = profile(load_dataset(name, options.dataset_dir, split=options.split))
    return Outcome("\n".join(lines(facts)), facts)


def _data_convert(options: Namespace) -> Outcome:
    from gslt.data import as_dataset, load_dataset
    from gslt.data.stored import is_stored

    target = options.target
    if (target.exists() or target.is_symlink()) and not (target.is_file() and is_stored(target)):
        raise DataError(
            f"{str(target)!r} is there and no data set of gslt, so it is not overwritten; choose "
            "another target"
        )
    name = address_of(options.source, options)
    data = as_dataset(load_dataset(name, options.dataset_dir, split=options.split))
    LOG.info("%s", data)
    data.save(target)
    return _written(target, f"use {pasted('--dataset', target)}")


def _data_download(options: Namespace) -> Outcome:
    from gslt.data import download_dataset
    from gslt.data.catalogue import DATASETS, data_root, is_present, known_name

    name = known_name(options.name) or options.name
    there = name in DATASETS and is_present(name, data_root(options.dataset_dir))
    path = download_dataset(name, options.dataset_dir)
    if there:
        return Outcome(f"{name} is there already: {path}", {"there": str(path)})
    return _written(path)


def _data_synthesize(options: Namespace) -> Outcome:
    from gslt.data import write_standin
    from gslt.data.catalogue import data_root

    path = write_standin(data_root(options.dataset_dir), options.scale, options.seed)
    return _written(path, f"use {pasted('--dataset', path)}", "synthetic OGBN-Arxiv stand-in ")


def _written(path: Path, advice: str = "", what: str = "") -> Outcome:
    end = f"; {advice}" if advice else ""
    return Outcome(f"{what}written to {path}{end}", {"written": str(path)})


ACTIONS: dict[str, Action] = {
    "data list": _data_list,
    "data info": _data_info,
    "data convert": _data_convert,
    "data download": _data_download,
    "data synthesize": _data_synthesize,
}
