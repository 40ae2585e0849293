"""The report of a folder of studies: tables, figures and one page, from what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gslt.errors import RunError
from gslt.files import write_text
from gslt.studies.records import StudyFolder
from gslt.studies.report.csv_tables import comparisons_csv, groups_csv, runs_csv
from gslt.studies.report.figures import plot_study
from gslt.studies.report.page import Section, page
from gslt.studies.report.rows import StudyResults, read_results
from gslt.studies.report.statistics import compare_arms
from gslt.studies.report.tables import comparison_table, runs_table, summary_table


def write_report(folder: StudyFolder, *, say: Callable[[str], None] | None = None) -> list[Path]:
    """Write ``report.html``, ``tables/`` and ``figures/`` into the folder of the studies.

    It may be called while studies run: it reports the records that are there. The same records
    give the same files.

    Args:
        folder: where the studies and their records are.
        say: told a line about every study and every record that cannot be used.

    Returns:
        The files, the page first.

    Raises:
        RunError: if the folder holds no study, or no record that can be used.
    """
    found = list(read_results(folder))
    troubles = _troubles(folder, found)
    for line in [*(_headline(results) for results in found if results.records), *troubles]:
        if say is not None:
            say(line)
    there = [results for results in found if results.records]
    if not there:
        unusable = sum(len(results.unusable) for results in found)
        why = f"{unusable} records that cannot be used and no other" if unusable else "no record"
        raise RunError(f"{str(folder.path)!r} holds {why}; gslt study run computes what is missing")
    sections, files = [], []
    for results in there:
        section, written = _study(folder.path, results)
        sections.append(section)
        files += written
    target = folder.path / "report.html"
    write_text(target, page(sections, folder.path.resolve().name, troubles))
    return [target, *files]


def _headline(results: StudyResults) -> str:
    arms = f"{len(results.arms)} of {len(results.study.arms)} arms"
    return f"{results.study.name}: {len(results.records)} of {results.total} runs, {arms}"


def _troubles(folder: StudyFolder, found: list[StudyResults]) -> list[str]:
    """Sentences on what is not in the report, each once though studies share runs."""
    lines = []
    for results in found:
        name = results.study.name
        if not results.records:
            lines.append(f"{name}: skipped, it has no record that can be used")
        if results.unusable:
            lines.append(f"{name}: {len(results.unusable)} records cannot be used")
    for results in found:
        for identity, reason in results.unusable.items():
            lines.append(f"records/{identity}.json cannot be used: {reason}")
        for identity, reason in results.failures.items():
            lines.append(f"run {identity} failed: {reason}")
    known = {identity for results in found for identity in results.study.runs}
    present = {path.stem for path in folder.record_path("any").parent.glob("*.json")}
    if strays := len(present - known):
        lines.append(f"{strays} records belong to no study in this folder")
    return list(dict.fromkeys(lines))


def _study(folder: Path, results: StudyResults) -> tuple[Section, list[Path]]:
    name = results.study.name
    comparisons = compare_arms(results)
    summary, compared = summary_table(results), comparison_table(results, comparisons)
    texts = {
        f"{name}.md": summary.markdown(),
        f"{name}.tex": summary.latex(),
        f"{name}.csv": groups_csv(results),
        f"{name}-runs.csv": runs_csv(results),
    }
    if comparisons:
        texts |= {
            f"{name}-comparisons.md": compared.markdown(),
            f"{name}-comparisons.tex": compared.latex(),
            f"{name}-comparisons.csv": comparisons_csv(comparisons),
        }
    for file, text in texts.items():
        write_text(folder / "tables" / file, text)
    figures = plot_study(results, folder / "figures")
    files = [*(folder / "tables" / file for file in texts), *figures]
    section = Section(results, summary, compared, runs_table(results), figures[-1])
    return section, files
