"""The commands, generated from the same configs and functions that Python users call."""

from __future__ import annotations

import dataclasses
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace, set_parsing_settings
from jsonargparse.typing import NonNegativeFloat

from gslt.config import BackendName, DemoConfig, SearchConfig, TrainConfig, build
from gslt.environment import versions
from gslt.errors import ConfigError, GsltError, GsltWarning, Interrupted, RunError

DESCRIPTION = "Strong lottery tickets in graph neural networks: find, store and compare them."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status.

    Errors of gslt end as one sentence on standard error and status 2; other errors are bugs and
    show their trace.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parse(given)
    name, parsed = options.command, options[options.command]
    if name == "data":
        name, parsed = f"data {parsed.action}", parsed[parsed.action]
    try:
        with _plain_warnings():
            _check_resume(parsed, given)
            COMMANDS[name](parsed)
    except Interrupted as error:
        print(f"gslt: {error}", file=sys.stderr)
        return 128 + error.signal_number
    except GsltError as error:
        print(f"gslt: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of our output has gone, as in `gslt data list | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"gslt: {error.strerror or error}: {error.filename or ''}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("gslt: interrupted", file=sys.stderr)
        return 130
    return 0


def parse(given: Sequence[str]) -> Namespace:
    """The options of a command line; what is wrong with them ends in a usage message, status 2."""
    parser = build_parser()
    try:
        return parser.parse_args(given)
    except UnicodeDecodeError as error:
        parser.error(f"a settings file is not UTF-8 text ({error.reason} at byte {error.start})")
    except RecursionError:
        parser.error("a settings file is nested too deeply")


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Within, a warning of gslt's is one sentence, without the place in the code."""
    usual = warnings.formatwarning

    def plain(message: Any, category: type[Warning], *place: Any, **options: Any) -> str:
        if issubclass(category, GsltWarning):
            return f"gslt: warning: {message}\n"
        return usual(message, category, *place, **options)

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _check_resume(options: Namespace, given: Sequence[str]) -> None:
    """Refuse settings beside ``--resume``, which would be lost."""
    if options.get("resume") is None:
        return
    flags = [word.partition("=")[0] for word in given if word.startswith("--")]
    others = [flag for flag in flags if flag not in ("--resume", "--checkpoint_seconds")]
    if others:
        raise ConfigError(
            f"--resume takes every setting from its folder; leave out {', '.join(others)}"
        )


def build_parser() -> ArgumentParser:
    """The parser of all commands."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser(prog="gslt", description=DESCRIPTION)
    numbers = ", ".join(f"{name} {number}" for name, number in versions().items())
    parser.add_argument("--version", action="version", version=numbers)
    commands = parser.add_subcommands(dest="command")
    commands.add_subcommand("search", _run_parser(SearchConfig), help="search a ticket")
    commands.add_subcommand("train", _run_parser(TrainConfig), help="train the weights instead")
    commands.add_subcommand("evaluate", _evaluate_parser(), help="accuracy of a ticket")
    commands.add_subcommand("inspect", _inspect_parser(), help="what a ticket file holds")
    commands.add_subcommand("demo", _demo_parser(), help="the main job on the embedded graph")
    data = ArgumentParser(description="Data sets: list, show, fetch or make them.")
    commands.add_subcommand("data", data, help="list, show, fetch or make data sets")
    _add_data_commands(data)
    return parser


def _run_parser(config: type[Any]) -> ArgumentParser:
    parser = ArgumentParser(description=(config.__doc__ or "").splitlines()[0])
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_argument("--out", type=Path | None, help="run folder [runs/<time>-…]")
    text = "go on with the run in this folder; every setting is taken from there"
    parser.add_argument("--resume", type=Path | None, metavar="DIR", help=text)
    text = "time between checkpoints [as often as costs 1 %% of the time]"
    parser.add_argument("--checkpoint_seconds", type=NonNegativeFloat | None, help=text)
    parser.add_argument("--dataset", type=str, default="debian", help="data set: name or path")
    _add_root(parser)
    _add_split(parser)
    parser.add_class_arguments(config)
    return parser


def _evaluate_parser() -> ArgumentParser:
    parser = ArgumentParser(description="Accuracy of a ticket on every split.")
    parser.add_argument("ticket", type=Path, help="ticket file")
    text = "data set: name or path [the one that it was found on]"
    parser.add_argument("--dataset", type=str | None, help=text)
    _add_root(parser)
    parser.add_argument("--split", type=int | None, help="number of the split [the ticket's]")
    parser.add_argument("--backend", type=BackendName, default="pyg", help="engine")
    return parser


def _inspect_parser() -> ArgumentParser:
    parser = ArgumentParser(description="What a ticket file holds: network, counts, size.")
    parser.add_argument("ticket", type=Path, help="ticket file")
    return parser


def _demo_parser() -> ArgumentParser:
    parser = ArgumentParser(
        description="Weight training and tickets in a dense, a sparse and a frozen source, on the "
        "embedded Debian graph: table and pictures."
    )
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="output folder")
    parser.add_class_arguments(DemoConfig)
    return parser


def _add_data_commands(parser: ArgumentParser) -> None:
    commands = parser.add_subcommands(dest="action")
    listing = ArgumentParser(description="Known data sets, and which are present.")
    info = ArgumentParser(description="Facts about one data set.")
    info.add_argument("name", type=str, help="name or path")
    _add_split(info)
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
        _add_root(command)
        commands.add_subcommand(name, command, help=text)


def _add_root(parser: ArgumentParser) -> None:
    text = "folder of the data sets [$GSLT_DATA or dataset]"
    parser.add_argument("--dataset_dir", type=Path | None, help=text)


def _add_split(parser: ArgumentParser) -> None:
    parser.add_argument("--split", type=int, default=0, help="number of the split, where several")


def _run(kind: type[Any], options: Namespace) -> None:
    from gslt.data import load_dataset
    from gslt.run_folder import RunFolder, default_folder, unfinished_folder
    from gslt.search import check_runnable, search, train

    action: Any = search if kind is SearchConfig else train
    if options.resume is not None:
        out, chosen, config = _resumed(options.resume, kind, action.__name__)
    else:
        chosen = {
            "dataset": options.dataset,
            "dataset_dir": options.dataset_dir and str(options.dataset_dir),
            "split": options.split,
        }
        names = [field.name for field in dataclasses.fields(kind)]
        config = kind(**{name: options[name] for name in names})
        out = options.out
    dataset = load_dataset(chosen["dataset"], chosen["dataset_dir"], split=chosen["split"])
    print(dataset)
    check_runnable(config)
    if out is None:
        out = unfinished_folder(action.__name__, {**chosen, **dataclasses.asdict(config)})
        if out is not None:
            print(f"going on with {out}, a run with the same settings that was not finished")
    out = out or default_folder(action.__name__, chosen["dataset"])
    with RunFolder(out, config, chosen, checkpoint_seconds=options.checkpoint_seconds) as folder:
        if folder.finished:
            print(f"{out} is finished; what follows is its result")
        try:
            result = action(dataset, config, folder=folder)
        except OSError as error:
            raise RunError(
                f"{error.strerror or error}: {error.filename or out}; what was computed is kept: "
                f"make room, then gslt {action.__name__} --resume {out}"
            ) from error
    print(result)
    if result.ticket is not None:
        print(_size_line(result.ticket))
    print(f"written to {out}")


def _resumed(path: Path, kind: type[Any], command: str) -> tuple[Path, dict[str, Any], Any]:
    """Folder, options and config of a run to go on with."""
    from gslt.run_folder import read_config

    found, values = read_config(path)
    if found != command:
        raise RunError(f"{str(path)!r} was begun by gslt {found}: gslt {found} --resume {path}")
    options = {"dataset": "debian", "dataset_dir": None, "split": 0}
    chosen = {name: values.pop(name, default) for name, default in options.items()}
    try:
        return path, chosen, build(kind, values)
    except (ConfigError, TypeError) as error:
        raise RunError(f"{str(path / 'config.yaml')!r} is damaged: {error}") from error


def _search(options: Namespace) -> None:
    _run(SearchConfig, options)


def _train(options: Namespace) -> None:
    _run(TrainConfig, options)


def _evaluate(options: Namespace) -> None:
    from gslt.data import load_dataset
    from gslt.data.catalogue import known_entry
    from gslt.search import evaluate
    from gslt.ticket import load_ticket

    ticket = load_ticket(options.ticket)
    name = options.dataset or ticket.dataset
    if options.dataset is None and known_entry(name) is None:
        raise ConfigError(f"the ticket was found on {name!r}, no known name; give --dataset")
    split_number = ticket.split if options.split is None else options.split
    dataset = load_dataset(name, options.dataset_dir, split=split_number)
    same = (dataset.name, dataset.split) == (ticket.dataset, ticket.split)
    accuracy = evaluate(ticket.model(options.backend), dataset)
    print(f"{options.ticket} on {dataset.name} ({options.backend})")
    for split, value in accuracy.items():
        stored = ticket.results.get(split) if same else None
        found = f" (at the search {100 * stored:.2f})" if stored is not None else ""
        print(f"{split:>5} {100 * value:6.2f} %{found}")


def _inspect(options: Namespace) -> None:
    from gslt.ticket import load_ticket

    ticket = load_ticket(options.ticket)
    if ticket.architecture is not None:
        a = ticket.architecture
        print(f"model     {a.model}, {a.in_channels} features, {a.out_channels} classes")
    print(f"source    {ticket.config}")
    print(f"found on  {ticket.dataset or 'unknown'}: {ticket.results}")
    print(_size_line(ticket))
    s = ticket.size()
    print(
        f"file      masks {s.coded_bytes:,} bytes (entropy bound {s.entropy_bits / 8:,.1f} bytes, "
        f"one bit each {(s.bits + 7) // 8:,}); header and metadata {s.header_bytes:,}"
    )
    width = max(map(len, ticket.masks))
    for name, mask in ticket.masks.items():
        print(f"  {name:<{width}} keeps {int(mask.sum()):>9,} of {mask.numel():>9,} searched")


def _size_line(ticket: Any) -> str:
    s = ticket.size()
    return (
        f"ticket    {s.total:,} weights: {s.pruned:,} pruned, {s.locked:,} locked, "
        f"{s.searched:,} searched; {s.kept:,} kept (sparsity {s.sparsity:.3f}, density "
        f"{s.density:.3f})\nsize      {s.bits:,} mask bits, × {s.ratio:.1f} smaller than float32 "
        f"weights; file {s.bytes:,} bytes, × {s.file_ratio:.1f}"
    )


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

    facts = load_dataset(options.name, options.dataset_dir, split=options.split).info()
    width = max(map(len, facts))
    for name, value in facts.items():
        shown = f"{value:.4g}" if isinstance(value, float) else value
        if isinstance(value, int) and not isinstance(value, bool):
            shown = f"{value:,}"
        print(f"{name:<{width}}  {shown}")


def _data_download(options: Namespace) -> None:
    from gslt.data import download_dataset

    print(f"written to {download_dataset(options.name, options.dataset_dir)}")


def _data_synthesize(options: Namespace) -> None:
    from gslt.data import write_standin
    from gslt.data.catalogue import data_root

    path = write_standin(data_root(options.dataset_dir), options.scale, options.seed)
    print(f"synthetic OGBN-Arxiv stand-in written to {path}; use --dataset {path}")


def _demo(options: Namespace) -> None:
    from gslt.studies.demo import run_demo, table

    config = DemoConfig(**{name: value for name, value in options.items() if name != "out"})
    rows = run_demo(options.out, config)
    print("\n" + table(rows))
    names = ("summary.json", "table.md", "accuracy_vs_size.png", "learning_curves.png")
    print("written: " + ", ".join(str(options.out / name) for name in names))


COMMANDS: dict[str, Callable[[Namespace], None]] = {
    "search": _search,
    "train": _train,
    "evaluate": _evaluate,
    "inspect": _inspect,
    "demo": _demo,
    "data list": _data_list,
    "data info": _data_info,
    "data download": _data_download,
    "data synthesize": _data_synthesize,
}

if __name__ == "__main__":
    sys.exit(main())
