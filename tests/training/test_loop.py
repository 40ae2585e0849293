"""One run: what an epoch records, what it asks of the device, and what it makes ready once."""

from __future__ import annotations

import copy
import dataclasses
import gc
import weakref
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_runs import SMALL, small_search

import gslt
from gslt.backends import get_backend
from gslt.data import to_undirected
from gslt.masking.freeze import make_source
from gslt.nn.graph import EdgeList, Graph
from gslt.training.inputs import Inputs, predict
from gslt.training.loop import Loop, make_optimizer
from gslt.training.results import AT_BEST, Epoch


def test_epochs_record_the_state_after_their_update(blocks):
    one = gslt.search(blocks, small_search(epochs=1), progress=False)
    untrained = gslt.GNN(8, 3, small_search(), get_backend("pyg"))
    gslt.freeze(untrained, small_search())
    before = F.cross_entropy(
        untrained(blocks.x, blocks.edge_index)[blocks.train_mask], blocks.y[blocks.train_mask]
    )
    assert one.history[0].loss < before.item()


def test_linear_ramp_keeps_only_epochs_at_the_target(blocks):
    config = small_search(sparsity=0.8, sparsity_schedule="linear", epochs=10)
    assert [config.sparsity_at(e) for e in (0, 1, 4, 5, 10)] == pytest.approx(
        [0, 0.16, 0.64, 0.8, 0.8]
    )
    result = gslt.search(blocks, config, progress=False)
    assert result.best.best_epoch >= 5
    assert result.ticket.size().sparsity == pytest.approx(0.8, abs=0.005)
    assert [e.sparsity for e in result.history][4:] == [0.8] * 6


def test_ramp_inside_a_frozen_source_starts_at_the_pruning_ratio(blocks):
    config = small_search(sparsity=0.6, freezing_ratio=0.4, sparsity_schedule="linear")
    assert config.ratios == (0.3, 0.1)
    result = gslt.search(blocks, config, progress=False)
    assert [e.sparsity for e in result.history][:4] == pytest.approx([0.3, 0.3, 0.3, 0.4])
    assert result.ticket.size().sparsity == pytest.approx(0.6, abs=0.005)


def test_epochs_record_the_learning_rate_of_their_schedule(blocks: gslt.NodeDataset) -> None:
    config = small_search(epochs=4, lr=0.4, lr_schedule="multistep", optimizer="sgd")
    history = gslt.search(blocks, config, progress=False).history
    assert [each.lr for each in history] == [config.lr_at(epoch) for epoch in (1, 2, 3, 4)]


def test_dropout_scores_the_network_without_it(blocks):
    result = gslt.search(blocks, small_search(dropout=0.5), progress=False)
    assert gslt.evaluate(result.model, blocks)["test"] == result.test_accuracy


def with_history(
    monkeypatch: pytest.MonkeyPatch, val: list[float], test: list[float]
) -> list[dict[str, torch.Tensor]]:
    """Let the epochs have these accuracies, whatever the network; gives the state at each."""
    states: list[dict[str, torch.Tensor]] = []
    record = Loop._record_epoch

    def recording(self: Loop, *given: Any) -> Epoch:
        states.append(copy.deepcopy(self.model.state_dict()))
        return record(self, *given)

    def made_up(_: gslt.NodeDataset, logits: torch.Tensor) -> dict[str, float]:
        number = len(states) - 1
        return {"train": 0.1, "val": val[number], "test": test[number]}

    monkeypatch.setattr(Loop, "_record_epoch", recording)
    monkeypatch.setattr(gslt.NodeDataset, "accuracy", made_up)
    monkeypatch.setattr(gslt.NodeDataset, "evaluate", ACCURACY)
    return states


ACCURACY = gslt.NodeDataset.accuracy


@pytest.mark.parametrize("train", [False, True])
def test_best_and_last_epoch_of_a_history_made_by_hand(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch, train: bool
) -> None:
    """Epochs 2 and 3 have the best validation accuracy: the first of them is the best."""
    states = with_history(monkeypatch, val=[0.5, 0.75, 0.75, 0.6], test=[0.1, 0.2, 0.3, 0.4])
    config: Any = gslt.TrainConfig(**SMALL) if train else small_search(dropout=0.3)
    config = dataclasses.replace(config, epochs=4, lr=0.5)  # So that every epoch has its mask.
    action: Any = gslt.train if train else gslt.search
    run = action(blocks, config, progress=False).best
    assert run.best_epoch == 2
    for state, prefix in ((states[1], ""), (states[3], "last_")):
        run.model.load_state_dict(state)
        logits = predict(run.model, (blocks.x, blocks.edge_index))
        for split, mask in blocks.splits.items():
            right = logits[mask].argmax(dim=1) == blocks.y[mask]
            nats = -logits[mask].log_softmax(dim=1)[range(int(mask.sum())), blocks.y[mask]]
            assert getattr(run, f"{prefix}{split}_accuracy") == pytest.approx(
                float(right.float().mean())
            )
            assert getattr(run, f"{prefix}{split}_loss") == pytest.approx(
                float(nats.mean()), rel=1e-5
            )
    assert run.train_loss != run.last_train_loss


