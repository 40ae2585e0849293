"""The verdicts on the page: a card for each data set with, and without, batch norm."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from gslt.conjecture.report.document import Findings
from gslt.conjecture.report.pictures.style import OUTCOMES
from gslt.conjecture.report.tables import verdict_table
from gslt.conjecture.report.words import (
    SIGNS,
    accuracy_words,
    association_words,
    depth_words,
    factor_words,
    meaning,
    needed_words,
)
from gslt.conjecture.statistics.verdict import Verdict
from gslt.studies.report.page_parts import table_html

#: Rules of CSS for the cards.
STYLE = """
.cards {
  display: grid; gap: 1rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 23rem), 1fr));
}
.card {
  background: var(--card); border-left: .4rem solid var(--outcome);
  border-radius: .4rem; padding: .8rem 1rem;
}
.card h3 { margin: 0; color: var(--soft); font-weight: 500; font-size: .95rem; }
.card .outcome { font-size: 1.25rem; font-weight: 650; margin: .15rem 0 .4rem; }
.card p { margin: .35rem 0; }
.card .effect { font-variant-numeric: tabular-nums; }
.card .small { color: var(--soft); font-size: .88rem; }
section.study > p, section.study > ul, section.study > dl { max-width: 52rem; }
dl.arms { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem; }
dl.arms dt { font-weight: 600; }
dl.arms dd { margin: 0; }
@media (max-width: 40rem) { dl.arms { grid-template-columns: 1fr; } }
"""


def verdict_section(findings: Findings) -> Iterator[str]:
    """Cards, then the table by depth."""
    yield '<section class="study" id="verdict"><h2>Verdict</h2>'
    if partial := findings.evidence.partial:
        yield f'<p class="warning" role="note"><strong>Preliminary.</strong> {escape(partial)}</p>'
    yield '<div class="cards">'
    for verdict in findings.overall:
        yield from _card(findings, verdict)
    yield "</div><h3>By depth</h3>"
    yield table_html(verdict_table(findings), "table-verdicts")
    yield "<details><summary>Why, verdict by verdict</summary><ul>"
    for each in findings.places:
        name = findings.evidence.family_name(each.family)
        yield (
            f"<li><strong>{escape(name)}, {escape(depth_words(each.depths))}: "
            f"{escape(each.label)}.</strong> {escape(each.reason)}</li>"
        )
    yield "</ul></details></section>"


def _card(findings: Findings, verdict: Verdict) -> Iterator[str]:
    criteria = findings.evidence.plan.criteria
    name = findings.evidence.family_name(verdict.family)
    effect = factor_words(verdict.effect, verdict.one_collapsed > 0)
    association = findings.association(verdict.family)
    accuracy, goes = "", ""
    if association:
        accuracy = f"<p>{escape(accuracy_words(association))}</p>"
        goes = f'<p class="small">{escape(association_words(association))}</p>'
    yield (
        f'<article class="card" data-outcome="{escape(verdict.outcome)}" '
        f'style="--outcome: {OUTCOMES[verdict.outcome]}"><h3>{escape(name)}</h3>'
        f'<p class="outcome"><span aria-hidden="true">{SIGNS[verdict.outcome]}</span> '
        f"{escape(verdict.outcome.capitalize())}</p>"
        f"<p>{escape(meaning(verdict, criteria))}</p>"
        f'<p class="effect">Quotient of frozen over that of dense: {_unbroken(effect)}</p>'
        f'{accuracy}<p class="small">{escape(verdict.reason)} {escape(needed_words(verdict))} '
        f"Over {escape(depth_words(verdict.depths))}.</p>{goes}</article>"
    )


def _unbroken(effect: str) -> str:
    """A factor with its sign on one line."""
    return escape(effect.replace("× ", "×\u00a0"))
