"""The report as one page: verdicts on top, then how they came about and what they rest on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from gslt.conjecture.report.cells import endpoint_name
from gslt.conjecture.report.document import Findings
from gslt.conjecture.report.evidence import arm_name
from gslt.conjecture.report.page_text import limits_section, protocol_section, question
from gslt.conjecture.report.page_verdict import STYLE, verdict_section
from gslt.conjecture.report.pictures import Picture
from gslt.conjecture.report.tables import association_table, contrast_table, endpoint_table
from gslt.conjecture.report.tables_design import (
    error_depth_table,
    error_table,
    power_table,
    seeds_table,
    what_if_table,
)
from gslt.conjecture.statistics.endpoints import ENDPOINTS
from gslt.environment import versions
from gslt.studies.report.page import explorer
from gslt.studies.report.page_data import study_data
from gslt.studies.report.page_parts import (
    command_html,
    header_html,
    picture_html,
    select_html,
    table_html,
    warning_html,
    whole_page,
)
from gslt.studies.report.provenance import hardware
from gslt.studies.status import duration

TITLE = "Does freezing counter over-smoothing?"
#: Sections by the name of their place.
_SECTIONS = {
    "verdict": "Verdict",
    "question": "Question",
    "protocol": "Arms and protocol",
    "pictures": "Pictures",
    "tables": "Tables",
    "change": "What would change it",
    "appendix": "Appendix: error rates",
    "limits": "Limits",
    "origin": "Command, versions, hardware",
}


def conjecture_page(findings: Findings, pictures: Sequence[Picture]) -> str:
    """The page as text."""
    studies = [results for results in findings.evidence.results if results.rows]
    data = {results.study.name: study_data(results) for results in studies}
    return whole_page(TITLE, _body(findings, pictures), data, STYLE)


def _body(findings: Findings, pictures: Sequence[Picture]) -> Iterator[str]:
    evidence = findings.evidence
    graphs = ", ".join(dict.fromkeys(evidence.names.values()))
    facts = (
        f"A test of the conjecture of Otsuka et al. (2024). Preset {evidence.plan.preset}, "
        f"{evidence.plan.architecture.upper()}, on {graphs}; {len(evidence.found)} of "
        f"{evidence.total} runs."
    )
    yield header_html(TITLE, facts)
    if notes := [*evidence.plan.changes, *evidence.troubles, *_synthetic(findings)]:
        yield warning_html("To know beforehand", notes)
    links = "".join(f'<li><a href="#{name}">{text}</a></li>' for name, text in _SECTIONS.items())
    yield f'<nav aria-label="Sections"><ul>{links}</ul></nav><main>'
    yield from verdict_section(findings)
    yield from question()
    yield from protocol_section(findings)
    yield from _pictures(pictures)
    yield from _tables(findings)
    yield from _change(findings)
    yield from _appendix(findings)
    yield from limits_section(findings)
    yield from _origin(findings)
    yield "</main>"


def _synthetic(findings: Findings) -> list[str]:
    names = findings.evidence.synthetic
    return [f"Synthetic graph, nothing about real data: {', '.join(names)}."] if names else []


def _pictures(pictures: Sequence[Picture]) -> Iterator[str]:
    yield '<section class="study" id="pictures"><h2>Pictures</h2>'
    for each in pictures:
        files = f"figures/{each.name}.svg and .png"
        yield f"<h3>{escape(each.what)}</h3>{picture_html(each.files[-1], each.what, files)}"
    yield "</section>"


def _tables(findings: Findings) -> Iterator[str]:
    yield '<section class="study" id="tables"><h2>Tables</h2><h3>Endpoints of every arm</h3>'
    yield table_html(endpoint_table(findings), "table-endpoints")
    yield "<h3>Contrasts with the dense source</h3>"
    contrasts = contrast_table(findings)
    arms = [arm_name(arm) for arm in findings.evidence.arms]
    yield (
        '<p class="controls filter" data-table="table-contrasts"><label>arm '
        f"{select_html('first', {'': 'any', **{arm: arm for arm in arms if arm != 'dense'}})}"
        "</label><label>endpoint "
        f"{select_html('second', {'': 'any', **{n: n for n in map(endpoint_name, ENDPOINTS)}})}"
        "</label></p>"
    )
    yield table_html(contrasts, "table-contrasts")
    yield "<h3>Accuracy and smoothness</h3>"
    yield table_html(association_table(findings), "table-associations")
    for results in findings.evidence.results:
        if results.rows:
            yield f"<details><summary>Figure of your choice: {escape(results.study.name)}</summary>"
            yield from explorer(results)
            yield "</details>"
    yield '<p class="notes">As files, in full precision: tables/*.csv.</p></section>'


def _change(findings: Findings) -> Iterator[str]:
    yield '<section class="study" id="change"><h2>What would change the verdict</h2>'
    seeds = seeds_table(findings)
    if seeds.rows:
        yield f"<h3>More seeds</h3>{table_html(seeds, 'table-seeds')}"
    else:
        yield "<p>No verdict is undecided: none waits for more seeds.</p>"
    yield f"<h3>Other criteria</h3>{table_html(what_if_table(findings), 'table-criteria')}"
    yield f"<p>{_collapses(findings)}</p>"
    yield "<h3>What these seeds can show</h3>"
    yield f"{table_html(power_table(findings), 'table-power')}</section>"


def _collapses(findings: Findings) -> str:
    places = findings.places
    one, both = (sum(getattr(v, f"{n}_collapsed") for v in places) for n in ("one", "both"))
    if not one and not both:
        return "No run behind a verdict collapsed totally."
    return (
        f"Of the pairs behind the verdicts, {one} have one run that collapsed totally and one that "
        f"did not, and {both} have two that did. The first count as the largest difference seen "
        "and rule out “no meaningful difference”; the second count as equal."
    )


def _appendix(findings: Findings) -> Iterator[str]:
    criteria = findings.evidence.plan.criteria
    yield '<section class="study" id="appendix"><h2>Appendix: error rates of the verdict</h2>'
    if not findings.error_rates:
        yield "<p>Not computed yet: gslt conjecture computes them when it is not interrupted.</p>"
        yield "</section>"
        return
    planted: dict[str, Any] = findings.error_rates[0]["planted"]
    yield (
        "<p>The code that judges the runs above judged synthetic runs whose truth is known: "
        f"{findings.error_rates[0]['simulations']:,} simulations each of a planted effect of the "
        f"smallest size that matters ({criteria.smallest_effect:.3g}, mean over the freezing "
        "ratios, in proportion to them), of none, and of the same effect reversed. Standard "
        f"deviations of the log quotient there: {planted['seed_sd']:g} between seeds, "
        f"{planted['noise_sd']:g} between runs, {planted['walk_sd']:g} for a step of 0.2 in the "
        f"freezing ratio; correlation between depths {planted['across_depths']:g}. At most "
        f"{100 * criteria.alpha:g} % of the families may hold a false claim of a difference, and "
        "as many a false claim of none. One family is simulated; where a data set has two, with "
        "and without batch norm, verdicts over all depths are corrected for both and found a "
        "little less often.</p>"
    )
    yield table_html(error_table(findings), "table-errors")
    yield "<details><summary>By depth</summary>"
    yield f"{table_html(error_depth_table(findings), 'table-errors-depth')}</details></section>"


def _origin(findings: Findings) -> Iterator[str]:
    evidence = findings.evidence
    seconds = math.fsum(record.measured["seconds"] for record in evidence.records)
    numbers = ", ".join(f"{name} {number}" for name, number in versions().items())
    machines = "".join(f"<li>{escape(each)}</li>" for each in sorted(hardware(evidence.records)))
    yield (
        '<section class="study" id="origin"><h2>Command, versions, hardware</h2>'
        f"{command_html(findings.command)}<p>Reported by {escape(numbers)}. The runs took "
        f"{duration(seconds)} of computing, on:</p><ul>{machines}</ul>"
        "<p>Everything on this page is in verdict.json and tables/; the records it comes from are "
        "in records/, one for each run.</p></section>"
    )
