"""What was measured, written into a folder: tables, data and pictures."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gslt.files import write_json, write_text
from gslt.oversmoothing.canvas import styles
from gslt.oversmoothing.export import as_json, layers_csv
from gslt.oversmoothing.measurement import Measurement
from gslt.oversmoothing.pictures import depth_figure, layers_figure, search_figure
from gslt.oversmoothing.steps import has_changes
from gslt.oversmoothing.steps_picture import steps_figure
from gslt.oversmoothing.tables import markdown, plain, tables_of
from gslt.studies.report.figures import save_both

_KINDS = ("layers", "search", "depth", "steps")
#: What is missing for a picture, and where to get it.
_LACKS = {
    "search": "there is no probe.jsonl: gslt search --probe_every N writes it into the run folder",
    "depth": "there is one depth: give runs of several depths, or --depths",
    "steps": "the steps were not measured: --steps does",
}


def write(found: Sequence[Measurement], out: Path, *, steps: bool) -> Iterator[str]:
    """Write tables, data and pictures; gives what is shown on the terminal, as it is there.

    Pictures of an earlier call that this one did not draw are removed, as they would stand beside
    tables of other numbers.
    """
    tables = tables_of(found)
    for table in tables:
        yield f"{plain(table)}\n"
    write_text(out / "smooth.md", markdown(tables, _laplacians(found)))
    write_text(out / "smooth.csv", layers_csv(found))
    write_json(out / "smooth.json", as_json(found))
    files = ["smooth.md", "smooth.csv", "smooth.json"]
    drawn: set[str] = set()
    for kind, name, figure in _figures(found):
        drawn.add(kind)
        files += [path.name for path in save_both(figure, out, name)]
    stale = list(_pictures_in(out) - set(files))
    for name in stale:
        (out / name).unlink()
    for kind, reason in (_LACKS | _lacks_of_steps(found, steps)).items():
        if kind not in drawn:
            yield f"no picture of the {kind}: {reason}"
    if steps and any(each.steps for each in found) and not any(map(has_changes, found)):
        yield "no table of what each step adds: it takes the measure centred_rayleigh_quotient"
    if stale:
        yield f"removed, being of an earlier call: {', '.join(sorted(stale))}"
    yield f"written to {out}: {', '.join(files)}"


def _lacks_of_steps(found: Sequence[Measurement], asked: bool) -> dict[str, str]:
    """Why there is no picture of steps that were asked for."""
    if any(each.steps for each in found):
        names = "centred_rayleigh_quotient, collapse, effective_rank"
        return {"steps": f"it takes one of the measures {names}"}
    records = "records hold none, and there is no run folder to measure them in"
    return {"steps": records} if asked else {}


def _pictures_in(out: Path) -> set[str]:
    """Names of the pictures in a folder, as a call may have written them."""
    patterns = itertools.product(_KINDS, ("", "-*"), ("png", "svg"))
    globs = (out.glob(f"{kind}{part}.{end}") for kind, part, end in patterns)
    return {path.name for path in itertools.chain.from_iterable(globs) if path.is_file()}


def _laplacians(found: Sequence[Measurement]) -> str:
    pairs = {each.network.model.architecture: each.laplacian for each in found}
    parts = ", ".join(f"{name.upper()}: {kind.replace('_', '-')}" for name, kind in pairs.items())
    return f"Laplacian of the propagation: {parts}."


def _figures(found: Sequence[Measurement]) -> Iterator[tuple[str, str, Any]]:
    """Kind, file name and figure of every picture that there is data for."""
    look = styles(found)
    datasets = list(dict.fromkeys(each.dataset for each in found))
    for dataset in datasets:
        mine = [each for each in found if each.dataset == dataset]
        part = f"-{_slug(dataset)}" if len(datasets) > 1 else ""
        depths = sorted({each.network.depth for each in mine})
        for depth in depths:
            same = [each for each in mine if each.network.depth == depth]
            end = f"{part}-depth{depth}" if len(depths) > 1 else part
            title = f"{dataset}, {depth} layers"
            yield "layers", f"layers{end}", layers_figure(same, look, title)
            if (figure := search_figure(same, look, title)) is not None:
                yield "search", f"search{end}", figure
            if (figure := steps_figure(same, title)) is not None:
                yield "steps", f"steps{end}", figure
        if (figure := depth_figure(mine, look, dataset)) is not None:
            yield "depth", f"depth{part}", figure


def _slug(name: str) -> str:
    """A name as a part of a file name."""
    return re.sub(r"[^\w.]+", "-", name).strip("-")
