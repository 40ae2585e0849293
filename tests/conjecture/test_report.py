"""The test of the conjecture: it runs, goes on, judges what is there, and says what it found."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from planted import SMALL, dose, effect, plant, with_parts

import gslt
from gslt.cli import main
from gslt.conjecture import figures, simulation
from gslt.conjecture.findings import Findings
from gslt.conjecture.power import detection_power
from gslt.conjecture.protocol import Criteria, Part, Plan, begin, open_plan, studies
from gslt.conjecture.report import report_plan, verdict_text
from gslt.conjecture.verdict import Analysis
from gslt.conjecture.words import factor
from gslt.errors import RunError
from gslt.files import OutputFolder
from gslt.studies.presets import preset
from gslt.studies.records import StudyFolder
from gslt.studies.study import GridCell

TINY = Part("tiny", ("blocks",), (2, 3), 3, 3, 6, 0.05)


@pytest.fixture
def every_picture() -> None:
    """For a test that draws all of them."""


@pytest.fixture(autouse=True)
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two simulations and one picture: each takes a second."""
    monkeypatch.setattr(simulation, "SIMULATIONS", 2)
    if "every_picture" not in request.fixturenames:
        one = {"dose-response": figures.PICTURES["dose-response"]}
        monkeypatch.setattr(figures, "PICTURES", one)


def quiet(*_: object) -> None:
    """Says nothing."""


def report(plan: Plan, folder: StudyFolder) -> Findings:
    return report_plan(plan, folder, progress=False, say=quiet)


def document(folder: StudyFolder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder.path / "verdict.json").read_text("utf-8"))
    return found


# A real run


