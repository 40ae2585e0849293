"""Columns of the figure of a study: those that the report has are known before the first run."""

from __future__ import annotations

from pathlib import Path

import pytest
from fabricated import fill

from gslt.errors import ConfigError
from gslt.report.explorer import x_columns, y_columns
from gslt.report.groups import StudyGroups
from gslt.studies.columns import check_column
from gslt.studies.presets import PRESETS, preset
from gslt.studies.smoothness import last_names, slope_names
from gslt.studies.study import Study


def test_what_a_report_can_draw_is_known(tmp_path: Path) -> None:
    study = preset("size", "quick")
    groups = StudyGroups(fill(tmp_path, study, lambda _: 0.5).results(study))
    for name in {*x_columns(groups), *y_columns(groups)} - {"arm"}:
        check_column(name, "x", smoothness=False)
    for name in (*last_names(), *slope_names()):
        check_column(name, "x", smoothness=True)
        with pytest.raises(ConfigError, match="only runs with smoothness: true have"):
            check_column(name, "x", smoothness=False)
    for name in PRESETS:
        found = preset(name, "quick")  # type: ignore[arg-type]
        for column in filter(None, (found.x, found.panel)):
            check_column(column, "x", smoothness=False)


@pytest.mark.parametrize("name", ["sparcity", "seed", "device", "nonsense", "1", "\ud800"])
def test_what_it_cannot_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="panel must be a column of runs, got"):
        check_column(name, "panel", smoothness=True)


def test_arms_of_any_name_are_reported(tmp_path: Path) -> None:
    from gslt.report import write_report

    names = (
        "1",
        "x",
        "seed",
        "label",
        "__proto__",
        "=1+1",
        "a\nb",
        "日本",
        "e\u0301",
        "\u202e",
        "-",
    )
    arms = {name: {"sparsity": [0.2, 0.5], "lr": 0.1 + n} for n, name in enumerate(names)}
    study = Study(name="s", title="$\\frac\x1b", x="sparsity", seeds=2, arms=arms)
    folder = fill(tmp_path / "out", study, lambda cell: 0.5 + 0.1 * cell.axes["sparsity"])
    page, *files = write_report(folder)
    assert all(path.stat().st_size for path in files)
    assert "\u202e" not in page.read_text("utf-8")
    assert "\\u202e" in page.read_text("utf-8")
