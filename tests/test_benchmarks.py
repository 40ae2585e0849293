"""The benchmarks compare like with like, count right, and say so when something fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

import gslt
from gslt.backends import get_backend
from gslt.config import ModelConfig, SearchConfig
from gslt.masking.parametrization import frozen_weights
from gslt.theory import laws

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import bad_data  # noqa: E402
import common  # noqa: E402
import epoch  # noqa: E402
import host_suites  # noqa: E402
import limits  # noqa: E402
import loading  # noqa: E402
import paper_claims  # noqa: E402
import recipes  # noqa: E402
import subset_sum  # noqa: E402
import vision_step  # noqa: E402


def run(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage"])
@pytest.mark.parametrize("recipe", recipes.RECIPES)
def test_a_recipe_is_the_model_that_gslt_searches(architecture: str, recipe: str) -> None:
    dataset = common.arxiv_shape(1 / 256)
    config = SearchConfig(architecture=architecture, hidden_channels=24, num_layers=3)
    model = gslt.GNN(dataset.num_features, dataset.num_classes, config, get_backend("pyg"))
    gslt.freeze(model, config)
    plain = recipes.RECIPES[recipe][0](dataset, config)
    expected, actual = model(dataset.x, dataset.edge_index), plain(dataset.x)
    assert torch.allclose(actual, expected, atol=1e-4)
    assert [w.name for w in frozen_weights(model)] == plain.names
    target = torch.randn(expected.shape, generator=torch.Generator().manual_seed(0))
    of_model = torch.autograd.grad((expected * target).sum(), list(model.parameters()))
    of_plain = torch.autograd.grad((actual * target).sum(), list(plain.scores))
    for a, b in zip(of_model, of_plain, strict=True):
        assert torch.allclose(a, b.flatten(), rtol=1e-3, atol=1e-3 * float(b.abs().max()))


def test_operations_by_hand() -> None:
    # 10 nodes, 3 features, width 4, 2 classes, 3 layers: weights 4x3, 4x4, 2x4 and the head 2x4.
    gin = ModelConfig(num_layers=3, hidden_channels=4)
    assert limits.dense_flop(gin, 10, 3, 2) == 20 * (2 * 12 + 3 * 16 + 3 * 8 + 3 * 8)
    sage = ModelConfig(architecture="sage", num_layers=3, hidden_channels=4)
    assert limits.dense_flop(sage, 10, 3, 2) == 20 * (4 * 12 + 6 * 16 + 6 * 8 + 3 * 8)
    assert limits.sparse_widths(gin, 3, 2) == [4, 4, 2, 2]


def test_graph_of_a_benchmark_is_marked_synthetic() -> None:
    dataset = common.arxiv_shape(1 / 256)
    assert "synthetic" in dataset.name
    assert common.describe(dataset)["synthetic"] is True


def test_a_failing_child_is_reported() -> None:
    done = run("epoch", "--quick", "--rows", "gslt_pyg", "--no_limit", "--device", "cuda:99")
    assert done.returncode != 0
    assert "gslt_pyg: not measured" in done.stdout
    assert "failed: gslt_pyg" in done.stderr


@pytest.mark.parametrize("kind", [ImportError, gslt.GraphError])
def test_what_is_absent_is_no_failure(
    kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(values: dict[str, object]) -> dict[str, object]:
        raise kind("no")

    common.answer(json.dumps({"out": str(tmp_path / "found.json")}), measure)
    found = (tmp_path / "found.json").read_text(encoding="utf-8")

    def fake(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        out = Path(json.loads(command[-1])["out"])
        out.write_text(found, encoding="utf-8")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", fake)
    with pytest.raises(common.RowError) as error:
        common.in_child("script.py", {})
    assert isinstance(error.value, common.AbsentError) == (kind is ImportError)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
def test_peak_of_a_child_is_its_own() -> None:
    code = "import common; print(common.peak_bytes('cpu'))"
    held = torch.ones(300_000_000)  # 1.2 GB in this process
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=BENCHMARKS)
    assert common.peak_bytes("cpu") > 4 * held.numel() > int(done.stdout)


@pytest.mark.slow
def test_epoch_record(tmp_path: Path) -> None:
    options = ["--quick", "--hidden_channels", "16", "--scale", "0.01", "--epochs", "2"]
    rows = ["--rows", "published", "gslt_pyg", "gslt_dgl"]
    files = ["--json", str(tmp_path / "e.json"), "--plot", str(tmp_path / "e.png")]
    done = run("epoch", *options, *rows, *files)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in found["rows"]] == rows[1:]
    assert all(row["seconds"] > 0 and row["peak_bytes"] > 1e8 for row in found["rows"])
    assert set(found) >= {"limit_seconds", "graph", "versions", "commit", "hardware"}
    assert found["limit_seconds"] > 0
    parts = found["rows"][1]["breakdown"]
    assert set(parts) == {*epoch.PARTS, "rest"}
    assert all(seconds > 0 for seconds in parts.values())
    assert sum(parts.values()) == pytest.approx(found["rows"][1]["seconds"])
    assert (tmp_path / "e.png").stat().st_size > 10_000


def test_memory_is_proportional_to_what_is_searched(tmp_path: Path) -> None:
    file, picture = tmp_path / "m.json", tmp_path / "m.png"
    done = run("memory", "--quick", "--json", str(file), "--plot", str(picture))
    assert done.returncode == 0, done.stderr
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert len(rows) == 10
    for row in rows:
        # A score and two moments of four bytes each, for the searched weights and no other.
        assert row["state_bytes"] == 12 * row["searched"]
        assert row["searched"] == pytest.approx(row["weights"] * (1 - row["freezing_ratio"]), abs=8)
    assert picture.exists()


def test_plain_loop_and_solver_find_what_gslt_finds() -> None:
    made = laws.draws("uniform", 11, 4)
    errors = made.solve().errors
    for solve, tolerance in ((subset_sum.by_numpy, 1e-14), (subset_sum.by_highs, 1e-5)):
        assert subset_sum.one_by_one(solve, made) == pytest.approx(errors, abs=tolerance)


def test_numbers_that_are_written_so() -> None:
    assert subset_sum.rounding(0.034) == pytest.approx((0.0335, 0.0345))
    assert subset_sum.rounding(7e-3) == pytest.approx((6.5e-3, 7.5e-3))
    assert subset_sum.rounding(0.15) == pytest.approx((0.145, 0.155))


def test_least_number_that_is_enough() -> None:
    for guess in (3, 40, 41, 100):
        assert subset_sum.least(lambda n: n >= 41, guess) == 41


@pytest.mark.slow
def test_subset_sum_record(tmp_path: Path) -> None:
    file, picture = tmp_path / "s.json", tmp_path / "s.png"
    done = run("subset_sum", "--quick", "--json", str(file), "--plot", str(picture))
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text(encoding="utf-8"))
    assert [row["method"] for row in found["exact"]] == ["gslt", "NumPy loop", "HiGHS"]
    assert all(abs(row["smallest_excess_over_gslt"]) < 1e-12 for row in found["exact"])
    for row in found["approximate"]:
        assert row["reachable_within_0.001"][0] == 1.0
    assert set(found["slopes"]) == set(laws.VARIABLES)
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("commands", ("--lines", "8")),
        ("damage", ("--folders", "3", "--checkpoints", "2", "--records", "12", "--studies", "20")),
    ],
    ids=["commands", "damage"],
)
def test_what_is_damaged_or_nonsense_is_a_sentence(
    name: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "found.json"
    done = run(name, *options, "--seed", "11", "--json", str(file))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    found = json.loads(file.read_text("utf-8"))
    if name == "commands":
        assert found["done"] + found["refused"] == found["lines"] == 8
    else:
        counts = {part: found[part]["number"] for part in ("folders", "records", "studies")}
        assert counts == {"folders": 3, "records": 12, "studies": 20}


def runs_with(differences: dict[str, float], spread: float, seeds: int) -> pd.DataFrame:
    """Runs of a table: the dense source, and arms so many points above it, ± the spread."""
    arms = {"dense source, SKC": [0.0] * seeds}
    for arm, points in differences.items():
        arms[arm] = [points + spread * (-1) ** seed for seed in range(seeds)]
    return pd.DataFrame(
        {
            "study": "table-gin-standard",
            "architecture": "gin",
            "arm": arm,
            "seed": seed,
            "dataset": "debian",
            "split": 0,
            "identity": f"{arm} {seed}",
            # The seeds differ by more than the arms.
            "test_accuracy": 0.3 + seed / 10 + above / 100,
            "last_test_accuracy": 0.3 + seed / 10,
            "train_accuracy": 0.5,
        }
        for arm, points in arms.items()
        for seed, above in enumerate(points)
    )


@pytest.mark.parametrize(
    ("seeds", "points", "verdict"),
    [
        (6, (1.0, 0.4), "holds here"),
        (6, (1.0, -0.4), "contradicted here"),
        (6, (1.0, 0.0), "not told"),
        # Four seeds cannot reach p = 0.05, however large the difference.
        (4, (1.0, 0.4), "not told"),
        (6, (1.0,), "measured in part"),
        (6, (), "not measured"),
    ],
)
def test_a_claim_of_the_paper_is_judged_by_all_its_contrasts(
    seeds: int, points: tuple[float, ...], verdict: str
) -> None:
    sentence = "a frozen source beats a dense one"
    arms = ("frozen source, SKC", "frozen source, dense range, SKC")
    runs = runs_with(dict(zip(arms, points, strict=False)), 0.1, seeds)
    result = next(r for r in paper_claims.judge_all(runs) if r.claim.sentence == sentence)
    assert result.verdict == verdict
    assert [each.seeds for each in result.found] == [seeds] * len(points)
    assert [each.test.mean for each in result.found] == pytest.approx(points)


@pytest.mark.parametrize(
    ("points", "spread", "says"),
    [(-0.3, 0.1, "equal"), (-0.3, 0.4, "open"), (-1.0, 0.1, "below"), (1.0, 0.1, "above")],
)
def test_a_claim_of_equality_needs_a_narrow_interval(
    points: float, spread: float, says: str
) -> None:
    contrast = next(c for claim in paper_claims.OF_GIN for c in claim.contrasts if c.equal)
    runs = runs_with({"weight training": -points}, spread, 6)
    found = paper_claims.judge(contrast, runs)
    assert found is not None
    assert found.says == says


@pytest.mark.slow
def test_of_a_hosts_tests_those_count_that_pass_with_its_own_layers(tmp_path: Path) -> None:
    folder = tmp_path / "test" / "nn" / "conv"
    folder.mkdir(parents=True)
    for layer in ("gin", "gcn", "sage", "gat"):
        (folder / f"test_{layer}_conv.py").write_text("def test_nothing():\n    pass\n")
    (folder / "test_user.py").write_text(
        "import torch\n"
        "from torch_geometric.nn import GCNConv, GINConv\n\n"
        "def test_fails():\n    assert False\n\n"
        "def test_kind():\n    assert isinstance(GCNConv(2, 3), GCNConv)\n\n"
        "def test_repr():\n    assert str(GCNConv(2, 3)) == 'GCNConv(2, 3)'\n\n"
        "def test_trained():\n    GINConv(torch.nn.Linear(2, 3), train_eps=True)\n\n"
        "def test_weight():\n    GCNConv(2, 3).lin.weight.data.fill_(1.0)\n"
        "    assert 'lin.weight' in dict(GCNConv(2, 3).named_parameters())\n"
    )
    (tmp_path / "test" / "explain").mkdir()
    found = host_suites.compare("pyg", tmp_path, ["users"])["users"]
    assert found["host"] == {"nn/conv/test_user.py": 4}
    passed = {way: sum(each["passed"].values()) for way, each in found["ways"].items()}
    assert passed == {"host": 4, "drop-ins": 1, "printed": 2, "frozen": 3}
    reasons = {
        way: {name.split("::")[1]: each["reason"] for name, each in of["failures"].items()}
        for way, of in found["ways"].items()
    }
    assert reasons["drop-ins"] == {
        "test_repr": "repr",
        "test_trained": "trained ε",
        "test_weight": "",
    }
    assert reasons["frozen"] == {"test_weight": ""}
    lines = list(host_suites.table({"users": found}))
    assert lines[2] == "| `nn/conv/test_user.py` | 4 | 1 | 2 | 3 |"
    assert "With gslt's drop-ins 1 of 4 pass: 50.0 % of the 2 that are possible." in lines


def test_loads_are_timed_in_a_process_of_their_own(tmp_path: Path) -> None:
    times = loading.measure(BENCHMARKS.parent, "debian", tmp_path, loads=1)
    assert [len(each) for each in times.values()] == [1, 1]
    assert min(times["load"] + times["load and hash"]) > 0


def test_bad_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("CSV", "WebKB", "gnn-benchmark .npz")
    monkeypatch.setattr(bad_data, "FORMATS", {name: bad_data.FORMATS[name] for name in kinds})
    monkeypatch.delitem(bad_data.DAMAGE, "swelling archive")
    tallies = bad_data.run(1, 1, tmp_path)
    found = {name: bad_data.values(tally) for name, tally in tallies.items()}
    assert set(kinds) < set(found)
    assert [failure for each in found.values() for failure in each["failures"]] == []
    assert sum(each["refused"] for each in found.values()) > 150


def test_a_loader_that_takes_anything_is_told(tmp_path: Path) -> None:
    tally = bad_data.Tally()
    tally.attempt("label 0.5", lambda: "accepted: graph")
    tally.attempt("label -2", lambda: str(int("no number")))
    assert bad_data.values(tally) | {"failures": len(tally.failures)} == {
        "number": 2,
        "refused": 0,
        "accepted": 1,
        "traceback": 1,
        "hung": 0,
        "failures": 2,
    }


def test_the_table_of_bad_data_is_that_of_the_record() -> None:
    text = (BENCHMARKS.parent / "docs" / "data.md").read_text("utf-8")
    kinds = json.loads((BENCHMARKS / "results" / "bad-data.json").read_text())["kinds"]
    assert f"{sum(each['number'] for each in kinds.values()):,} of them" in text
    for name, each in kinds.items():
        keys = ("number", "refused", "accepted", "traceback", "hung")
        assert f"| {name} | {' | '.join(str(each[key]) for key in keys)} |" in text
    assert len(bad_data.WRONG) == 29
    assert len(bad_data.DAMAGE) == 15


def test_the_published_way_to_search_images_is_the_search_of_gslt() -> None:
    config = ModelConfig(architecture="resnet18", width=0.05)
    model, of_model = vision_step.network("search", config)
    assert isinstance(model, torch.nn.Module)
    frozen = torch.Generator().manual_seed(0)
    x, y = torch.randn(4, 3, 32, 32, generator=frozen), torch.arange(4)
    # Scores that tie with none: then a threshold keeps what a count keeps. Scale is one factor.
    gslt.freeze(model, gslt.FreezeConfig(sparsity=0.5, scale="static"))
    published = vision_step.Published(config, model)
    assert torch.allclose(published(x), model(x), atol=1e-5)
    of_model = list(model.parameters())
    one = torch.autograd.grad(torch.nn.functional.cross_entropy(model(x), y), of_model)
    other = torch.autograd.grad(
        torch.nn.functional.cross_entropy(published(x), y), published.scores
    )
    for a, b in zip(one, other, strict=True):
        assert torch.allclose(a, b.flatten(), rtol=1e-3, atol=1e-3 * float(b.abs().max()) + 1e-9)


@pytest.mark.slow
def test_steps_of_images_are_measured() -> None:
    done = run("vision_step", "--quick", "--width", "0.05", "--rows", "weights", "published")
    assert done.returncode == 0, done.stderr
    assert "published" in done.stdout.splitlines()[-1]