@pytest.fixture
def tiny(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, int]:
    """Two depths, three seeds on a small synthetic graph; counts the runs that are computed."""
    from gslt.studies import execute

    with_parts(monkeypatch, TINY)
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
    # Nine arms, two depths, three seeds.
    assert tiny["runs"] == 54
    out = Path("out")
    found = json.loads((out / "verdict.json").read_text("utf-8"))
    assert found["runs"] | {"seconds": 0} == {
        "total": 54,
        "present": 54,
        "missing": 0,
        "troubles": [],
        "seconds": 0,
    }
    assert found["complete"]
    assert found["synthetic"]
    assert found["datasets"][0]["nodes"] == 120
    assert found["command"] == "gslt conjecture --preset quick --out out --architecture gin"
    study = found["protocol"]["studies"][0]
    assert study["num_layers"] == [2, 3]
    assert study["seeds"] == [0, 1, 2]
    assert study["arms"]["frozen"]["freezing_ratio"] == [0.2, 0.4, 0.6, 0.8]
    assert found["protocol"]["criteria"] == {
        "alpha": 0.05,
        "smallest_effect": math.log(1.25),
        "power": 0.8,
    }
    assert found["versions"]["gslt"] == gslt.__version__
    assert len(found["hardware"]) == 1
    # Three seeds have 2 / 2³ as their smallest p: nothing can be decided.
    assert [each["depths"] for each in found["overall"]] == [[2, 3]]
    assert {each["decision"]["outcome"] for each in found["overall"] + found["depths"]} == {
        "undecided"
    }
    for each in found["overall"]:
        assert each["label"].upper() in said
    page = (out / "report.html").read_text("utf-8")
    assert found["overall"][0]["reason"].split(".")[0] in page
    assert "blocks (synthetic)" in page
    assert (out / "figures" / "dose-response.svg").exists()
    rows = list(csv.DictReader((out / "tables" / "runs.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 54


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

    def stopping(folder: Any, spec: Any, *rest: Any) -> execute.RunEnd:
        if tiny["runs"] == 20:
            return execute.RunEnd(spec, stopped_by=2)
        return usual(folder, spec, *rest)

    monkeypatch.setattr(execute, "compute", stopping)
    assert main(["conjecture", "--preset", "quick", "--out", "out"]) == 130
    said = capsys.readouterr()
    assert "34 of 54 runs are missing" in said.out
    assert "stopped; the same command goes on" in said.err
    # Somebody who asked to stop does not wait for simulations.
    assert not Path("out/error_rates.json").exists()
    assert json.loads(Path("out/verdict.json").read_text("utf-8"))["runs"]["present"] == 20


# What is planted is what is said


@pytest.mark.parametrize(
    ("size", "outcome", "words"),
    [
        (1.0, "supported", "smooth less than tickets of dense sources"),
        (
            0.4,
            "supported",
            "Averaged over the freezing ratios the difference is below a factor of 1.25",
        ),
        (-1.0, "contradicted", "smooth more than tickets of dense sources"),
        (0.02, "no meaningful difference", "less than a factor of 1.25 either way"),
    ],
)
def test_planted(
    size: float, outcome: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = with_parts(monkeypatch, SMALL)
    folder = plant(tmp_path / "out", plan, effect(size))
    findings = report(plan, folder)
    found = document(folder)
    decided = [each["decision"]["outcome"] for each in found["overall"] + found["depths"]]
    assert decided == [outcome] * 3
    page = (folder.path / "report.html").read_text("utf-8")
    (card,) = re.findall(r'(?s)<article class="card" data-outcome="([^"]*)".*?</article>', page)
    assert card == outcome
    text = page.split('<article class="card"')[1].split("</article>")[0]
    assert outcome.capitalize() in text
    assert words in text
    assert ("Averaged over the freezing ratios" in text) == (size == 0.4)
    # Accuracy follows the quotient, by 0.05 for each unit.
    for words in (
        f"Test accuracy of frozen minus that of dense: {2.5 * size:+.1f} points",
        "As the quotient of frozen over dense grows, accuracy rises (+5.0, ",
    ):
        assert words in text
        assert words in verdict_text(findings)
    assert verdict_text(findings).startswith(f"toy (synthetic), with batch norm: {outcome.upper()}")
    # Nothing is left to decide.
    assert "none waits for more seeds" in page
    # The mean over F = 0.2 … 0.8 of size · F is size / 2, as noise is the same in all its arms.
    assert found["overall"][0]["effect"]["mean"] == pytest.approx(size / 2, abs=0.02)
    assert f"×\u00a0{factor(found['overall'][0]['effect']['mean'])}" in text


def test_planted_noise_is_undecided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = with_parts(monkeypatch, SMALL)
    folder = plant(tmp_path / "out", plan, effect(0.1, spread=1.0))
    report(plan, folder)
    (overall,) = document(folder)["overall"]
    assert overall["decision"]["outcome"] == "undecided"
    page = (folder.path / "report.html").read_text("utf-8")
    assert 'data-outcome="undecided"' in page
    assert f"About {overall['needed']['n']:,} seeds are needed" in page
    assert 'id="table-seeds"' in page


def test_depths_that_differ_are_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = with_parts(monkeypatch, SMALL)
    up, down = effect(1.0), effect(-1.0)

    def values(cell: GridCell) -> Any:
        return (up if cell.spec.config.num_layers == 2 else down)(cell)

    report(plan, plant(tmp_path / "out", plan, values))
    found = document(StudyFolder(tmp_path / "out"))
    assert found["overall"][0]["decision"]["outcome"] == "mixed"
    assert [each["decision"]["outcome"] for each in found["depths"]] == [
        "supported",
        "contradicted",
    ]


def test_collapsed_runs_are_counted_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, base = with_parts(monkeypatch, SMALL), effect(1.0)

    def values(cell: GridCell) -> Any:
        config = cell.spec.config
        if cell.arm == "dense" and (config.num_layers, config.seed) == (4, 1):
            return -math.inf, 0.2
        return base(cell)

    folder = plant(tmp_path / "out", plan, values)
    report(plan, folder)
    found = document(folder)
    assert [each["one_collapsed"] for each in found["depths"]] == [0, 4]
    page = (folder.path / "report.html").read_text("utf-8")
    assert "4 have one run that collapsed totally" in page
    assert "collapsed pairs counted as the largest difference" in page
    dense = [
        each
        for each in found["endpoints"]
        if (each["arm"], each["depth"], each["endpoint"]) == ("dense", 4, "log_quotient")
    ]
    assert [(each["n"], each["collapsed"]) for each in dense] == [(7, 1)]
    rows = csv.DictReader((folder.path / "tables" / "runs.csv").read_text("utf-8").splitlines())
    assert [row["log_quotient"] for row in rows].count("-inf") == 1


# Files and messages


def test_error_rates_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, out = with_parts(monkeypatch, SMALL), OutputFolder(tmp_path, "study")
    asked: list[float] = []
    usual = simulation.error_rates

    def counted(planted: Any, *rest: Any) -> Any:
        asked.append(planted.effect)
        return usual(planted, *rest)

    monkeypatch.setattr(simulation, "error_rates", counted)
    smallest = Criteria().smallest_effect
    first = simulation.rates(out, plan, progress=False)
    assert asked == [smallest, 0.0, -smallest]
    assert [each["name"] for each in first] == [
        "planted effect",
        "planted null",
        "planted reversal",
    ]
    assert first[0]["planted"]["seeds"] == 8
    assert first[0]["planted"]["depths"] == [2, 4]
    assert simulation.rates(out, plan, progress=False) == first
    assert len(asked) == 3
    # Other criteria or more simulations are computed anew.
    other = Plan(preset="quick", criteria=Criteria(alpha=0.1))
    assert simulation.rates(out, other, compute=False) == []
    assert len(simulation.rates(out, other, progress=False)) == 3
    assert simulation.rates(out, plan, compute=False) == first
    monkeypatch.setattr(simulation, "SIMULATIONS", 3)
    assert simulation.rates(out, plan, compute=False) == []
    monkeypatch.setattr(simulation, "SIMULATIONS", 2)
    (tmp_path / "error_rates.json").write_text('[{"planted": 1}]')
    # What somebody changed is not read, and not overwritten either.
    assert simulation.rates(out, plan, compute=False) == []
    with pytest.raises(RunError, match=r"error_rates.json' is not as gslt wrote it"):
        simulation.rates(out, plan, progress=False)
    assert len(asked) == 6
    (tmp_path / "error_rates.json").unlink()
    assert simulation.rates(out, plan, progress=False) == first


def test_a_folder_holds_one_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = with_parts(monkeypatch, SMALL)
    plant(tmp_path / "out", plan, effect(1.0))
    with pytest.raises(RunError, match="was begun with preset quick, not standard"):
        open_plan(tmp_path / "out", preset="standard")
    with pytest.raises(RunError, match="was begun with architecture gin, not gcn"):
        open_plan(tmp_path / "out", architecture="gcn")
    assert open_plan(tmp_path / "out") == open_plan(tmp_path / "out", preset="quick") == plan
    (tmp_path / "out" / "conjecture.yaml").write_text("preset: other\ncriteria: {}\n")
    with pytest.raises(RunError, match=r"conjecture\.yaml' is damaged"):
        open_plan(tmp_path / "out")


def test_a_folder_of_other_studies_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = with_parts(monkeypatch, SMALL)
    folder = StudyFolder(tmp_path / "out")
    folder.add(preset("table", "quick"))
    before = sorted(folder.path.rglob("*"))
    with pytest.raises(RunError, match="holds studies that are not of this test"):
        begin(plan, folder)
    assert main(["conjecture", "--report_only", "--out", str(folder.path)]) == 2
    assert "holds no test of the conjecture" in capsys.readouterr().err
    assert sorted(folder.path.rglob("*")) == before


def test_another_data_set_takes_the_first_part_of_each_kind() -> None:
    first, second = studies("standard", dataset="my graphs/a graph.npz")
    assert [study.settings["batch_norm"] for study in (first, second)] == [True, False]
    assert first.name == "conjecture-gin-standard-planetoid-a-graph"
    assert {cell.spec.config.num_layers for cell in second.cells} == {2, 4, 8, 16, 32, 64}


def test_criteria_that_were_chosen_later_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = with_parts(monkeypatch, SMALL)
    folder = plant(tmp_path / "out", plan, effect(0.02))
    later = open_plan(folder.path, smallest_effect=0.01)
    report(later, folder)
    found = document(folder)
    assert found["criteria"]["smallest_effect"] == 0.01
    assert found["protocol"]["criteria"]["smallest_effect"] == math.log(1.25)
    (sentence,) = found["protocol"]["criteria_changed"]
    assert sentence.startswith("smallest_effect was stated as 0.2231")
    assert sentence in (folder.path / "report.html").read_text("utf-8")
    assert "--smallest_effect 0.01" in found["command"]
    assert open_plan(folder.path) == plan


def test_nothing_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = with_parts(monkeypatch, SMALL)
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
    assert "and 143 more" in error
    # One that can be used is enough, and the others are named.
    good = next((other.path / "records").iterdir())
    shutil.copy(good, folder.path / "records")
    report(plan, folder)
    assert len(document(folder)["runs"]["troubles"]) == 143


def test_what_is_not_the_tests_own_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = with_parts(monkeypatch, SMALL)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="is not empty and was not made by gslt"):
        plant(tmp_path, plan, effect(1.0))


def test_the_same_command_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command of the report, given anew, reports the same."""
    plan = with_parts(monkeypatch, SMALL)
    folder = plant(tmp_path / "out", plan, effect(1.0))
    first = report(plan, folder).as_dict()
    words = first["command"].split()[1:]
    assert main([*words, "--report_only"]) == 0
    assert capsys.readouterr().out.count("SUPPORTED") == 1
    assert document(folder) == json.loads(json.dumps(first))


def test_help_explains_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["conjecture", "--help"])
    assert exit_.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in ("quick: Cora, minutes", "Smallest difference of the log quotient", "--executor"):
        assert words in out


# Numbers


def test_other_criteria_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An effect of 0.2 · F: 0.16 at F = 0.8, a factor of 1.17."""
    plan = with_parts(monkeypatch, SMALL)
    findings = report(plan, plant(tmp_path / "out", plan, effect(0.2)))
    found = findings.analysis.what_if
    assert (found["factor 1.1"] == "supported").all()
    assert (found["factor 1.5"] == "no meaningful difference").all()
    assert (found["stated"] == found["factor 1.25"]).all()
    # Two depths, and all of them.
    assert found["overall"].tolist() == [True, False, False]


def test_power_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = with_parts(monkeypatch, SMALL)
    findings = report(plan, plant(tmp_path / "out", plan, effect(0.0, spread=1.0)))
    rows = list(findings.analysis.power.itertuples())
    assert [(row.overall, row.seeds) for row in rows] == [(True, 8), (False, 8), (False, 8)]
    for row in rows:
        alpha = 0.05 if row.overall else 0.025
        assert row.detection == detection_power(math.log(1.25), row.sd, 8, alpha)
        assert detection_power(row.detectable, row.sd, 8, alpha) == pytest.approx(0.8, abs=0.01)
        assert 0 <= row.exclusion <= 1
    # Four seeds can never reach 0.05: 2 / 2⁴ is larger.
    few = Analysis(findings.runs[findings.runs["seed"] < 4], plan.criteria)
    for row in few.power.itertuples():
        assert (row.detection, row.detectable, row.exclusion) == (0.0, math.inf, 0.0)


def test_the_dose_of_the_planted_arms() -> None:
    """What the folders above are made of."""
    plan = Plan(preset="quick", dataset="cora")
    doses: dict[str, set[float]] = {}
    for cell in plan.studies[0].cells:
        doses.setdefault(cell.arm, set()).add(dose(cell))
    assert doses["dense"] == {0.0}
    assert doses["frozen"] == {0.2, 0.4, 0.6, 0.8}
