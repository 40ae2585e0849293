"""``report.html``, ``verdict.json``, tables and pictures of the test, from what is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gslt.conjecture import words
from gslt.conjecture.figures import PICTURES, Picture, draw_pictures
from gslt.conjecture.findings import ENDPOINTS, VERDICT, Findings, find
from gslt.conjecture.protocol import ARMS, Plan
from gslt.conjecture.rivals import SEVERITY, rates
from gslt.conjecture.rule import ACCURACY
from gslt.conjecture.tables import TABLES
from gslt.environment import versions
from gslt.files import plain
from gslt.progress import progress_bar
from gslt.report.explorer import study_data
from gslt.report.figures import both_names
from gslt.report.folder import PAGE, output_of, remove_others
from gslt.report.page import render
from gslt.report.study import FIGURE_FOLDER, TABLE_FOLDER
from gslt.report.tables import Table, csv_text
from gslt.studies.columns import column
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
    for name in (PAGE, VERDICT, SEVERITY):
        out.check(name)
    for line in [findings.partial, *findings.troubles, *plan.changes, words.too_few(plan)]:
        if line:
            say(line)
    seeds, depths = plan.seeds, plan.depths
    known = rates(
        out,
        findings.rule,
        seeds=seeds,
        depths=depths,
        further=3 * (len(plan.datasets) - 1),
        simulations=plan.simulations,
        compute=simulate,
        progress=progress,
    )
    findings = replace(findings, severity=known)
    total = len(PICTURES) + 2
    with progress_bar(total=total, desc="judging", unit="part", show=progress) as bar:
        made = {name: make(findings) for name, make in TABLES.items()}
        tables = {name: table for name, table in made.items() if table is not None}
        texts = _texts(findings, tables)
        drawn = [name for picture in PICTURES for name in both_names(f"{FIGURE_FOLDER}/{picture}")]
        for name in (*texts, *drawn):
            out.check(name)
        out.write_json(VERDICT, plain(findings.as_dict()))
        for name, text in texts.items():
            out.write_text(name, text)
        bar.update()
        bar.set_description("drawing")
        pictures = []
        for picture in draw_pictures(findings, out):
            pictures.append(picture)
            bar.update()
        bar.update(len(PICTURES) - len(pictures))
        out.write_text(PAGE, page(findings, tables, pictures))
        shown = [file for each in pictures for file in both_names(f"{FIGURE_FOLDER}/{each.name}")]
        remove_others(out, {*texts, *shown})
        bar.update()
    return findings


def _texts(findings: Findings, tables: Mapping[str, Table]) -> dict[str, str]:
    """The tables as files, by their names in the folder."""
    frames = {"runs": findings.runs, "contrasts": findings.contrasts, "averages": findings.averages}
    found = {f"{name}.csv": csv_text(rows) for name, rows in frames.items()}
    found |= {f"{name}.md": table.markdown() for name, table in tables.items()}
    return {f"{TABLE_FOLDER}/{name}": text for name, text in found.items()}


def page(findings: Findings, tables: Mapping[str, Table], pictures: Sequence[Picture]) -> str:
    """The report as one page: three cards a data set, then the evidence and what it rests on.

    Args:
        findings: of the test.
        tables: by name, see :mod:`gslt.conjecture.tables`.
        pictures: that were drawn, see :func:`gslt.conjecture.figures.draw_pictures`.
    """
    there = [each for each in findings.results if each.records]
    arms = list(dict.fromkeys([*ARMS, *(arm for each in there for arm in each.study.arms)]))
    studies = {each.study.name: study_data(each, arms) for each in there}
    return render(
        "conjecture/templates/report.html.jinja",
        title=TITLE,
        data=studies,
        studies=studies,
        findings=findings,
        plan=findings.plan,
        criteria=findings.plan.criteria,
        rule=findings.rule,
        words=words,
        tables=tables,
        pictures=pictures,
        endpoints=[
            column(name).label
            for name in ENDPOINTS
            if name not in (findings.rule.endpoint, ACCURACY)
        ],
        versions=versions(),
        duration=duration(findings.seconds),
    )


def verdict_text(findings: Findings) -> str:
    """The verdicts in a few lines of plain text, for a terminal."""
    lines = []
    for finding in findings.claims:
        name = findings.name(finding.dataset)
        lines.append(f"{name}: THE CONJECTURE IS {finding.outcome.upper()}")
        for claim in finding.claims:
            lines.append(f"  {words.SIGNS[claim.outcome]} {claim.name}: {claim.label}")
            lines.append(f"      {claim.words}")
        lines += ["", f"  {findings.sentence(finding)}", ""]
    if findings.partial:
        lines.append(f"Preliminary. {findings.partial}")
    if few := words.too_few(findings.plan):
        lines.append(few)
    return "\n".join(lines).rstrip()
