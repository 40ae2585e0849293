"""Figures of README and of the documentation are those of the records in benchmarks/results."""

from __future__ import annotations

import csv
import json
import re
import statistics
import tarfile
from pathlib import Path

import pandas
import pytest
from committed import PAGES, RESULTS, ROOT, WORDS, committed, percent, table

import gslt
from gslt.backends import get_backend


def test_accuracy() -> None:
    runs = {row["config"]: row["runs"] for row in committed("accuracy")["rows"]}
    for name, cells in table(
        "docs/reproduction.md", "| test accuracy in % | weight training | UGT"
    ).items():
        stem = name.lower().replace(" ", "-")
        for cell, what in zip(cells[::2], ("trained", "0.5", "0.9"), strict=True):
            found = [run["test_accuracy"] for run in runs[f"{stem}-{what}.yaml"]]
            assert (len(found), cell) == (10, percent(found)), (name, what)


def test_demo() -> None:
    demo = committed("demo")
    found = table("docs/getting-started.md", "| method | test accuracy (%) |")
    assert list(found) == [arm["arm"] for arm in demo["arms"]]
    for arm in demo["arms"]:
        cells = found[arm["arm"]]
        for cell, split in zip(cells, ("test", "val"), strict=False):
            mean, spread = (100 * arm[f"{split}_accuracy{end}"] for end in ("", "_std"))
            assert cell == f"{mean:.2f} ± {spread:.2f}"
        assert cells[3] == f"{arm['sparsity']:.2f} ({arm['density']:.2f})"
        assert cells[-2:] == [f"{arm[f'{n}times_smaller']:.1f}" for n in ("", "file_")]
        if arm["method"] == "search":
            low, high = arm["prune_ratio"], 1 - arm["lock_ratio"]
            assert cells[4] == f"{low:.2f} – {high:.2f}, middle"
            assert arm["sparsity"] == pytest.approx((low + high) / 2, abs=1e-4)
            assert cells[-4:-2] == [f"{arm[n]:,.0f}" for n in ("searched", "file_bytes")]
    apart = {(each["first"], each["second"]): each for each in demo["differences"]}
    told = apart["frozen source", "sparse source"]
    numbers = (told["points"], min(told["by_seed"]), max(told["by_seed"]))
    mean, low, high = (f"{number:+.2f}".replace("-", "\u2212") for number in numbers)
    assert f"({mean} points; the seeds: {low} to {high})" in WORDS["README.md"]
    below = -apart["dense source", "weight training"]["points"]
    assert f"{below:.2f} points below weight training" in WORDS["README.md"]
    dense = next(arm for arm in demo["arms"] if arm["arm"] == "dense source")
    assert (
        f"ticket is {dense['file_times_smaller']:.1f} times smaller than the weights"
        in WORDS["README.md"]
    )


def test_the_demo_agrees_with_the_studies() -> None:
    """Wherever all seeds of the demo agree, the study at the paper's width has the same order."""
    path = RESULTS / "study-debian-gin" / "tables" / "table-gin-standard" / "summary.csv"
    means = pandas.read_csv(path).set_index("arm")["test_accuracy"]
    means.index = means.index.str.removesuffix(", SKC")
    agreeing = 0
    for each in committed("demo")["differences"]:
        assert not each["is_order"]
        signs = {point > 0 for point in each["by_seed"]}
        if len(signs) == 1:
            agreeing += 1
            assert signs == {means[each["first"]] > means[each["second"]]}, each
    assert agreeing >= 4


