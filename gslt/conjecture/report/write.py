"""``report.html``, ``verdict.json``, tables and pictures of the test, from what is there."""

from __future__ import annotations

from collections.abc import Callable

from tqdm import tqdm

from gslt.conjecture.plan import Plan
from gslt.conjecture.report.appendix import rates
from gslt.conjecture.report.csv_files import csv_files
from gslt.conjecture.report.document import VERDICT, Findings
from gslt.conjecture.report.evidence import read_evidence
from gslt.conjecture.report.page import conjecture_page
from gslt.conjecture.report.pictures import PICTURES, draw_pictures
from gslt.conjecture.report.tables import verdict_table
from gslt.files import write_json, write_text
from gslt.studies.records import StudyFolder

PAGE = "report.html"


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
        RunError: if there is nothing to report.
    """
    evidence = read_evidence(folder, plan)
    for line in [evidence.partial, *evidence.troubles, *plan.changes]:
        if line:
            say(line)
    known = rates(folder.path, plan, compute=simulate, progress=progress)
    out = folder.path
    findings = Findings(evidence, plan.command(str(out)), tuple(known))
    hide = None if progress else True
    with tqdm(total=len(PICTURES) + 2, desc="judging", unit="part", disable=hide) as bar:
        write_json(out / VERDICT, findings.as_dict())
        bar.update()
        texts = {**csv_files(findings), "verdicts.md": verdict_table(findings).markdown()}
        for name, text in texts.items():
            write_text(out / "tables" / name, text)
        bar.set_description("drawing")
        pictures = []
        for picture in draw_pictures(findings, out / "figures"):
            pictures.append(picture)
            bar.update()
        write_text(out / PAGE, conjecture_page(findings, pictures))
        bar.update()
    return findings
