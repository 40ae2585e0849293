"""Sentences of README and the documentation that state a number, beside what it comes from."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from committed import PAGES, RESULTS, WORDS, committed, percent, table, value

import gslt
from gslt.backends import get_backend
from gslt.config import DemoConfig

PERFORMANCE = WORDS["docs/performance.md"]


def minus(text: str) -> str:
    """A number as the pages write it."""
    return text.replace("-", "\u2212")


def said(page: str, *sentences: str) -> None:
    """The page has all of these words."""
    assert [each for each in sentences if each not in WORDS[page]] == []


def epochs(name: str) -> dict[str, dict[str, Any]]:
    """Rows of a record of epochs by name."""
    return {row["name"]: row for row in committed(name)["rows"]}


def test_the_limit_of_the_machine_and_what_is_above_it() -> None:
    record = committed("epoch-arxiv-gin")
    low, middle, high = sorted(record["limit_seconds_each"])
    parts = epochs("epoch-arxiv-gin")["gslt_pyg"]["breakdown"]
    above = parts["dense product"] - record["limit"]["float32"]["dense_seconds"]
    said(
        "docs/performance.md",
        f"{middle:.2f} s in float32 ({low:.2f} to {high:.2f}, measured three times",
        f"{record['limit_bf16_seconds']:.2f} s in bfloat16",
        f"norms and ReLU ({parts['norm']:.2f} s)",
        f"below the best rate ({above:.2f} s)",
    )
    graph = record["graph"]
    said("docs/performance.md", f"{graph['nodes']:,} nodes", "2.3 million directed edges")
    assert round(graph["directed_edges"] / 1e6, 1) == 2.3
    assert graph["synthetic"]


def test_selection_without_sorting() -> None:
    rows = {row["method"]: row for row in committed("selection")["rows"] if row["network"] != "gin"}
    assert {round(row["scores"] / 1e6) for row in rows.values()} == {11}
    ms = {name: row["median_ms"] for name, row in rows.items()}
    said(
        "docs/performance.md",
        f"{ms['band with hint']:.0f} ms for 11 million scores ({ms['band']:.0f} ms the first time)",
        f"a full sort takes {ms['full sort'] / 1000:.1f} s",
    )


def test_bfloat16() -> None:
    rows = epochs("epoch-debian-gin")
    seconds = {name: f"{row['seconds']:.2f}" for name, row in rows.items()}
    said(
        "docs/performance.md",
        f"{seconds['gslt_bf16']} s an epoch beside {seconds['gslt_pyg']} on the Debian graph",
        f"recipe takes {seconds['published']} s, plain PyG {seconds['pyg_edge_index']}",
    )
    for row in committed("precision")["rows"]:
        low, high = (minus(f"{100 * end:+.2f}") for end in row["interval"])
        middle = minus(f"{100 * row['difference']:.2f}")
        bf16, float32 = percent(row["bfloat16"]), percent(row["float32"])
        assert len(row["float32"]) == 5
        mean, spread = bf16.split(" ± ")
        assert f"{mean} ± {spread}" in PERFORMANCE
        assert float32 in PERFORMANCE
        assert re.search(
            rf"{middle}, (95 % interval )?{re.escape(low)} to {re.escape(high)}", PERFORMANCE
        )


def test_growth_with_nodes_width_and_depth() -> None:
    series = committed("scaling")["series"]
    power = {name: each["fits"]["seconds"]["exponent"] for name, each in series.items()}
    rows = series["nodes"]["rows"]
    ends = [rows[0], rows[-1]]
    seconds = [
        f"{row['seconds']:.2g}" if row["seconds"] < 1 else f"{row['seconds']:.1f}" for row in ends
    ]
    memory = [f"{row['search_bytes'] / 1e9:.1f}" for row in ends]
    said(
        "docs/performance.md",
        f"nodes^{power['nodes']:.2f} ({ends[0]['nodes']:,} to {ends[1]['nodes']:,} nodes: "
        f"{seconds[0]} to {seconds[1]} s, {memory[0]} to {memory[1]} GB)",
        f"width^{power['width']:.2f} (386 to 1,544)",
        f"depth^{power['depth']:.2f} (4 to 32 layers)",
    )
    for each in series.values():
        assert each["fits"]["search_bytes"]["exponent"] < each["fits"]["seconds"]["exponent"]


def test_flat_memory() -> None:
    grown = {row["name"]: row["rss_growth_bytes"] / 1e6 for row in committed("flat-memory")["rows"]}
    said(
        "docs/performance.md",
        f"+ {grown['gslt_pyg']:.1f} MB on PyG, on DGL + {grown['gslt_dgl']:.0f} MB",
        "within swings of 100",
    )
    resident = np.array(epochs("flat-memory")["gslt_dgl"]["resident_bytes"][5:]) / 1e6
    assert np.ptp(resident) < 100


def test_backends_agree() -> None:
    record = committed("backends")
    kept = {"gslt on PyG": 0, "gslt on DGL": 0}
    times = []
    for each in record["settings"]:
        routes = each["routes"]
        for route in routes.values():
            for dtype, bound in (("float32", 1e-5), ("float64", 1e-10)):
                parity = route["parity"][dtype]
                assert max(parity["logits_rel"], parity["gradient_rel"]) < bound
        for name in kept:
            kept[name] += routes[name]["trajectory"]["same_masks"]
            if (each["nodes"], each["hidden_channels"]) == (1000, 64):
                plain = routes["pyg edge_index"]["epoch"]["seconds"]
                times.append(plain / routes[name]["epoch"]["seconds"])
    assert record["same_ticket"]
    assert record["agree"]
    said(
        "docs/performance.md",
        f"{kept['gslt on PyG']} (PyG) and {kept['gslt on DGL']} (DGL) of "
        f"{len(record['settings'])} searches",
        f"(× {min(times):.1f} to {max(times):.1f})",
    )


def test_two_runs_at_a_time() -> None:
    rows = {row["name"]: row for row in committed("study-throughput")["rows"]}
    slower = rows["2 workers"]["run_seconds"] / rows["here"]["run_seconds"]
    said("docs/performance.md", f"takes {slower:.1f} times as long")


def test_time_of_measures() -> None:
    row = committed("diagnostics")["rows"][0]
    alone = {name: f"{seconds:.1f}" for name, seconds in row["alone_seconds"].items()}
    said(
        "docs/diagnostics.md",
        f"{row['nodes']:,} nodes × {row['width']} in {row['seconds']:.1f} s on 2 cores (energy "
        f"alone {alone['dirichlet_energy']} s, MAD {alone['mad']} s, "
        f"ranks {alone['effective_rank']} s;",
        f"{row['mad_gap_seconds']:.1f} s)",
        f"{row['extra_bytes'] / 1e6:.0f} MB beside the {row['representation_bytes'] / 1e6:.0f} MB",
    )


def test_bad_data() -> None:
    kinds = committed("bad-data")["kinds"]
    rows = table("docs/data.md", "| | tried | refused | accepted")
    assert rows.keys() == kinds.keys()
    names = ("number", "refused", "accepted", "traceback", "hung")
    for name, cells in rows.items():
        assert cells == [str(kinds[name][each]) for each in names]
        assert cells[0] == cells[1]
    said("docs/data.md", f"{sum(each['number'] for each in kinds.values()):,} of them")


def test_loading_with_a_hash() -> None:
    for graph, share in {"debian": "0.9", "ogbn-arxiv-synthetic": "0.7"}.items():
        found = committed("loading")["graphs"][graph]
        with_hash = found["this"]["load and hash"]["least_seconds"]
        assert share == f"{with_hash / found['other']['load']['least_seconds']:.1f}"
        assert f"{share} times" in WORDS["docs/data.md"]


def test_what_was_found_of_the_conjecture_so_far() -> None:
    found = json.loads((RESULTS / "conjecture" / "verdict.json").read_text())
    rows = table("docs/conjecture.md", "| frozen against dense source |")
    factors, best, levels = [], [], []
    assert found["complete"]
    for column, of in enumerate(found["conjecture"]):
        assert of["outcome"] == "not shown"
        claims = {each["name"]: each for each in of["claims"]}
        words = {name: each["outcome"] for name, each in claims.items()}
        assert words == {"S": "excluded", "A": ("excluded", "undecided")[column], "M": "undecided"}
        for part in claims["S"]["parts"]:
            mean, low, high = (math.exp(part[end]) for end in ("mean", "low", "high"))
            cell = f"× {mean:.3f} ({low:.3f} to {high:.3f})"
            assert rows[f"S: quotient {part['words']}"][column] == cell
            factors.append(mean)
        beyond = [part for part in claims["M"]["parts"] if part["without"] == "no edges"]
        for name, part in [("A", each) for each in claims["A"]["parts"]] + [
            ("M", each) for each in beyond
        ]:
            mean, low, high = (f"{100 * part[end]:+.2f}" for end in ("mean", "low", "high"))
            row = f"{name}: points {part['words']}".replace(
                "minus that with no", "beyond those without"
            )
            assert rows[row][column] == minus(f"{mean} ({low} to {high})")
        best.append(minus(f"{100 * claims['A']['parts'][0]['mean']:+.1f}"))
        parts = [part for each in claims.values() for part in each["parts"]]
        levels += [100 * (1 - part["level"]) for part in parts if part["under"] == "none"]
        alone = [100 * part["mean"] for part in parts if part["under"] == "no edges"]
        assert -1.5 < min(alone) <= max(alone) < -1.0
        beside = [
            100 * part["mean"] for part in parts if part["without"] in ("residual", "pairnorm")
        ]
        assert -0.55 < min(beside) <= max(beside) < 0.3
    assert len(rows) == 7
    said(
        "docs/conjecture.md",
        f"is complete, {found['runs']['total']:,} runs",
        f"{min(levels):.1f} to {max(levels):.1f} %",
    )
    percents = [f"{100 * (each - 1):.0f}" for each in (min(factors), max(factors))]
    said(
        "docs/over-smoothing.md",
        f"by {percents[0]} % where 25 would matter",
        f"({percents[0]} and {percents[1]} %, with intervals around 0)",
        f"({best[0]} and {best[1]} points)",
    )


def test_the_factorial_of_the_conjecture() -> None:
    (of,) = [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]
        for text in (RESULTS / "conjecture" / "factorial.md").read_text("utf-8").split("\n\n")[1:2]
    ]
    found = {(row[0], row[2]): [cell.partition(" ")[0] for cell in row[3:6]] for row in of}
    named = {"input layer": "input", "hidden layers": "hidden", "all layers": "all"}
    rows = table("docs/conjecture.md", "| frozen against dense source of the same sparsity |")
    assert len(rows) == 9
    for name, cells in rows.items():
        level = named.get(name, name.removeprefix("F = ").replace("half of both", "half"))
        both = zip(*(found[graph, level] for graph in ("cora", "citeseer")), strict=True)
        for cell, pair, places in zip(cells, both, (3, 2, 2), strict=True):
            assert cell == minus(", ".join(f"{float(each):+.{places}f}" for each in pair))
            # Nothing is near the margin of ln 1.25.
            assert places == 2 or all(abs(float(each)) < 0.1 for each in pair)


def test_records_of_trees_with_changes_are_named() -> None:
    dirty = {
        path.name
        for path in RESULTS.glob("*.json")
        if json.loads(path.read_text()).get("commit", "").endswith("-dirty")
    }
    told = PERFORMANCE.split("They are ")[1].split(". ")[0] if dirty else ""
    assert set(re.findall(r"`([\w-]+\.json)`", told)) == dirty


def test_ugt_is_at_most_so_far_above() -> None:
    rows = table("docs/reproduction.md", "| test accuracy in % | weight training | UGT")
    below = [
        float(theirs) - float(ours.split(" ± ")[0])
        for cells in rows.values()
        for ours, theirs in zip(cells[2::2], cells[3::2], strict=True)
    ]
    assert max(below) <= 1.2
    (frozen,) = (
        row for row in committed("accuracy")["rows"] if row["config"] == "debian-gin-0.5.yaml"
    )
    (trained,) = (
        row for row in committed("accuracy")["rows"] if row["config"] == "debian-gin-trained.yaml"
    )
    accuracies = [f"{100 * each['runs'][0]['test_accuracy']:.2f} %" for each in (trained, frozen)]
    said(
        "docs/reproduction.md",
        f"weight training {accuracies[0]}",
        f"in a dense source {accuracies[1]}",
    )


def test_what_stands_above_its_neighbours_in_the_window() -> None:
    claims = json.loads((RESULTS / "study-debian-128" / "claims.json").read_text())["claims"]
    peaks = [
        each["contrasts"]
        for each in claims
        if "middle" in each["claim"] or "same, 0.2" in each["claim"]
    ]
    wide, narrow = ([each for each in part if "sparsity" in each["name"]] for part in peaks[:2])
    for part, words in (
        (wide, "points above the neighbours (p = 0.03"),
        (narrow, "points above its neighbours"),
    ):
        means = [each["test"]["mean"] for each in part]
        assert min(means) > 0
        said("docs/reproduction.md", f"{min(means):.2f} to {max(means):.2f} {words}")
    open_ = [each["name"] for each in [*wide, *narrow] if each["p"] > 0.05]
    assert [name for name in open_ if "pruned" in name] == [
        "all pruned: sparsity 0.7 \u2212 0.8",
        "all pruned: sparsity 0.6 \u2212 0.5",
        "all pruned: sparsity 0.6 \u2212 0.7",
    ]


def rows_of(path: Any) -> Any:
    """A committed CSV, whose numbers pandas 2 rounds otherwise than those that were written."""
    return pandas.read_csv(path, dtype=str).map(value).infer_objects()


#: Test accuracy at either epoch, in the order of the tables of images.
EITHER = ("test_accuracy", "last_test_accuracy")


def spread(runs: Any) -> list[str]:
    """Test accuracy of a group of runs at the best epoch and at the last, with its deviation."""
    return [f"{100 * runs[name]:.2f} ± {100 * runs[f'{name}_std']:.2f}" for name in EITHER]


def of_training(runs: Any) -> str:
    """Training accuracy at the best epoch and at the last."""
    names = ("train_accuracy", "last_train_accuracy")
    return " / ".join(f"{100 * runs[name]:.1f}" for name in names)


def test_table_of_conv6() -> None:
    runs = rows_of(RESULTS / "conv6" / "table.csv").set_index("arm")
    found = table("docs/images.md", "| Conv6, CIFAR-10 after JPEG compression")
    assert (runs["n"] == 6).all()
    ahead = []
    for name, row in found.items():
        arm = name.removesuffix(" (pruned)").replace("frozen source, F = 0.4", "frozen source")
        if arm == "weight training":
            assert row[5:7] == spread(runs.loc[arm])
            continue
        skc, ku = runs.loc[f"{arm}, SKC"], runs.loc[f"{arm}, KU"]
        assert row[:3] == [f"{skc[n]:.1f}" for n in ("sparsity", "freezing_ratio", "times_smaller")]
        assert row[3:7] == spread(skc) + spread(ku)
        assert row[7] == of_training(skc)
        ahead.append(100 * (skc["test_accuracy"] - ku["test_accuracy"]))
    assert len(ahead) == len(runs) // 2 == 6
    tickets = runs.drop(index="weight training")["test_accuracy"]
    assert round(100 * (runs.loc["weight training", "test_accuracy"] - tickets.max())) == 5
    said("README.md", "tickets are about 5 points or more below weight training")
    said("docs/images.md", f"by {min(ahead):.1f} to {max(ahead):.1f} points in the mean")


def test_sparsity_of_conv6() -> None:
    runs = rows_of(RESULTS / "conv6" / "sparsity.csv")
    assert (runs["n"] == 6).all()
    found = table("docs/images.md", "| Conv6, dense source, CIFAR-10 after JPEG compression")
    means = {}
    for name, row in found.items():
        at = runs[(runs["sparsity"] - float(name.removeprefix("sparsity "))).abs() < 1e-4]
        cells: list[str] = []
        for init in ("SKC", "KU"):
            one = at[at["arm"] == f"dense source, {init}"].iloc[0]
            cells += spread(one)
            means[init, name] = one["test_accuracy"]
            if init == "SKC":
                trained = of_training(one)
        assert row == [*cells, trained]
    for init in ("SKC", "KU"):
        best = max((mean, name) for (of, name), mean in means.items() if of == init)
        assert best[1] == "sparsity 0.5"


def test_what_the_paper_says_of_conv6() -> None:
    """Every contrast that is measured stands on the page, and its verdict is as told there."""
    claims = json.loads((RESULTS / "conv6" / "claims.json").read_text())["claims"]
    contrasts = {each["name"]: each for claim in claims for each in claim["contrasts"]}
    for each in contrasts.values():
        mean, low, high = (f"{each['test'][end]:+.2f}" for end in ("mean", "low", "high"))
        said("docs/images.md", minus(mean), minus(f"{low} to {high}"))
    last = contrasts["SKC: sparsity 0.5 − 0.1"]["last"]
    mean, low, high = (f"{last[end]:+.2f}" for end in ("mean", "low", "high"))
    said("docs/images.md", f"at the last epoch {mean}, {minus(low)} to {high}")
    verdicts = {name: each["says"] for name, each in contrasts.items()}
    above = {
        *("SKC: sparsity 0.5 − 0.9", "KU: sparsity 0.5 − 0.9", "EPL − ERK"),
        *("half and half: sparsity 0.5 − 0.3", "all pruned: sparsity 0.7 − 0.9"),
    }
    assert verdicts == {name: "above" if name in above else "open" for name in verdicts}
    assert len(verdicts) == 14
    ends = [each for name, each in contrasts.items() if ": sparsity" in name and "K" not in name]
    assert len(ends) == 6
    assert all(each["test"]["mean"] > 0 for each in ends)
    told = {name for name in above if contrasts[name]["last"]["low"] > 0}
    assert above - told == {"half and half: sparsity 0.5 − 0.3"}


def test_window_of_conv6() -> None:
    runs = rows_of(RESULTS / "conv6" / "window.csv")
    assert (runs["n"] == 6).all()
    found = table("docs/images.md", "| Conv6, freezing ratio 0.4, over the search window")
    means = {}
    for name, row in found.items():
        arm, sparsity = name.split(", sparsity ")
        at = runs[(runs["arm"] == arm) & ((runs["sparsity"] - float(sparsity)).abs() < 1e-4)]
        cells: list[str] = []
        for allocation in ("epl", "erk"):
            one = at[at["axis_allocation"] == allocation].iloc[0]
            cells += spread(one)
            means[name, allocation] = 100 * one["test_accuracy"]
            if allocation == "epl":
                trained = of_training(one)
        assert row == [*cells, trained]
    assert 2 * len(found) == len(runs) == 18
    ahead = {name: means[name, "epl"] - means[name, "erk"] for name in found}
    middle = ("all locked, sparsity 0.3", "half and half, sparsity 0.5", "all pruned, sparsity 0.7")
    assert f"{sum(ahead[name] for name in middle) / 3:.2f}" == "0.17"
    assert f"{ahead['all pruned, sparsity 0.9']:.1f}" == "-2.5"
    said("docs/images.md", "it is 0.17 points, and at sparsity 0.9 ERK is ahead by 2.5")


def test_table_of_resnet18() -> None:
    runs = rows_of(RESULTS / "resnet18" / "table.csv").set_index("arm")
    assert (runs["n"] == 1).all()
    found = table("docs/images.md", "| ResNet-18, CIFAR-10 after JPEG compression")
    assert len(found) == len(runs)
    for name, row in found.items():
        one = runs.loc[name.removesuffix(" (pruned)")]
        if name != "weight training":
            names = ("sparsity", "freezing_ratio", "times_smaller")
            assert row[:3] == [f"{one[each]:.1f}" for each in names]
            assert one["model_bytes"] - one["searched"] / 8 == 9600
        assert row[3:5] == [f"{100 * one[each]:.2f}" for each in EITHER]
        assert row[5] == of_training(one)
    tickets = runs.drop(index="weight training")["test_accuracy"]
    assert tickets.idxmax() == "frozen source, sparse range"
    assert math.floor(100 * (runs.loc["weight training", "test_accuracy"] - tickets.max())) == 12
    assert math.sqrt(0.62 * 0.38 / 2000) == pytest.approx(0.0109, abs=1e-4)
    said("docs/images.md", "9,600 bytes at this width", "12 points or more", "about a point")


def test_running_statistics_beside_the_mask() -> None:
    bits = 11_164_352
    assert f"{100 * 38_400 / (bits / 8):.1f} %" == "2.8 %"
    said("docs/images.md", "38,400 bytes for ResNet-18, 2.8 % of the size of a mask")


def test_sizes_of_sparse_tensors() -> None:
    sizes = []
    for sparsity in (0.5, 0.9, 0.99):
        dense = torch.zeros(386 * 386)
        dense[: round((1 - sparsity) * len(dense))] = 1.0
        kept = int(dense.sum())
        sizes.append(f"{(8 * kept + 4 * 387) / 1e3:.0f} kB")
    said(
        "docs/own-models.md",
        f"takes {sizes[0]} at sparsity 0.5, as much as dense ({4 * 386 * 386 / 1e3:.0f} kB), "
        f"{sizes[1]} at 0.9 and {sizes[2]} at 0.99",
    )


def test_the_demo_is_so_much_smaller_than_the_paper() -> None:
    config = DemoConfig()
    assert round(386 / config.hidden_channels) == 3
    assert round(400 / config.epochs) == 12
    for page in ("README.md", "docs/getting-started.md"):
        said(page, "a third of the paper's width and a twelfth of its epochs")


def test_the_embedded_graph() -> None:
    data = gslt.load_dataset("debian")
    for page in ("README.md", "docs/getting-started.md"):
        assert f"{data.num_nodes:,} packages of Debian 12" in PAGES[page].replace("\n", " ")


def test_a_ticket_on_dgl_has_the_logits_to_1e_4(blocks: gslt.NodeDataset) -> None:
    pytest.importorskip("dgl")
    config = gslt.SearchConfig(hidden_channels=64, freezing_ratio=0.4, epochs=3)
    ticket = gslt.search(blocks, config).ticket
    assert ticket is not None
    found = []
    with torch.no_grad():
        for name in ("pyg", "dgl"):
            graph = get_backend(name).graph(blocks.edge_index, blocks.num_nodes)
            found.append(ticket.model(backend=name).eval().logits(blocks.x, graph))
    assert torch.allclose(*found, rtol=0, atol=1e-4)
    assert 'ticket.model(backend="dgl") has them to 1e-4' in PAGES["README.md"]
