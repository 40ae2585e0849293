"""Weight training and three sources on one data set: from its config to a table and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from gslt.config import SourcesConfig
from gslt.data.catalogue import address
from gslt.data.convert import dataset_at_hand
from gslt.errors import ConfigError, RunError
from gslt.files import plain
from gslt.report.figures import save_figure
from gslt.report.groups import StudyGroups
from gslt.report.study import StudyReport
from gslt.report.study_tables import summary_columns
from gslt.report.tables import NONE, Cell, Column, Table, csv_text, number, text
from gslt.sources.arms import study_of
from gslt.sources.message import DIFFERENCES, LEAST_INTERVAL, Contrast, contrasts_of, message_of
from gslt.sources.pictures import picture, times_smaller
from gslt.studies.columns import is_missing
from gslt.studies.execute import Executor, Here, check_study, run_study
from gslt.studies.records import StudyFolder
from gslt.studies.runs import StudyResults
from gslt.studies.study import Study
from gslt.studies.workers import Workers
from gslt.training.places import read_epochs

if TYPE_CHECKING:
    from pandas import DataFrame

#: Files of a comparison: for programs, tables, pictures.
FILES = (
    "summary.json",
    "summary.csv",
    "runs.csv",
    "table.md",
    "accuracy_vs_size.png",
    "learning_curves.png",
)


def compare(
    data: Any,
    config: SourcesConfig | None = None,
    *,
    out: str | Path | None = None,
    workers: int = 1,
    dataset_dir: str | None = None,
    split: int = 0,
    progress: bool = True,
) -> Comparison:
    """Train weights, and search tickets in a dense, a sparse and a frozen source, on one data set.

    Args:
        data: name or path of a data set, a data set, or whatever :func:`gslt.as_dataset` takes.
        config: settings of the arms. Default: those of :func:`gslt.search`, with three seeds.
        out: folder of the runs, tables and pictures: what is there is not computed again, so that
            a comparison that was interrupted goes on, and more seeds are added to those that are
            there. Default: nothing is kept.
        workers: number of processes, for a data set that is given by its name or path.
        dataset_dir: folder of the data sets, for a name or path. Default: see
            :func:`gslt.load_dataset`.
        split: number of the split of a name, a path or a graph of another library, where there are
            several; a data set has its own.
        progress: show a bar over the epochs of all runs on a terminal.

    Returns:
        What the arms reached: ``print`` shows the table.

    Raises:
        DataError: if the data set is not there, or breaks a rule of :class:`gslt.NodeDataset`.
        ConfigError: for settings that the data set or this machine cannot have.
        RunError: if the folder holds something else, or results of other data.
        Interrupted: after Ctrl-C, SIGTERM or SIGHUP, once a checkpoint is written.
        GsltError: if a run fails.
    """
    config = config or SourcesConfig()
    if not isinstance(config, SourcesConfig):
        raise ConfigError(f"gslt.compare takes a SourcesConfig, got a {type(config).__name__}")
    if type(workers) is not int or workers < 1:
        raise ConfigError(f"workers must be a whole number above 0, got {workers!r}")
    name = address(str(data)) if isinstance(data, str | Path) else ""
    given = None if name else dataset_at_hand(data, dataset_dir, split)
    if given is not None and workers > 1:
        raise ConfigError(
            f"{workers} workers each read the data set by its name or path, and {given.name!r} is "
            "in the memory of this process; leave workers out, or give a path "
            "(data.save('graph.safetensors') writes a graph)"
        )
    place = (given.name, given.split) if given is not None else (name, split)
    study = study_of(config, *place)
    check_study(study, dataset_dir, config.device, given=given)
    with TemporaryDirectory() if out is None else nullcontext(out) as path:
        folder = StudyFolder(path)
        executor: Executor = Here(folder, dataset_dir, config.device, given)
        if workers > 1:
            executor = Workers(folder, workers, dataset_dir, config.device)
        found = compare_study(study, folder, executor, progress=progress)
        if out is not None:
            found.write(folder)
        return found


def compare_study(
    study: Study, folder: StudyFolder, executor: Executor, *, progress: bool = True
) -> Comparison:
    """Compute what is missing of a comparison's runs, and compare them.

    Args:
        study: see :func:`gslt.sources.study_of`.
        folder: where runs and records are and go.
        executor: where to compute.
        progress: show a bar over the epochs of all runs on a terminal.

    Raises:
        GsltError: see :func:`compare`.
    """
    for name in FILES:
        if folder.path.is_dir():
            folder.output.check(name)
    run_study(study, folder, executor, progress=progress).check()
    return Comparison.of(folder, study)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What weight training and the tickets of three sources reached on one data set."""

    results: StudyResults
    """The study and its records."""
    curves: DataFrame
    """A row for every arm, seed and epoch: ``train``, ``val`` and ``test`` (fractions), ``loss``
    (nats), ``sparsity``; of the runs whose folders are there."""

    @classmethod
    def of(cls, folder: StudyFolder, study: Study) -> Comparison:
        """What a folder holds of a comparison.

        Args:
            folder: of the study.
            study: see :func:`gslt.sources.study_of`.

        Raises:
            RunError: if it has no record that can be used, or a run's epochs are damaged.
        """
        results = folder.results(study)
        if not results.records:
            raise RunError(f"{str(folder.path)!r} holds no record of {study.name!r}")
        return cls(results, _curves(folder, study))

    @cached_property
    def groups(self) -> StudyGroups:
        """The runs by arm."""
        return StudyGroups(self.results)

    @cached_property
    def contrasts(self) -> list[Contrast]:
        """Paired differences of the arms."""
        return contrasts_of(self.groups.runs)

    @cached_property
    def message(self) -> list[str]:
        """What follows from the seeds, sentence by sentence."""
        tickets = [row for row in self.groups.frame.itertuples() if row.method == "search"]
        return message_of(self.contrasts, {row.arm: times_smaller(row) for row in tickets})

    @cached_property
    def table(self) -> Table:
        """One line an arm, mean ± unbiased standard deviation over seeds."""
        report = StudyReport(self.results)
        columns = [(report.words(head), cell) for head, cell in _columns(self.groups.frame)]
        title = f"{self.results.dataset}: {report.facts}"
        return Table.of(title, self.groups.frame, columns, [*self._notes, *report.summary.notes])

    @property
    def _notes(self) -> list[str]:
        weights = 4 * int(self.groups.frame["num_weights"].iloc[0])
        rates = {row.arm: row.lr for row in self.groups.frame.itertuples()}
        notes = [
            "Search window: the sparsities of the tickets that a source holds, from its pruning "
            "ratio to 1 − its locking ratio. Every ticket stands at the same place of its own: at "
            "one common sparsity they would stand at different ones, and the place decides.",
            f"Ticket file: mask, header and metadata. × smaller: than the {weights:,} bytes of the "
            "network's float32 weights.",
        ]
        if len(set(rates.values())) > 1:
            several = ", ".join(f"{arm} {rate:g}" for arm, rate in rates.items())
            notes.append(f"Learning rates: {several}.")
        return notes

    @cached_property
    def differences(self) -> Table:
        """One line a pair of arms, in points of test accuracy."""
        report = StudyReport(self.results)
        notes = [
            "Of the runs of one seed, in points of 100; p: two-sided sign-flip test, corrected by "
            "Holm for all pairs.",
            f"Interval: bootstrap of the mean (BCa); not shown for fewer than {LEAST_INTERVAL} "
            "seeds, where it is too narrow.",
        ]
        title = report.words("Paired differences of test accuracy")
        return Table.of(title, self.contrasts, DIFFERENCES, notes)

    def markdown(self) -> str:
        """Table, differences and message as GitHub's Markdown."""
        said = "\n".join(f"- {line}" for line in self.message)
        return f"{self.table.markdown()}\n{self.differences.markdown()}\n{said}\n"

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def __str__(self) -> str:
        parts = [self.table.body(), self.differences.body(), "\n".join(self.message)]
        return "\n\n".join([self.table.title, *parts])

    def frame(self) -> DataFrame:
        """One row a run, see :func:`gslt.studies.frame`."""
        return self.results.frame

    def plot(self) -> Any:
        """A matplotlib figure: accuracy against size, and the learning curves beside it."""
        return picture(self.groups, self.curves, *(["size", "curves"] if self._drawn else ["size"]))

    @property
    def _drawn(self) -> bool:
        return len(self.curves) > 0

    @property
    def values(self) -> dict[str, Any]:
        """Settings, arms, differences and message as plain values.

        Accuracies and ratios are fractions, differences points of 100, sizes bytes, times seconds.
        """
        study = self.results.study
        values = {
            "study": study.name,
            "dataset": self.results.dataset,
            "metric": self.results.metric,
            "seeds": study.seed_list,
            "settings": dict(study.settings),
            "arms": [_arm_values(row) for row in self.groups.frame.itertuples()],
            "differences": [_contrast_values(each) for each in self.contrasts],
            "message": self.message,
            "hardware": list(dict.fromkeys(r.hardware for r in self.results.records.values())),
        }
        return dict(plain(values))

    def write(self, folder: StudyFolder) -> list[Path]:
        """Write tables and pictures beside the runs.

        Args:
            folder: of the study.

        Returns:
            The files, see :data:`FILES`.

        Raises:
            RunError: if there is a file of one of the names that gslt did not write.
        """
        output = folder.output
        values, means, runs, table, sizes, curves = FILES
        output.write_json(values, self.values)
        output.write_text(means, csv_text(self.groups.frame))
        output.write_text(runs, csv_text(self.groups.runs))
        output.write_text(table, self.markdown())
        save_figure(picture(self.groups, self.curves, "size"), sizes, output)
        names: Sequence[str] = FILES
        if self._drawn:
            save_figure(picture(self.groups, self.curves, "curves"), curves, output)
        else:
            output.remove(curves)
            names = FILES[:-1]
        return [folder.path / name for name in names]