def test_overlap_of_tickets() -> None:
    found = table("docs/method.md", "| weights of a ticket in another one |")
    filled = table("docs/method.md", "| filled up |")
    rows = {row["name"]: row for row in committed("overlap")["rows"]}
    assert list(found) == list(filled) == list(rows)
    for name, row in rows.items():
        kinds = ("draws", "draws_at_last_epoch", "rounding", "start", "other_seed")
        shares = [(row[kind]["shared"], row[kind]["shared_by_chance"]) for kind in kinds]
        test, spread = (100 * row[key] for key in ("test", "std_of_draws"))
        assert found[name] == [
            f"{test:.2f} ± {spread:.2f}",
            *(f"{100 * share:.1f} ({100 * chance:.1f})" for share, chance in shares),
        ]
        pools, last = row["filled"], row["filled_at_last_epoch"]
        numbers = [pools[pool] for pool in ("tickets", "either", "rest", "random")]
        numbers += [last["tickets"], last["either"]]
        assert filled[name] == [f"{100 * number:.1f}" for number in numbers]
        assert pools["rest"] < pools["either"] < pools["tickets"]
    debian = [row for name, row in rows.items() if name.startswith("Debian")]
    others = [row for name, row in rows.items() if not name.startswith("Debian")]
    words = WORDS["docs/method.md"]

    def ends(values: list[float], form: str) -> str:
        return f"{min(values):{form}} to {max(values):{form}}"

    exchanged = [f"{100 * (1 - row['draws']['shared']):.0f} %" for row in debian]
    assert f"{exchanged[0]}, {exchanged[1]} and {exchanged[2]} of the weights" in words
    rounding = ends([100 * (1 - row["rounding"]["shared"]) for row in debian], ".0f")
    assert f"It is not rounding ({rounding} %)" in words
    lost = {
        name: 100 * (row["filled"]["tickets"] - row["filled"]["either"])
        for name, row in rows.items()
    }
    of_debian = [value for name, value in lost.items() if name.startswith("Debian")]
    assert f"share is {ends(of_debian, '.1f')} points below them" in words
    sparse = lost.pop("sparsity 0.8")
    at_half = [value for name, value in lost.items() if not name.startswith("Debian")]
    assert f"loses {ends(at_half, '.1f')} points. At sparsity 0.8 it loses {sparse:.1f}" in words
    for row in debian:
        for seed in range(3):
            of_seed = [run["test"] for run in row["runs"] if run["seed"] == seed]
            assert max(of_seed) - min(of_seed) < 0.009
    above = [
        100 * (row["other_seed"]["shared"] - row["other_seed"]["shared_by_chance"])
        for row in debian
    ]
    assert f"on the Debian graph {ends(above, '.1f')} points more" in words
    for row in others:
        assert abs(row["other_seed"]["shared"] - row["other_seed"]["shared_by_chance"]) < 0.003
        assert {run["best_epoch"] for run in row["runs"]} <= set(range(2, 13))
        nearer = row["start"]["jaccard"] > row["draws"]["jaccard"]
        assert nearer == (row["name"] != "uniform weights")


def test_speed() -> None:
    record = committed("epoch-arxiv-gin")
    rows = {row["name"]: row for row in record["rows"]}
    slowest = rows["published"]["seconds"]
    names = {
        "published recipe (DGL)": "published",
        "plain PyG, `edge_index`": "pyg_edge_index",
        "gslt, PyG": "gslt_pyg",
        "gslt, DGL": "gslt_dgl",
        "gslt, PyG, bfloat16": "gslt_bf16",
        "gslt, weight training": "gslt_train",
        "published, freed memory kept": "published_kept_memory",
    }
    found = table("docs/performance.md", "| row | seconds | × as fast")
    assert set(found) == set(names)
    for name, row in names.items():
        seconds = rows[row]["seconds"]
        bf16 = row == "gslt_bf16"
        limit = record["limit_bf16_seconds" if bf16 else "limit_seconds"]
        seconds_cell, faster, of_limit, memory = found[name]
        assert seconds_cell == f"{seconds:.2f}"
        assert faster == f"{slowest / seconds:.1f}"
        assert of_limit == f"{seconds / limit:.2f}"
        assert memory == f"{rows[row]['peak_bytes'] / 1e9:.1f} GB"


