"""The report of a folder of studies: tables, figures and one page, from what is there."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gslt.config import VISION
from gslt.data.metrics import METRICS, reworded
from gslt.data.ogb import ARXIV
from gslt.errors import RunError, listed, pasted
from gslt.files import OutputFolder
from gslt.files.folder import ROOM, kind_of
from gslt.report.colours import Look, variants
from gslt.report.construction import CONSTRUCTED_NOTES, constructed_columns, price_figure
from gslt.report.escaping import drawn, file_parts, in_line
from gslt.report.explorer import study_data
from gslt.report.figures import (
    Row,
    both_names,
    canvas,
    forest,
    in_rows,
    number_axis,
    panel_title,
    save_both,
)
from gslt.report.groups import LineGroups, StudyGroups
from gslt.report.lines import Line, draw_lines, label_lines, short_names
from gslt.report.page import render
from gslt.report.statistics import compare_arms
from gslt.report.tables import (
    NONE,
    Cell,
    Column,
    Table,
    accuracy_of,
    csv_text,
    interval,
    number,
    p_value,
    size,
    text,
    together,
)
from gslt.studies.columns import column, is_missing, is_number, named, shown, span
from gslt.studies.records import StudyFolder
from gslt.studies.runs import ASKED_DENSITY, AXIS, Record, StudyResults
from gslt.training.results import (
    LEADERBOARD_HEAD,
    LEADERBOARD_RUNS,
    format_accuracy,
    leaderboard_line,
)

if TYPE_CHECKING:
    from pandas import DataFrame

PAGE = "report.html"
#: An epoch of a run: that of its best validation accuracy, or its last.
ReportedEpoch = Literal["best", "last"]
#: In words, and what the names of its columns begin with.
EPOCH_WORDS: dict[ReportedEpoch, str] = {
    "best": "the epoch of the best validation accuracy",
    "last": "the last epoch",
}
EPOCH_PREFIX: dict[ReportedEpoch, str] = {"best": "", "last": "last_"}
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
#: The summary of a lone study is unfolded up to so many rows.
_UNFOLDED = 10
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


def write_report(
    folder: StudyFolder, *, epoch: ReportedEpoch = "best", say: Callable[[str], None] | None = None
) -> list[Path]:
    """Write ``report.html``, ``tables/`` and ``figures/`` into the folder of the studies.

    It may be called while studies run: it reports the records that are there. The same records
    give the same files.

    Args:
        folder: where the studies and their records are.
        epoch: accuracies of which epoch tables and pictures show: ``"best"``, that of the best
            validation accuracy, or ``"last"``. Titles and captions name it; ``runs.csv`` and the
            figure to play with have both.
        say: told a line about every study and every record that cannot be used.

    Returns:
        The files, the page first.

    Raises:
        RunError: if the folder holds no study, or no record that can be used, or none with an
            accuracy at this epoch, or a file of the name of one of the report's that is not gslt's.
    """
    studies = folder.studies()
    output = output_of(folder)
    output.check(PAGE)
    parts = file_parts(study.name for study in studies)
    results = [folder.results(study) for study in studies]
    found = [each for whole in results for each in _reports(whole, parts, epoch)]
    there = [report for report in found if report.results.records and len(report.groups.runs)]
    troubles = _troubles(folder, results)
    for line in [*(report.headline for report in there), *troubles]:
        if say is not None:
            say(line)
    if not there:
        unusable = sum(len(report.results.unusable) for report in found)
        why = f"{unusable} records that cannot be used and no other" if unusable else "no record"
        if any(report.results.records for report in found):
            raise RunError(
                f"{str(folder.path)!r} holds no record with accuracies at the last epoch, which an "
                "older gslt did not keep; report the best epoch, or compute the runs anew"
            )
        file = folder.path / "studies" / f"{studies[0].name}.yaml"
        way = pasted("gslt", "study", "run", "--study", file, "--out", folder.path)
        raise RunError(f"{str(folder.path)!r} holds {why}; {way} computes what is missing")
    texts = {name: each for report in there for name, each in report.texts.items()}
    pictures = [name for report in there for name in both_names(report.picture)]
    for name in (*texts, *pictures):
        output.check(name)
    for name, each in texts.items():
        output.write_text(name, each)
    for report in there:
        save_both(report.figure(), output, report.picture)
    output.write_text(PAGE, study_page(there, folder.path.resolve(), troubles))
    gone = remove_others(output, {*texts, *pictures})
    if gone and say is not None:
        say(f"removed, being of an earlier report: {', '.join(gone)}")
    return [folder.path / name for name in (PAGE, *texts, *pictures)]


def _reports(
    whole: StudyResults, parts: Mapping[str, str], epoch: ReportedEpoch
) -> list[StudyReport]:
    """The report of a study: one for each metric of its records, so that none mixes two."""
    part = parts[whole.study.name]
    split = whole.by_metric()
    if len(split) == 1:
        return [StudyReport(whole, part, epoch)]
    return [StudyReport(each, f"{part}-{each.metric}", epoch, whole) for each in split]


def output_of(folder: StudyFolder) -> OutputFolder:
    """Where the report of a folder of studies goes: the folder itself.

    Raises:
        RunError: if gslt did not make it, such as a copy without gslt's own room.
    """
    if kind_of(folder.path) is None:
        raise RunError(
            f"{str(folder.path)!r} was not made by gslt (it has no {ROOM}/), so that no report is "
            "written there; gslt study run makes a folder, into whose records/ others can be copied"
        )
    found: OutputFolder = getattr(folder, "output", None) or OutputFolder(folder.path, "study")
    return found


def remove_others(output: OutputFolder, names: Collection[str]) -> list[str]:
    """Remove tables and figures of an earlier report, which would stand beside other numbers.

    Args:
        output: the folder of the report.
        names: of the tables and figures that stay.

    Returns:
        The names of those that were removed.
    """
    ours = [
        name
        for name in output.names()
        if name.startswith((f"{TABLE_FOLDER}/", f"{FIGURE_FOLDER}/"))
    ]
    return [name for name in ours if name not in names and output.remove(name)]


def study_page(reports: Sequence[StudyReport], folder: Path, troubles: Sequence[str]) -> str:
    """The page as text.

    Args:
        reports: of the studies that have records; their figures must have been written.
        folder: of the studies.
        troubles: sentences about records that cannot be used, and studies without any.
    """
    studies = {report.whole.study.name: report.whole for report in reports}
    records = {key: each for whole in studies.values() for key, each in whole.records.items()}
    runs = {run for whole in studies.values() for run in whole.study.runs}
    return render(
        "report/templates/study.html.jinja",
        title=page_title(reports),
        folder=folder,
        reports=reports,
        troubles=troubles,
        done=len(records),
        total=len(runs),
        unfolded=len(reports) == 1 and len(reports[0].summary.rows) <= _UNFOLDED,
        machines=dict.fromkeys(record.hardware for record in records.values()),
        data={report.name: report.data for report in reports},
    )


def page_title(reports: Sequence[StudyReport]) -> str:
    """The title of the one study, or what several have in common."""
    if len(reports) == 1:
        return f"{reports[0].title}: {reports[0].results.dataset}"
    graphs = listed(list(dict.fromkeys(each.results.dataset for each in reports)), most=3)
    kinds = {str(name).upper() for each in reports for name in each.groups.runs["architecture"]}
    return f"{len(reports)} studies of {listed(sorted(kinds), most=3)} on {graphs}"


def _troubles(folder: StudyFolder, found: Sequence[StudyResults]) -> list[str]:
    """Sentences on what is not in the report, each once though studies share runs."""
    lines = []
    for results in found:
        name = results.study.name
        if not results.records:
            lines.append(f"{name}: skipped, it has no record that can be used")
        if results.unusable:
            lines.append(f"{name}: {len(results.unusable)} records cannot be used")
    lines += [line for results in found for line in results.troubles]
    known = {identity for results in found for identity in results.study.runs}
    present = {path.stem for path in folder.record_path("any").parent.glob("*.json")}
    if strays := len(present - known):
        lines.append(f"{strays} records belong to no study in this folder")
    return list(dict.fromkeys(lines))


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
        found = summary_columns(self.groups.frame, self.epoch)
        if self.constructed:
            found = [_freezing(self.groups.frame)[-1], *constructed_columns(True), _SEEDS]
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
            *(CONSTRUCTED_NOTES if self.constructed else _NOTES),
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
        """One line a comparison: differences of test accuracy in points.

        The seeds have a column of their own where some comparison has more pairs than seeds.
        """
        found = self.comparisons
        several = len(found) > 0 and bool((found["pairs"] > found["seeds"]).any())
        tests, of_tests = p_columns(found)
        equal = [EQUAL] if len(found) > 0 and found["equal"].map(bool).any() else []
        columns = [*COMPARED, *equal, *DIFFERENCE, *([SEEDS] if several else []), *tests]
        title = f"{self.title} on {self.results.dataset}: paired comparisons"
        by_density = (
            [DENSITY_NOTE] if any("density" in each for each in found.get("equal", [])) else []
        )
        when = f"Test accuracy at {EPOCH_WORDS[self.epoch]}."
        unpaired = [UNPAIRED_NOTE.format(n=n)] if (n := _most(found, "unpaired_left_out")) else []
        notes = [when, *COMPARISON_NOTES, *by_density, *unpaired, *of_tests]
        notes = list(map(self.words, notes))
        return Table.of(title, found, columns, notes, names=2 + len(equal), pick=True)

    @property
    def runs(self) -> Table:
        """One line a run, for the page."""
        columns = run_columns(self.epoch)
        if self.constructed:
            columns = [*_RUN, *constructed_columns(False)]
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


def decimals(values: Sequence[float], asked: Sequence[Any]) -> int:
    """As many decimals as tell numbers apart, 2 to 6, and as show none below 1 as 1.

    Args:
        values: what is shown.
        asked: what each was to be: numbers that were to be equal may be shown alike.

    >>> decimals([0.5, 0.501, 0.8], [0.5, 0.5, 0.8]), decimals([0.99, 0.992], [0.99, 0.992])
    (2, 3)
    >>> decimals([0.9996], [0.9996])
    4
    """
    for count in range(2, 6):
        words = [f"{value:.{count}f}" for value in values]
        first = dict(zip(reversed(words), reversed(asked), strict=True))
        alike = any(first[word] != other for word, other in zip(words, asked, strict=True))
        ones = any(float(word) == 1 > value for word, value in zip(words, values, strict=True))
        if not alike and not ones:
            return count
    return 6


def _sparsity(rows: DataFrame) -> Column:
    known = rows[rows["sparsity"].notna()]
    found = known["sparsity"].astype(float).tolist()
    asked = known[ASKED_DENSITY].astype(float).fillna(known["density"].round(2)).tolist()
    form = "{{:.{0}f}} ({{:.{0}f}})".format(decimals(found, asked))
    return "sparsity (density)", lambda group: together(form, group.sparsity, group.density)


def _freezing(rows: DataFrame) -> list[Column]:
    """What the summary says before the accuracies of what is frozen."""
    parts, whole = _of_ratios(rows, "prune_ratio", "lock_ratio"), _of_ratios(rows, "freezing_ratio")
    form = f"{{:.{parts}f}} / {{:.{parts}f}}"
    return [
        ("pruned / locked", lambda group: together(form, group.prune_ratio, group.lock_ratio)),
        ("freezing ratio", lambda group: number(group.freezing_ratio, f".{whole}f")),
    ]


def _of_ratios(rows: DataFrame, *names: str) -> int:
    """Decimals of ratios; those that are drawn by chance differ by less than a thousandth."""
    found = [rows[name].dropna().astype(float).tolist() for name in names]
    return max(decimals(values, [round(value, 3) for value in values]) for values in found)


def _search_space(group: Any) -> Cell:
    return together("{:,.0f} ({:.0f} %)", group.searched, 100 * group.search_space)


def _accuracies(epoch: ReportedEpoch, heads: Sequence[str], *, spread: bool) -> list[Column]:
    """Test, validation and training accuracy at an epoch."""
    names = [f"{EPOCH_PREFIX[epoch]}{split}_accuracy" for split in ("test", "val", "train")]
    return [(h, accuracy_of(n, spread=spread)) for h, n in zip(heads, names, strict=True)]


def summary_columns(rows: DataFrame, epoch: ReportedEpoch = "best") -> list[Column]:
    """The summary: of a row of :attr:`gslt.report.groups.StudyGroups.frame`.

    Args:
        rows: of the table: ratios have as many decimals as tell them apart.
        epoch: whose accuracies are shown.
    """
    heads = ("test accuracy (%)", "validation (%)", "training (%)")
    return [
        ("initialisation", lambda group: text(str(group.weight_init or NONE).upper())),
        _sparsity(rows),
        *_freezing(rows),
        ("search space", _search_space),
        *_accuracies(epoch, heads, spread=True),
        *_SIZE,
    ]


#: What the summary says below of searches and trainings.
_NOTES = [
    "Parameters: weights of the whole network; search space: those that have a score. Model size: "
    "one bit per searched weight, or float32 weights.",
]
#: What the summary says after the accuracies.
_SEEDS: Column = ("n", lambda group: number(group.n, "d"))
_SIZE: list[Column] = [
    _SEEDS,
    ("model size", lambda group: size(group.model_bytes)),
    ("× smaller", lambda group: number(group.times_smaller, ".1f")),
    ("parameters", lambda group: number(group.num_weights, ",.0f")),
]

COMPARED: list[Column] = [
    ("first arm", lambda each: Cell(named(each.first, each.first_at), each.first)),
    ("second arm", lambda each: Cell(named(each.second, each.second_at), each.second)),
]
EQUAL: Column = ("equal in a pair", lambda each: text(_equal_words(each.equal) or None))
DIFFERENCE: list[Column] = [
    ("first − second (points)", lambda each: number(each.difference, "+.2f", factor=100)),
    ("95 % interval", lambda each: interval(each.low, each.high, "+.2f", factor=100)),
    ("pairs", lambda each: number(each.pairs, "d")),
]
SEEDS: Column = ("seeds", lambda each: number(each.seeds, "d"))
COMPARISON_NOTES = [
    "Differences of test accuracy between runs of the same seed, graph and values of what both "
    "arms vary; runs that two arms share are left out.",
    "Interval: bootstrap of the mean difference (BCa, 9,999 resamples, at the level that gives "
    "Student's interval for normal numbers); pairs count as independent, and for fewer than six it "
    "is too narrow.",
]


def _equal_words(equal: Mapping[str, Sequence[Any]]) -> str:
    """In what the runs of a pair are equal, and how many values that has where it has several.

    >>> _equal_words({"density": [0.02], "allocation": ["epl", "erk"]})
    'density 0.02, allocation (2 values)'
    """
    return ", ".join(
        f"{name.replace('_', ' ')} "
        + (shown(values[0]) if len(values) == 1 else f"({len(values)} values)")
        for name, values in equal.items()
    )


DENSITY_NOTE = (
    "Arms that say by different settings how many weights are left are compared at every density "
    "that both have, and at no other."
)
UNPAIRED_NOTE = (
    "Left out: up to {n} runs of a comparison, at values of what both arms vary that one of them "
    "alone has."
)


def _most(found: DataFrame, name: str) -> int:
    """The largest number of a column; 0 where there is no comparison."""
    return int(found[name].max()) if len(found) else 0


#: Below this a p-value is called small: one that cannot get there is not shown.
SMALL_P = 0.05
_P_NOTE = (
    "p: two-sided sign-flip permutation test of the mean difference; all pairs of a seed are "
    "flipped together, as runs of one seed share their random numbers. The interval takes pairs "
    "for independent."
)


def p_columns(found: DataFrame) -> tuple[list[Column], list[str]]:
    """The columns of p-values that can be small, and what is to be said of all of them.

    A sign-flip test of n seeds has no p below 2 / 2^n, and Holm's correction for m comparisons none
    below m times that. A p that cannot fall below :data:`SMALL_P` says nothing about the
    difference: it is a dash, or no column where none can.

    Args:
        found: comparisons, see :func:`gslt.report.statistics.compare_arms`.
    """
    if not len(found):
        return [], []
    count, least = len(found), found["least_p_seeds"]
    seeds, corrected = span(found["seeds"].tolist()), (count * least).clip(upper=1.0)
    if not (least < SMALL_P).any():
        few = f"n too small for a test by sign flips: with {seeds} seeds the smallest possible p is"
        return [], [f"{few} {_p_span(least)}; below {SMALL_P:g} takes 6 seeds."]
    columns: list[Column] = [("p", lambda each: _p(each.p_seeds, each.least_p_seeds))]
    notes = [f"{_P_NOTE} The smallest possible with {seeds} seeds: {_p_span(least)}."]
    if (corrected < SMALL_P).any():
        columns.append(("p, Holm", lambda each: _p(each.p_seeds_holm, count * each.least_p_seeds)))
        notes.append("Holm: p corrected for all comparisons of this table.")
    else:
        notes.append(
            f"n too small for Holm's correction: the smallest possible p for {count} comparisons "
            f"is {_p_span(corrected)}. A comparison that was not chosen beforehand shows nothing "
            "by its p."
        )
    return columns, notes


def _p(value: float, least: float) -> Cell:
    return p_value(value) if least < SMALL_P else Cell(NONE)


def _p_span(values: Any) -> str:
    return " to ".join(dict.fromkeys(f"{end:.2g}" for end in (min(values), max(values))))


def run_columns(epoch: ReportedEpoch) -> list[Column]:
    """One line a run: of a row of the frame of runs.

    Args:
        epoch: whose accuracies and losses are shown.
    """
    heads = ("test (%)", "validation (%)", "training (%)")
    losses = [
        (
            f"{word} loss",
            lambda run, n=f"{EPOCH_PREFIX[epoch]}{split}_loss": number(getattr(run, n)),
        )
        for word, split in (("test", "test"), ("training", "train"))
    ]
    return [*_RUN, *_accuracies(epoch, heads, spread=False), *losses, *_COURSE]


_RUN: list[Column] = [
    ("arm", lambda run: text(run.label)),
    ("run", lambda run: text(run.identity)),
    ("seed", lambda run: number(run.seed, "d")),
]
_COURSE: list[Column] = [
    ("best epoch", lambda run: text(getattr(run, "best_epoch", math.nan))),
    ("seconds", lambda run: number(getattr(run, "seconds", math.nan), ".1f")),
]
