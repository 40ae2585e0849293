"""Pictures of the test: every one as PNG and as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gslt.conjecture.association import pairs_of
from gslt.conjecture.claims import Component
from gslt.conjecture.findings import Findings, over_seeds
from gslt.conjecture.protocol import ARMS, FROZEN, INTERVENTIONS, RATIOS
from gslt.conjecture.rule import ACCURACY, EPOCHS
from gslt.conjecture.trajectories import NONE, Curves, first_crossing
from gslt.conjecture.words import COLOURS, SIGNS, arm_name
from gslt.files import OutputFolder
from gslt.report.colours import (
    BASELINE,
    GREY,
    LIGHT_GREY,
    ORDER_RAMP,
    Look,
    looks,
    ramp,
    variants,
)
from gslt.report.figures import (
    Canvas,
    Row,
    canvas,
    equal_ranges,
    forest,
    in_rows,
    number_axis,
    panel_title,
    plain_ticks,
    save_both,
    scatter,
    zero,
)
from gslt.report.lines import Line, draw_lines, label_lines
from gslt.report.statistics import averages
from gslt.report.study import FIGURE_FOLDER
from gslt.studies.columns import LOG_UNCENTRED_QUOTIENT, span

if TYPE_CHECKING:
    from pandas import DataFrame

#: An arm and its freezing ratio.
Arm = tuple[str, float | None]

#: The primary endpoint on an axis.
LN_UNCENTRED = "ln uncentred quotient"
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
    """Draw every picture that has something to show into the folder of the test.

    Args:
        findings: of the test.
        folder: where the pictures go.
    """
    for name, (what, draw) in PICTURES.items():
        if (figure := draw(findings)) is not None:
            yield Picture(name, what, save_both(figure, folder, f"{FIGURE_FOLDER}/{name}"))


def arm_looks() -> dict[Arm, Look]:
    """Colour and mark of every arm of the verdict, whatever is there of it."""
    found = looks(list(ARMS), ["trained"])
    shades = variants(found[FROZEN], len(RATIOS))
    return {
        **{(arm, None): look for arm, look in found.items()},
        **{(FROZEN, ratio): shade for ratio, shade in zip(RATIOS, shades, strict=True)},
    }


#: A data set and a number of layers: what a panel is about.
Place = tuple[str, int]


def _panels(
    findings: Findings, drawn: Mapping[Place, Sequence[Any]], title: str, caption: str, **size: Any
) -> Canvas | None:
    """A panel for every data set and depth that has something, data sets below one another.

    The caption names the others; None where there is nothing at all.
    """
    depths = {
        name: [depth for depth in of if drawn[name, depth]] for name, of in findings.depths.items()
    }
    depths = {name: of for name, of in depths.items() if of}
    if not depths:
        return None
    most = max(map(len, depths.values()))
    cells = [row for name, of in depths.items() for row in in_rows([(name, d) for d in of], most)]
    empty = [_place_words(findings, place) for place, what in drawn.items() if not what]
    caption += f" Nothing to show yet: {'; '.join(empty)}." if empty else ""
    found = canvas(cells, title, caption, **size)
    for place, axes in found.panels.items():
        panel_title(axes, _place_words(findings, place))
    return found


def _place_words(findings: Findings, place: Place) -> str:
    dataset, depth = place
    return f"{findings.name(dataset)}, {depth} layers"


def _by_place(findings: Findings, make: Callable[[str, int], list[Any]]) -> dict[Place, list[Any]]:
    """What is drawn in the panel of every data set and depth."""
    return {
        (name, depth): make(name, depth) for name, of in findings.depths.items() for depth in of
    }


# Verdicts


def verdicts(findings: Findings) -> Any:
    """What every claim is tested by, with intervals, beside what matters."""
    rows: dict[tuple[str, bool], list[Row]] = {}
    untested: list[str] = []
    for finding in findings.claims:
        for claim in finding.claims:
            for part in claim.tests:
                row = _row(claim.name, part)
                if math.isnan(row.mean):
                    untested.append(f"{findings.name(finding.dataset)} {row.label}")
                    continue
                key = (finding.dataset, part.endpoint == ACCURACY)
                rows.setdefault(key, []).append(row)
    if not rows:
        return None
    sides = [side for side in (False, True) if any(key[1] == side for key in rows)]
    names = dict.fromkeys(name for name, _ in rows)
    cells = [[(n, side) if (n, side) in rows else None for side in sides] for n in names]
    title = "Frozen minus dense: what the claims are tested by"
    caption = (
        "S: ln of the uncentred quotient where both have the same train loss, or validation "
        "accuracy; right of 0: frozen sources smooth less. A: points of test accuracy. M: by how "
        "much that gain exceeds the one under an intervention that keeps smoothing from acting. "
        "Means over depths and freezing ratios, with intervals over seeds at the level of the "
        "verdict. Grey: smaller than what matters."
    )
    caption += f" Not tested: {'; '.join(untested)}." if untested else ""
    most = max(map(len, rows.values()))
    figure = canvas(cells, title, caption, width=8.4, height=1.2 + 0.34 * most)
    for (dataset, accuracy), axes in figure.panels.items():
        panel_title(axes, findings.name(dataset))
        margin = findings.plan.criteria.smallest_effect
        zero(axes, 100 * findings.plan.criteria.smallest_gain if accuracy else margin)
        label = "points of test accuracy" if accuracy else LN_UNCENTRED
        forest(axes, rows[dataset, accuracy], label)
        axes.set_ylim(most - 0.4, -0.6)
    for side in sides:
        equal_ranges([axes for key, axes in figure.panels.items() if key[1] == side], "x")
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
        f"right. Lines: means over the seeds ({_seeds(findings)}) that reach the level; bands: ± "
        "unbiased standard deviation. Below: smoother."
    )
    drawn = _by_place(findings, lambda *place: _along_fit(_left_alone(findings, *place)))
    figure = _panels(findings, drawn, title, caption)
    if figure is None:
        return None
    for place, axes in figure.panels.items():
        draw_lines(axes, drawn[place])
        axes.invert_xaxis()
        axes.set_xlabel("train loss (nats)")
        axes.set_ylabel(LN_UNCENTRED)
    return _compared(figure, drawn)


def _compared(figure: Canvas, drawn: Mapping[Place, Sequence[Line]]) -> Any:
    """Equal ranges in all panels of lines, and the names of these."""
    for axis in ("x", "y"):
        equal_ranges(figure.panels.values(), axis)
    label_lines(figure.figure, [(axes, drawn[place]) for place, axes in figure.panels.items()])
    return figure.figure


def _left_alone(findings: Findings, dataset: str, depth: int) -> DataFrame:
    rows = findings.trajectories
    here = (rows["dataset"] == dataset) & (rows["num_layers"] == depth)
    return rows[here & (rows["intervention"] == NONE)]


def _seeds(findings: Findings) -> str:
    """How many seeds the arms have, such as ``n = 20``."""
    rows = findings.trajectories
    rows = rows[rows["intervention"] == NONE]
    groups = rows.groupby(["dataset", "num_layers", "arm", "ratio"], dropna=False)["seed"]
    return f"n = {span(groups.nunique().tolist())}"


def _along_fit(rows: DataFrame) -> list[Line]:
    if not len(rows):
        return []
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
    caption = f"Lines: means over seeds ({_seeds(findings)}); bands: ± unbiased standard deviation."
    drawn = _by_place(findings, lambda *place: _along_epochs(_left_alone(findings, *place)))
    figure = _panels(findings, drawn, title, caption)
    if figure is None:
        return None
    for place, axes in figure.panels.items():
        draw_lines(axes, drawn[place])
        number_axis(axes, [x for line in drawn[place] for x in line.x], "epoch", log=True)
        plain_ticks(axes)
        axes.set_ylabel("test accuracy (%)")
    return _compared(figure, drawn)


def _along_epochs(rows: DataFrame) -> list[Line]:
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
        look_of: dict[str, Any] = {"colour": look.colour, "marker": look.marker}
        lines.append(Line.of(found, "epoch", factor=100, label=arm_name(arm, ratio), **look_of))
    return lines


# Contrasts


def gain_under_interventions(findings: Findings) -> Any:
    """What freezing gains with smoothing left alone, and under each intervention."""
    title = "Accuracy of frozen minus dense, with and without what keeps smoothing from acting"
    caption = (
        "Means over the freezing ratios, with 95 % intervals over seeds. If the gain came from "
        "smoothing less, it would be there in the first rows and gone in the others. Grey: smaller "
        "than what matters."
    )
    drawn = _by_place(findings, lambda *place: _gains(findings, *place))
    size = {"width": 5.2, "height": 1.1 + 0.3 * len(EPOCHS) * len(INTERVENTIONS)}
    figure = _panels(findings, drawn, title, caption, **size)
    if figure is None:
        return None
    for place, axes in figure.panels.items():
        zero(axes, 100 * findings.plan.criteria.smallest_gain)
        forest(axes, drawn[place], "points of test accuracy")
        axes.set_ylim(max(map(len, drawn.values())) - 0.4, -0.6)
    equal_ranges(figure.panels.values(), "x")
    return figure.figure


def _gains(findings: Findings, dataset: str, depth: int) -> list[Row]:
    found = findings.contrasts
    mine = found[(found["arm"] == FROZEN) & (found["dataset"] == dataset)]
    mine = mine[mine["num_layers"] == depth]
    rows = []
    for name in INTERVENTIONS:
        # Interventions are no arms: black without one, grey with.
        look = Look(BASELINE if name == NONE else GREY, "o")
        for at in EPOCHS:
            of = over_seeds(mine[mine["intervention"] == name], ACCURACY, at)
            if not math.isnan(of.mean):
                rows.append(_forest_row(f"{name}, {at}", of, look, 100.0))
    return rows


def _forest_row(label: str, of: Any, look: Look, times: float = 1.0) -> Row:
    mean, low, high = (times * each for each in (of.mean, of.low, of.high))
    return Row(label=label, colour=look.colour, marker=look.marker, mean=mean, low=low, high=high)


def smoothness_of_arms(findings: Findings) -> Any:
    """Every arm minus dense in the primary endpoint, at equal train loss."""
    title = "Every arm minus the dense source, at equal train loss"
    caption = (
        "ln of the uncentred quotient of the last hidden layer where both fit equally well, with "
        "95 % intervals over seeds; right of 0: smooths less. Grey: smaller than what matters."
    )
    found = findings.averages
    here = found[
        (found["endpoint"] == LOG_UNCENTRED_QUOTIENT)
        & (found["at"] == "train loss")
        & (found["intervention"] == NONE)
        & found["mean"].notna()
    ].drop_duplicates(["dataset", "num_layers", "arm", "ratio"])
    shown = arm_looks()

    def rows_of(dataset: str, depth: int) -> list[Row]:
        mine = here[(here["dataset"] == dataset) & (here["num_layers"] == depth)]
        return [
            _forest_row(arm_name(each.arm, each.ratio), each, _look(shown, each.arm, each.ratio))
            for each in mine.itertuples()
        ]

    drawn = _by_place(findings, rows_of)
    most = max(map(len, drawn.values()), default=1)
    figure = _panels(findings, drawn, title, caption, width=5.4, height=1.1 + 0.24 * most)
    if figure is None:
        return None
    for place, axes in figure.panels.items():
        zero(axes, findings.plan.criteria.smallest_effect)
        forest(axes, drawn[place], f"{LN_UNCENTRED}, arm − dense")
        axes.set_ylim(most - 0.4, -0.6)
    equal_ranges(figure.panels.values(), "x")
    return figure.figure


def _look(shown: dict[Arm, Look], arm: str, ratio: float) -> Look:
    known = shown.get((arm, ratio), shown.get((arm, None)))
    return known or next(iter(looks([arm]).values()))


def accuracy_against_smoothness(findings: Findings) -> Any:
    """Every frozen run minus the dense run of its seed and depth, on both axes."""
    title = "Does the difference in smoothness go with the difference in accuracy?"
    caption = (
        "A point: a frozen run minus the dense run of its seed and depth. An association, not an "
        "effect: whatever else freezing changes may move both."
    )
    of_depths: dict[tuple[str, str], dict[int, DataFrame]] = {}
    contrasts = findings.contrasts
    for each in findings.claims:
        rows = contrasts[contrasts["dataset"] == each.dataset]
        for at in EPOCHS:
            pairs = pairs_of(rows, findings.rule, at)
            pairs = pairs[pairs["finite"]]
            if len(pairs):
                of_depths[each.dataset, at] = dict(list(pairs.groupby("num_layers")))
    if not of_depths:
        return None
    depths = sorted({depth for groups in of_depths.values() for depth in groups})
    colours = dict(zip(depths, ramp(*ORDER_RAMP, len(depths)), strict=True))
    figure = canvas(in_rows(list(of_depths), len(EPOCHS)), title, caption)
    for (dataset, at), axes in figure.panels.items():
        panel_title(axes, f"{findings.name(dataset)}, {at}")
        axes.axhline(0, color=LIGHT_GREY, linewidth=0.8)
        axes.axvline(0, color=LIGHT_GREY, linewidth=0.8)
        axes.set_xlabel(f"{LN_UNCENTRED}, frozen − dense")
        axes.set_ylabel("test accuracy, frozen − dense (points)")
        points = {
            str(depth): (mine["quotient"], 100 * mine["accuracy"], colours[depth])
            for depth, mine in of_depths[dataset, at].items()
        }
        scatter(axes, points, "layers")
    for axis in ("x", "y"):
        equal_ranges(figure.panels.values(), axis)
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
