"""One page of HTML with everything in it: tables that sort, figures, and one to play with."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path

from gslt.studies.report.columns import quantity
from gslt.studies.report.formats import Cell, Table
from gslt.studies.report.page_data import arm_colours, script_json, study_data, x_columns, y_columns
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
    template = (
        resources.files("gslt.studies.report").joinpath("page.html").read_text(encoding="utf-8")
    )
    data = {section.results.study.name: study_data(section.results) for section in sections}
    parts = {
        "title": escape(f"gslt report: {folder}"),
        "version": escape(__version__),
        "script_hash": _script_hash(template),
        "body": "\n".join(_body(sections, folder, troubles)),
        "data": script_json(data),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _script_hash(template: str) -> str:
    """Hash of the page's own script: the browser runs no other, whatever the data holds."""
    found = re.search(r"<script>(.*?)</script>", template, re.DOTALL)
    assert found is not None
    digest = hashlib.sha256(found[1].encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _body(sections: Sequence[Section], folder: str, troubles: Sequence[str]) -> Iterator[str]:
    done = sum(len(section.results.records) for section in sections)
    total = sum(section.results.total for section in sections)
    yield (
        f'<header class="top"><div><h1>Studies in {escape(folder)}</h1>'
        f"<p>{len(sections)} with results, {done} of {total} runs done. Made by gslt "
        f"{escape(__version__)}.</p></div>"
        '<button type="button" class="plain" id="theme">light / dark</button></header>'
    )
    if troubles:
        items = "".join(f"<li>{escape(trouble)}</li>" for trouble in troubles)
        heading = "<strong>Not in the report</strong>"
        yield f'<div class="warning" role="note">{heading}<ul>{items}</ul></div>'
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
    yield f"<footer>Computed on:<ul>{machines}</ul>{_command('gslt report', folder)}</footer>"


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
    yield _command("gslt study run --study", study, "--out", folder)
    picture = base64.b64encode(section.figure.read_bytes()).decode()
    alternative = f"{_title(results)}: test accuracy of {', '.join(results.arms)}"
    yield (
        f'<figure><img src="data:image/svg+xml;base64,{picture}" alt="{escape(alternative)}">'
        f"<figcaption>figures/{escape(name)}.svg and .png</figcaption></figure>"
    )
    yield from _explorer(results)
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


def _command(start: str, *words: str) -> str:
    text = " ".join([start, *map(shlex.quote, words)])
    return f"<pre><code>{escape(text)}</code></pre>"


def _explorer(results: StudyResults) -> Iterator[str]:
    xs, ys = x_columns(results), y_columns(results)
    yield "<h3>Figure of your choice</h3>"
    yield f'<div class="explorer" data-study="{escape(results.study.name)}"><div class="controls">'
    for name, columns, label in (("x", xs, "horizontal"), ("y", ys, "vertical")):
        options = {column: quantity(column).label for column in columns}
        yield f"<label>{label} {_select(name, options)}</label>"
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
        f"<label>compare {_select('first', options)}</label>"
        f"<label>with {_select('second', options)}</label></p>"
    )


def _select(name: str, options: Mapping[str, str]) -> str:
    items = (
        f'<option value="{escape(value)}">{escape(text)}</option>'
        for value, text in options.items()
    )
    return f'<select name="{name}">{"".join(items)}</select>'


def table_html(table: Table, identity: str) -> str:
    """A table whose headings are buttons that sort it, and its notes."""
    heads = []
    for index, heading in enumerate(table.headings):
        values = [row[index].value for row in table.rows]
        text = any(isinstance(value, str) for value in values)
        kind = " ".join(["name"] * (index < table.names) + ["text"] * text)
        heads.append(
            f'<th scope="col" class="{kind}" aria-sort="none">'
            f'<button type="button">{escape(heading)}</button></th>'
        )
    lines = []
    for row in table.rows:
        arms = ""
        if table.arms:
            first, second = (escape(str(cell.value)) for cell in row[:2])
            arms = f' data-first="{first}" data-second="{second}"'
        cells = (_cell(cell, index < table.names) for index, cell in enumerate(row))
        lines.append(f"<tr{arms}>{''.join(cells)}</tr>")
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(table.title)}">'
        f'<table id="{escape(identity)}"><thead><tr>{"".join(heads)}</tr></thead>'
        f'<tbody>{"".join(lines)}</tbody></table></div><ul class="notes">{notes}</ul>'
    )


def _cell(cell: Cell, name: bool) -> str:
    value = "" if cell.value is None else f' data-value="{escape(str(cell.value))}"'
    kind = ' class="name"' if name else ""
    return f"<td{kind}{value}>{escape(cell.text)}</td>"