def test_the_last_epoch_is_that_of_a_run_that_has_no_other(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the last epoch is the best one, both are the same numbers, and those of its ticket."""
    config = small_search(epochs=4)
    whole = gslt.search(blocks, config, progress=False).best
    with_history(monkeypatch, val=[0.1, 0.2, 0.3, 0.4], test=[0.0] * 4)
    found = gslt.search(blocks, config, progress=False).best
    assert found.best_epoch == 4
    for name in AT_BEST:
        assert (
            getattr(found, name) == getattr(found, f"last_{name}") == getattr(whole, f"last_{name}")
        )
    assert found.ticket is not None
    monkeypatch.undo()
    of_ticket = gslt.evaluate(found.ticket.model("pyg"), blocks)
    assert of_ticket["test"] == whole.last_test_accuracy


@pytest.mark.parametrize("schedule", ["linear", "linear_levels", "geometric_levels"])
def test_a_schedule_begins_at_what_the_source_really_prunes(
    blocks: gslt.NodeDataset, schedule: Any
) -> None:
    config = small_search(
        sparsity=0.9,
        prune_ratio=0.5,
        draw="bernoulli",
        connected=True,
        sparsity_schedule=schedule,
        epochs=12,
    )
    run = gslt.search(blocks, config, progress=False).best
    assert run.ticket is not None
    size = run.ticket.size()
    pruned = size.pruned / size.total
    assert pruned not in (0.5, 0.0)
    found = [epoch.sparsity for epoch in run.history]
    assert found[0] == pytest.approx(pruned)
    assert found[5:] == [0.9] * 7
    assert found == sorted(found)
    assert run.best_epoch >= 6
    assert size.kept == round(0.1 * size.total)


def test_a_seed_without_a_ticket_is_refused_before_others_are_searched(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_search(sparsity=0.5, prune_ratio=0.5, draw="bernoulli", runs=9)
    monkeypatch.setattr(Loop, "run", None)
    with pytest.raises(gslt.ConfigError, match=r"seed [0-8]: this source prunes .* sparsities fr"):
        gslt.search(blocks, config, progress=False)


def test_only_epochs_at_the_target_sparsity_can_be_best(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_history(monkeypatch, val=[0.9, 0.5, 0.6, 0.6], test=[0.0] * 4)
    config = small_search(sparsity=0.8, sparsity_schedule="linear", epochs=4)
    assert [config.sparsity_at(epoch) for epoch in (1, 2, 4)] == [0.4, 0.8, 0.8]
    assert gslt.search(blocks, config, progress=False).best.best_epoch == 3


@pytest.mark.parametrize(
    ("patience", "schedule", "best", "last"),
    [
        # 0.9, 0.5, 0.6, 0.6, 0.7, 0.7: the best of all epochs is the first …
        (0, "constant", 1, 6),
        (2, "constant", 1, 3),
        (5, "constant", 1, 6),
        # … and of those at the target sparsity, from the third on, first the third, then the fifth.
        (2, "linear", 5, 6),
        (1, "linear", 3, 4),
    ],
)
def test_patience_by_hand(
    blocks: gslt.NodeDataset,
    monkeypatch: pytest.MonkeyPatch,
    patience: int,
    schedule: str,
    best: int,
    last: int,
) -> None:
    config = small_search(
        sparsity=0.8, sparsity_schedule=schedule, epochs=6, patience=patience, lr=0.3
    )
    whole = gslt.search(blocks, dataclasses.replace(config, patience=0), progress=False).history
    with_history(monkeypatch, val=[0.9, 0.5, 0.6, 0.6, 0.7, 0.7], test=[0.0] * 6)
    run = gslt.search(blocks, config, progress=False).best
    assert (run.best_epoch, run.last_epoch) == (best, last)
    # It is the beginning of the whole run.
    assert [(e.loss, e.lr) for e in run.history] == [(e.loss, e.lr) for e in whole][:last]


def test_the_loss_of_the_last_epoch_is_that_of_its_row(blocks: gslt.NodeDataset) -> None:
    run = gslt.train(blocks, gslt.TrainConfig(**SMALL), progress=False).best
    assert run.last_train_loss == pytest.approx(run.history[-1].loss, rel=1e-5)
    assert run.last_test_accuracy == run.history[-1].test
    assert run.train_loss == pytest.approx(run.history[run.best_epoch - 1].loss, rel=1e-5)


def test_callback_sees_every_epoch(blocks):
    seen: list[Epoch] = []
    result = gslt.train(
        blocks, gslt.TrainConfig(**SMALL, runs=2), progress=False, on_epoch=seen.append
    )
    assert [(e.seed, e.epoch) for e in seen] == [(s, e) for s in (0, 1) for e in range(1, 13)]
    assert seen[0].sparsity is None
    assert result.ticket is None


def test_nan_loss_is_an_error(blocks):
    config = small_search(batch_norm=False, head=False, num_layers=2)
    huge = dataclasses.replace(blocks, x=blocks.x * 1e37)
    with pytest.raises(gslt.GsltError, match=r"the loss became (nan|inf) at epoch 1 of seed 0"):
        gslt.search(huge, config, progress=False)


class ShapeGraph(Graph):
    """A graph on torch's meta device, where tensors have shapes but no values."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.nodes = nodes

    @property
    def shape(self) -> tuple[int, int]:
        return self.nodes, self.nodes

    @property
    def in_degree(self) -> torch.Tensor:
        return torch.empty(self.nodes, device="meta")

    @property
    def self_loops(self) -> torch.Tensor:
        return torch.empty(self.nodes, device="meta")

    def multiply(self, operator, x, transposed):
        return x.new_empty(self.nodes, x.size(1))

    def _attend(self, x, source, target, slope):
        loops = torch.arange(self.nodes, device="meta").expand(2, -1)
        return EdgeList(loops, self.nodes, self.nodes)._attend(x, source, target, slope)


class ShapeBackend:
    name = "shapes"

    def graph(self, edge_index, num_nodes):
        return ShapeGraph(num_nodes)

    def inputs(self, x, graph):
        return x, graph

    def bind(self, x, graph):
        return x, graph


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
@pytest.mark.parametrize("freezing_ratio", [None, 0.4])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_epoch_never_needs_a_value(architecture, freezing_ratio, precision):
    # There every step that needs a value on the host raises: .item(), nonzero, x[mask].
    with pytest.raises(RuntimeError, match="meta"):
        torch.empty(3, device="meta").sum().item()
    dataset = gslt.load_dataset("debian")
    config = small_search(
        architecture=architecture, freezing_ratio=freezing_ratio, precision=precision
    )
    backend = ShapeBackend()
    model = gslt.GNN(dataset.num_features, dataset.num_classes, config, backend)
    make_source(model, config)
    loop = Loop(dataset, config, 0, model, Inputs(backend, dataset))
    model.to("meta")
    loop.optimizer = torch.optim.AdamW(model.parameters())
    x = torch.empty(dataset.num_nodes, dataset.num_features, device="meta")
    loop.inputs = (x.to(getattr(torch, precision)), ShapeGraph(dataset.num_nodes))
    loop.train, loop.train_y = loop.train.to("meta"), loop.train_y.to("meta")
    loop._set_sparsity(0)
    for epoch in (1, 2):
        loop._update(epoch, loop._loss(loop._forward(epoch)))
        loop._set_sparsity(epoch)
    assert all(p.grad.is_meta for p in model.parameters())


@pytest.mark.parametrize(
    ("options", "steps", "expected"),
    [
        # Decoupled: 0.5 · (1 − 0.1 · 0.4) = 0.48, and then lr · g / |g| = 0.1 less.
        ({"optimizer": "adamw"}, 1, 0.38),
        # Of the gradient 2 + 0.4 · 0.5 only the sign counts in the first step.
        ({"optimizer": "adam"}, 1, 0.4),
        # 0.5 − 0.1 · (2 + 0.4 · 0.5) = 0.28.
        ({"optimizer": "sgd"}, 1, 0.28),
        # v = 2.2, then 0.9 · 2.2 + 2 + 0.4 · 0.28 = 4.092: 0.28 − 0.4092.
        ({"optimizer": "sgd", "momentum": 0.9}, 2, -0.1292),
        ({"optimizer": "sgd"}, 2, 0.28 - 0.1 * (2 + 0.4 * 0.28)),
    ],
)
def test_steps_of_the_optimizers_by_hand(
    options: dict[str, Any], steps: int, expected: float
) -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 0.5)
    config = gslt.TrainConfig(lr=0.1, weight_decay=0.4, **options)
    optimizer = make_optimizer(model, config)
    for _ in range(steps):
        model.weight.grad = torch.full((1, 1), 2.0)
        optimizer.step()
    assert model.weight.item() == pytest.approx(expected, abs=1e-6)


