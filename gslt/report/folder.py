"""The report of a folder of studies, written into it: tables, figures and one page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from gslt.errors import RunError, listed, pasted
from gslt.files import OutputFolder
from gslt.files.folder import ROOM, kind_of
from gslt.report.escaping import file_parts
from gslt.report.figures import both_names, save_both
from gslt.report.page import render
from gslt.report.study import FIGURE_FOLDER, TABLE_FOLDER, StudyReport
from gslt.report.study_tables import ReportedEpoch
from gslt.studies.records import StudyFolder
from gslt.studies.runs import StudyResults

PAGE = "report.html"
#: The summary of a lone study is unfolded up to so many rows.
_UNFOLDED = 10


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
