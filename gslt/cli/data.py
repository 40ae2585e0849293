"""``gslt data``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from gslt.cli.options import Action, add_reading, add_root, add_split, address_of
from gslt.errors import DataError


def add(commands: Any) -> None:
    """Add the commands to a parser."""
    data = ArgumentParser(description="Data sets: list, show, convert, fetch or make them.")
    commands.add_subcommand("data", data, help="list, show, convert, fetch or make data sets")
    actions = data.add_subcommands(dest="action")
    listing = ArgumentParser(description="Known data sets, and which are present.")
    info = ArgumentParser(description="Facts about one data set.")
    info.add_argument("name", type=str, help="name or path")
    add_split(info)
    add_reading(info)
    convert = ArgumentParser(description="Write a data set as gslt's own file, without pickle.")
    convert.add_argument("source", type=str, help="name or path")
    convert.add_argument("target", type=Path, help="file to write, which ends in .safetensors")
    add_split(convert)
    add_reading(convert)
    info.add_argument("--json", action="store_true", help="as one line of JSON")
    download = ArgumentParser(description="Fetch a data set. No other command uses the network.")
    download.add_argument("name", type=str, help="name")
    synthesize = ArgumentParser(
        description="Write a synthetic OGBN-Arxiv stand-in in OGB's raw layout."
    )
    synthesize.add_argument("--scale", type=float, default=1.0, help="size; 1 is OGBN-Arxiv's")
    synthesize.add_argument("--seed", type=int, default=0, help="seed of the graph")
    for name, command, text in (
        ("list", listing, "known data sets"),
        ("info", info, "facts about one data set"),
        ("convert", convert, "write one as gslt's own file"),
        ("download", download, "fetch one; no other command uses the network"),
        ("synthesize", synthesize, "write a synthetic OGBN-Arxiv stand-in"),
    ):
        add_root(command)
        actions.add_subcommand(name, command, help=text)


def _data_list(options: Namespace) -> None:
    from gslt.data import list_datasets

    facts = list_datasets(options.dataset_dir)
    width = max(len(fact.name) for fact in facts)
    for fact in facts:
        print(
            f"{fact.name:<{width}}  {'present' if fact.present else 'absent ':<7}  "
            f"{fact.description}"
        )


def _data_info(options: Namespace) -> None:
    from gslt.data import load_dataset
    from gslt.data.profile import lines, profile

    name = address_of(options.name, options)
    facts = profile(load_dataset(name, options.dataset_dir, split=options.split))
    print(json.dumps(facts, allow_nan=False) if options.json else "\n".join(lines(facts)))


def _data_convert(options: Namespace) -> None:
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
    print(data)
    data.save(target)
    print(f"written to {target}; use --dataset {target}")


def _data_download(options: Namespace) -> None:
    from gslt.data import download_dataset

    print(f"written to {download_dataset(options.name, options.dataset_dir)}")


def _data_synthesize(options: Namespace) -> None:
    from gslt.data import write_standin
    from gslt.data.catalogue import data_root

    path = write_standin(data_root(options.dataset_dir), options.scale, options.seed)
    print(f"synthetic OGBN-Arxiv stand-in written to {path}; use --dataset {path}")


ACTIONS: dict[str, Action] = {
    "data list": _data_list,
    "data info": _data_info,
    "data convert": _data_convert,
    "data download": _data_download,
    "data synthesize": _data_synthesize,
}