def test_backends() -> None:
    settings = {
        each["architecture"]: each["routes"]
        for each in committed("backends")["settings"]
        if (each["nodes"], each["hidden_channels"]) == (16_000, 256)
    }
    for name, cells in table("docs/performance.md", "| search epoch, peak memory |").items():
        routes = settings[{"GraphSAGE": "sage"}.get(name, name.lower())]
        for cell, route in zip(cells, routes.values(), strict=True):
            seconds, peak = route["epoch"]["seconds"], route["memory"]["peak"]
            assert cell == f"{seconds:.3f} s, {peak / 1e6:.0f} MB", name


def test_study_throughput() -> None:
    rows = table("docs/performance.md", "| | runs per hour | seconds of epochs per run")
    for cells, row in zip(rows.values(), committed("study-throughput")["rows"], strict=True):
        per_hour, run, between, start = cells
        assert per_hour == f"{row['runs_per_hour']:.0f}"
        assert run == f"{row['run_seconds']:.1f}"
        assert between == f"{row['overhead_seconds_per_run']:.2f}"
        assert start == f"{row['until_first_epoch_seconds']:.1f} s"


def test_runs_that_survive() -> None:
    rows = table("docs/resuming.md", "| what was done | number | outcome |")

    def told(begin: str, *sentences: str) -> None:
        """The row that begins so says all of that."""
        name = next(name for name in rows if name.startswith(begin))
        text = " | ".join([name, *rows[name]])
        assert [each for each in sentences if each not in text] == []

    chaos, damage, commands = committed("chaos"), committed("damage"), committed("commands")
    kills, disks, mutants = chaos["kills"], chaos["disks"], committed("mutants")["found"]
    told(
        "searches, weight",
        f"killed {kills['kills']} times",
        f"| {kills['commands']} | {kills['identical']} identical",
    )
    told("of the", f"| {kills['before_a_checkpoint']} |")
    told("disks that", f"| {disks['full']} | {disks['identical']} identical")
    both = [damage["folders"], damage["checkpoints"]]
    number, recovered, refused = (
        sum(each[name] for each in both) for name in ("number", "recovered", "refused")
    )
    told("run folders", f"| {number:,} | {recovered:,} recovered", f"{refused} refused")
    records, studies = damage["records"], damage["studies"]
    told("records", f"{records['left out']:,} left out and named, {records['valid']} valid")
    told("studies and", f"{studies['refused']} refused, {studies['valid']} valid")
    told(
        "tickets cut",
        f"| {mutants['mutants']:,} | {mutants['refused_by_both']:,} refused",
        f"{mutants['accepted_by_both']} another valid ticket",
    )
    told("command lines", f"{commands['done']} done, {commands['refused']} refused")
    told("time in checkpoints", f"{100 * chaos['overhead']['checkpoint_overhead']:.1f} %")


def test_nothing_accepted_wrongly_no_traceback_no_hang() -> None:
    damage, commands = committed("damage"), committed("commands")
    mutants = committed("mutants")["found"]
    parts = ("folders", "checkpoints", "records", "studies")
    assert {damage[part][name] for part in parts for name in ("accepted", "traceback")} == {0}
    assert {commands[name] for name in ("traceback", "hung", "silent")} == {0}
    wrong = ("accepted_by_gslt_alone", "accepted_by_the_other_alone", "accepted_wrongly")
    assert {mutants[name] for name in (*wrong, "hangs", "tracebacks_and_deaths")} == {0}
    assert "Accepted wrongly: 0. Tracebacks: 0. Hangs: 0." in PAGES["docs/resuming.md"]


#: Rows of the paper's table, and the arms of the study.
ARMS = {
    "dense source": "dense source",
    "sparse source (pruned)": "sparse source",
    "frozen source (half pruned, half locked)": "frozen source",
    "frozen source, dense range (locked)": "frozen source, dense range",
}


def table_of_the_paper() -> dict[str, dict[str, str]]:
    """Rows of the study's table by arm."""
    path = RESULTS / "study-debian-gin" / "tables" / "table-gin-standard" / "summary.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return {row["arm"]: row for row in csv.DictReader(file)}


