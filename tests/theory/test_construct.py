"""Constructions: the ticket is the target, to ε, whatever the target and the source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

import gslt.theory.construct
from gslt.backends import get_backend
from gslt.errors import ConfigError, ConstructionError
from gslt.nn.equivariant import EquivariantNetwork
from gslt.nn.graph import Graph
from gslt.nn.source import ConstructedNetwork, SourcePlan
from gslt.theory.config import ConstructConfig
from gslt.theory.construct import Construction, construct, plan
from gslt.ticket.ticket import Ticket, load_ticket

SOURCES = {"dense": (0.0, 0.0), "sparse": (0.5, 0.0), "frozen": (0.25, 0.25)}


def graph_of(nodes: int) -> Graph:
    edges = torch.randint(0, nodes, (2, 3 * nodes), generator=torch.Generator().manual_seed(1))
    both = torch.cat([edges, edges.flip(0)], 1).unique(dim=1)
    return get_backend("pyg").graph(both, nodes)


#: Kind → widths and the shape of the data behind the batch.
TARGETS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "mlp": ((4, 5, 3), (4,)),
    "gin": ((4, 5, 3), (4,)),
    "gcn": ((4, 5, 3), (4,)),
    "sage": ((4, 3, 3), (4,)),
    "cnn": ((1, 3, 3), (1, 6, 6)),
    "c4cnn": ((1, 2, 2, 3), (1, 5, 5)),
    "d4cnn": ((1, 2, 3), (1, 5, 5)),
    "ign2": ((1, 3, 3), (1, 6, 6)),
}


def problem(kind: str, signed: bool) -> tuple[EquivariantNetwork, Tensor, Graph | None]:
    channels, shape = TARGETS[kind]
    generator = torch.Generator().manual_seed(3)
    network = EquivariantNetwork(kind, channels)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
    x = torch.rand(20, *shape, generator=generator, dtype=torch.float64) - (0.5 if signed else 0)
    return network, x, graph_of(20) if kind in ("gin", "gcn", "sage") else None


def built(kind: str, source: str, signed: bool = True, **options: object) -> Construction:
    p, locked = SOURCES[source]
    config = ConstructConfig(prune_ratio=p, lock_ratio=locked, **options)  # type: ignore[arg-type]
    return construct(*problem(kind, signed), config)


def true_mlp(network: ConstructedNetwork, x: Tensor) -> Tensor:
    """The whole masked network as matrices, the first of each pair with all of its zeros."""
    for block in network.blocks:
        x = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
        copies = block.copies
        first = torch.zeros(x.size(1) * copies, x.size(1), dtype=x.dtype)
        for p in range(x.size(1)):
            for j in range(copies):
                first[p * copies + j, p] = block.first[p, j]
        hidden = (x @ first.T).relu()
        x = block.factor * hidden @ block.weight.detach().T
        if block is not network.blocks[-1]:
            x = x.relu()
    return x


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_ticket_is_the_target_within_epsilon(kind: str, source: str) -> None:
    found = built(kind, source, signed=kind in ("mlp", "cnn"), epsilon=1e-3)
    assert found.output_error <= found.bound <= 1e-3
    assert found.agreement == 1.0
    assert found.literal_error is not None
    assert abs(found.literal_error - found.output_error) <= 1e-10
    counts = [w.counts for w in frozen(found.network)]
    p, locked = SOURCES[source]
    total = sum(c.total for c in counts)
    assert found.searched == total
    assert abs(found.pruned - p * total) <= len(counts)
    assert abs(found.locked - locked * total) <= len(counts)


def frozen(network: ConstructedNetwork) -> list[object]:
    from gslt.masking.parametrization import frozen_weights

    return list(frozen_weights(network))


def test_network_is_the_masked_one_of_dense_matrices() -> None:
    network, x, _ = problem("mlp", True)
    found = built("mlp", "frozen")
    expected = true_mlp(found.network, x)
    torch.testing.assert_close(found.network.literal(x), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.network(x), expected, rtol=1e-12, atol=1e-12)
    assert (expected - network.double()(x)).abs().max() <= 0.01


@pytest.mark.parametrize("source", ["dense", "frozen"])
def test_copies_instead_of_pairs(source: str) -> None:
    found = built("mlp", source, construction="L+1", epsilon=0.01)
    assert [block.first is None for block in found.network.blocks] == [False, True]
    assert found.output_error <= found.bound <= 0.01


def test_copies_of_an_equivariant_target() -> None:
    found = built("ign2", "dense", construction="L+1", epsilon=0.01, signed=False)
    assert found.output_error <= found.bound <= 0.01


def test_smaller_errors_are_reached() -> None:
    assert built("gin", "frozen", epsilon=1e-6).output_error <= 1e-6


def test_ticket_file_rebuilds_the_network_bit_for_bit(tmp_path: Path) -> None:
    _, x, graph = problem("sage", True)
    found = built("sage", "frozen")
    Ticket.of(found.network, dataset="made").save(tmp_path / "ticket.safetensors")
    ticket = load_ticket(tmp_path / "ticket.safetensors")
    assert ticket.construction == found.network.config
    assert sorted(ticket.state) == ["blocks.0.factor", "blocks.1.factor"]
    assert torch.equal(ticket.model()(x, graph), found.network(x, graph))


def test_same_seed_gives_the_same_ticket() -> None:
    first, second = (Ticket.of(built("gcn", "frozen").network).to_bytes() for _ in range(2))
    assert first == second
    other = Ticket.of(built("gcn", "frozen", seed=1).network).to_bytes()
    assert other != first


def test_inputs_that_are_never_negative_need_one_sign() -> None:
    signed, positive = built("mlp", "dense"), built("mlp", "dense", signed=False)
    assert [b.both_signs for b in signed.blocks] == [True, False]
    assert [b.both_signs for b in positive.blocks] == [False, False]


def test_a_width_that_is_too_small_names_what_failed() -> None:
    with pytest.raises(
        ConstructionError, match="layer 1 are missed with 6 random channels"
    ) as said:
        built("mlp", "frozen", copies=6)
    assert "the coefficient of output channel" in str(said.value)
    assert "set copies to 9" in str(said.value)


def test_locking_in_the_first_matrix_breaks_the_diamond() -> None:
    """A middle channel sees one input alone with probability (1 − l)^(n − 1)."""
    generator = torch.Generator().manual_seed(0)
    n, lock, channels = 16, 0.25, 4000
    locked = torch.rand(channels, n, generator=generator) < lock
    alone = (~locked[:, 1:]).all(1).double().mean()
    assert abs(float(alone) - (1 - lock) ** (n - 1)) < 0.005
    # Behind such channels no coefficient is a subset sum of its own any more. What flips of single
    # weights find stays at some hundredths, however wide; trained weights do much better, so it is
    # the choice among given weights that fails, not the channels.
    n, width = 6, 960
    first = torch.rand(width, n, generator=generator, dtype=torch.float64) * 2 - 1
    through = torch.rand(width, n, generator=generator) < lock
    through[:, 0] = True
    mixed = through.sum(1) > 1
    assert mixed.sum() > 2 * width / 3
    x = torch.randn(6000, n, generator=generator, dtype=torch.float64)
    middle = (x @ (first * through).T).relu()[:, mixed]
    second = torch.rand(middle.size(1), generator=generator, dtype=torch.float64) * 2 - 1
    chosen = greedy_subset((middle * second)[:4000], x[:4000, 0])
    trained = torch.linalg.lstsq(middle[:4000], x[:4000, :1]).solution

    def error(predicted: Tensor) -> float:
        return float((predicted - x[:, 0])[4000:].square().mean().sqrt())

    assert error(middle[:, chosen] @ second[chosen]) > 0.02
    assert error((middle @ trained).flatten()) < 1e-3


def greedy_subset(terms: Tensor, wanted: Tensor) -> Tensor:
    """Indices of terms that are flipped in or out as long as that lowers the squared error."""
    inside = torch.zeros(terms.size(1), dtype=torch.bool)
    left = wanted.clone()
    size = terms.square().sum(0)
    for _ in range(3000):
        sign = 1.0 - 2.0 * inside.double()
        change = size - 2 * sign * (terms.T @ left)
        best = int(change.argmin())
        if change[best] >= -1e-9:
            break
        left -= sign[best] * terms[:, best]
        inside[best] = ~inside[best]
    return inside.nonzero().flatten()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epsilon": 0.0}, "epsilon must be a finite number above 0"),
        ({"freezing_ratio": 1.0}, "freeze at most 0.95"),
        ({"freezing_ratio": 0.5, "lock_ratio": 0.1}, "not both"),
        ({"prune_ratio": -0.1}, "prune_ratio must lie in"),
        ({"copies": 0}, "copies must lie in"),
        ({"failure": 1.0}, "failure must lie between"),
        ({"construction": "3L"}, "construction must be one of 2L, L[+]1"),
    ],
)
def test_what_cannot_be_constructed_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ConstructConfig(**options)  # type: ignore[arg-type]


def test_source_counts() -> None:
    source = SourcePlan(kind="mlp", channels=(4, 5, 3), construction="2L", copies=(10, 8), seed=0)
    # (4 + 1) · 10 columns for 5 rows, (5 + 1) · 8 for 3.
    assert source.searched_size == 5 * 50 + 3 * 48
    # A row for each of the 50 and 48 middle channels, a column for each input and the constant.
    assert source.first_size == 50 * 5 + 48 * 6
    copies = SourcePlan(kind="mlp", channels=(4, 5, 3), construction="L+1", copies=(10, 8), seed=0)
    assert copies.shapes == {"blocks.0.weight": (6 * 8, 50), "blocks.1.weight": (3, 6 * 8)}


def test_a_source_beyond_memory_is_refused_with_a_cure() -> None:
    target = EquivariantNetwork("mlp", (40, 40, 2)).double()
    config = ConstructConfig(construction="L+1", copies=8000)
    with pytest.raises(ConfigError, match=r"copies² of them .* take 2L"):
        construct(target, torch.ones(2, 40), config=config)
    # Pairs are no cure of pairs.
    large = EquivariantNetwork("mlp", (3000, 3000, 2)).double()
    with pytest.raises(ConfigError, match="take a larger epsilon") as refused:
        construct(large, torch.ones(2, 3000), config=ConstructConfig(copies=8000))
    assert "2L" not in str(refused.value)


def test_an_epsilon_that_sums_cannot_be_searched_for_is_refused_with_one_that_can() -> None:
    network, x, _ = problem("mlp", True)
    with torch.no_grad():
        inputs = [x, network.double().layers[0](x).relu()]
    with pytest.raises(ConfigError, match="38 values at most are searched exactly") as caught:
        plan(network, inputs, ConstructConfig(epsilon=1e-13))
    found = re.search(r"an epsilon of at least (\S+), or a larger failure$", str(caught.value))
    assert found is not None
    least = float(found[1])
    assert 1e-12 < least < 1e-8
    plan(network, inputs, ConstructConfig(epsilon=least))
    with pytest.raises(ConfigError, match="at least"):
        plan(network, inputs, ConstructConfig(epsilon=least / 1.5))
    plan(network, inputs, ConstructConfig(epsilon=least / 1.5, failure=0.5))
    # What is set by hand is tried.
    plan(network, inputs, ConstructConfig(epsilon=1e-13, copies=9))


def test_copies_are_to_be_left_out_only_where_they_are_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConstructionError, match=r"leave copies out, .* or set copies to 8;"):
        built("mlp", "dense", copies=5)
    monkeypatch.setattr(gslt.theory.construct, "copies_needed", lambda *_, **__: 5)
    monkeypatch.setattr(gslt.theory.construct, "finest_error", lambda *_, **__: 0.0)
    with pytest.raises(ConstructionError, match="is allowed: set copies to 8; freezing less"):
        built("mlp", "dense")
