"""One page of HTML with everything in it: tables that sort, figures, and one to play with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from gslt.studies.report.columns import quantity
from gslt.studies.report.formats import Table
from gslt.studies.report.page_data import arm_colours, study_data, x_columns, y_columns
from gslt.studies.report.page_parts import (
    command_html,
    header_html,
    picture_html,
    select_html,
    table_html,
    warning_html,
    whole_page,
)
from gslt.studies.report.provenance import graph_text, hardware
from gslt.studies.report.rows import StudyResults
from gslt.version import __version__


@dataclass(frozen=True)
class Section:
    """One study on the page."""

    results: StudyResults
    summary: Table
    comparisons: Table
    runs: Table
    figure: Path
    """The figure as an SVG file."""


def page(sections: Sequence[Section], folder: str, troubles: Sequence[str]) -> str:
    """The page as text.

    Args:
        sections: the studies that have records.
        folder: name of the folder of the studies, for the commands.
        troubles: sentences about records that cannot be used, and studies without any.
    """
    data = {section.results.study.name: study_data(section.results) for section in sections}
    return whole_page(f"gslt report: {folder}", _body(sections, folder, troubles), data)


def _body(sections: Sequence[Section], folder: str, troubles: Sequence[str]) -> Iterator[str]:
    done = sum(len(section.results.records) for section in sections)
    total = sum(section.results.total for section in sections)
    facts = (
        f"{len(sections)} with results, {done} of {total} runs done. Made by gslt {__version__}."
    )
    yield header_html(f"Studies in {folder}", facts)
    if troubles:
        yield warning_html("Not in the report", troubles)
    names = {section.results.study.name: _title(section.results) for section in sections}
    links = "".join(
        f'<li><a href="#study-{escape(name)}">{escape(title)}</a></li>'
        for name, title in names.items()
    )
    yield f'<nav aria-label="Studies"><ul>{links}</ul></nav><main>'
    for section in sections:
        yield from _section(section, folder)
    yield "</main>"
    records = [record for section in sections for record in section.results.records.values()]
    machines = "".join(f"<li>{escape(machine)}</li>" for machine in hardware(records))
    yield f"<footer>Computed on:<ul>{machines}</ul>{command_html('gslt report', folder)}</footer>"


def _title(results: StudyResults) -> str:
    return results.study.title or results.study.name


def _section(section: Section, folder: str) -> Iterator[str]:
    results, name = section.results, section.results.study.name
    yield f'<section class="study" id="study-{escape(name)}"><h2>{escape(_title(results))}</h2>'
    badge = ' <span class="badge">synthetic graph</span>' if results.synthetic else ""
    graphs = dict.fromkeys(escape(graph_text(record)) for record in results.records.values())
    yield (
        f'<p class="facts">{escape(name)} · {len(results.records)} of {results.total} runs · '
        f"accuracies are means over {results.seeds} seed(s){badge}<br>{'<br>'.join(graphs)}</p>"
    )
    study = f"{folder}/studies/{name}.yaml"
    yield command_html("gslt study run --study", study, "--out", folder)
    alternative = f"{_title(results)}: test accuracy of {', '.join(results.arms)}"
    yield picture_html(section.figure, alternative, f"figures/{name}.svg and .png")
    yield from explorer(results)
    yield f"<h3>Summary</h3>{table_html(section.summary, f'table-{name}')}"
    if section.comparisons.rows:
        yield "<h3>Paired comparisons</h3>"
        yield _filter(results.arms, f"table-{name}-comparisons")
        yield table_html(section.comparisons, f"table-{name}-comparisons")
    runs = table_html(section.runs, f"table-{name}-runs")
    yield f"<details><summary>Every run</summary>{runs}</details>"
    settings = escape(results.study.to_yaml())
    yield f"<details><summary>Settings</summary><pre><code>{settings}</code></pre></details>"
    yield f'<p class="notes">The same tables as files: tables/{escape(name)}*.</p></section>'


def explorer(results: StudyResults) -> Iterator[str]:
    """A figure to play with; the page's data must have :func:`study_data` by the study's name."""
    xs, ys = x_columns(results), y_columns(results)
    yield "<h3>Figure of your choice</h3>"
    yield f'<div class="explorer" data-study="{escape(results.study.name)}"><div class="controls">'
    for name, columns, label in (("x", xs, "horizontal"), ("y", ys, "vertical")):
        options = {column: quantity(column).label for column in columns}
        yield f"<label>{label} {select_html(name, options)}</label>"
    yield "<fieldset><legend>arms</legend>"
    for arm, colour in arm_colours(results).items():
        yield (
            f'<label><input type="checkbox" name="arm" value="{escape(arm)}" checked> '
            f'<span class="swatch" style="color: {colour}"></span>{escape(arm)}</label>'
        )
    yield '<button type="button" class="plain all">all</button>'
    yield '<button type="button" class="plain none">none</button></fieldset></div>'
    yield '<div class="plot"></div></div>'


def _filter(arms: Sequence[str], table: str) -> str:
    options = {"": "any arm", **{arm: arm for arm in arms}}
    return (
        f'<p class="controls filter" data-table="{escape(table)}">'
        f"<label>compare {select_html('first', options)}</label>"
        f"<label>with {select_html('second', options)}</label></p>"
    )
