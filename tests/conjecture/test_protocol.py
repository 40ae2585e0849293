"""The protocol: grids of runs, and what a folder was begun with."""

from __future__ import annotations

import math
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from planted import SMALL, effect, plant, with_grids

from gslt.conjecture import protocol
from gslt.conjecture.criteria import Criteria
from gslt.conjecture.protocol import (
    DENSE,
    FROZEN,
    INTERVENTIONS,
    PLAN,
    RATIOS,
    Plan,
    begin,
    open_plan,
    reference,
    run_plan,
    studies,
)
from gslt.conjecture.rule import ACCURACY, Rule
from gslt.errors import ConfigError, RunError
from gslt.studies.execute import Summary
from gslt.studies.presets import preset
from gslt.studies.records import StudyFolder
from gslt.studies.study import Study
from gslt.studies.trajectory import intervention

GOOD_PLAN = "{preset: quick, architecture: gin, dataset: null, criteria: {alpha: 0.1}}"


# Criteria and grids


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 0.0},
        {"power": 1.0},
        {"smallest_effect": 0.0},
        {"smallest_gain": -0.1},
        {"alpha": "0.05"},
    ],
)
def test_criteria_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Criteria(**wrong)


def test_criteria_are_the_rules_own() -> None:
    assert Criteria().rule == Rule()
    rule = Criteria(alpha=0.1, smallest_effect=0.3, smallest_gain=0.02).rule
    assert (rule.alpha, rule.margins[rule.endpoint], rule.margins[ACCURACY]) == (0.1, 0.3, 0.02)


@pytest.mark.parametrize("size", ["quick", "standard", "paper"])
def test_every_preset_has_the_papers_ticket_with_and_without_smoothing(size: Any) -> None:
    found: dict[str, set[tuple[Any, ...]]] = {}
    for study in studies(size):
        assert study.settings["trajectory"]
        for cell in study.cells:
            if cell.arm not in (DENSE, FROZEN):
                continue
            config = cell.spec.config
            prune, lock = config.ratios  # type: ignore[union-attr]
            assert (config.sparsity, prune) == (0.2, 0.0)  # type: ignore[union-attr]
            name = intervention(cell.spec.resolved)
            found.setdefault(name, set()).add((cell.arm, lock))
    wanted = {(DENSE, 0.0), *((FROZEN, ratio) for ratio in RATIOS)}
    assert all(found[name] == wanted for name in INTERVENTIONS)
    assert found.keys() - INTERVENTIONS.keys() == ({"no norm"} if size == "standard" else set())


def test_every_pair_has_the_same_seeds_under_every_intervention() -> None:
    found: dict[tuple[Any, ...], set[int]] = {}
    for study in Plan(preset="standard").judged:
        for cell in study.cells:
            if cell.arm in (DENSE, FROZEN):
                config = cell.spec.config
                key = cell.spec.dataset, config.num_layers, intervention(cell.spec.resolved)
                found.setdefault((*key, cell.arm, cell.axes.get("freezing_ratio")), set()).add(
                    config.seed
                )
    # Two data sets, three depths, four interventions, dense and two ratios.
    assert len(found) == 2 * 3 * 4 * 3
    assert all(seeds == set(range(20)) for seeds in found.values())


def test_the_factorial_is_what_search_windows_leave() -> None:
    found = [each for each in studies("standard") if "factorial" in each.name]
    assert [each.settings["num_layers"] for each in found] == [[4], [8]]
    cells = {(cell.arm, cell.axes.get("freezing_ratio")) for cell in found[0].cells}
    names = {arm for arm, _ in cells}
    # s = 0.2: 3 locked, 1 pruned, 2 half at each place, but where all layers take part 2, 0 and 1,
    # as locked F = 0.8, pruned 0.2 and half 0.4 leave nothing to search. s = 0.5: 2, 2 and 3. And
    # dense.
    assert len(cells) == 2 * (3 + 1 + 2) + (2 + 0 + 1) + 3 * (2 + 2 + 3) + 1
    assert ("pruned, hidden", 0.4) not in cells
    assert ("pruned, hidden", 0.2) in cells
    assert "pruned, all" not in names
    assert {reference(name) for name in names} == {"dense", "dense, s = 0.5"}
    assert reference("half, all, s = 0.5") == "dense, s = 0.5"


def test_another_data_set_takes_the_place_of_the_presets() -> None:
    found = studies("standard", dataset="my graphs/a graph.npz")
    assert found[0].name == "conjecture-gin-standard-verdict-4-a-graph"
    assert {each.settings["dataset"][0] for each in found} == {"my graphs/a graph.npz"}
    with pytest.raises(ConfigError, match="preset must be one of quick"):
        studies("large")  # type: ignore[arg-type]


def test_arms_sized_for_the_papers_network_are_left_out_of_others() -> None:
    for dataset in (None, "ogbn-arxiv"):
        first = studies("paper", dataset=dataset)[0]
        assert "narrower dense" in first.arms
        assert "place" not in first.arms[FROZEN]
    first = studies("paper", dataset="cora")[0]
    assert list(first.arms) == ["trained", DENSE, FROZEN]
    assert first.arms[FROZEN]["place"] == "hidden"


def test_controls_are_as_large_as_what_they_control() -> None:
    """GIN of 128 features and 51 classes: sizes by hand."""
    arms = studies("paper")[0].arms
    width, w = arms["narrower dense"]["hidden_channels"], 386
    total = 128 * w + 2 * w * w + 2 * 51 * w
    searched = total - round(0.4 * total)
    assert 128 * width + 2 * width**2 + 2 * 51 * width == pytest.approx(searched, rel=1e-3)
    # log₂ C(n, k) of both: entropy of the kept fraction, times the searched weights.
    sparsity = arms["dense, as many tickets"]["sparsity"]
    frozen = searched * entropy(0.2 * total / searched)
    assert total * entropy(sparsity) == pytest.approx(frozen, rel=5e-3)


