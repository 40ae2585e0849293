"""Pictures of the test: every one as PNG and as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gslt.conjecture.association import pairs_of
from gslt.conjecture.claims import Component, own_parts
from gslt.conjecture.findings import Findings, over_seeds
from gslt.conjecture.protocol import ARMS, FROZEN, INTERVENTIONS, RATIOS
from gslt.conjecture.rule import ACCURACY, EPOCHS
from gslt.conjecture.trajectories import NONE, Curves, first_crossing
from gslt.conjecture.words import COLOURS, SIGNS, arm_name
from gslt.files import OutputFolder
from gslt.report.figures import (
    Canvas,
    Look,
    Row,
    canvas,
    forest,
    in_rows,
    looks,
    number_axis,
    panel_title,
    plain_ticks,
    ramp,
    save_both,
    scatter,
    variants,
    zero,
)
from gslt.report.lines import Line, draw_lines, label_lines
from gslt.report.statistics import averages
from gslt.report.study import FIGURE_FOLDER
from gslt.studies.columns import LOG_UNCENTRED_QUOTIENT

if TYPE_CHECKING:
    from pandas import DataFrame

#: An arm and its freezing ratio.
Arm = tuple[str, float | None]

#: Colours of the shallowest and the deepest networks.
DEPTH_RAMP = ("#EDB04A", "#54206B")
#: Levels of the train loss at which curves are drawn.
_LEVELS = 40


@dataclass(frozen=True)
class Picture:
    """A picture that was drawn."""

    name: str
    what: str
    files: Sequence[Path]
    """PNG, then SVG."""


def draw_pictures(findings: Findings, folder: OutputFolder) -> Iterator[Picture]:
    """Draw every picture into the folder of the test."""
    for name, (what, draw) in PICTURES.items():
        yield Picture(name, what, save_both(draw(findings), folder, f"{FIGURE_FOLDER}/{name}"))


def arm_looks() -> dict[Arm, Look]:
    """Colour and mark of every arm of the verdict, whatever is there of it."""
    found = looks(list(ARMS), ["trained"])
    shades = variants(found[FROZEN], len(RATIOS))
    return {
        **{(arm, None): look for arm, look in found.items()},
        **{(FROZEN, ratio): shade for ratio, shade in zip(RATIOS, shades, strict=True)},
    }


def _panels(findings: Findings, title: str, caption: str, **size: Any) -> Canvas:
    """A panel for every data set and depth, data sets below one another."""
    depths = findings.depths
    most = max(map(len, depths.values()))
    cells = [row for name, of in depths.items() for row in in_rows([(name, d) for d in of], most)]
    found = canvas(cells, title, caption, **size)
    for (dataset, depth), axes in found.panels.items():
        panel_title(axes, f"{findings.name(dataset)}, {depth} layers")
    return found


# Verdicts


def verdicts(findings: Findings) -> Any:
    """What every claim is tested by, with intervals, beside what matters."""
    rows: dict[tuple[str, bool], list[Row]] = {}
    for finding in findings.claims:
        for claim in finding.claims:
            for part in own_parts(claim.parts):
                key = (finding.dataset, part.endpoint == ACCURACY)
                rows.setdefault(key, []).append(_row(claim.name, part))
    cells = [[(each.dataset, False), (each.dataset, True)] for each in findings.claims]
    title = "Frozen minus dense: what the claims are tested by"
    caption = (
        "S: log uncentred quotient where both have the same train loss, or validation accuracy; "
        "right of 0: frozen sources smooth less. A: points of test accuracy. M: by how much that "
        "gain exceeds the one under an intervention that keeps smoothing from acting. Means over "
        "depths and freezing ratios, with intervals over seeds at the level of the verdict. Grey: "
        "smaller than what matters."
    )
    most = max(map(len, rows.values()))
    figure = canvas(cells, title, caption, width=8.4, height=1.2 + 0.34 * most)
    for (dataset, accuracy), axes in figure.panels.items():
        panel_title(axes, findings.name(dataset))
        found = rows.get((dataset, accuracy), [])
        margin = findings.plan.criteria.smallest_effect
        zero(axes, 100 * findings.plan.criteria.smallest_gain if accuracy else margin)
        forest(axes, found, "points of test accuracy" if accuracy else "log uncentred quotient")
        axes.set_ylim(most - 0.4, -0.6)
    return figure.figure


def _row(claim: str, part: Component) -> Row:
    times = 100.0 if part.endpoint == ACCURACY else 1.0
    ends = [times * end if math.isfinite(end) else math.nan for end in (part.low, part.high)]
    missing = any(map(math.isnan, ends))
    return Row(
        label=f"{claim}: {part.at}" + f", minus {part.without}" * (part.without != NONE),
        colour=COLOURS[part.outcome],
        mean=times * part.mean,
        low=math.nan if missing else ends[0],
        high=math.nan if missing else ends[1],
        hollow=part.one_collapsed > 0,
        note=f"{SIGNS[part.outcome]} {part.outcome}",
    )


# Along the trajectories


def quotient_over_fit(findings: Findings) -> Any:
    """The primary endpoint along the train loss: arms at equal fit stand above one another."""
    title = "Smoothness of the last hidden layer at equal fit"
    caption = (
        "Every run is read where its train loss first falls to a level; training goes to the "
        "right. Lines: means over the seeds that reach the level; bands: ± unbiased standard "
        "deviation. Below: smoother."
    )
    figure = _panels(findings, title, caption)
    named = []
    for (dataset, depth), axes in figure.panels.items():
        lines = _along_fit(_left_alone(findings, dataset, depth))
        draw_lines(axes, lines)
        axes.invert_xaxis()
        axes.set_xlabel("train loss (nats)")
        axes.set_ylabel("log uncentred quotient")
        named.append((axes, lines))
    label_lines(figure.figure, named)
    return figure.figure


def _left_alone(findings: Findings, dataset: str, depth: int) -> DataFrame:
    rows = findings.trajectories
    here = (rows["dataset"] == dataset) & (rows["num_layers"] == depth)
    return rows[here & (rows["intervention"] == NONE)]


def _along_fit(rows: DataFrame) -> list[Line]:
    curves = Curves.of(rows, ["train_loss", LOG_UNCENTRED_QUOTIENT])
    loss, values = curves.values["train_loss"], curves.values[LOG_UNCENTRED_QUOTIENT]
    levels = np.linspace(np.nanmax(loss), np.nanmin(loss), _LEVELS)
    lines = []
    for (arm, ratio), look in arm_looks().items():
        mine = _of_arm(curves.runs, arm, ratio)
        if arm == "random mask" or not mine.any():
            continue
        at = np.array([_at_level(loss[mine], values[mine], level) for level in levels])
        counts = np.isfinite(at).sum(axis=1)
        known = counts >= max(1, counts.max() // 2)
        mean = np.array([row[np.isfinite(row)].mean() for row in at[known]])
        std = np.array([_std(row[np.isfinite(row)]) for row in at[known]])
        lines.append(
            Line(
                label=arm_name(arm, ratio),
                colour=look.colour,
                marker=look.marker,
                x=levels[known].tolist(),
                y=mean.tolist(),
                low=(mean - std).tolist(),
                high=(mean + std).tolist(),
            )
        )
    return lines


def _at_level(loss: Any, values: Any, level: float) -> Any:
    return first_crossing(loss, np.full(len(loss), level)).value(values)


def _std(values: Any) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def _of_arm(runs: DataFrame, arm: str, ratio: float | None) -> Any:
    same = runs["ratio"].isna() if ratio is None else runs["ratio"] == ratio
    return ((runs["arm"] == arm) & (same | (arm == "random mask"))).to_numpy(bool)


def accuracy_over_epochs(findings: Findings) -> Any:
    """Test accuracy along the epochs: what depends on the epoch at which one looks."""
    title = "Test accuracy over the epochs"
    caption = "Lines: means over seeds; bands: ± unbiased standard deviation."
    figure = _panels(findings, title, caption)
    named = []
    for (dataset, depth), axes in figure.panels.items():
        rows = _left_alone(findings, dataset, depth)
        # Beside the log-spaced epochs every run has its own best one.
        runs, here = (
            rows.groupby(["arm", "ratio", *more], dropna=False)["seed"].transform("nunique")
            for more in ([], ["epoch"])
        )
        rows = rows[(2 * here >= runs) & (rows["epoch"] > 0)]
        lines = []
        for (arm, ratio), look in arm_looks().items():
            mine = rows[_of_arm(rows, arm, ratio)]
            if arm == "random mask" or not len(mine):
                continue
            found = averages(mine, ["epoch"], [ACCURACY])
            line = Line.of(
                found,
                "epoch",
                factor=100,
                label=arm_name(arm, ratio),
                colour=look.colour,
                marker=look.marker,
            )
            lines.append(line)
        draw_lines(axes, lines)
        number_axis(axes, sorted(set(rows["epoch"])), "epoch", log=True)
        plain_ticks(axes)
        axes.set_ylabel("test accuracy (%)")
        named.append((axes, lines))
    label_lines(figure.figure, named)
    return figure.figure


# Contrasts


def gain_under_interventions(findings: Findings) -> Any:
    """What freezing gains with smoothing left alone, and under each intervention."""
    title = "Accuracy of frozen minus dense, with and without what keeps smoothing from acting"
    caption = (
        "Means over the freezing ratios, with 95 % intervals over seeds. If the gain came from "
        "smoothing less, it would be there in the first rows and gone in the others. Grey: smaller "
        "than what matters."
    )
    names = [*INTERVENTIONS]
    colours = dict(zip(names, looks(names, [NONE]).values(), strict=True))
    figure = _panels(findings, title, caption, width=5.2, height=1.1 + 0.3 * 2 * len(names))
    found = findings.contrasts
    here = found[found["arm"] == FROZEN]
    for (dataset, depth), axes in figure.panels.items():
        mine = here[(here["dataset"] == dataset) & (here["num_layers"] == depth)]
        rows = []
        for name in names:
            for at in EPOCHS:
                of = over_seeds(mine[mine["intervention"] == name], ACCURACY, at)
                if not math.isnan(of.mean):
                    rows.append(_forest_row(f"{name}, {at}", of, colours[name], 100.0))
        zero(axes, 100 * findings.plan.criteria.smallest_gain)
        forest(axes, rows, "points of test accuracy")
    return figure.figure


def _forest_row(label: str, of: Any, look: Look, times: float = 1.0) -> Row:
    mean, low, high = (times * each for each in (of.mean, of.low, of.high))
    return Row(label=label, colour=look.colour, marker=look.marker, mean=mean, low=low, high=high)


def smoothness_of_arms(findings: Findings) -> Any:
    """Every arm minus dense in the primary endpoint, at equal train loss."""
    title = "Every arm minus the dense source, at equal train loss"
    caption = (
        "Log uncentred quotient of the last hidden layer where both fit equally well, with 95 % "
        "intervals over seeds; right of 0: smooths less. Grey: smaller than what matters."
    )
    found = findings.averages
    here = found[
        (found["endpoint"] == LOG_UNCENTRED_QUOTIENT)
        & (found["at"] == "train loss")
        & (found["intervention"] == NONE)
        & found["mean"].notna()
    ].drop_duplicates(["dataset", "num_layers", "arm", "ratio"])
    shown, most = arm_looks(), 1
    for _, group in here.groupby(["dataset", "num_layers"]):
        most = max(most, len(group))
    figure = _panels(findings, title, caption, width=5.4, height=1.1 + 0.24 * most)
    for (dataset, depth), axes in figure.panels.items():
        mine = here[(here["dataset"] == dataset) & (here["num_layers"] == depth)]
        rows = [
            _forest_row(arm_name(each.arm, each.ratio), each, _look(shown, each.arm, each.ratio))
            for each in mine.itertuples()
        ]
        zero(axes, findings.plan.criteria.smallest_effect)
        forest(axes, rows, "arm − dense")
    return figure.figure


def _look(shown: dict[Arm, Look], arm: str, ratio: float) -> Look:
    grey = Look("#777777", "o")
    return shown.get((arm, ratio), shown.get((arm, None), grey))


def accuracy_against_smoothness(findings: Findings) -> Any:
    """Every frozen run minus the dense run of its seed and depth, on both axes."""
    title = "Does the difference in smoothness go with the difference in accuracy?"
    caption = (
        "A point: a frozen run minus the dense run of its seed and depth. An association, not an "
        "effect: whatever else freezing changes may move both."
    )
    cells = [[(each.dataset, at) for at in EPOCHS] for each in findings.claims]
    figure = canvas(cells, title, caption)
    for (dataset, at), axes in figure.panels.items():
        panel_title(axes, f"{findings.name(dataset)}, {at}")
        axes.axhline(0, color="#888888", linewidth=0.8)
        axes.axvline(0, color="#888888", linewidth=0.8)
        axes.set_xlabel("log uncentred quotient, frozen − dense")
        axes.set_ylabel("test accuracy, frozen − dense (points)")
        found = findings.contrasts
        pairs = pairs_of(found[found["dataset"] == dataset], findings.rule, at)
        pairs = pairs[pairs["finite"]]
        groups = dict(list(pairs.groupby("num_layers")))
        colours = ramp(*DEPTH_RAMP, len(groups))
        if groups:
            points = {
                str(depth): (mine["quotient"], 100 * mine["accuracy"], colour)
                for (depth, mine), colour in zip(groups.items(), colours, strict=True)
            }
            scatter(axes, points, "layers")
    return figure.figure


#: Name of the files, what the picture shows, and what draws it.
PICTURES: dict[str, tuple[str, Callable[[Findings], Any]]] = {
    "verdicts": ("What the claims are tested by, with intervals", verdicts),
    "quotient-over-fit": ("Smoothness at equal fit", quotient_over_fit),
    "accuracy-over-epochs": ("Test accuracy over the epochs", accuracy_over_epochs),
    "gain-under-interventions": ("The gain, with and without smoothing", gain_under_interventions),
    "smoothness-of-arms": ("Every arm beside the dense source", smoothness_of_arms),
    "accuracy-against-smoothness": (
        "Difference in accuracy against difference in smoothness",
        accuracy_against_smoothness,
    ),
}
