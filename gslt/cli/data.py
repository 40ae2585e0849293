"""``gslt data``."""

from __future__ import annotations

import json
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from gslt.cli.options import Action, add_root, add_split


def add(commands: Any) -> None:
    """Add the commands to a parser."""
    data = ArgumentParser(description="Data sets: list, show, fetch or make them.")
    commands.add_subcommand("data", data, help="list, show, fetch or make data sets")
    actions = data.add_subcommands(dest="action")
    listing = ArgumentParser(description="Known data sets, and which are present.")
    info = ArgumentParser(description="Facts about one data set.")
    info.add_argument("name", type=str, help="name or path")
    add_split(info)
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

    facts = profile(load_dataset(options.name, options.dataset_dir, split=options.split))
    print(json.dumps(facts, allow_nan=False) if options.json else "\n".join(lines(facts)))


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
    "data download": _data_download,
    "data synthesize": _data_synthesize,
}
