"""Studies: what a grid holds, and the identity of its runs."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import gslt
from gslt.config import SearchConfig, TrainConfig
from gslt.freezing import split_ratio, window_sparsity
from gslt.settings import build
from gslt.studies.presets import preset
from gslt.studies.study import RunSpec, Study, load_study


def spec(**values: Any) -> RunSpec:
    return RunSpec.from_values(values)


# Identity


def test_identities_are_pinned():
    # Records of earlier versions are found by these.
    assert spec().values == {"method": "search", "dataset": "debian", "split": 0}
    found = {
        "search": spec().identity,
        "train": spec(method="train").identity,
        "settings": spec(dataset="cora", architecture="gcn", sparsity=0.9, seed=2).identity,
        "frozen": spec(freezing_ratio=0.4).identity,
    }
    assert found == PINNED


PINNED = {
    "search": "b2d7aa2a488b0dfd",
    "train": "0e73df57c3305862",
    "settings": "6bcaa1cbed95c232",
    "frozen": "22f0a12b258a6868",
}


def test_defaults_written_out_change_nothing():
    assert spec(sparsity=0.5, method="search", epochs=320).identity == spec().identity
    assert spec(lr=0.01).identity == spec().identity


@pytest.mark.parametrize(
    ("spelt", "plain"),
    [("./one/graph.npz", "one/graph.npz"), ("one//a.gml?y=club", "one/a.gml?y=club")],
)
def test_a_file_has_one_identity_however_its_path_is_spelt(spelt: str, plain: str) -> None:
    one, other = (RunSpec.from_values({"dataset": each}) for each in (spelt, plain))
    assert (one.identity, one.dataset) == (other.identity, plain)
    # Nothing else is changed: a name, what leads elsewhere, and a folder that has a known name.
    for kept in ("cora", "../graph.npz", "/data/a b.npz", "a.npz", "./cora"):
        assert RunSpec.from_values({"dataset": kept}).dataset == kept
    with pytest.raises(gslt.ConfigError, match="give the same run"):
        Study(name="s", arms={"a": {"dataset": [spelt, plain]}})
    study = Study(name="s", arms={"a": {"dataset": [spelt, "cora"]}}, seeds=1)
    assert [cell.axes["dataset"] for cell in study.cells] == [plain, "cora"]


def test_what_differs_has_another_identity():
    variants = [
        spec(),
        spec(method="train"),
        spec(dataset="cora"),
        spec(split=1),
        spec(seed=1),
        spec(epochs=321),
        spec(backend="dgl"),
        spec(weight_init="ku"),
    ]
    assert len({one.identity for one in variants}) == len(variants)


def test_how_a_run_is_carried_out_is_no_part_of_it():
    config = SearchConfig(device="cuda", runs=3)
    assert RunSpec(dataset="debian", split=0, config=config).identity == spec().identity


def test_whole_numbers_are_the_same_as_floats():
    assert spec(sparsity=0, lr=1).identity == spec(sparsity=0.0, lr=1.0).identity
    assert spec(lr=1).values["lr"] == 1.0
    assert isinstance(spec(lr=1).values["lr"], float)


def test_one_source_has_one_identity():
    centred = spec(sparsity=0.5, freezing_ratio=0.4)
    assert (centred.config.prune_ratio, centred.config.lock_ratio) == (0.2, 0.2)
    assert centred.identity == spec(prune_ratio=0.2, lock_ratio=0.2).identity
    assert centred.identity == spec(freezing_ratio=0.4, prune_share=0.5).identity
    assert spec(freezing_ratio=0.0).identity == spec().identity
    assert spec(freezing_ratio=0.0, prune_share=1.0).identity == spec().identity


def test_values_are_the_inverse():
    one = spec(method="train", dataset="cora", split=3, lr=0.5, seed=7)
    assert RunSpec.from_values(one.values) == one
    assert isinstance(one.config, TrainConfig)


def test_smoothness_is_a_part_of_it_only_where_it_is_asked_for() -> None:
    plain = spec(dataset="cora")
    assert "smoothness" not in plain.values
    assert RunSpec.from_values({"dataset": "cora", "smoothness": False}).identity == plain.identity
    measured = RunSpec.from_values({"dataset": "cora", "smoothness": True})
    assert measured.identity != plain.identity
    assert RunSpec.from_values(measured.values) == measured
    with pytest.raises(gslt.ConfigError, match="smoothness must be true or false"):
        RunSpec.from_values({"smoothness": "yes"})


# The window


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_window_places_are_possible(freezing_ratio, share, position):
    prune, lock = split_ratio(freezing_ratio, share)
    assert prune >= 0
    assert lock >= -1e-12
    assert prune + lock == pytest.approx(freezing_ratio, abs=1e-11)
    sparsity = window_sparsity(prune, max(lock, 0.0), position)
    assert prune - 1e-11 <= sparsity <= 1 - lock + 1e-11


def test_window_by_hand():
    # F = 0.4, three quarters pruned: p = 0.3, l = 0.1; a fifth into [0.3, 0.9] is 0.42.
    config = spec(freezing_ratio=0.4, prune_share=0.75, window_position=0.2).config
    assert isinstance(config, SearchConfig)
    assert (config.prune_ratio, config.lock_ratio, config.sparsity) == (0.3, 0.1, 0.42)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"freezing_ratio": 0.4, "prune_share": 0.5, "prune_ratio": 0.2}, "decides prune_ratio"),
        ({"freezing_ratio": 0.4, "window_position": 0.5}, "needs prune_share"),
        ({"prune_share": 0.5, "window_position": 0.5}, "has no frozen weights to divide; set free"),
        ({"prune_share": 0.5, "freezing_ratio": None}, "has no frozen weights to divide; set free"),
        ({"method": "construct", "prune_share": 1.0}, "has no frozen weights to divide; set free"),
        ({"method": "train", "allocation": "even"}, "allocation must be one of"),
        ({"window_position": 0.5, "sparsity": 0.5}, "decides sparsity"),
        ({"freezing_ratio": 0.4, "prune_share": 1.5}, "prune_share must lie in"),
        ({"method": "guess"}, "method must be one of search, train"),
        ({"sparsty": 0.5}, "no field sparsty"),
        ({"method": "train", "sparsity": 0.5}, "no field sparsity"),
        ({"dataset": 3}, "dataset must be a name"),
        ({"epochs": "many"}, "epochs must be of type int"),
    ],
)
def test_impossible_runs(values, said):
    with pytest.raises(gslt.ConfigError, match=said):
        RunSpec.from_values(values)


# Grids


def test_lists_are_axes():
    study = Study(
        name="grid",
        seeds=2,
        settings={"epochs": 5, "sparsity": 0.3},
        arms={
            "a": {"sparsity": [0.1, 0.2], "weight_init": ["ku", "skc"]},
            "b": {"hidden_channels": [8, 16, 32]},
        },
    )
    assert len(study.cells) == len(study.runs) == 2 * (4 + 3)
    first = study.cells[:7]
    assert [cell.arm for cell in first] == ["a"] * 4 + ["b"] * 3
    assert first[1].axes == {"sparsity": 0.1, "weight_init": "skc"}
    assert first[4].axes == {"hidden_channels": 8}
    assert {cell.spec.config.seed for cell in first} == {0}
    assert all(cell.spec.config.epochs == 5 for cell in study.cells)
    assert first[4].spec.config.sparsity == 0.3


def test_place_norm_and_edges_are_settings_of_a_study(tmp_path):
    path = tmp_path / "places.yaml"
    path.write_text(
        "settings: {num_layers: 4, freezing_ratio: 0.1}\nseeds: 1\nx: place\narms:\n"
        '  frozen: {place: [all, hidden, input, "layers.2, layers.1"]}\n'
        "  no edges: {place: hidden, edges: [all, none]}\n"
        "  pairnorm: {batch_norm: false, pair_norm: true}\n"
        "  trained: {method: train, edges: none}\n"
    )
    study = load_study(path)
    configs = {cell.arm: cell.spec.config for cell in study.cells}
    assert [c.spec.config.place for c in study.cells if c.arm == "frozen"] == [
        *("all", "hidden", "input"),
        "layers.1,layers.2",
    ]
    assert len(study.runs) == 7  # Hidden, with edges, is in two arms.
    assert configs["no edges"].edges == configs["trained"].edges == "none"
    assert configs["pairnorm"].pair_norm
    # Runs without them have the identities that they had.
    plain = spec(num_layers=4, place="all", edges="all", pair_norm=False)
    assert plain.identity == spec(num_layers=4).identity
    one, other = (spec(prune_ratio=0.2, place=place) for place in ("b,a", "a, b"))
    assert one.identity == other.identity != spec(prune_ratio=0.2).identity


def test_settings_of_the_search_do_not_apply_to_training():
    study = Study(
        name="s",
        seeds=[4],
        settings={"sparsity": [0.1, 0.9], "epochs": 7},
        arms={"ticket": {}, "trained": {"method": "train"}},
    )
    assert [(c.arm, c.spec.method) for c in study.cells] == [
        ("ticket", "search"),
        ("ticket", "search"),
        ("trained", "train"),
    ]
    assert study.cells[2].spec.config == TrainConfig(epochs=7, seed=4)


def test_settings_of_a_mask_apply_where_there_is_one():
    study = Study(
        name="s",
        seeds=[4],
        settings={"allocation": ["epl", "erk"], "draw": "bernoulli"},
        arms={"trained": {"method": "train"}, "weak": {"method": "train", "mask_sparsity": 0.5}},
    )
    assert [(c.arm, c.axes) for c in study.cells] == [
        ("trained", {}),
        ("weak", {"allocation": "epl"}),
        ("weak", {"allocation": "erk"}),
    ]
    assert study.cells[0].spec.config == TrainConfig(seed=4)
    weak = study.cells[2].spec
    assert weak.config == TrainConfig(seed=4, mask_sparsity=0.5, allocation="erk", draw="bernoulli")
    # A mask that stays is not told apart by how it would be rewired.
    rewired = RunSpec.from_values({**weak.values, "rewire_fraction": 0.2, "regrow": "random"})
    assert rewired.identity == weak.identity
    values = {**weak.values, "rewire_every": 4}
    assert RunSpec.from_values(values).identity != weak.identity
    assert "regrow" not in weak.in_force
    assert weak.in_force["allocation"] == "erk"
    trained = RunSpec.from_values({"method": "train", "allocation": "erk"})
    assert trained.identity == RunSpec.from_values({"method": "train"}).identity
    assert {"allocation", "draw", "connected", "mask"}.isdisjoint(trained.in_force)


def test_a_dense_source_is_one_whatever_would_be_frozen():
    idle = {"allocation": "erk", "place": "hidden", "draw": "bernoulli", "connected": True}
    assert spec(**idle).config == spec().config
    assert spec(**idle, freezing_ratio=0.0).identity == spec().identity
    for name, value in idle.items():
        frozen = spec(**{name: value}, prune_ratio=0.2)
        assert frozen.identity != spec(prune_ratio=0.2).identity
    study = Study(
        name="s",
        seeds=[4],
        settings={"allocation": ["epl", "erk"]},
        arms={"dense": {"freezing_ratio": 0}, "sparse": {"prune_ratio": 0.2}},
    )
    assert [(c.arm, c.axes) for c in study.cells] == [
        ("dense", {}),
        ("sparse", {"allocation": "epl"}),
        ("sparse", {"allocation": "erk"}),
    ]
    assert len(study.runs) == 3
    with pytest.raises(gslt.ConfigError, match="allocation 'epl' and 'erk' give the same run"):
        Study(name="s", arms={"dense": {"allocation": ["epl", "erk"]}})


def test_an_arm_of_several_grids():
    parts = [{"sparsity": s, "freezing_ratio": s, "weight_init": ["skc", "ku"]} for s in (0.6, 0.9)]
    study = Study(name="s", seeds=[3], arms={"both": parts, "one": {"sparsity": 0.6}})
    places = [cell.axes for cell in study.cells]
    assert places == [
        {"sparsity": s, "freezing_ratio": s, "weight_init": init}
        for s in (0.6, 0.9)
        for init in ("skc", "ku")
    ] + [{}]
    ratios = [cell.spec.config.ratios for cell in study.cells]
    assert ratios == [(0.4, 0.2), (0.4, 0.2), (0.85, 0.05), (0.85, 0.05), (0.0, 0.0)]
    assert build(Study, yaml.safe_load(study.to_yaml())).runs == study.runs
    with pytest.raises(gslt.ConfigError, match=r"weight_init 'ku' and 'ku' give the same run"):
        Study(name="s", arms={"twice": [parts[0], {**parts[0], "weight_init": "ku"}]})


def test_arms_share_runs():
    study = Study(name="s", seeds=1, arms={"a": {"sparsity": [0.4, 0.5]}, "b": {}})
    assert len(study.cells) == 3
    assert len(study.runs) == 2


def test_methods_as_an_axis():
    study = Study(name="s", seeds=1, arms={"all": {"method": ["search", "train"]}})
    assert [cell.spec.method for cell in study.cells] == ["search", "train"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "a/b", "arms": {"a": {}}}, "name of a study"),
        ({"name": ".a", "arms": {"a": {}}}, "name of a study"),
        ({"name": "a", "arms": {}}, "has no arms"),
        ({"name": "a", "arms": {"b": 3}}, "arm 'b' must map"),
        ({"name": "a", "arms": {"b": []}}, "arm 'b' must map"),
        ({"name": "a", "arms": {"b": [{}, 3]}}, "arm 'b' must map"),
        ({"name": "a", "arms": {"b": {"sparsity": []}}}, "sparsity is an empty list"),
        ({"name": "a", "arms": {"b": {"sparsity": 1.5}}}, "arm 'b': sparsity must"),
        ({"name": "a", "arms": {"b": {"seed": 1}}}, "seed is no setting"),
        ({"name": "a", "arms": {"b": {"epoch": 1}}}, r"no setting 'epoch' \(did you mean epochs\?"),
        ({"name": "a", "arms": {"b": {}}, "seeds": 0}, "seeds must be"),
        ({"name": "a", "arms": {"b": {}}, "seeds": [1, 1]}, "seeds must be"),
        ({"name": "a", "arms": {"b": {}}, "seeds": [True]}, "seeds must be"),
    ],
)
def test_impossible_studies(values, said):
    with pytest.raises(gslt.ConfigError, match=said):
        Study(**values)


def test_yaml_round_trip(tmp_path):
    study = preset("window", "quick", architecture="gcn", dataset="cora")
    path = tmp_path / "copy.yaml"
    path.write_text(study.to_yaml())
    assert load_study(path).values == study.values
    assert list(load_study(path).runs) == list(study.runs)


@pytest.mark.parametrize(
    "text",
    ["", "- 1", "arms: 3", "name: x", "arms: {a: {}}\ncolour: red", "a: [", "arms: {a: {}}\n3: 4"],
)
def test_files_that_hold_no_study(text, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(gslt.ConfigError):
        load_study(path)
    with pytest.raises(gslt.ConfigError, match="cannot be read"):
        load_study(tmp_path / "absent.yaml")


def test_a_file_needs_only_arms(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"arms": {"dense": {"sparsity": [0.2, 0.8]}}}))
    assert load_study(path).name == "mine"
    assert len(load_study(path).runs) == 6
