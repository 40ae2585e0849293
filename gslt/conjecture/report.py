"""``report.html``, ``verdict.json``, tables and pictures of the test, from what is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tqdm import tqdm

from gslt.conjecture import words
from gslt.conjecture.figures import PICTURES, Picture, draw_pictures
from gslt.conjecture.findings import VERDICT, Findings, find
from gslt.conjecture.protocol import ARMS, ENDPOINTS, Plan
from gslt.conjecture.simulation import rates
from gslt.conjecture.tables import TABLES, verdict_table
from gslt.conjecture.verdict import Verdict
from gslt.environment import versions
from gslt.report.explorer import study_data
from gslt.report.figures import both_names
from gslt.report.page import render
from gslt.report.study import FIGURE_FOLDER, PAGE, TABLE_FOLDER, output_of, remove_others
from gslt.report.tables import aligned, csv_text
from gslt.studies.columns import column, heading
from gslt.studies.execute import duration
from gslt.studies.records import StudyFolder

TITLE = "Does freezing counter over-smoothing?"


def report_plan(
    plan: Plan,
    folder: StudyFolder,
    *,
    simulate: bool = True,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> Findings:
    """Report what is there of a plan into its folder.

    It may be called at any time: what is missing is said, and the verdicts come from the rest. The
    same records give the same files.

    Args:
        plan: the test.
        folder: where its records are.
        simulate: whether to compute the error rates that the folder does not hold yet.
        progress: show bars over the simulations and the parts of the report on a terminal.
        say: told what is missing and what cannot be used.

    Raises:
        RunError: if there is nothing to report, or a file of the report is not gslt's.
    """
    findings, out = find(folder, plan), output_of(folder)
    for name in (PAGE, VERDICT):
        out.check(name)
    for line in [findings.partial, *findings.troubles, *plan.changes]:
        if line:
            say(line)
    known = rates(out, plan, compute=simulate, progress=progress)
    findings = replace(findings, error_rates=known)
    hide = None if progress else True
    with tqdm(total=len(PICTURES) + 2, desc="judging", unit="part", disable=hide) as bar:
        texts = _tables(findings)
        drawn = [name for picture in PICTURES for name in both_names(f"{FIGURE_FOLDER}/{picture}")]
        for name in (*texts, *drawn):
            out.check(name)
        out.write_json(VERDICT, findings.as_dict())
        for name, text in texts.items():
            out.write_text(name, text)
        bar.update()
        bar.set_description("drawing")
        pictures = []
        for picture in draw_pictures(findings, out):
            pictures.append(picture)
            bar.update()
        out.write_text(PAGE, page(findings, pictures))
        remove_others(out, {*texts, *drawn})
        bar.update()
    return findings


def _tables(findings: Findings) -> dict[str, str]:
    """The tables as files, by their names in the folder."""
    frames = {**findings.analysis.csv(), "runs.csv": findings.runs}
    found = {name: csv_text(rows) for name, rows in frames.items()}
    found["verdicts.md"] = verdict_table(findings).markdown()
    return {f"{TABLE_FOLDER}/{name}": text for name, text in found.items()}


def page(findings: Findings, pictures: Sequence[Picture]) -> str:
    """The report as one page: verdicts on top, then how they came about and what they rest on."""
    there = [each for each in findings.results if each.records]
    studies = {each.study.name: study_data(each, list(ARMS)) for each in there}
    return render(
        "conjecture/templates/report.html.jinja",
        title=TITLE,
        data=studies,
        studies=studies,
        findings=findings,
        analysis=findings.analysis,
        plan=findings.plan,
        criteria=findings.plan.criteria,
        words=words,
        tables={name: make(findings) for name, make in TABLES.items()},
        pictures=pictures,
        endpoints=[column(name).label for name in ENDPOINTS],
        endpoint_names=list(map(heading, ENDPOINTS)),
        arm_names=[words.arm_name(*arm) for arm in findings.analysis.arms],
        versions=versions(),
        duration=duration(findings.seconds),
    )


def verdict_text(findings: Findings) -> str:
    """The verdicts in a few lines of plain text, for a terminal.

    Verdicts over all depths with their meaning, and a line for each depth below.
    """
    lines = []
    for overall in findings.analysis.overall:
        lines += [
            f"{findings.family_name(*overall.family)}: {overall.label.upper()}",
            f"  {words.meaning(overall, findings.plan.criteria)}",
        ]
        if association := findings.association(overall.family):
            lines.append(f"  {words.accuracy_words(association)}")
            lines.append(f"  {words.association_words(association)}")
        rows = [_cells("all depths", overall)]
        rows += [
            _cells(words.depth_words(each.depths), each)
            for each in findings.analysis.depths
            if each.family == overall.family
        ]
        lines += [f"  {line}" for line in aligned(rows, names=len(rows[0]))]
        lines.append("")
    if findings.partial:
        lines.append(f"Preliminary. {findings.partial}")
    return "\n".join(lines).rstrip()


def _cells(name: str, verdict: Verdict) -> list[str]:
    effect = words.factor_words(verdict.effect, verdict.one_collapsed > 0)
    small = verdict.outcome == "no meaningful difference"
    p = verdict.decision.p_equivalence_holm if small else verdict.decision.p_holm
    return [name, verdict.label, f"quotient {effect}", f"p {p:.2g}"]