def entropy(p: float) -> float:
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


# Plans


def test_a_folder_goes_on_with_what_it_was_begun_with(tmp_path: Path) -> None:
    plan = open_plan(tmp_path, preset="quick", alpha=0.1)
    assert plan == Plan(preset="quick", criteria=Criteria(alpha=0.1))
    begin(plan, StudyFolder(tmp_path))
    assert open_plan(tmp_path) == open_plan(tmp_path, preset="quick", alpha=0.1) == plan
    with pytest.raises(RunError, match="was begun with preset quick, not standard"):
        open_plan(tmp_path, preset="standard")
    with pytest.raises(RunError, match="was begun with architecture gin, not gcn"):
        open_plan(tmp_path, architecture="gcn")
    later = open_plan(tmp_path, alpha=0.05, power=0.9)
    assert (later.criteria.alpha, later.stated) == (0.05, plan.criteria)
    assert later.changes == [
        "alpha was stated as 0.1 before the first run and is 0.05 here: by criteria that were "
        "chosen later nothing is tested"
    ]
    assert later.values == plan.values
    assert plan.command("out") == (
        "gslt conjecture --preset quick --out out --architecture gin --alpha 0.1"
    )
    # A second beginning changes nothing.
    begin(later, StudyFolder(tmp_path))
    assert open_plan(tmp_path) == plan


def test_a_plan_that_is_damaged_or_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / PLAN).write_text(GOOD_PLAN.replace("alpha: 0.1", "beta: 1"))
    with pytest.raises(RunError, match=r"is damaged \(Criteria has no field beta\)"):
        open_plan(tmp_path)
    other = tmp_path / "other" / "studies"
    other.mkdir(parents=True)
    (other / "mine.yaml").write_text("")
    with pytest.raises(RunError, match="holds studies that are not of this test"):
        begin(Plan(preset="quick"), StudyFolder(other.parent))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expected `object`, got `null`"),
        ("[1]", "Expected `object`, got `array`"),
        ("{preset: quick, preset: quick}", "the key 'preset' is there twice"),
        (GOOD_PLAN.replace("quick", "huge"), "preset must be one of quick, standard, paper"),
        (GOOD_PLAN.replace("quick", "[quick]"), "Expected `str`, got `array` - at `$.preset`"),
        (GOOD_PLAN.replace("gin", "mlp"), "architecture must be one of"),
        (GOOD_PLAN.replace("null", "3"), "got `int` - at `$.dataset`"),
        (GOOD_PLAN.replace("0.1", "'0.1'"), "at `$.criteria[...]`"),
        (GOOD_PLAN.replace("0.1", "2"), "alpha must lie in"),
        (GOOD_PLAN.replace("0.1", ".nan"), "alpha must be a finite number"),
        (GOOD_PLAN.replace("alpha", "1"), "Expected `str`, got `int`"),
        (GOOD_PLAN.replace("{preset", "{colour: red, preset"), "it has no field colour"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: *c", "damaged"),
    ],
)
def test_plans_that_are_damaged(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / PLAN).write_text(GOOD_PLAN)
    assert open_plan(tmp_path).criteria.alpha == 0.1
    (tmp_path / PLAN).write_text(text)
    with pytest.raises(RunError, match=re.escape(said)) as told:
        open_plan(tmp_path)
    assert "can be made anew once this file is deleted" in str(told.value)


def test_something_else_in_the_place_of_a_plan(tmp_path: Path) -> None:
    (tmp_path / PLAN).mkdir()
    with pytest.raises(RunError, match="is damaged"):
        open_plan(tmp_path)


def test_a_plan_of_the_first_protocol_is_told(tmp_path: Path) -> None:
    (tmp_path / PLAN).write_text(GOOD_PLAN.replace("quick", "ogbn-arxiv"))
    with pytest.raises(RunError, match="preset must be one of quick, standard, paper"):
        open_plan(tmp_path)


def test_a_plan_that_is_stopped_begins_no_other_study(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun = []

    def stopped(study: Study, *_: Any, **__: Any) -> Summary:
        begun.append(study.name)
        os.kill(os.getpid(), signal.SIGTERM)
        return Summary(computed=1, failures={"a": "no memory"})

    plan = Plan(preset="quick")
    monkeypatch.setattr(protocol, "run_study", stopped)
    done = run_plan(plan, StudyFolder(tmp_path), say=lambda _: None)
    assert len(begun) == 1
    assert done == Summary(1, 0, {"a": "no memory"}, stopped_by=signal.SIGTERM)
    monkeypatch.setattr(
        protocol, "run_study", lambda *_, **__: Summary(computed=2, present=1, busy=1)
    )
    assert run_plan(plan, StudyFolder(tmp_path), say=lambda _: None) == Summary(8, 4, busy=4)


def test_folders_of_other_things_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = with_grids(monkeypatch, SMALL)
    folder = StudyFolder(tmp_path / "out")
    folder.add(preset("table", "quick"))
    before = sorted(folder.path.rglob("*"))
    with pytest.raises(RunError, match="holds studies that are not of this test"):
        begin(plan, folder)
    assert sorted(folder.path.rglob("*")) == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="is not empty and was not made by gslt"):
        plant(tmp_path, plan, effect(1.0))


def test_a_network_of_images_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a graph, and resnet18 is a network of images"):
        studies(architecture="resnet18")
