"""``gslt construct``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from gslt.cli.options import (
    Action,
    add_config,
    add_root,
    add_split,
    data_folder,
    refuse_lost,
    said_options,
)
from gslt.cli.output import LOG, Outcome
from gslt.cli.parser import Commands, Parser
from gslt.errors import RunError, differences
from gslt.files.folder import TICKET
from gslt.settings import part
from gslt.theory.config import NODES, TARGET, ConstructConfig, TargetConfig

if TYPE_CHECKING:
    from gslt.files import OutputFolder
    from gslt.nn.equivariant import EquivariantNetwork
    from gslt.theory.construct import Construction
    from gslt.theory.targets import Task
    from gslt.ticket import Ticket

DESCRIPTION = """A ticket that equals a given network to an error, by construction: nothing is
searched and nothing in the source is trained. The target is trained first, or loaded; which random
coefficients are kept are subset sums. Writes ticket.safetensors, summary.json, target.safetensors
and a picture of the errors against the width."""
#: What the folder is called, its picture, and its files.
KIND, PICTURE, SUMMARY = "construct", "widths", "summary.json"
FILES = (TICKET, SUMMARY, TARGET, f"{PICTURE}.png", f"{PICTURE}.svg")

#: Settings that a target in a file has behind it, and what they are where nobody says anything.
_OF_TRAINING = {
    each.name: each.default
    for each in fields(TargetConfig)
    if each.name not in ("target", "target_seed")
}


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    commands.add("construct", _parser, "a ticket that equals a network, by theory")


def check_load(options: Namespace, given: Sequence[str]) -> None:
    """Refuse settings of the target's training beside ``--load``, which would be lost.

    The seed is one of them where the data is a graph of nodes; of data that gslt makes it is that
    of the file, and may be repeated.

    Args:
        options: parsed options of any command.
        given: words of the command line.

    Raises:
        ConfigError: if there are some, or the seed is another.
    """
    if options.get("load") is None:
        return
    seed = said_options(options, given, {"target_seed": TargetConfig.target_seed})
    others = said_options(options, given, _OF_TRAINING) + seed * (options.target in NODES)
    refuse_lost(others, f"the target in {str(options.load)!r} is trained")
    if seed:
        from gslt.theory.existence import check_seed

        check_seed(options.load, options.target_seed)


def check_copies(options: Namespace, given: Sequence[str]) -> None:
    """Refuse ``--failure`` beside ``--copies``: the law is not asked then.

    Args:
        options: parsed options of any command.
        given: words of the command line.

    Raises:
        ConfigError: if both are given.
    """
    if options.get("copies") is not None:
        others = said_options(options, given, {"failure": ConstructConfig.failure})
        refuse_lost(others, "--copies sets the number of channels, and the law is not asked")


def _parser() -> Parser:
    parser = Parser(description=DESCRIPTION)
    add_config(parser)
    text = "data set of nodes: name or path [cora]; other targets have data of their own"
    parser.add_argument("--dataset", type=str | None, help=text)
    add_root(parser)
    add_split(parser)
    text = "a target.safetensors of an earlier call, in the place of training and its settings"
    parser.add_argument("--load", type=Path | None, metavar="FILE", help=text)
    text = "output folder [runs/<time>-construct-TARGET-DATASET]"
    parser.add_argument("--out", type=Path | None, metavar="DIR", help=text)
    parser.add_class_arguments(TargetConfig)
    parser.add_class_arguments(ConstructConfig)
    return parser


def _construct(options: Namespace) -> Outcome:
    from gslt.data.catalogue import address
    from gslt.files import plain
    from gslt.studies.constructions import ConstructionFolder
    from gslt.theory.existence import (
        load_target,
        load_task,
        own_dataset,
        trained_target,
        with_seed_of,
    )
    from gslt.training.places import default_folder

    kind, config = part(TargetConfig, options), part(ConstructConfig, options)
    dataset = options.dataset or own_dataset(kind.target)
    dataset = address(dataset) if kind.is_of_nodes else dataset
    place = {"dataset_dir": data_folder(options), "split": options.split}
    load = options.load and str(options.load)
    kind = with_seed_of(load, kind) if load else kind
    task = load_task(kind.target, options.dataset, **place, seed=kind.target_seed)
    target = load and load_target(load, kind.target, task)
    settings = {"dataset": dataset, **place, "load": load, **asdict(kind), **asdict(config)}
    out = options.out or default_folder(f"{KIND}-{kind.target}", dataset)
    with ConstructionFolder(out) as opened:
        folder = opened.files
        _check_folder(folder, settings)
        target = target or trained_target(kind, task, progress=True)
        found, facts, ticket = _write(folder, target, task, config, settings)
    LOG.info("written to %s: %s", folder.path, ", ".join(FILES))
    lines = [
        *_lines(found, facts["target_scores"], facts["ticket_scores"]),
        str(ticket),
        f"the target itself has {4 * found.target_weights:,} bytes of float32: a construction "
        "shows that there is a ticket, and saves nothing",
    ]
    return Outcome("\n".join(lines), {"folder": str(folder.path), **plain(facts)})


def _check_folder(folder: OutputFolder, settings: dict[str, Any]) -> None:
    """Refuse a folder with another construction, or with files that gslt did not write.

    Raises:
        RunError: naming the settings, or the file.
    """
    from gslt.files import parse, read_json, reading

    for file in FILES:
        folder.check(file)
    path = folder.path / SUMMARY
    if not path.exists():
        return
    with reading(path, what="a summary"):
        there = parse(dict[str, Any], read_json(path)).get("settings")
    if there != settings:
        how = "one of a study or an older gslt, whose settings are not known"
        how = differences(there, settings) if isinstance(there, dict) else how
        raise RunError(
            f"{str(folder.path)!r} holds another construction: {how}; choose another --out"
        )


def _write(
    folder: OutputFolder,
    target: EquivariantNetwork,
    task: Task,
    config: ConstructConfig,
    settings: dict[str, Any],
) -> tuple[Construction, dict[str, Any], Ticket]:
    """Construct a ticket of a target, and write both, the figures and a picture."""
    from gslt.report.construction import width_figure
    from gslt.report.figures import save_both
    from gslt.theory.construct import construct
    from gslt.theory.existence import SHARES, errors_against_width, keep_construction, save_target

    # Whatever becomes of the construction, it need not be trained again.
    folder.write_bytes(TARGET, save_target(target, task))
    found = construct(target, task.x, task.graph, config, progress=True)
    widths = errors_against_width(found, target)
    facts, ticket = keep_construction(folder, found, target, task, widths=widths, settings=settings)
    title = f"{target.kind} on {task.shown}, output error {config.epsilon:g}: random width"
    save_both(width_figure(widths, SHARES, title), folder, PICTURE)
    return found, facts, ticket


def _lines(found: Construction, before: dict[str, float], after: dict[str, float]) -> Iterator[str]:
    yield (f"{'split':<9} {'target':>8} {'ticket':>8}")
    for split, value in before.items():
        yield (f"{split:<9} {100 * value:>7.2f}% {100 * after[split]:>7.2f}%")
    yield (
        f"largest output error {found.output_error:.3g} (asked for {found.epsilon:g}, bound by the "
        f"coefficients' errors {found.bound:.3g}); the same class on {100 * found.agreement:.2f} %"
    )
    for block in found.blocks:
        yield (
            f"  {block.layer:<24} {block.coefficients:>8,} coefficients, {block.copies:>5} random "
            f"channels for one, largest error {block.error:.2g} (allowed {block.epsilon:.2g})"
        )
    yield (
        f"random weights per target weight: {found.searched / found.target_weights:,.1f} to choose "
        f"from, {(found.searched + found.first) / found.target_weights:,.0f} with the first "
        f"matrices, which are never made; {found.seconds:.1f} s"
    )


ACTIONS: dict[str, Action] = {"construct": _construct}