def test_the_l1_penalty_is_that_of_autograd_and_zero_at_zero(blocks: gslt.NodeDataset) -> None:
    """One plain step of sgd on cross entropy + c Σ|z|, of which autograd gives the gradient."""
    config = small_search(optimizer="sgd", lr=0.5, l1=0.01, freezing_ratio=0.4)
    backend = get_backend("pyg")

    def begun() -> Loop:
        model = gslt.GNN(8, 3, config, backend)
        make_source(model, config)
        with torch.no_grad():
            next(model.parameters())[0] = 0.0
        loop = Loop(blocks, config, 0, model, Inputs(backend, blocks))
        loop._set_sparsity(0)
        return loop

    loop, other = begun(), begun()
    loop._update(1, loss := loop._loss(loop._forward(0)))
    scores = list(other.model.parameters())
    expected = other._loss(other._forward(0))
    assert loss.item() == expected.item()
    (expected + 0.01 * sum(z.abs().sum() for z in scores)).backward()
    for z, moved in zip(scores, loop.model.parameters(), strict=True):
        assert z.grad is not None
        torch.testing.assert_close(moved, z - 0.5 * z.grad)
    # Without a gradient of its own a score of zero stays there, and the others shrink.
    other.config = dataclasses.replace(config, lr=1.0)
    before = [z.detach().clone() for z in scores]
    nothing = sum((z * 0).sum() for z in scores)
    assert isinstance(nothing, torch.Tensor)
    other.optimizer = make_optimizer(other.model, other.config)
    other._update(1, nothing)
    for z, was in zip(scores, before, strict=True):
        torch.testing.assert_close(z, was - 0.01 * was.sign())
    assert scores[0][0].item() == 0.0


