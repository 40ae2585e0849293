"""Targets and their data, and the curves of errors against the width."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from gslt.data import NodeDataset
from gslt.errors import ConfigError, GsltWarning
from gslt.report.construction import width_figure
from gslt.theory import existence
from gslt.theory.config import ConstructConfig, TargetConfig
from gslt.theory.construct import construct
from gslt.theory.existence import (
    SHARES,
    channels_for_most,
    constructed_ticket,
    construction_facts,
    errors_against_width,
    load_task,
    make_target,
    own_dataset,
    save_target,
)
from gslt.theory.width import channel_draws


def test_a_target_is_trained_saved_and_loaded(tmp_path: Path) -> None:
    config = TargetConfig(target="mlp", epochs=1)
    network, task = make_target(config)
    path = tmp_path / "target.safetensors"
    path.write_bytes(save_target(network, task))
    again, _ = make_target(config, path=path)
    x = task.x[:5]
    assert torch.equal(again(x), network(x))
    with pytest.raises(ConfigError, match="is a mlp from 64 channels to 10 classes, where a cnn"):
        make_target(TargetConfig(target="cnn"), path=path)


def test_a_target_in_a_file_says_which_data_it_is_of(tmp_path: Path) -> None:
    network, task = make_target(TargetConfig(target="ign2", epochs=1, target_seed=3))
    path = tmp_path / "target.safetensors"
    path.write_bytes(save_target(network, task))
    for seed in (0, 3):  # What is usual stands for none.
        _, again = make_target(TargetConfig(target="ign2", target_seed=seed), path=path)
        assert torch.equal(again.train, task.train)
        assert again.content_hash == task.content_hash
    other = TargetConfig(target="ign2", target_seed=4)
    with pytest.raises(ConfigError, match="data of target_seed 3, and target_seed is 4; leave it"):
        make_target(other, path=path)
    # As an older gslt wrote it.
    said = {"kind": "ign2", "channels": " ".join(map(str, network.channels))}
    path.write_bytes(safetensors.torch.save(network.state_dict(), said))
    with pytest.warns(GsltWarning, match="does not say on what data .* target_seed 4 is taken"):
        _, again = make_target(other, path=path)
    assert again.seed == 4
    assert again.content_hash != task.content_hash
    with pytest.raises(ConfigError, match=r"target_seed must lie below 2\*\*63"):
        TargetConfig(target_seed=1 << 63)


@pytest.mark.parametrize("kind", ["mlp", "ign2"])
def test_small_targets_have_data_of_their_own(kind: str) -> None:
    with pytest.raises(ConfigError, match="leave it out"):
        load_task(kind, "cora")
    task = load_task(kind)
    with pytest.raises(ConfigError, match="has one split"):
        load_task(kind, split=1)
    assert task.name.startswith(own_dataset(kind))
    # Real images that gslt turns are no real data either.
    assert task.synthetic
    assert "synthetic" in task.shown
    facts = task.info()
    assert facts["examples"] == len(task.y) == int(facts["train"]) + int(facts["test"])
    assert 1 / task.classes / 2 < float(facts["test_majority_rate"]) < 2 / task.classes


def test_widths_of_small_targets_are_settings_and_layers_are_not() -> None:
    network, _ = make_target(TargetConfig(target="mlp", epochs=1, hidden_channels=3))
    assert network.channels == (64, 3, 10)
    with pytest.raises(ConfigError, match=r"num_layers is a setting of message passing .* mlp has"):
        TargetConfig(target="mlp", num_layers=3)
    with pytest.raises(ConfigError, match="hidden_channels must be at least 1, got 0"):
        TargetConfig(hidden_channels=0)


def test_summary_ticket_and_curves_of_a_construction_on_nodes(
    blocks: NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "blocks.safetensors"
    blocks.save(path)
    network, task = make_target(TargetConfig(target="gcn", epochs=30, hidden_channels=3), str(path))
    assert task.dataset is not None
    config = ConstructConfig(freezing_ratio=0.5, epsilon=1e-4)
    found = construct(network, task.x, task.graph, config)
    figures = construction_facts(found, network, task)
    assert figures["target_scores"].keys() == {"train", "val", "test"}
    # Where the target's two highest outputs are further apart than the error, classes are equal; a
    # node that it gives three zeros has no class of its own.
    with torch.no_grad():
        wanted, got = network(task.x, task.graph), found.network(task.x, task.graph)
    first, second = wanted.topk(2).values.unbind(1)
    told = first - second > 2 * (got - wanted).abs().max()
    assert torch.equal(got.argmax(1)[told], wanted.argmax(1)[told])
    assert told.sum() > 0.95 * len(told)
    for part, mask in task.dataset.splits.items():
        tied = 100 * float((mask & ~told).sum() / mask.sum())
        apart = figures["ticket_scores"][part] - figures["target_scores"][part]
        assert abs(apart) <= tied + 1e-9
    assert figures["locked"] == figures["pruned"]
    ticket = constructed_ticket(found, task, figures["ticket_scores"])
    assert ticket.content_hash == task.dataset.content_hash
    assert ticket.results["test"] == figures["ticket_scores"]["test"]
    layers = errors_against_width(found, network)
    assert [layer["copies"] for layer in layers] == list(found.network.config.copies)
    for layer in layers:
        widths = [row["copies"] for row in layer["errors"]]
        assert widths == sorted(widths)
        # A coefficient is hit at the source's width, and not at eight channels.
        first, last = layer["errors"][0], layer["errors"][-1]
        assert last["simulated"][1] <= layer["epsilon"] < first["simulated"][1]
        assert last["predicted"][1] <= layer["epsilon"] < first["predicted"][1]
    drawn: dict[str, set[int]] = {}

    def draws(*args: Any, seed: int = 0, stream: str = "law") -> Any:
        drawn.setdefault(stream, set()).add(seed)
        more = {} if stream == "law" else {"seed": seed, "stream": stream}
        return channel_draws(*args, **more)

    monkeypatch.setattr(existence, "channel_draws", draws)
    simulated, law = channels_for_most(found, network)
    # Not the same random numbers twice, and the source's seed in those that are simulated.
    assert drawn == {"law": {0}, "simulated channels": {found.seed}}
    assert law / 1.25 <= simulated <= 1.25 * law
    assert 8 < simulated < max(found.network.config.copies)
    figure = width_figure(layers, SHARES, "a title")
    assert len(figure.axes) == 2