def _curves(folder: StudyFolder, study: Study) -> DataFrame:
    """Every epoch of the runs whose folders are there: not those of records that were copied."""
    import pandas as pd

    rows = [
        {"arm": cell.arm, **epoch}
        for cell in study.cells
        if (path := folder.run_path(cell.spec.identity)).is_dir()
        for epoch in read_epochs(path)
    ]
    return pd.DataFrame(rows)


def _window(group: Any) -> Cell:
    """The search window of a source, and where in it the ticket stands."""
    if is_missing(group.prune_ratio):
        return Cell(NONE)
    if not group.searched:
        return Cell("nothing to search")
    low, high = group.prune_ratio, 1 - group.lock_ratio
    place = (group.sparsity - low) / (high - low)
    # The sparsity is rounded to whole weights.
    words = "middle" if abs(place - 0.5) < 0.005 + 1 / group.searched else f"at {place:.2f}"
    return Cell(f"{low:.2f} – {high:.2f}, {words}", low)


def _mask_bits(group: Any) -> Cell:
    return Cell(NONE) if group.method == "train" else number(group.searched, ",.0f")


def _columns(rows: DataFrame) -> list[Column]:
    """Those of a study's summary that a comparison has, and its own."""
    known = dict(summary_columns(rows))
    first = ("test accuracy (%)", "validation (%)", "n", "sparsity (density)")
    return [
        ("method", lambda group: text(group.arm)),
        *((name, known[name]) for name in first),
        ("search window", _window),
        *((name, known[name]) for name in ("pruned / locked", "search space")),
        ("mask (bits)", _mask_bits),
        ("ticket file (bytes)", lambda group: number(group.file_bytes, ",.0f")),
        ("× smaller (mask)", lambda group: number(group.times_smaller, ".1f")),
        ("× smaller (file)", lambda group: number(times_smaller(group), ".1f")),
    ]


#: Columns of the means that ``summary.json`` has of every arm.
_OF_ARM = (
    *("arm", "method", "n", "seeds", "test_accuracy", "test_accuracy_std", "val_accuracy"),
    *("val_accuracy_std", "train_accuracy", "train_accuracy_std", "majority_rate", "lr"),
    *("sparsity", "density", "prune_ratio", "lock_ratio", "freezing_ratio", "num_weights"),
    *("searched", "search_space", "model_bytes", "file_bytes", "times_smaller", "seconds"),
)


def _arm_values(group: Any) -> dict[str, Any]:
    values = {name: getattr(group, name, None) for name in _OF_ARM}
    # JSON knows no numbers of NumPy's.
    known = {name: getattr(value, "item", lambda v=value: v)() for name, value in values.items()}
    missing = {name: None for name, value in known.items() if is_missing(value)}
    return {**known, **missing, "file_times_smaller": times_smaller(group)}


def _contrast_values(each: Contrast) -> dict[str, Any]:
    ends = {"low": each.low, "high": each.high} if each.has_interval else {}
    return {
        "first": each.first,
        "second": each.second,
        "points": each.mean,
        "by_seed": each.differences.tolist(),
        **ends,
        "p_holm": each.p,
        "is_order": each.is_order,
    }