def test_several_runs_make_the_graph_ready_once(monkeypatch):
    made, backend = [], get_backend("pyg")
    usual = type(backend).graph
    monkeypatch.setattr(type(backend), "graph", lambda *args: made.append(args[1]) or usual(*args))
    dataset = community_graph()
    first = gslt.search(dataset, small_search(epochs=2), progress=False)
    again = gslt.search(dataset, small_search(epochs=2, precision="bfloat16"), progress=False)
    gslt.evaluate(again.model, dataset)
    assert len(made) == 1
    # A graph that was written to is made ready anew, and so is another one.
    dataset.x.mul_(-1)
    changed = gslt.search(dataset, small_search(epochs=2), progress=False)
    assert len(made) == 2
    assert changed.runs[0].history[0].loss != first.runs[0].history[0].loss
    gslt.search(community_graph(), small_search(epochs=2), progress=False)
    assert len(made) == 3
    kept = weakref.ref(made[0])
    del dataset, first, again, changed, made[:]
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
def test_bfloat16_is_evaluated_in_float32(architecture):
    torch.manual_seed(0)
    dataset = community_graph()
    config = small_search(architecture=architecture, epochs=30, precision="bfloat16")
    result = gslt.search(dataset, config, progress=False)
    wide = gslt.search(dataset, dataclasses.replace(config, precision="float32"), progress=False)
    assert all(p.dtype == torch.float32 for p in result.model.parameters())
    assert gslt.evaluate(result.model, dataset)["test"] == result.test_accuracy
    assert abs(result.history[0].loss - wide.history[0].loss) < 0.02
    assert result.history[0].loss != wide.history[0].loss
    assert abs(result.val_accuracy - wide.val_accuracy) < 0.1


def community_graph() -> gslt.NodeDataset:
    """Two communities whose nodes are told apart by their neighbours (synthetic)."""
    rng = torch.Generator().manual_seed(0)
    y = torch.arange(300) % 2
    pairs = torch.randint(300, (2, 6000), generator=rng)
    same = y[pairs[0]] == y[pairs[1]]
    keep = same | (torch.rand(6000, generator=rng) < 0.1)
    x = torch.randn(300, 20, generator=rng) + 0.5 * y.unsqueeze(1)
    masks = [torch.arange(300) // 100 == k for k in range(3)]
    return gslt.NodeDataset(
        name="communities (synthetic)",
        x=x,
        edge_index=to_undirected(pairs[:, keep], 300),
        y=y,
        train_mask=masks[0],
        val_mask=masks[1],
        test_mask=masks[2],
        num_classes=2,
        synthetic=True,
    )


def test_nothing_of_a_run_outlives_it(blocks: gslt.NodeDataset) -> None:
    """Without a collection of cycles: a loop holds activations as large as the graph."""
    backend = get_backend("pyg")
    model = gslt.GNN(8, 3, small_search(epochs=2), backend)
    gslt.freeze(model, small_search(epochs=2))
    loop = Loop(blocks, small_search(epochs=2), 0, model, Inputs(backend, blocks))
    gc.collect()
    gc.disable()
    try:
        loop.run(progress=False, on_epoch=None)
        seen = weakref.ref(loop)
        del loop
        assert seen() is None
    finally:
        gc.enable()