def test_table_of_the_paper() -> None:
    rows = table_of_the_paper()
    found = table("docs/reproduction.md", "| test accuracy in % | sparsity | freezing ratio")
    trained = rows["weight training"]
    mean, spread = (100 * float(trained[f"test_accuracy{end}"]) for end in ("", "_std"))
    assert found["weight training"][-1] == f"{mean:.2f} ± {spread:.2f}"
    for name, arm in ARMS.items():
        for cell, init in zip(found[name][-2:], ("SKC", "KU"), strict=True):
            row = rows[f"{arm}, {init}"]
            mean, spread = (100 * float(row[f"test_accuracy{end}"]) for end in ("", "_std"))
            assert cell == f"{mean:.2f} ± {spread:.2f}", (name, init)


def test_results_of_readme() -> None:
    rows = table_of_the_paper()
    long = table("docs/reproduction.md", "| test accuracy in % | sparsity | freezing ratio")
    short = table("README.md", "| | sparsity | freezing ratio | test accuracy (%)")
    assert short.keys() == long.keys()
    weights = float(rows["weight training"]["model_bytes"])
    for name, cells in short.items():
        sparsity, ratio, accuracy, bits, file, smaller = cells
        assert [sparsity, ratio] == long[name][:2]
        assert accuracy == long[name][-1 if name == "weight training" else -2]
        if name == "weight training":
            assert (file, smaller) == (f"{weights:,.0f}", "1")
            continue
        row = rows[f"{ARMS[name]}, SKC"]
        assert bits == f"{int(row['searched']):,}"
        assert file == f"{float(row['file_bytes']):,.0f}"
        assert smaller == f"{weights / float(row['file_bytes']):.1f}"


def test_claims_of_the_paper() -> None:
    found = json.loads((RESULTS / "study-debian-128" / "claims.json").read_text())["claims"]
    minus = "\u2212"
    contrasts = {each["name"]: each["test"] for claim in found for each in claim["contrasts"]}

    def ends(name: str) -> str:
        low, high = (
            f"{contrasts[name][end]:.2f}".replace("-", "\u2212") for end in ("low", "high")
        )
        return f"{low} to {high})"

    wanted = {
        f"all locked {minus} all pruned, freezing ratio 0.4, sparsity 0.5": (
            "3.35 points above all pruned"
        ),
        f"all locked {minus} all pruned": "3.21 below",
        "EPL \u2212 ERK": "\u22120.02 points",
        "frozen, 128 wide \u2212 dense, 64 wide": "by 2.01 points over dense 64 wide",
        "frozen, 256 wide \u2212 dense, 128 wide": "256 over 128 by 1.85",
        f"frozen source, SKC {minus} weight training": "5.12 points below it",
        f"frozen source, dense range, SKC {minus} weight training": (
            "7.05 below in the dense range"
        ),
        f"dense source {minus} weight training": "2.77 points below",
        f"frozen source, SKC {minus} dense source, SKC": "2.35 below",
        f"SKC {minus} KU": "by 2.23 points",
    }
    for name, words in wanted.items():
        number = next(part for part in words.replace("\u2212", "-").split() if "." in part)
        assert f"{abs(contrasts[name]['mean']):.2f}" == number.lstrip("-")
        assert f"{words} ({ends(name)}" in PAGES["docs/reproduction.md"], name


