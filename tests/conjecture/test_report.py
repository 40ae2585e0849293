"""The test of the conjecture: it runs, goes on, judges what is there, and says what it found."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from planted import NETWORK, PAIR, SMALL, effect, plant, with_grids

import gslt
from gslt.cli import main
from gslt.conjecture import figures, rivals
from gslt.conjecture.findings import Findings
from gslt.conjecture.protocol import INTERVENTIONS, Criteria, Grid, Plan, factorial, open_plan
from gslt.conjecture.report import report_plan, verdict_text
from gslt.conjecture.rivals import rates
from gslt.conjecture.rule import ACCURACY, Rule
from gslt.conjecture.tables import what_if_table
from gslt.errors import RunError
from gslt.files import OutputFolder
from gslt.studies.records import StudyFolder
from gslt.studies.study import GridCell

TINY = Grid(
    name="tiny",
    datasets=("blocks",),
    depths=(3,),
    seeds=3,
    network=NETWORK,
    arms={**PAIR, "trained": {"method": "train"}},
    interventions=tuple(INTERVENTIONS),
)
SMALLER = "shown but smaller than what matters"


@pytest.fixture
def every_picture() -> None:
    """For a test that draws all of them."""


@pytest.fixture(autouse=True)
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two simulations and one picture: each takes a second."""
    monkeypatch.setattr(rivals, "SIMULATIONS", 2)
    if "every_picture" not in request.fixturenames:
        one = {"verdicts": figures.PICTURES["verdicts"]}
        monkeypatch.setattr(figures, "PICTURES", one)


def report(plan: Plan, folder: StudyFolder) -> Findings:
    return report_plan(plan, folder, progress=False, say=lambda _: None)


def document(folder: StudyFolder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder.path / "verdict.json").read_text("utf-8"))
    return found


def outcomes(folder: StudyFolder) -> list[str]:
    (found,) = document(folder)["conjecture"]
    return [found["outcome"], *(each["outcome"] for each in found["claims"])]


# A real run


@pytest.fixture
def tiny(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, int]:
    """One depth, three seeds on a small synthetic graph; counts the runs that are computed."""
    from gslt.studies import execute

    with_grids(monkeypatch, TINY)
    monkeypatch.setattr(execute, "dataset_of", lambda *_: blocks)
    monkeypatch.chdir(tmp_path)
    counts = {"runs": 0}
    usual = execute.run_in_folder

    def counted(*args: Any) -> Any:
        counts["runs"] += 1
        return usual(*args)

    monkeypatch.setattr(execute, "run_in_folder", counted)
    return counts


