"""The columns of the tables of a study, checked against numbers worked out by hand."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pandas
from fabricated import fabricated, fill
from small_reports import of_study, report

from gslt.report.study import StudyReport
from gslt.report.study_tables import comparison_columns
from gslt.studies.records import StudyFolder
from gslt.studies.study import Study


def test_a_part_of_an_arm_that_leaves_a_setting_out(tmp_path: Path) -> None:
    """Whole numbers of one part were NA in the other, which JSON does not know."""
    parts: list[dict[str, Any]] = [{"sparsity": 0.5}, {"sparsity": 0.5, "num_layers": 3}]
    frozen: list[dict[str, Any]] = [{"freezing_ratio": None}, {"freezing_ratio": 0.4}]
    arms: dict[str, Any] = {"dense": parts, "one": {"weight_init": "ku"}, "two": frozen}
    texts, _ = report(fill(tmp_path, Study(name="s", seeds=2, arms=arms), lambda _: 0.5))
    rows = list(csv.DictReader(io.StringIO(texts["tables/s/comparisons.csv"])))
    assert {row["first_at"] for row in rows} == {"{}", '{"num_layers": 3}'}
    assert {row["second_at"] for row in rows} == {"{}", '{"freezing_ratio": 0.4}'}
    for name, text in texts.items():
        for word in ("num layers nan", "num layers <NA>", "freezing ratio None"):
            assert word not in text, name


def test_runs_without_a_partner_are_told_below_the_comparisons(tmp_path: Path) -> None:
    arms = {"a": {"lr": [0.1, 0.2]}, "b": {"lr": [0.1, 0.3], "weight_init": "ku"}}
    texts, _ = report(fill(tmp_path, Study(name="s", seeds=2, arms=arms), lambda _: 0.5))
    assert "Left out: up to 4 runs of a comparison" in texts["tables/s/comparisons.md"]


def test_summary_by_hand(folder: StudyFolder) -> None:
    texts, said = report(folder)
    assert said == ["two: 6 of 6 runs, 2 of 2 arms"]
    text = texts["tables/two/summary.md"].splitlines()
    assert text[0] == "# Two arms on toy (synthetic)"
    # Means 0.72 and 0.62; squares of deviations 2 · 0.02² / 2 and (2 · 0.01² + 0.02²) / 2.
    assert text[2:6] == [
        "| method | initialisation | sparsity (density) | pruned / locked | freezing ratio | "
        "search space | test accuracy (%) | validation (%) | training (%) | n | model size | "
        "× smaller | parameters |",
        "| --- | --- |" + 11 * " ---: |",
        "| weight training | KU | 0.00 (1.00) | – | – | 1,000 (100 %) | 72.00 ± 2.00 | "
        "73.00 ± 2.00 | 74.00 ± 2.00 | 3 | 4.0 kB | 1.0 | 1,000 |",
        "| frozen source | SKC | 0.50 (0.50) | 0.20 / 0.20 | 0.40 | 600 (60 %) | 62.00 ± 1.73 | "
        "63.00 ± 1.73 | 64.00 ± 1.73 | 3 | 75 B | 53.3 | 1,000 |",
    ]
    notes = " ".join(text[6:])
    for words in (
        "over n seeds (3 here)",
        "Made-up OS, 2 cores, 1 thread",
        "torch 9.9",
        "synthetic",
    ):
        assert words in notes
    assert "DGL" not in notes


def test_ratios_have_as_many_decimals_as_tell_them_apart(tmp_path: Path) -> None:
    high = {"sparsity": [0.99, 0.992, 0.9996], "freezing_ratio": [0.4, 0.404], "prune_share": 1.0}
    study = Study(name="s", arms={"high": high, "half": {"weight_init": "ku"}}, seeds=1)
    rows = of_study(tmp_path / "high", study, lambda _: 0.5).summary.markdown().splitlines()
    cells = [[cell.strip() for cell in row.split("|")] for row in rows if row.startswith("| h")]
    assert {tuple(row[3:6]) for row in cells if row[1] == "high"} == {
        (sparsity, f"{ratio} / 0.000", ratio)
        for sparsity in ("0.9900 (0.0100)", "0.9920 (0.0080)", "0.9996 (0.0004)")
        for ratio in ("0.400", "0.404")
    }
    assert cells[-1][3:6] == ["0.5000 (0.5000)", "0.000 / 0.000", "0.000"]
    # What was asked for alike is not told apart by the rounding to whole weights.
    study = Study(name="s", arms={"a": {"weight_init": ["ku", "kn"]}}, seeds=1)
    folder = StudyFolder(tmp_path / "alike")
    folder.add(study)
    for cell, sparsity in zip(study.cells, (0.4989, 0.5011), strict=True):
        more = {"sparsity": sparsity, "density": 1 - sparsity}
        folder.write(fabricated(cell.spec, 0.5, **more))
    table = StudyReport(folder.results(study)).summary
    assert [row[2].text for row in table.rows] == ["0.50 (0.50)", "0.50 (0.50)"]


def test_comparison_for_people(folder: StudyFolder) -> None:
    texts, _ = report(folder)
    row = texts["tables/two/comparisons.md"].splitlines()[4]
    assert row.startswith("| weight training | frozen source | +10.00 | +9.")
    # With three seeds no p can be small: none is shown, and why is said.
    assert row.endswith("| 3 |")
    assert (
        "n too small for a test by sign flips: with 3 seeds the smallest possible p is 0.25"
        in (texts["tables/two/comparisons.md"])
    )
    assert "0.25" in texts["tables/two/comparisons.csv"]


def test_seeds_have_columns_where_pairs_are_more(tmp_path: Path) -> None:
    arms = {"a": {"sparsity": [0.2, 0.5]}, "b": {"weight_init": "ku", "sparsity": [0.2, 0.5]}}
    study = Study(name="s", arms=arms, seeds=6)
    folder = fill(tmp_path, study, lambda cell: 0.6 + 0.1 * (cell.arm == "a"))
    texts, _ = report(folder)
    lines = texts["tables/s/comparisons.md"].splitlines()
    assert "| pairs | seeds | p | p, Holm |" in lines[2]
    # Of 2^6 flips of seeds two are as extreme; one comparison needs no correction.
    numbers = "+10.00 | +10.00 to +10.00 | 12 | 6 | 0.031 | 0.031 |"
    assert lines[4] == f"| a | b | sparsity (2 values) | {numbers}"
    assert "| second arm | equal in a pair | first − second (points) |" in lines[2]
    for words in ("all pairs of a seed are flipped together", "possible with 6 seeds: 0.031."):
        assert words in texts["tables/s/comparisons.md"]


def test_what_a_pair_has_in_common_is_told(tmp_path: Path) -> None:
    weak = {"method": "train", "mask_sparsity": [0.5, 0.9], "allocation": ["epl", "erk"]}
    arms = {"weak": weak, "strong": {"sparsity": [0.9, 0.98]}}
    study = Study(name="s", arms=arms, seeds=2)
    texts, _ = report(fill(tmp_path, study, lambda cell: 0.6 + 0.1 * (cell.arm == "weak")))
    table = texts["tables/s/comparisons.md"]
    assert [line.split(" | ")[:3] for line in table.splitlines()[4:6]] == [
        [f"| weak, allocation {scheme}", "strong", "density 0.1"] for scheme in ("epl", "erk")
    ]
    assert "are compared at every density that both have, and at no other." in table
    rows = csv.DictReader(io.StringIO(texts["tables/s/comparisons.csv"]))
    assert [row["equal"] for row in rows] == ['{"density": [0.1]}'] * 2


def test_a_p_that_cannot_be_small_after_correction_is_not_shown(tmp_path: Path) -> None:
    arms = {name: {"lr": rate} for name, rate in (("a", 0.1), ("b", 0.2), ("c", 0.3))}
    study = Study(name="s", arms=arms, seeds=6)
    texts, _ = report(fill(tmp_path, study, lambda cell: 0.6 + 0.1 * (cell.arm == "a")))
    lines = texts["tables/s/comparisons.md"].splitlines()
    # Three comparisons: 3 · 2 / 2^6 is 0.094, whatever the accuracies.
    assert "| pairs | p |" in lines[2]
    assert "the smallest possible p for 3 comparisons is 0.094" in "".join(lines)


def test_places_in_the_comparisons_are_plain(tmp_path: Path) -> None:
    """Whole numbers, truth values and words of what one arm alone varies."""
    arms = {
        "one": {"lr": 0.5},
        "wide": {"hidden_channels": [10, 20]},
        "norm": {"batch_norm": [True, False], "weight_init": ["ku"]},
    }
    study = Study(name="s", seeds=2, arms=arms)
    texts, _ = report(fill(tmp_path, study, lambda _: 0.5))
    rows = csv.DictReader(io.StringIO(texts["tables/s/comparisons.csv"]))
    found = {row["second_at"] for row in rows if row["first"] == "one"}
    assert found == {
        '{"hidden_channels": 10}',
        '{"hidden_channels": 20}',
        '{"batch_norm": true, "weight_init": "ku"}',
        '{"batch_norm": false, "weight_init": "ku"}',
    }


def test_axes_have_columns_and_arms_may_share_runs(tmp_path: Path) -> None:
    arms = {name: {"freezing_ratio": [0.0, 0.4], "prune_share": share, "window_position": 0.5}
            for name, share in (("locked", 0.0), ("pruned", 1.0))}  # fmt: skip
    arms["wide"] = {"hidden_channels": [10, 20], "allocation": ["epl", "erk"], "lock_ratio": 0.1}
    study = Study(name="s", settings={"hidden_channels": 10}, seeds=1, arms=arms)
    folder = fill(tmp_path, study, lambda _: 0.5)
    texts, _ = report(folder)
    lines = texts["tables/s/summary.md"].splitlines()[2:]
    assert lines[0].startswith(
        "| method | hidden channels | allocation | initialisation | sparsity"
    )
    assert lines[2].startswith("| locked | – | – | SKC | 0.50 (0.50) | 0.00 / 0.00 | 0.00 |")
    assert lines[3].startswith("| locked | – | – | SKC | 0.30 (0.70) | 0.00 / 0.40 | 0.40 |")
    assert lines[5].startswith("| pruned | – | – | SKC | 0.70 (0.30) | 0.40 / 0.00 | 0.40 |")
    assert lines[8].startswith("| wide | 20 | epl | SKC |")
    # One run, no spread.
    assert "| 50.00 | 51.00 | 52.00 | 1 |" in lines[2]


def test_without_comparisons_nothing_is_tested() -> None:
    columns, notes, names = comparison_columns(pandas.DataFrame())
    heads = [heading for heading, _ in columns]
    assert heads[:2] == ["first arm", "second arm"]
    assert names == 2
    assert not any(heading.startswith("p") and heading != "pairs" for heading in heads)
    assert not any("p:" in note for note in notes)