def test_steps_of_images() -> None:
    record = committed("vision-step")
    rows = {row["name"]: row for row in record["rows"]}
    text = PAGES["docs/images.md"]
    names = {
        "weight training": "weights",
        "search, dense source": "search",
        "search, F = 0.4": "search_f0.4",
        "search, F = 0.8": "search_f0.8",
        "search, images not channels last": "search_contiguous",
        "search, bfloat16": "search_bf16",
        "the published way": "published",
        "weight training again, at the end": "weights_again",
    }
    assert set(names.values()) == set(rows)
    for name, row in names.items():
        found = rows[row]
        seconds = (found[f"{kind}seconds"] for kind in ("", "min_", "max_"))
        median, least, most = (f"{each:.2f}" for each in seconds)
        ratio = found["seconds"] / rows["weights"]["seconds"]
        memory = f"{found['peak_bytes'] / 1e9:.2f} GB"
        line = f"| {name} | {median} | {least} – {most} | {ratio:.2f} | {memory} |"
        assert line in text.splitlines()
    words = WORDS["docs/images.md"]
    search = rows["search"]["seconds"]
    assert f"every update: {rows['published']['seconds'] / search:.2f} × the time" in words
    assert f"takes {rows['search_contiguous']['seconds'] / search:.2f} × as long" in words
    assert f"it is {search / rows['search_bf16']['seconds']:.2f} × as fast" in words


def test_running_statistics() -> None:
    record = committed("running-statistics")
    rows = {row["name"]: f"{100 * row['test']:.1f} %" for row in record["rows"]}
    text = " ".join(PAGES["docs/images.md"].split())
    stored, anew, tenth = (rows[name] for name in ("stored", "measured anew", "from a tenth"))
    expected = (
        f"classifies {stored} of 1,000 test images with the stored statistics, {anew} with those "
        f"of one pass over all its training images, {tenth} with those of a tenth"
    )
    assert expected in text
    assert record["data"]["train"] == 4000
    assert "jpeg" in record["data"]["name"]


def test_the_deciding_cells_at_the_papers_width() -> None:
    runs = pandas.read_csv(RESULTS / "study-debian-128" / "locking-386.csv")
    by_arm = runs.pivot(index="seed", columns="arm", values="test_accuracy")
    apart = 100 * (by_arm["all locked"] - by_arm["all pruned"])
    assert len(apart) == 6
    assert (apart > 0).all()
    assert f"386 wide {apart.mean():.2f} (" in PAGES["docs/reproduction.md"]


