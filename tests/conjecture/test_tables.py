"""The tables of the test, of planted runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from planted import FACTORIAL, SMALL, effect, plant, with_grids

from gslt.conjecture.findings import Findings, find
from gslt.conjecture.tables import TABLES
from gslt.report.tables import Table


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Findings]:
    """Freezing the hidden layers by locking moves both; no other freezing moves anything."""
    with pytest.MonkeyPatch.context() as patch:
        plan = with_grids(patch, SMALL, FACTORIAL)
        folder = plant(tmp_path_factory.mktemp("tables") / "out", plan, effect(0.4, 0.03))
        yield find(folder, plan)


def made(name: str, findings: Findings) -> Table:
    found = TABLES[name](findings)
    assert found is not None
    return found


def rows(table: Table) -> list[dict[str, str]]:
    """Cells by heading; of two with the same heading the last."""
    cells = [[cell.text for cell in row] for row in table.rows]
    return [dict(zip(table.headings, row, strict=True)) for row in cells]


@pytest.mark.parametrize("name", sorted(set(TABLES) - {"severity"}))
def test_every_table_is_markdown(name: str, findings: Findings) -> None:
    table = made(name, findings)
    assert table.rows
    assert table.markdown().startswith(f"# {table.title}")


def test_claims(findings: Findings) -> None:
    found = rows(made("claims", findings))
    assert [each["claim"] for each in found] == ["S"] * 2 + ["A"] * 2 + ["M"] * 12
    assert {each["outcome"] for each in found[:10]} == {"▲ shown"}
    assert {each["outcome"] for each in found[10:]} == {"≈ excluded"}
    assert found[10]["tested by"] == "test accuracy (%), at the best epoch, with no edges"
    assert found[0]["tested by"] == "ln uncentred quotient, at equal train loss"
    # exp(0.4) = 1.49; three points.
    assert found[0]["frozen − dense"] in ("× 1.49", "× 1.48", "× 1.50")
    assert found[2]["frozen − dense"] in ("+2.9 points", "+3.0 points", "+3.1 points")
    assert (found[0]["margin"], found[2]["margin"]) == ("0.223", "1")
    assert (found[0]["seeds"], found[0]["left out"], found[0]["seeds needed"]) == ("8", "0", "–")


def test_slices(findings: Findings) -> None:
    found = rows(made("slices", findings))
    names = ["3 layers", "4 layers", "F = 0.2", "F = 0.4", "even seeds", "odd seeds"]
    assert [each["of"] for each in found] == names
    for each in found:
        value = float(each["ln uncentred quotient, train loss"].split(" ")[0])
        assert value == pytest.approx(0.4, abs=0.03)


def test_factorial(findings: Findings) -> None:
    """Cells: locked at hidden F = 0.2, 0.4 moves by 0.4 each; the other 16 + 21 by noise."""
    found = {(each["factor"], each["level"]): each for each in rows(made("factorial", findings))}
    levels = ["input", "hidden", "all", "locked", "pruned", "half", "0.2", "0.4", "0.8"]
    assert [level for _, level in found] == [*levels, "s = 0.2", "s = 0.5"]

    def quotient(factor: str, level: str) -> float:
        text = found[factor, level]["ln uncentred quotient, equal train loss"]
        return float(text.split(" ")[0])

    # Cells that all places have, at each of two depths: at s = 0.2 locked, F = 0.2 and 0.4, and
    # half, F = 0.2, at s = 0.5 two locked, two pruned and three half. Of these ten the first two
    # move by 0.4 where hidden.
    assert quotient("place", "hidden") == pytest.approx(0.4 * 2 / 10, abs=0.02)
    assert quotient("place", "input") == pytest.approx(0.0, abs=0.02)
    # That all kinds have: F = 0.2 at s = 0.2, input and hidden; F = 0.2 and 0.4 at s = 0.5, all.
    assert quotient("kind", "locked") == pytest.approx(0.4 / 8, abs=0.02)
    assert quotient("kind", "half") == pytest.approx(0.0, abs=0.02)
    cells = {level: each["cells"] for (_, level), each in found.items()}
    assert cells | {"hidden": "20", "pruned": "16", "0.8": "10", "s = 0.2": "26"} == cells


def test_arms(findings: Findings) -> None:
    found = rows(made("arms", findings))
    frozen = [each for each in found if each["arm"] == "frozen, F = 0.4"]
    # Two depths, four interventions.
    assert len(frozen) == 8
    alone = next(each for each in frozen if each["intervention"] == "none")
    # 0.6 + 0.03 and the mean of 0.001 · seed, 0.1 less at the last epoch; trained to 0.9.
    assert float(alone["test, best epoch (%)"]) == pytest.approx(63.35, abs=0.2)
    assert float(alone["test, last epoch (%)"]) == pytest.approx(53.35, abs=0.2)
    assert alone["best epoch"] == "2"
    assert (alone["train, last epoch (%)"], alone["n"]) == ("90.00", "8")


def test_a_test_without_a_factorial_has_no_table_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = with_grids(monkeypatch, SMALL)
    assert TABLES["factorial"](find(plant(tmp_path / "out", plan, effect(0.4)), plan)) is None
