"""``gslt construct``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from gslt.cli.options import Action, add_config, add_root, add_split, data_folder
from gslt.cli.output import LOG, Outcome
from gslt.cli.parser import Commands, Parser
from gslt.config import part
from gslt.theory.config import TARGET, ConstructConfig, TargetConfig

if TYPE_CHECKING:
    from gslt.theory.construct import Construction

DESCRIPTION = """A ticket that equals a given network to an error, by construction: nothing is
searched and nothing in the source is trained. The target is trained first, or loaded; which random
coefficients are kept are subset sums. Writes ticket.safetensors, summary.json, target.safetensors
and a picture of the errors against the width."""
#: What the folder is called, its picture, and its files.
KIND, PICTURE = "construct", "widths"
FILES = ("ticket.safetensors", "summary.json", TARGET, f"{PICTURE}.png", f"{PICTURE}.svg")


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    commands.add("construct", _parser, "a ticket that equals a network, by theory")


def _parser() -> Parser:
    parser = Parser(description=DESCRIPTION)
    add_config(parser)
    text = "data set of nodes: name or path [cora]; other targets have data of their own"
    parser.add_argument("--dataset", type=str | None, help=text)
    add_root(parser)
    add_split(parser)
    text = "a target.safetensors of an earlier call, in the place of training"
    parser.add_argument("--load", type=Path | None, metavar="FILE", help=text)
    text = "output folder [runs/construct-TARGET-DATASET]"
    parser.add_argument("--out", type=Path | None, metavar="DIR", help=text)
    parser.add_class_arguments(TargetConfig)
    parser.add_class_arguments(ConstructConfig)
    return parser


def _construct(options: Namespace) -> Outcome:
    from gslt.files import OutputFolder, plain
    from gslt.report.construction import width_figure
    from gslt.report.figures import save_both
    from gslt.theory.construct import construct
    from gslt.theory.existence import (
        SHARES,
        errors_against_width,
        keep_construction,
        make_target,
        save_target,
    )

    kind, config = part(TargetConfig, options), part(ConstructConfig, options)
    name = f"construct-{kind.target}-{options.dataset or ''}".rstrip("-").replace("/", "-")
    folder = OutputFolder(options.out or Path("runs") / name, KIND)
    for file in FILES:
        folder.check(file)
    target, task = make_target(
        kind,
        options.dataset,
        dataset_dir=data_folder(options),
        split=options.split,
        path=options.load,
        progress=True,
    )
    # Whatever becomes of the construction, it need not be trained again.
    folder.write_bytes(TARGET, save_target(target))
    found = construct(target, task.x, task.graph, config, progress=True)
    layers = errors_against_width(found, target)
    facts, ticket = keep_construction(folder, found, target, task, widths=layers)
    title = f"{kind.target} on {task.shown}, output error {config.epsilon:g}: random width"
    save_both(width_figure(layers, SHARES, title), folder, PICTURE)
    LOG.info("written to %s: %s", folder.path, ", ".join(FILES))
    lines = [
        *_lines(found, facts["target_scores"], facts["ticket_scores"]),
        str(ticket),
        f"the target itself has {4 * found.target_weights:,} bytes of float32: a construction "
        "shows that there is a ticket, and saves nothing",
    ]
    return Outcome("\n".join(lines), {"folder": str(folder.path), **plain(facts)})


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