#: Settings of the networks in docs/ticket-format.md, by their names there.
NETWORKS = {
    "386 wide, dense source, sparsity 0.5": {},
    "386 wide, frozen source, F = 0.4, sparsity 0.5": {"freezing_ratio": 0.4},
    "386 wide, dense source, sparsity 0.9": {"sparsity": 0.9},
    "386 wide, dense source, sparsity 0.99": {"sparsity": 0.99},
    "2 layers, 16 wide, dense source, sparsity 0.5": {"hidden_channels": 16, "num_layers": 2},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_sizes_of_tickets(name: str, tmp_path: Path) -> None:
    rows = table("docs/ticket-format.md", "| ticket | float32 weights | one bit")
    assert rows.keys() - {"ticket"} == NETWORKS.keys()
    config = gslt.SearchConfig(**NETWORKS[name])
    model = gslt.GNN(128, 40, config, get_backend("pyg"))
    gslt.freeze(model, config)
    ticket = gslt.Ticket.of(model)
    ticket.save(tmp_path / "ticket.safetensors")
    size, file = ticket.size(), (tmp_path / "ticket.safetensors").stat().st_size
    assert size.bytes == file
    weights = 4 * size.total
    numbers = (weights, size.bits / 8, size.entropy_bits / 8, size.coded_bytes, file)
    assert rows[name] == [*(f"{number:,.0f}" for number in numbers), f"{weights / file:.1f}"]


def test_sizes_in_the_words_of_readme() -> None:
    config = gslt.SearchConfig(freezing_ratio=0.4, hidden_channels=64)
    model = gslt.GNN(128, 51, config, get_backend("pyg"))
    size = gslt.freeze(model, config).counts
    kept = size.total // 2
    words = f"{kept:,} of {size.total:,} weights, {size.searched:,} bits, file "
    assert words in PAGES["README.md"]


@pytest.fixture(scope="module")
def random_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of ``benchmarks/results/er``, unpacked."""
    folder = tmp_path_factory.mktemp("er")
    with tarfile.open(RESULTS / "er" / "records.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize(
    ("study", "heading"),
    [("er-gin-standard", "| Cora, fraction kept"), ("er-gin-strong-debian", "| Debian, fraction")],
)
def test_random_sources(study: str, heading: str, random_sources: Path) -> None:
    runs = gslt.studies.frame(random_sources, study)
    runs["kept"] = runs["density"].round(2)
    page = "docs/random-sources.md"
    (head,) = (line for line in PAGES[page].splitlines() if line.startswith(heading))
    kept = [float(cell) for cell in head.strip("| ").split("|")[2:]]
    for arm, (_, *cells) in table(page, heading).items():
        mine = runs[runs["arm"] == arm]
        if "dense" not in arm:
            mine = mine[mine["allocation"] == "erk"]
        for density, cell in zip(kept, cells, strict=True):
            group = mine[mine["kept"] == density]
            assert sorted(group["seed"]) == list(range(6))
            at = [100 * group[f"{epoch}test_accuracy"].mean() for epoch in ("", "last_")]
            assert cell == "{:.1f} / {:.1f}".format(*at), (arm, density)


def test_differences_of_random_sources(random_sources: Path) -> None:
    """What stands below the tables, at the best epoch and at the last one."""
    cora, debian = (
        gslt.studies.frame(random_sources, study)
        for study in ("er-gin-standard", "er-gin-strong-debian")
    )
    both = ("test_accuracy", "last_test_accuracy")
    sparse, frozen, dense, by_layer = (
        f"strong ticket, {source}"
        for source in ("sparse source", "frozen source", "dense source", "dense by layer")
    )

    def of(runs: pandas.DataFrame, arm: str, kept: float, allocation: str) -> pandas.DataFrame:
        mine = runs[(runs["arm"] == arm) & (runs["density"].round(2) == kept)]
        if "dense" not in arm:
            mine = mine[mine["allocation"] == allocation]
        assert sorted(mine["seed"]) == list(range(6))
        return mine.set_index("seed")

    def above(runs: pandas.DataFrame, arm: str, other: str, *at: float | str) -> list[float]:
        one, two = (of(runs, each, *at)[[*both]] for each in (arm, other))
        return [float(100 * each) for _, each in (one - two).mean().items()]

    words = WORDS["docs/random-sources.md"]
    (low, low_last), (high, high_last) = (
        above(cora, sparse, by_layer, kept, "uniform") for kept in (0.01, 0.02)
    )
    assert (
        f"{-low:.1f} points *below* it at 0.01, and {high:.1f} above it at 0.02 (at the last epoch "
        f"{-low_last:.1f} below and {high_last:.1f} above)"
    ) in words
    below = {
        arm: [
            above(debian, other, arm, kept, allocation)
            for other in (dense, by_layer)
            for kept in (0.02, 0.1)
            for allocation in ("erk", "epl")
        ]
        for arm in (sparse, frozen)
    }
    best, last = (
        [f"{min(of_arm):.1f} to {max(of_arm):.1f}" for of_arm in ends]
        for ends in (
            [[each[epoch] for each in below[arm]] for arm in (sparse, frozen)] for epoch in (0, 1)
        )
    )
    ends = [each.split(" to ") for each in best]
    assert (
        f"{ends[0][0]} to {ends[0][1]} points below the dense ones, frozen ones {best[1]} (at the "
        f"last epoch {last[0]} and {last[1]})"
    ) in words
    # What is pyramidal has lost a layer, but for four tickets.
    lost = cora[cora["allocation"] == "pyramidal"]
    lost = lost[lost["density"].round(2) <= 0.1]
    kept = lost[lost["least_layer_density"] > 0]
    assert set(kept["arm"]) == {sparse}
    assert set(kept["density"].round(2)) == {0.1}
    assert len(kept) == 4
    assert set((100 * kept["least_layer_density"]).round(1)) == {0.1}
    assert "at 0.1 four of the six tickets of sparse sources keep 0.1 %" in words
    for kept_share in (0.02, 0.05, 0.1, 0.25):
        for arm in (sparse, frozen, by_layer, dense):
            fit = of(cora, arm, kept_share, "erk")["last_train_accuracy"].min()
            assert (fit >= 0.95) == ((arm, kept_share) != (dense, 0.02))


def test_constructions() -> None:
    rows = committed("constructions/constructions")["rows"]
    assert len(rows) == 120
    assert all(row["output_error"] <= row["epsilon"] for row in rows)
    assert min(row["agreement"] for row in rows) >= 0.999
    assert {(row["kind"], row["dataset"]) for row in rows if row["agreement"] < 1} == {
        ("gcn", "cora")
    }
    assert sum(row["agreement"] < 1 for row in rows) == 11
    assert max(row["equivariance_defect"] or 0 for row in rows) < 2.15e-14
    by_epsilon = {row["epsilon"]: 0.0 for row in rows}
    for row in rows:
        by_epsilon[row["epsilon"]] = max(by_epsilon[row["epsilon"]], row["output_error"])
    assert by_epsilon == {
        0.01: pytest.approx(8e-5, rel=0.05),
        1e-4: pytest.approx(1.3e-5, rel=0.05),
    }
    for kind, cells in table("docs/theory.md", "| target | dense | ER").items():
        mine = [row for row in rows if f"`{row['kind']}`" == kind]
        means = [
            statistics.mean(
                row[f"{what}_per_target_weight"] for row in mine if row["source"] == name
            )
            for what in ("searched", "random")
            for name in ("dense", "sparse", "frozen")
        ]
        assert cells == [f"{mean:,.0f}" for mean in means], kind


def test_random_weights_with_the_first_matrices() -> None:
    text = (RESULTS / "constructions" / "study-quick.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    names = next(row for row in rows if row[:1] == ["method"])
    (row,) = (
        dict(zip(names, row, strict=True))
        for row in rows
        if row[:3] == ["GIN, frozen source", "0.01", "0.50"]
    )
    chosen, all_of_them = row["random weights for one"], row["with first matrices"]
    times = [float(each.replace(",", "")) for each in (all_of_them, chosen)]
    by_kind: dict[str, list[float]] = {}
    for made in committed("constructions/constructions")["rows"]:
        ratio = made["random_per_target_weight"] / made["searched_per_target_weight"]
        by_kind.setdefault(made["kind"], []).append(ratio)
    means = {kind: statistics.mean(ratios) for kind, ratios in by_kind.items()}
    assert {round(means[kind]) for kind in ("mlp", "ign2", "cnn", "c4cnn", "d4cnn")} == {3}
    expected = (
        f"3 times for the small targets, {means['gin']:.0f} for the GIN on Cora that is 16 wide, "
        f"and {times[0] / times[1]:.0f} for the one of 6 in the study ({chosen} and {all_of_them})"
    )
    assert expected in WORDS["docs/theory.md"]
    # Copies of (p + 1)² entries beside copies of (p + 1) q.
    assert times[0] / times[1] == pytest.approx(1434 / 6, rel=0.01)


#: First authors of papers on existence, and their numbers on arXiv.
PAPERS = {
    "Pensia": "2006.07990",
    "Ferbach": "2206.04270",
    "Burkholz": "2205.02343",
    "Otsuka": "2402.14029",
}


def test_papers_have_one_number() -> None:
    """No page lists every paper, so those of a name are compared wherever they stand."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "gslt").rglob("*.py"))]
    for name, number in PAPERS.items():
        pattern = rf"{name}(?: et al\.)? \d{{4}}(?:,| \()? ?\(?arXiv (\d{{4}}\.\d{{5}})"
        found = [each for text in texts for each in re.findall(pattern, " ".join(text.split()))]
        assert found, name
        assert set(found) == {number}
