"""``gslt evaluate``, ``gslt inspect`` and ``gslt overlap``."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from gslt.cli.options import (
    Action,
    add_other_data,
    add_reading,
    add_root,
    address_of,
    data_folder,
    field_names,
    refuse_lost,
)
from gslt.cli.output import LOG, Outcome
from gslt.cli.parser import Commands, Parser
from gslt.config import VISION, BackendName
from gslt.errors import ConfigError, GsltWarning, listed, warn
from gslt.files import plain

if TYPE_CHECKING:
    from gslt.ticket.ticket import Ticket


def add(commands: Commands) -> None:
    """Add the commands to a parser."""
    commands.add("evaluate", _evaluate_parser, "score of a ticket")
    commands.add("inspect", _inspect_parser, "what a ticket file holds")
    commands.add("overlap", _overlap_parser, "how many weights tickets have in common")


def _evaluate_parser() -> Parser:
    parser = Parser(description="Accuracy, or the data set's metric, on every split.")
    parser.add_argument("ticket", type=Path, metavar="TICKET", help="ticket file")
    text = "data set: name or path [the one that it was found on, as it or its run folder says]"
    parser.add_argument("--dataset", type=str | None, help=text)
    add_root(parser)
    text = "number of the split, or the seed of data that is made [the ticket's]"
    parser.add_argument("--split", type=int | None, help=text)
    add_reading(parser)
    add_other_data(parser)
    parser.add_argument(
        "--backend", type=BackendName, default="pyg", help="engine of the message passing"
    )
    return parser


def _inspect_parser() -> Parser:
    parser = Parser(description="What a ticket file holds: network, counts, size.")
    parser.add_argument("ticket", type=Path, metavar="TICKET", help="ticket file")
    return parser


#: What a picture can be written as.
_PICTURES = (".png", ".svg", ".pdf")
_OVERLAP = """How many weights tickets have in common, beside what they would have by chance: of
two tickets layer by layer, of more for every pair. They are of one network, and of one seed unless
you mean to compare places alone."""


def _overlap_parser() -> Parser:
    parser = Parser(description=_OVERLAP)
    text = "ticket files, two or more"
    parser.add_argument("tickets", nargs="+", type=Path, metavar="TICKET", help=text)
    text = "draw the Jaccard indices into this file, such as overlap.png or .svg"
    parser.add_argument("--plot", type=Path | None, metavar="FILE", help=text)
    return parser


def _evaluate(options: Namespace) -> Outcome:
    from gslt.data import NodeDataset, load_dataset
    from gslt.data.catalogue import known_name
    from gslt.data.content import hold_to_data
    from gslt.nn.source import ConstructedNetwork
    from gslt.ticket.ticket import load_ticket
    from gslt.training.results import ticket_results
    from gslt.training.search import evaluate

    ticket = load_ticket(options.ticket)
    if ticket.construction is not None:
        return _evaluate_constructed(ticket, options)
    model = ticket.model(options.backend)  # Of a module of your own there is none.
    name, root = options.dataset or ticket.dataset, data_folder(options)
    if options.dataset is None and known_name(name) is None:
        name, root = _data_of_run(options.ticket, name, root)
    split_number = ticket.split if options.split is None else options.split
    dataset = load_dataset(address_of(name, options), root, split=split_number)
    known, what = {"content_hash": ticket.content_hash}, repr(str(options.ticket))
    if said := hold_to_data(known, what, dataset, allowed=options.allow_other_data):
        warn(said, GsltWarning)
    assert not isinstance(model, ConstructedNetwork)
    model.found_on = None  # It is compared, in a sentence that names the file.
    scores, majority = evaluate(model, dataset), dataset.majority_rate()
    content = ticket.content_hash or ticket.dataset
    same = ticket.split == dataset.split and content in (dataset.content_hash, dataset.name)
    names = ticket_results(dict.fromkeys(scores, 0.0), 0, dataset.metric)
    engine = f" ({options.backend})" if isinstance(dataset, NodeDataset) else ""
    lines = [f"{options.ticket} on {dataset.name}{engine}: {dataset.metric_label}"]
    for (split, value), name in zip(scores.items(), names, strict=False):
        stored = ticket.results.get(name) if same else None
        when = "training" if ticket.is_weak else "search"
        found = f" (at the {when} {100 * stored:.2f})" if stored is not None else ""
        rate = f"majority rate {100 * majority[split]:.2f}"
        lines.append(f"{split:>5} {100 * value:6.2f} %, {rate}{found}")
    values = {"dataset": dataset.name, "metric": dataset.metric, "backend": options.backend}
    found_then = ticket.results if same else {}
    values |= {"scores": scores, "majority_rate": majority, "stored": found_then}
    return Outcome("\n".join(lines), {"ticket": str(options.ticket), **plain(values)})


def _data_of_run(path: Path, name: str, root: str | None) -> tuple[str, str | None]:
    """Address and folder of the data of a ticket that lies in the folder of its run.

    Args:
        path: of the ticket.
        name: what the ticket calls its data set.
        root: folder of the data sets that is given.

    Raises:
        ConfigError: if there is no run folder around it that says so.
    """
    from gslt.training.places import CONFIG, begun_by_command, read_config

    unknown = ConfigError(f"the ticket was found on {name!r}, no known name; give --dataset")
    if not (path.parent / CONFIG).is_file():
        raise unknown
    _, values = read_config(path.parent)
    if not begun_by_command(values):
        raise unknown
    LOG.info("on %s, as %s says", values["dataset"], path.parent / CONFIG)
    return values["dataset"], root or values["dataset_dir"]


def _evaluate_constructed(ticket: Ticket, options: Namespace) -> Outcome:
    """The scores of a constructed ticket, beside those at its construction."""
    from gslt.data.content import content_facts, hold_to_facts
    from gslt.data.options import ReadOptions
    from gslt.nn.source import ConstructedNetwork
    from gslt.theory.config import NODES
    from gslt.theory.existence import load_task

    assert ticket.construction is not None
    if options.backend != "pyg":
        raise ConfigError(
            "backend is a setting of networks of graphs that were searched or trained, and "
            f"{str(options.ticket)!r} is constructed; leave it out"
        )
    kind = ticket.construction.kind
    named = options.dataset or (ticket.dataset if kind in NODES else None)
    split = ticket.split if options.split is None else options.split
    if named is None:
        options_of_data = (*field_names(ReadOptions), "dataset_dir")
        lost = [f"--{option}" for option in options_of_data if options[option] is not None]
        refuse_lost(lost, f"{str(options.ticket)!r} is of data that is made")
    address = None if named is None else address_of(named, options)
    # Data that is made has the seed in the place of the number of a split.
    place = {"split": split} if kind in NODES else {"seed": split}
    task = load_task(kind, address, dataset_dir=data_folder(options), **place)
    data = task.dataset
    name = task.name if data is not None else f"{task.name} of seed {split}"
    facts = content_facts(data) if data is not None else {"content_hash": task.content_hash}
    known, what = {"content_hash": ticket.content_hash}, repr(str(options.ticket))
    if said := hold_to_facts(known, what, name, facts, allowed=options.allow_other_data):
        warn(said, GsltWarning)
    same = ticket.content_hash == task.content_hash
    model = ticket.model()
    assert isinstance(model, ConstructedNetwork)
    metric = "accuracy" if data is None else data.metric_label
    lines = [f"{options.ticket}, constructed, on {task.shown}: {metric}"]
    scores = task.scores(model)
    for name, value in scores.items():
        stored = ticket.results.get(name) if same else None
        found = f" (at the construction {100 * stored:.2f})" if stored is not None else ""
        lines.append(f"{name:>5} {100 * value:6.2f} %{found}")
    values = {"dataset": task.name, "metric": metric, "scores": scores}
    values["stored"] = ticket.results if same else {}
    return Outcome("\n".join(lines), {"ticket": str(options.ticket), **plain(values)})


def _overlap(options: Namespace) -> Outcome:
    from gslt.report.figures import save_figure
    from gslt.ticket.overlaps import overlap_figure, overlap_lines, pairwise_overlaps
    from gslt.ticket.ticket import load_ticket

    paths = list(map(str, options.tickets))
    if len(paths) < 2:
        raise ConfigError("an overlap is of two ticket files at least")
    if twice := [path for path, number in Counter(paths).items() if number > 1]:
        raise ConfigError(f"{listed(twice)} is given twice; leave one out")
    if options.plot is not None and options.plot.suffix.lower() not in _PICTURES:
        raise ConfigError(
            f"a picture ends in {' or '.join(_PICTURES)}, and {str(options.plot)!r} does not"
        )
    found = pairwise_overlaps({path: load_ticket(path) for path in paths})
    if len(found) == 1:
        (each,) = found.values()
        rows, text, note = each.rows, str(each), each.note
        title = f"{paths[0]} and {paths[1]}: weights that both keep"
    else:
        rows = {f"{one} and {other}": each.whole for (one, other), each in found.items()}
        note = next(
            (f"where not all have one sign, {x.note}" for x in found.values() if x.note), ""
        )
        text = "\n".join([*overlap_lines(rows, "tickets"), *filter(None, [note])])
        title = f"{len(paths)} tickets: weights that both of a pair keep"
    if options.plot is not None:
        save_figure(overlap_figure(rows, title, note), options.plot)
    pairs = [
        {
            "tickets": list(pair),
            "same_weights": each.same_weights,
            "all": each.whole.as_dict(),
            "layers": {name: layer.as_dict() for name, layer in each.layers.items()},
        }
        for pair, each in found.items()
    ]
    return Outcome(text, {"pairs": plain(pairs)})


def _inspect(options: Namespace) -> Outcome:
    from gslt.ticket.ticket import load_ticket

    ticket = load_ticket(options.ticket)
    return Outcome("\n".join(_lines(ticket)), _facts(ticket, str(options.ticket)))


def _lines(ticket: Ticket) -> Iterator[str]:
    if ticket.architecture is not None:
        a = ticket.architecture
        what = "channels" if a.model.architecture in VISION else "features"
        yield f"model     {a.model}, {a.in_channels} {what}, {a.out_channels} classes"
    if (built := ticket.construction) is not None:
        yield f"model     {built}"
    yield f"source    {ticket.config}"
    content = f" (content {ticket.content_hash[:8]}…)" if ticket.content_hash else ""
    yield f"found on  {ticket.dataset or 'unknown'}{content}: {ticket.results}"
    yield str(ticket)
    s = ticket.size()
    yield (
        f"file      masks {s.coded_bytes:,} bytes (entropy bound {s.entropy_bits / 8:,.1f} bytes, "
        f"one bit each {(s.bits + 7) // 8:,}); header and metadata {s.header_bytes:,}"
    )
    width, report = max(map(len, ticket.masks)), ticket.report
    layers = {layer.name: layer for layer in report.layers} if report else {}
    for name, mask in ticket.masks.items():
        frozen = ""
        if (layer := layers.get(name)) is not None:
            c = layer.counts
            frozen = f"{c.total:>9,} weights: {c.pruned:>9,} pruned, {c.locked:>9,} locked, "
            if ticket.config.connected:
                frozen += f"{layer.added:>6,} added to connect units, "
        kept = f"keeps {int(mask.sum()):>9,} of {mask.numel():>9,} searched"
        if ticket.is_weak:
            left, total = ticket.kept_by_layer[name]
            kept += f", density {left / max(1, total):.3f}"
        yield f"  {name:<{width}} {frozen}{kept}"
    if ticket.is_weak:
        how = "regenerated from the seed" if not s.bits else "stored, as it was rewired"
        yield f"weak      {s.kept:,} trained weights, {4 * s.kept:,} bytes; their mask is {how}"
    if ticket.pattern:
        yield f"pattern   given, not drawn: {s.pattern_bytes:,} bytes"
    if ticket.state:
        count = sum(value.numel() for value in ticket.state.values())
        size = sum(value.nbytes for value in ticket.state.values())
        yield f"state     {count:,} values beside the masks, {size:,} bytes"
    for name, value in ticket.state.items():
        shape = "×".join(map(str, value.shape)) or "one value"
        yield f"  {name}  {shape}, {str(value.dtype).removeprefix('torch.')}"
    for sentence in _warnings(ticket):
        yield f"warning   {sentence}"


def _warnings(ticket: Ticket) -> list[str]:
    report = ticket.report
    # What is trained is not measured by where it is frozen, and the widths of a constructed source
    # are as the law has them.
    even = ticket.is_weak or ticket.construction is not None
    found = [] if report is None else [report.shortfall, "" if even else report.concentration]
    return [sentence for sentence in (*found, ticket.emptied) if sentence]


def _facts(ticket: Ticket, path: str) -> dict[str, Any]:
    """What :func:`_lines` says, as plain values."""
    a = ticket.architecture
    # Of a module of your own a ticket knows what was searched, and not what was locked.
    all_of = "total" if ticket.report else "searched"
    values: dict[str, Any] = {
        "ticket": path,
        "architecture": a and dataclasses.asdict(a),
        "construction": ticket.construction and str(ticket.construction),
        "config": dataclasses.asdict(ticket.config),
        "weak": ticket.is_weak,
        "dataset": ticket.dataset,
        "content_hash": ticket.content_hash,
        "split": ticket.split,
        "results": ticket.results,
        "size": ticket.size().as_dict(),
        "layers": {
            name: {"kept": kept, all_of: total}
            for name, (kept, total) in ticket.kept_by_layer.items()
        },
        "state": {name: list(value.shape) for name, value in ticket.state.items()},
        "warnings": _warnings(ticket),
    }
    return dict(plain(values))


ACTIONS: dict[str, Action] = {"evaluate": _evaluate, "inspect": _inspect, "overlap": _overlap}
