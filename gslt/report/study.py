"""What the report says of one study: sentences, tables and a figure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gslt.config import VISION
from gslt.data.metrics import METRICS, reworded
from gslt.data.ogb import ARXIV
from gslt.errors import listed
from gslt.report.colours import Look, variants
from gslt.report.construction import CONSTRUCTED_NOTES, price_figure
from gslt.report.escaping import drawn, in_line
from gslt.report.explorer import study_data
from gslt.report.figures import (
    Row,
    canvas,
    forest,
    in_rows,
    number_axis,
    panel_title,
)
from gslt.report.groups import LineGroups, StudyGroups
from gslt.report.lines import Line, draw_lines, label_lines, short_names
from gslt.report.statistics import compare_arms
from gslt.report.study_tables import (
    EPOCH_PREFIX,
    EPOCH_WORDS,
    SUMMARY_NOTES,
    ReportedEpoch,
    comparison_columns,
    constructed_runs,
    constructed_summary,
    run_columns,
    summary_columns,
)
from gslt.report.tables import (
    Cell,
    Column,
    Table,
    csv_text,
    text,
)
from gslt.studies.columns import column, is_missing, is_number, named
from gslt.studies.runs import AXIS, Record, StudyResults
from gslt.training.results import (
    LEADERBOARD_HEAD,
    LEADERBOARD_RUNS,
    format_accuracy,
    leaderboard_line,
)

if TYPE_CHECKING:
    from pandas import DataFrame

#: What a report of the last epoch says of all that is no accuracy.
BEST_TICKET = (
    "Sizes, densities and lost layers are those of the ticket of the best epoch, which is kept"
)
#: Folders of the tables and figures.
TABLE_FOLDER, FIGURE_FOLDER = "tables", "figures"
#: Axes that the columns of the summary show already.
_SHOWN = {"sparsity", "prune_ratio", "lock_ratio", "freezing_ratio", "weight_init", "method"}
#: The vertical axis shows at least so many points of accuracy, so that noise does not fill it.
_LEAST_RANGE = 1.0
#: So many arms are told in the sentence over a figure.
_TOLD = 4
#: Panels of a figure stand side by side up to this number; more have rows.
_PANELS = 3
#: Settings that are told below the figure where all runs share them.
_FACTS = {
    "architecture": "{}",
    "num_layers": "{} layers",
    "hidden_channels": "width {}",
    "width": "width × {}",
    "epochs": "{} epochs",
}
#: Those that a network of images does not have (True), and that one of graphs has not.
_UNKNOWN = {True: ("num_layers", "hidden_channels"), False: ("width",)}


@dataclass(frozen=True)
class StudyReport:
    """Everything that the report says of one study."""

    results: StudyResults
    part: str = ""
    """Names the folders of its tables and figures, where it is not the name of the study."""
    epoch: ReportedEpoch = "best"
    """Whose accuracies are shown."""
    of_several: StudyResults | None = None
    """All of the study, where its records are of several metrics and these are those of one."""

    @property
    def whole(self) -> StudyResults:
        """All that there is of the study, whatever its metric."""
        return self.of_several or self.results

    def words(self, text: str) -> str:
        """What is written about accuracy, about the metric of these runs."""
        return reworded(text, self.results.metric)

    @property
    def value(self) -> str:
        """Column of the test accuracy at the epoch that is shown."""
        return f"{'' if self.constructed else EPOCH_PREFIX[self.epoch]}test_accuracy"

    @property
    def of_last(self) -> bool:
        """Whether its accuracies are those of the last epoch, beside what the best one left."""
        return self.epoch == "last" and not self.constructed

    @cached_property
    def groups(self) -> StudyGroups:
        """Its runs by arm and place."""
        return StudyGroups(self.results, self.value)

    @property
    def name(self) -> str:
        """Of the study, and of the metric where it has several."""
        end = f"-{self.results.metric}" if self.of_several else ""
        return self.results.study.name + end

    @property
    def title(self) -> str:
        """Heading of the study."""
        title = self.words(self.results.study.title or self.results.study.name)
        return f"{title}, {METRICS[self.results.metric].label}" if self.of_several else title

    @property
    def headline(self) -> str:
        """How much is there, in a line."""
        results = self.results
        arms = f"{len(self.groups.arms)} of {len(results.study.arms)} arms"
        return f"{self.name}: {len(results.records)} of {results.total} runs, {arms}"

    @property
    def answer(self) -> str:
        """What came out, in a sentence or two: the arms in order, each at its best place.

        The place is that of the best validation accuracy, so that no arm is picked by its test
        accuracy. Accuracies on different data have no order: each data set, and each split of one,
        has a sentence of its own.
        """
        so_far = "So far" if self.results.total > len(self.whole.records) else "Found"
        if len(self._data_sets) == 1:
            (groups,) = self._data_sets.values()
            return self._order(f"{so_far}, by test accuracy", groups)
        told = list(self._data_sets.items())[:_TOLD]
        found = [self._order(f"On {name}", groups) for name, groups in told]
        if others := len(self._data_sets) - len(told):
            found.append(f"Other data sets and splits below: {others}.")
        begin = self.words(f"{so_far}, by test accuracy, each data set by itself.")
        return " ".join([begin, *found])

    @cached_property
    def _data_sets(self) -> dict[str, list[Any]]:
        """The groups by data set, and by split where one has several."""
        names = {each.spec.dataset: self.results.graph_of(each) for each in self._records}
        splits = {(each.spec.dataset, each.spec.split) for each in self._records}
        found: dict[str, list[Any]] = {}
        for group in self.groups.frame.itertuples():
            several = len([split for name, split in splits if name == group.dataset]) > 1
            split = f", split {group.split}" if several else ""
            found.setdefault(f"{names[group.dataset]}{split}", []).append(group)
        return found

    def _order(self, begin: str, groups: Sequence[Any]) -> str:
        """The arms on one data set in a sentence, and the lead of the first in another."""
        best = self._best_of_arms(groups)
        shown = [self._place_words(group) for group in best[:_TOLD]]
        others = f"; {len(best) - _TOLD} other arms below" if len(best) > _TOLD else ""
        found = self.words(f"{begin} – {'; '.join(shown)}{others}.")
        return f"{found} {self._lead(best)}".strip()

    def _best_of_arms(self, groups: Sequence[Any]) -> list[Any]:
        """The group of each arm at its best validation accuracy, the best test accuracy first."""
        chosen = f"{EPOCH_PREFIX[self.epoch]}val_accuracy"
        best = {
            arm: max(mine, key=lambda group: getattr(group, chosen))
            for arm in self.groups.arms
            if (mine := [each for each in groups if each.arm == arm])
        }
        return sorted(best.values(), key=lambda group: -getattr(group, self.value))

    def _place_words(self, group: Any) -> str:
        mean, std = (getattr(group, f"{self.value}{end}") for end in ("", "_std"))
        return f"{self._name_on_data(group)}: {format_accuracy(mean, std)} %"

    def _name_on_data(self, group: Any) -> str:
        """The label of a group, without the data that the sentence names."""
        if len(self._data_sets) == 1:
            return str(group.label)
        axes = [name for name in self.groups.axes if name not in ("dataset", "split")]
        return named(group.arm, {name: getattr(group, f"{AXIS}{name}") for name in axes})

    def _lead(self, best: Sequence[Any]) -> str:
        """By how much the first arm is above the second; empty where fewer than three are pairs.

        Both are at the place of their best validation accuracy, and of more arms than two they are
        the best by the very test accuracies that are compared, which the sentence says.
        """
        if len(best) < 2 or not len(self.comparisons):
            return ""
        places = [best[0].label, best[1].label]
        chosen = "; not corrected for the choice of these two by the same runs"
        for each in self.comparisons.itertuples():
            names = [named(each.first, each.first_at), named(each.second, each.second_at)]
            if sorted(names) != sorted(places) or each.pairs < 3:
                continue
            sign = 1 if names == places else -1
            low, high = sorted((sign * each.low, sign * each.high))
            return (
                f"The first is {100 * sign * each.difference:.2f} points above the second (95 % "
                f"interval {100 * low:.2f} to {100 * high:.2f}, {each.pairs} pairs"
                f"{chosen if len(best) > 2 else ''})."
            )
        return ""

    @property
    def majority(self) -> str:
        """The majority rate of each graph in words, where it is known."""
        rates = self.results.majority
        return f"majority rate of the test {self.item}s: {rates}" if rates else ""

    @property
    def _records(self) -> Collection[Record]:
        return self.results.records.values()

    @property
    def graphs(self) -> list[str]:
        """The graphs with their sizes."""
        results = self.results
        found = (each.size_of(results.graph_of(each)) for each in self._records)
        return list(dict.fromkeys(found))

    @cached_property
    def comparisons(self) -> DataFrame:
        """Paired comparisons of the arms, see :func:`gslt.report.statistics.compare_arms`."""
        runs = self.groups.runs
        # Constructed tickets are as accurate as their targets, whatever their source.
        return compare_arms(runs[runs["method"] != "construct"], self.value)

    @cached_property
    def data(self) -> dict[str, Any]:
        """What the figure to play with draws."""
        return study_data(self.results)

    @property
    def picture(self) -> str:
        """Name of the figure's files in the folder, without a suffix."""
        what = "price" if self.constructed else "accuracy"
        return f"{FIGURE_FOLDER}/{self.part or self.name}/{what}"

    @cached_property
    def constructed(self) -> bool:
        """Whether all runs are constructions, of which nothing but the ticket's own counts."""
        return all(spec.method == "construct" for spec in self.results.study.runs.values())

    @property
    def shows(self) -> str:
        """What the figure shows, before the names of the arms."""
        return (
            "random channels for one of the target of" if self.constructed else "test accuracy of"
        )

    @property
    def tables(self) -> str:
        """Name of the folder of its tables."""
        return f"{TABLE_FOLDER}/{self.part or self.name}"

    @property
    def texts(self) -> dict[str, str]:
        """The tables as files, by their names in the folder."""
        found = {
            "summary.md": self.summary.markdown(),
            "summary.tex": self.summary.latex(),
            "summary.csv": csv_text(self.groups.frame),
            "runs.csv": csv_text(self.groups.runs),
        }
        if len(self.comparisons):
            found |= {
                "comparisons.md": self.comparison_table.markdown(),
                "comparisons.tex": self.comparison_table.latex(),
                "comparisons.csv": csv_text(self.comparisons),
            }
        if lines := self.leaderboard:
            found["leaderboard.txt"] = "\n".join([LEADERBOARD_HEAD, *lines, ""])
        return {f"{self.tables}/{name}": text for name, text in found.items()}

    # Tables

    @property
    def leaderboard(self) -> list[str]:
        """Lines of OGB's leaderboard: the groups on OGBN-Arxiv of enough runs."""
        return [
            leaderboard_line(
                in_line(group["label"]),
                (group["test_accuracy"], group["test_accuracy_std"]),
                (group["val_accuracy"], group["val_accuracy_std"]),
                runs=group["n"],
                params=int(group["num_weights"]),
                hardware=in_line(group["hardware"]),
            )
            for group in self.groups.frame.to_dict("records")
            if group["graph"] == ARXIV and group["n"] >= LEADERBOARD_RUNS
        ]

    @property
    def summary(self) -> Table:
        """One line a group: the table of the Frozen paper, with OGB's columns."""
        axes = [name for name in self.groups.axes if name not in _SHOWN]
        columns: list[Column] = [
            ("method", lambda group: text(group.arm)),
            *((name.replace("_", " "), _axis_cell(name)) for name in axes),
        ]
        rows = self.groups.frame
        found = constructed_summary(rows) if self.constructed else summary_columns(rows, self.epoch)
        columns += [(self.words(head), cell) for head, cell in found]
        title = f"{self.title} on {self.results.dataset}"
        return Table.of(title, self.groups.frame, columns, self._notes(), names=2 + len(axes))

    def _notes(self) -> list[str]:
        results = self.results
        hardware = dict.fromkeys(record.hardware for record in self._records)
        when = "" if self.constructed else f", at {EPOCH_WORDS[self.epoch]}"
        spread = f"mean ± unbiased standard deviation over n seeds ({self.groups.seeds} here)"
        notes = [
            self.words(f"Accuracies: {spread}{when}."),
            *(CONSTRUCTED_NOTES if self.constructed else SUMMARY_NOTES),
            f"Hardware: {'; '.join(hardware)}.",
        ]
        if names := results.synthetic:
            what = "data" if self.constructed or self.item != "node" else "graph"
            notes.append(f"Synthetic {what}, no accuracy on real data: {', '.join(names)}.")
        if old := int(results.frame[self.value].isna().sum()):
            notes.append(
                f"Left out: {old} runs of an older gslt, which kept nothing of the last epoch."
            )
        if results.majority:
            notes.append(
                f"Majority rate, what the same answer for every {self.item} reaches (the training "
                f"{self.item}s' most frequent class) of the test {self.item}s: {results.majority}."
            )
        if self.of_several:
            known = [METRICS[name].label for name in self.whole.metrics]
            notes.append(
                f"The study has runs by {' and '.join(known)}: each has tables and a picture of "
                "its own, and none is compared with another."
            )
        if self.collapsed:
            notes.append(f"{self._collapse(8)}: nothing passes through such a layer.")
        if self.of_last:
            notes.append(f"{BEST_TICKET}.")
        if missing := results.total - len(self.whole.records):
            notes.append(f"Partial: {missing} of {results.total} runs are missing.")
        return notes

    @cached_property
    def collapsed(self) -> list[str]:
        """The groups in which a ticket has lost every weight of a layer, and of how many layers."""
        frame = self.groups.frame
        if "emptied_layers" not in frame:
            return []
        means = {group.label: group.emptied_layers for group in frame.itertuples()}
        return [f"{name} ({n:.3g})" for name, n in means.items() if not is_missing(n) and n > 0]

    def _collapse(self, most: int) -> str:
        several = "s" if len(self.collapsed) > 1 else ""
        whose = f"Lost every weight of a layer, in the mean of so many layers: group{several}"
        return f"{whose} {listed(self.collapsed, most)}"

    @property
    def comparison_table(self) -> Table:
        """One line a comparison: differences of test accuracy in points."""
        columns, notes, names = comparison_columns(self.comparisons)
        title = f"{self.title} on {self.results.dataset}: paired comparisons"
        notes = [f"Test accuracy at {EPOCH_WORDS[self.epoch]}.", *notes]
        words = list(map(self.words, notes))
        return Table.of(title, self.comparisons, columns, words, names=names, pick=True)

    @property
    def runs(self) -> Table:
        """One line a run, for the page."""
        columns = constructed_runs() if self.constructed else run_columns(self.epoch)
        return Table.of(f"{self.name}: every run", self.groups.runs, columns, names=2)

    # Figure

    def figure(self) -> Any:
        """Test accuracy: lines over an axis, or a row for each arm where there is no axis.

        Means and unbiased standard deviations; every line is named at its end.
        """
        x = self.groups.x
        parts = self.groups.panels if x else {"": self.groups.frame}
        title = f"{self.title}\n{self.results.dataset}"
        if self.constructed:
            facts = f"n = {self.groups.seeds} seeds of the source."
            return price_figure(self.groups, self.title, facts)
        rows = in_rows(list(parts), min(len(parts), _PANELS))
        figure = canvas(
            rows,
            title,
            self._caption(bool(x)),
            width=7.5 if len(parts) == 1 else 5.2,
            height=3.7 if x else 1.0 + 0.34 * len(self.groups.frame),
            share=True,
        )
        if not x:
            forest(figure.panels[""], self._rows(), self._label)
            return figure.figure
        drawn = []
        for title, groups in parts.items():
            axes = figure.panels[title]
            panel_title(axes, title)
            drawn.append((axes, self._lines(groups, x)))
            draw_lines(*drawn[-1])
            self._scale(axes, x)
        for row in rows:
            figure.panels[row[0]].set_ylabel(self._label)
        first = drawn[0][0]
        bottom, top = first.get_ylim()
        if (lack := _LEAST_RANGE - (top - bottom)) > 0:
            first.set_ylim(bottom - lack / 2, top + lack / 2)
        label_lines(figure.figure, drawn)
        return figure.figure

    @property
    def _label(self) -> str:
        return column(self.value, self.results.metric).label

    def _caption(self, curves: bool) -> str:
        what = "Points: means; bands" if curves else "Large marks: means; small dots: runs; bars"
        spread = f"{what}: ± unbiased standard deviation over seeds (n = {self.groups.seeds})"
        if self.groups.seeds == "1":
            spread = "Each mark is one run, whose noise is not known (n = 1)"
        when = self.words(f"Accuracy at {EPOCH_WORDS[self.epoch]}")
        when += f". {BEST_TICKET}" if self.of_last else ""
        lost = self._collapse(3) if self.collapsed else ""
        majority = self.majority[:1].upper() + self.majority[1:]
        parts = (spread, when, majority, lost, self.facts)
        return ". ".join(part for part in parts if part)

    @property
    def facts(self) -> str:
        """The settings that people ask for first, where all runs share them."""
        runs = self.groups.runs
        of_images = {architecture in VISION for architecture in runs["architecture"]}
        unknown = {name for each in of_images for name in _UNKNOWN[each]}
        told = [
            words.format(str(runs[name].iloc[0]).upper())
            for name, words in _FACTS.items()
            if name not in unknown and runs[name].nunique(dropna=False) == 1
        ]
        return ", ".join([*told, *self._images])

    @property
    def item(self) -> str:
        """What is classified: ``node``, ``image``, or both where the study has data of both."""
        graphs = [record.graph for record in self._records]
        kinds = dict.fromkeys("image" if "images" in graph else "node" for graph in graphs)
        return " or ".join(sorted(kinds)) or "node"

    @property
    def _images(self) -> list[str]:
        """How many images were learnt from, which may be a part of the set; nothing of graphs."""
        graphs = [record.graph for record in self._records]
        counts = [graph["train"] for graph in graphs if "images" in graph and "train" in graph]
        ends = dict.fromkeys((min(counts), max(counts))) if counts else ()
        return [f"{' to '.join(f'{n:,}' for n in ends)} training images"] if counts else []

    @cached_property
    def _categories(self) -> list[Any]:
        """The places of all panels in order where they are no numbers; else nothing."""
        places = dict.fromkeys(self.groups.place(self.groups.x))
        found = [place for place in places if place is not None]
        return [] if all(map(is_number, found)) else found

    def _at(self, groups: DataFrame, x: str) -> list[float]:
        """Where groups that have a place stand on the horizontal axis."""
        places = [place for place in self.groups.place(x, groups) if place is not None]
        if self._categories:
            return [float(self._categories.index(place)) for place in places]
        return [float(place) * column(x).factor for place in places]

    def _lines(self, groups: DataFrame, x: str) -> list[Line]:
        found = self.groups.lines(groups, x, self.results.study.panel)
        of_arm: dict[str, list[LineGroups]] = {}
        for each in found:
            of_arm.setdefault(each.arm, []).append(each)
        return [
            self._line(each, look, x)
            for arm, mine in of_arm.items()
            for each, look in zip(mine, variants(self.groups.looks[arm], len(mine)), strict=True)
        ]

    def _line(self, line: LineGroups, look: Look, x: str) -> Line:
        means, stds = (100 * line.groups[f"{self.value}{end}"] for end in ("", "_std"))
        return Line(
            label=line.label,
            colour=look.colour,
            marker=look.marker,
            x=[] if line.level else self._at(line.groups, x),
            y=means.tolist(),
            low=(means - stds).tolist(),
            high=(means + stds).tolist(),
            level=line.level,
        )

    def _scale(self, axes: Any, x: str) -> None:
        kind, places = column(x), self._at(self.groups.frame, x)
        number_axis(axes, places, kind.label, kind.log and not self._categories)
        if self._categories:
            names = short_names(list(map(str, self._categories)), 24)
            found = [drawn(names[str(each)]) for each in self._categories]
            axes.set_xticks(range(len(found)), found)

    def _rows(self) -> list[Row]:
        """A row of the forest for each group."""
        runs, rows = self.groups.runs, []
        for group in self.groups.frame.itertuples():
            mean, std = (getattr(group, f"{self.value}{end}") for end in ("", "_std"))
            look = self.groups.looks[group.arm]
            mine = runs[(runs["arm"] == group.arm) & (runs["label"] == group.label)]
            rows.append(
                Row(
                    label=group.label,
                    colour=look.colour,
                    marker=look.marker,
                    mean=100 * mean,
                    low=100 * (mean - std),
                    high=100 * (mean + std),
                    small=[(100 * value, look.colour) for value in mine[self.value]],
                    note=format_accuracy(mean, std),
                )
            )
        return rows


def _axis_cell(name: str) -> Callable[[Any], Cell]:
    return lambda group: text(getattr(group, f"{AXIS}{name}"))