def test_a_run_from_the_command_to_the_verdict(
    every_picture: None, tiny: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conjecture", "--preset", "quick", "--out", "out"]) == 0
    said = capsys.readouterr().out
    # Dense, two ratios and trained weights; four interventions; three seeds.
    assert tiny["runs"] == 48
    out = Path("out")
    found = json.loads((out / "verdict.json").read_text("utf-8"))
    assert found["runs"] | {"seconds": 0} == {
        "total": 48,
        "present": 48,
        "missing": 0,
        "troubles": [],
        "seconds": 0,
    }
    assert found["complete"]
    assert found["synthetic"]
    assert found["datasets"][0]["nodes"] == 120
    assert found["command"] == "gslt conjecture --preset quick --out out --architecture gin"
    study = found["protocol"]["studies"][0]
    assert (study["num_layers"], study["seeds"]) == ([3], [0, 1, 2])
    assert study["arms"]["frozen"]["freezing_ratio"] == [0.2, 0.4]
    assert study["arms"]["frozen"]["place"] == "hidden"
    assert found["protocol"]["criteria"] == {
        "alpha": 0.05,
        "smallest_effect": math.log(1.25),
        "smallest_gain": 0.01,
        "power": 0.8,
    }
    assert found["versions"]["gslt"] == gslt.__version__
    assert len(found["hardware"]) == 1
    # Three seeds have 2 / 2³ as their smallest p: nothing can be decided, and it is said.
    (of_blocks,) = found["conjecture"]
    assert {each["outcome"] for each in of_blocks["claims"]} == {"undecided"}
    few = "With 3 seeds the smallest possible p is 0.25, above 0.017"
    page = (out / "report.html").read_text("utf-8")
    for text in (said, page):
        assert few in " ".join(text.split())
    assert of_blocks["sentence"] in said
    assert "blocks (synthetic)" in page
    assert {entry["name"] for entry in found["severity"]} == {*rivals.WORLDS}
    for name in figures.PICTURES:
        assert (out / "figures" / f"{name}.svg").exists()
    rows = list(csv.DictReader((out / "tables" / "runs.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 48
    pairs = list(csv.DictReader((out / "tables" / "contrasts.csv").read_text("utf-8").splitlines()))
    # Three arms beside dense, four interventions, three seeds, nine columns, four places.
    assert len(pairs) == 3 * 4 * 3 * 9 * 4


@pytest.mark.slow
def test_it_goes_on_and_its_order_changes_nothing(
    tiny: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["conjecture", "--preset", "quick", "--out", "out"]) == 0
    seconds = re.compile(r'"seconds": [\d.]+')

    def verdict(folder: str) -> str:
        return seconds.sub("", Path(folder, "verdict.json").read_text("utf-8"))

    first = verdict("out")
    lost = sorted(Path("out/records").iterdir())[::5]
    for path in lost:
        path.unlink()
    tiny["runs"] = 0
    # What the folder was begun with needs not be said again.
    assert main(["conjecture", "--out", "out", "--report_only"]) == 0
    partial = json.loads(Path("out/verdict.json").read_text("utf-8"))
    assert partial["runs"]["missing"] == len(lost)
    assert not partial["complete"]
    assert "Preliminary" in Path("out/report.html").read_text("utf-8")
    assert tiny["runs"] == 0
    assert main(["conjecture", "--out", "out"]) == 0
    assert tiny["runs"] == len(lost)
    assert verdict("out") == first
    # The same runs, computed in the reverse order into another folder.
    from gslt.studies import execute

    usual = execute.Here.execute
    monkeypatch.setattr(
        execute.Here, "execute", lambda self, specs, tell: usual(self, specs[::-1], tell)
    )
    assert main(["conjecture", "--preset", "quick", "--out", "back"]) == 0
    assert verdict("back").replace("--out back", "--out out") == first


def test_interrupted(
    every_picture: None,
    tiny: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from gslt.studies import execute

    usual = execute.compute

    def stopping(folder: Any, spec: Any, *rest: Any, **named: Any) -> execute.RunEnd:
        if tiny["runs"] == 20:
            return execute.RunEnd(spec, stopped_by=2)
        return usual(folder, spec, *rest, **named)

    monkeypatch.setattr(execute, "compute", stopping)
    assert main(["conjecture", "--preset", "quick", "--out", "out"]) == 130
    advice = "gslt conjecture --report_only --out out"
    assert f"stopped; the same command goes on; {advice} judges" in capsys.readouterr().err
    # Somebody who asked to stop waits neither for a report nor for simulations.
    assert not Path("out/verdict.json").exists()
    assert main(advice.split()[1:]) == 0
    assert "28 of 48 runs are missing" in capsys.readouterr().err
    assert not Path("out/severity.json").exists()
    found = json.loads(Path("out/verdict.json").read_text("utf-8"))
    assert found["runs"]["present"] == 20
    # What is not there yet is named, claim by claim.
    (of_blocks,) = found["conjecture"]
    assert "not tested; no pairs" in of_blocks["claims"][2]["what_would_change"][-1]


# What is planted is what is said


@pytest.mark.parametrize(
    ("size", "gain", "kept", "expected"),
    [
        (0.4, 0.03, 0.0, ["shown", "shown", "shown", "shown"]),
        # The gain is there without smoothing as well.
        (0.4, 0.03, 1.0, ["not shown", "shown", "shown", "excluded"]),
        (-0.4, -0.03, 0.0, ["not shown", "reversed", "reversed", "undecided"]),
        (
            0.1,
            0.03,
            0.0,
            ["not shown", "shown but smaller than what matters", "shown", "undecided"],
        ),
        (0.0, 0.0, 0.0, ["not shown", "excluded", "excluded", "undecided"]),
    ],
)
def test_planted(
    size: float,
    gain: float,
    kept: float,
    expected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = with_grids(monkeypatch, SMALL)
    folder = plant(tmp_path / "out", plan, effect(size, gain, kept))
    findings = report(plan, folder)
    assert outcomes(folder) == expected
    page = (folder.path / "report.html").read_text("utf-8")
    assert re.findall(r'<article class="card" data-outcome="([^"]*)"', page) == expected[1:]
    (found,) = document(folder)["conjecture"]
    # The sentence is the same in the page, in the file and on the terminal.
    assert found["sentence"].startswith(f"On toy (synthetic) the conjecture is {expected[0]}: S (")
    assert found["sentence"] in " ".join(verdict_text(findings).split())
    assert found["sentence"] in page
    # The means are those planted; noise is the same in every fit.
    for claim, wanted in zip(found["claims"][:2], (size, gain), strict=True):
        for part in claim["parts"]:
            # Freezing fits later, so that equal validation accuracy is another train loss.
            later = 0.04 if part["at"] == "val accuracy" else 0.0
            assert part["mean"] == pytest.approx(wanted + later, abs=0.02)
    for part in found["claims"][2]["parts"]:
        left = gain * kept if part["without"] == "none" else gain * (1 - kept)
        assert part["mean"] == pytest.approx(left, abs=0.005)


def test_planted_noise_is_undecided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = with_grids(monkeypatch, SMALL)
    folder = plant(tmp_path / "out", plan, effect(0.2, 0.01, spread=2.0))
    report(plan, folder)
    assert outcomes(folder)[0] == "undecided"
    (found,) = document(folder)["conjecture"]
    needed = found["claims"][0]["needed"]
    page = (folder.path / "report.html").read_text("utf-8")
    assert f"undecided ({needed} seeds needed)" in page.lower()


def test_collapsed_runs_are_counted_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, base = with_grids(monkeypatch, SMALL), effect(0.4, 0.03)

    def values(cell: GridCell) -> Any:
        config = cell.spec.config
        if cell.arm == "dense" and (config.num_layers, config.seed) == (4, 1):
            return -math.inf, 0.2
        return base(cell)

    folder = plant(tmp_path / "out", plan, values)
    findings = report(plan, folder)
    (found,) = document(folder)["conjecture"]
    # Two ratios beside the dense run of one depth; no other quotient is lost.
    assert [part["one_collapsed"] for part in found["claims"][0]["parts"]] == [2, 2]
    rows = findings.averages
    here = rows[(rows["endpoint"] == findings.rule.endpoint) & (rows["num_layers"] == 4)]
    assert set(here["without"]) == {1}
    text = (folder.path / "tables" / "contrasts.csv").read_text("utf-8")
    assert ",inf," in text


# Files and messages


def test_rates_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = OutputFolder(tmp_path, "study")
    asked: list[str] = []
    usual = rivals.severity

    def counted(name: str, *rest: Any, **design: Any) -> Any:
        asked.append(name)
        return usual(name, *rest, **design)

    monkeypatch.setattr(rivals, "severity", counted)
    rule = Rule()

    def known(rule: Rule = rule, seeds: int = 4, compute: bool = True) -> list[dict[str, Any]]:
        return rates(out, rule, seeds=seeds, depths=(4,), compute=compute, progress=False)

    first = known()
    assert asked == [*rivals.WORLDS]
    assert {entry["world"]["seeds"] for entry in first} == {4}
    assert known() == first
    assert len(asked) == len(rivals.WORLDS)
    # Another rule, other seeds or more simulations are computed anew.
    other = Criteria(alpha=0.1).rule
    assert known(other, compute=False) == known(seeds=5, compute=False) == []
    assert len(known(other)) == len(rivals.WORLDS)
    assert known(compute=False) == first
    monkeypatch.setattr(rivals, "SIMULATIONS", 3)
    assert known(compute=False) == []
    monkeypatch.setattr(rivals, "SIMULATIONS", 2)
    (tmp_path / "severity.json").write_text('[{"world": 1}]')
    # What somebody changed is not read, and not overwritten either.
    assert known(compute=False) == []
    with pytest.raises(RunError, match=r"severity.json' is not as gslt wrote it"):
        known()
    (tmp_path / "severity.json").unlink()
    assert known() == first


def test_criteria_that_were_chosen_later_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = with_grids(monkeypatch, SMALL)
    folder = plant(tmp_path / "out", plan, effect(0.02))
    later = open_plan(folder.path, smallest_gain=0.002)
    report(later, folder)
    found = document(folder)
    assert found["rule"]["margins"][ACCURACY] == 0.002
    assert found["protocol"]["criteria"]["smallest_gain"] == 0.01
    (sentence,) = found["protocol"]["criteria_changed"]
    assert sentence.startswith("smallest_gain was stated as 0.01")
    assert sentence in (folder.path / "report.html").read_text("utf-8")
    assert "--smallest_gain 0.002" in found["command"]
    assert open_plan(folder.path) == plan


def test_nothing_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = with_grids(monkeypatch, SMALL)
    out = str(tmp_path / "out")
    assert main(["conjecture", "--preset", "quick", "--report_only", "--out", out]) == 2
    assert "holds no test of the conjecture" in capsys.readouterr().err
    folder = plant(tmp_path / "out", plan, lambda cell: None)
    assert main(["conjecture", "--report_only", "--out", out]) == 2
    assert "no run of this test that can be used (none has been" in capsys.readouterr().err
    # Records of a newer gslt.
    other = plant(tmp_path / "other", plan, effect(1.0))
    for path in (other.path / "records").iterdir():
        text = path.read_text().replace('"format": 1', '"format": 99')
        (folder.path / "records").mkdir(exist_ok=True)
        (folder.path / "records" / path.name).write_text(text)
    assert main(["conjecture", "--report_only", "--out", out]) == 2
    error = capsys.readouterr().err
    assert "record version 99, and this gslt reads up to 1" in error
    assert "and 191 more" in error
    # One that can be used is enough, and the others are named.
    good = next((other.path / "records").iterdir())
    shutil.copy(good, folder.path / "records")
    report(plan, folder)
    assert len(document(folder)["runs"]["troubles"]) == 191


def test_the_same_command_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command of the report, given anew, reports the same."""
    plan = with_grids(monkeypatch, SMALL)
    folder = plant(tmp_path / "out", plan, effect(0.4, 0.03))
    report(plan, folder)
    first = document(folder)
    words = first["command"].split()[1:]
    assert main([*words, "--report_only"]) == 0
    assert "toy (synthetic): THE CONJECTURE IS SHOWN" in capsys.readouterr().out
    assert document(folder) == first


def test_help_explains_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["conjecture", "--help"])
    assert exit_.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in (
        "Quick: Cora, minutes",
        "Smallest difference of a log quotient",
        "Smallest difference of test accuracy",
        "--executor",
    ):
        assert words in out


def test_freezing_of_one_layer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of 6×200, 6×6, 2×6 and 2×6: 252 are a fifth, and EPL takes all from the largest."""
    arms = {**PAIR, **{name: factorial()[name] for name in ("locked, all", "half, all")}}
    plan = with_grids(monkeypatch, replace(SMALL, depths=(3,), seeds=2, arms=arms))
    folder = plant(tmp_path / "out", plan, effect(0.4), features=200, classes=2)
    (said,) = report(plan, folder).concentrations
    assert said.startswith(
        "On toy (synthetic), 3 layers, locked, all, F = 0.2; half, all, F = 0.2: "
        "layers.0.nn.weight (6×200) takes 252 of the 252 frozen weights (100.0 %), the other 3 "
        "that take part 0: with allocation epl"
    )
    assert said in (folder.path / "report.html").read_text("utf-8")
    assert document(folder)["protocol"]["frozen_in_one_layer"] == [said]


def test_other_criteria_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log quotient of 0.16, a factor of 1.17; a gain of 1.5 points."""
    plan = with_grids(monkeypatch, SMALL)
    findings = report(plan, plant(tmp_path / "out", plan, effect(0.16, 0.015)))
    table = what_if_table(findings)
    found = {
        row[1].text: dict(zip(table.headings, (cell.text[2:] for cell in row), strict=True))
        for row in table.rows
    }
    assert (found["S"]["stated"], found["S"]["factor 1.1"]) == (SMALLER, "shown")
    assert found["S"]["factor 1.5"] == SMALLER
    assert (found["A"]["stated"], found["A"]["0.5 points"]) == ("shown", "shown")
    assert found["A"]["2 points"] == SMALLER
