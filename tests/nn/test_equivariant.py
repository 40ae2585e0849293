"""Bases of equivariant maps, held against linear algebra; networks, against their groups."""

from __future__ import annotations

import pytest
import torch
from equivariance import CASES, elements, random_field, random_weight, rank
from graphs import GRAPHS

from gslt.backends.csr import CSRGraph
from gslt.errors import ConfigError
from gslt.nn.equivariant import BASES, KINDS, EquivariantLinear, EquivariantNetwork, bases_of

#: Bases whose input is a field, and those whose elements hold exactly one 1 in every row.
FIELDS = [name for name in CASES if CASES[name].shape]
MOVES = {"linear", "c4 lifting", "c4", "d4 lifting", "d4", "shifts"}


def test_every_basis_of_fields_has_a_case() -> None:
    assert set(BASES) - set(CASES) == {"gin", "gcn", "sage"}


@pytest.mark.parametrize("name", CASES)
def test_elements_are_independent_and_bounded(name: str) -> None:
    made = torch.stack(list(elements(name, CASES[name].shape)))
    assert len(made) == BASES[name].size
    assert rank(made.flatten(1)) == len(made)
    assert made.min() >= 0
    # The largest row sum is the norm, and the value on ones.
    assert made.sum(2).amax(1).tolist() == pytest.approx([1.0] * len(made))
    if name in MOVES:
        assert set(made.unique().tolist()) <= {0.0, 1.0}
        assert made.sum(2).max() == 1


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].actions])
def test_elements_commute_with_the_group(name: str) -> None:
    case = CASES[name]
    x, w = random_field(name, 3), random_weight(name, 2, 3)
    out = BASES[name].apply(x, w, None)
    for on_input, on_output in case.actions:
        moved = BASES[name].apply(on_input(x), w, None)
        torch.testing.assert_close(moved, on_output(out), rtol=0, atol=1e-12)
    # Of none but the neutral element is the action empty.
    assert sum(torch.equal(on_input(x), x) for on_input, _ in case.actions) == 1


@pytest.mark.parametrize("name", [name for name in FIELDS if "lifting" not in name])
def test_the_input_keeps_its_own_identity(name: str) -> None:
    """`identity` and `own_size` tell of the maps from the input's field to itself."""
    basis = BASES[name]
    own = {"mean": "shifts", "c4 mean": "c4", "d4 mean": "d4", "order2 invariants": "order2"}
    if name not in {"c4 lifting", "d4 lifting"}:
        source = own.get(name, name)
        assert basis.own_size == BASES[source].size
        weight = torch.zeros(1, 1, basis.own_size, dtype=torch.float64)
        weight[..., basis.identity] = 1
        x = random_field(name, 1)
        assert torch.equal(BASES[source].apply(x, weight, None), x)
        return


@pytest.mark.parametrize("name", FIELDS)
def test_maps_are_linear_in_weights_and_channels(name: str) -> None:
    basis, x = BASES[name], random_field(name, 4)
    first, second = random_weight(name, 3, 4, 2), random_weight(name, 3, 4, 3)
    together = basis.apply(x, 2 * first - 3 * second, None)
    apart = 2 * basis.apply(x, first, None) - 3 * basis.apply(x, second, None)
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-12)
    some, rest = [0, 2], [1, 3]
    parts = [basis.apply(x[:, part], first[:, part], None) for part in (some, rest)]
    torch.testing.assert_close(basis.apply(x, first, None), sum(parts), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", FIELDS)
def test_channels_are_mixed_by_the_coefficients(name: str) -> None:
    """Σ_k w_{qpk} B_k x_p, with the matrices."""
    x, w = random_field(name, 2), random_weight(name, 3, 2)
    made = torch.stack(list(elements(name, CASES[name].shape)))
    expected = torch.einsum("qpk,koi,bpi->bqo", w, made, x.flatten(2))
    out = BASES[name].apply(x, w, None)
    torch.testing.assert_close(out.reshape(expected.shape), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in CASES if name != "d4"])
def test_gradients(name: str) -> None:
    x, w = random_field(name, 2, 1).requires_grad_(), random_weight(name, 1, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: BASES[name].apply(x, w, None), (x, w))
    w = torch.randn(2, 2, BASES[name].constants, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(BASES[name].constant, (x, w))


@pytest.mark.parametrize("name", FIELDS)
def test_constants_are_constant(name: str) -> None:
    """The first bias is its coefficient everywhere; constants have the output's shape."""
    x = torch.ones_like(random_field(name, 1))
    weight = torch.zeros(2, 1, BASES[name].constants, dtype=torch.float64)
    weight[:, 0, 0] = torch.tensor([3.0, -4.0])
    out = BASES[name].constant(x, weight)
    assert out.shape == BASES[name].apply(x, random_weight(name, 2, 1), None).shape
    torch.testing.assert_close(out.transpose(0, 1)[0], torch.full_like(out[:, 0], 3.0))
    torch.testing.assert_close(out.transpose(0, 1)[1], torch.full_like(out[:, 0], -4.0))


@pytest.mark.parametrize(
    ("basis", "shape", "message"),
    [
        ("shifts", (1, 1, 5), "(batch, channels, height, width), got one of (1, 1, 5)"),
        ("c4 lifting", (1, 1, 4, 5, 5), "(batch, channels, height, width)"),
        ("c4", (1, 1, 8, 5, 5), "(batch, channels, 4, height, width)"),
        ("d4 mean", (1, 1, 4, 5, 5), "(batch, channels, 8, height, width)"),
        ("mean", (1, 1, 4, 5, 5), "(batch, channels, height, width)"),
        ("order2", (1, 1, 4, 5), "(batch, channels, nodes, nodes), got one of (1, 1, 4, 5)"),
        ("order2 invariants", (1, 1, 4), "(batch, channels, nodes, nodes)"),
    ],
)
def test_fields_of_other_shapes_are_refused(
    basis: str, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        EquivariantLinear(basis, 1, 1)(torch.ones(shape))
    assert message in str(error.value)


def network(kind: str, channels: tuple[int, ...], seed: int = 0) -> EquivariantNetwork:
    """In double, with biases that are not 0."""
    torch.manual_seed(seed)
    made = EquivariantNetwork(kind, channels).double()
    for layer in made.layers:
        torch.nn.init.normal_(layer.bias)
    return made


@pytest.mark.parametrize(
    ("kind", "basis"), [("c4cnn", "c4 lifting"), ("d4cnn", "d4 lifting"), ("ign2", "order2")]
)
def test_networks_are_invariant(kind: str, basis: str) -> None:
    case = CASES[basis]
    model, x = network(kind, (2, 3, 3, 4)), random_field(basis, 2)
    out = model(x)
    assert out.shape == (2, 4)
    assert out.std() > 1e-3
    for on_input, _ in case.actions:
        torch.testing.assert_close(model(on_input(x)), out, rtol=0, atol=1e-12)
    # It looks at its input, though.
    other = x.clone()
    other[..., 0, 1] += 1
    assert (model(other) - out).abs().max() > 1e-6


def test_a_cnn_is_invariant_away_from_the_border() -> None:
    """Three layers of 3 × 3 places: what lies 3 places from the border moves by 1 unseen."""
    model = network("cnn", (1, 3, 3, 4))
    x = torch.zeros(1, 1, 11, 11, dtype=torch.float64)
    x[..., 4:7, 4:7] = random_field("shifts", 1, 1)[..., :3, :3]
    for down, right in [(1, 0), (-1, 1), (0, -1)]:
        moved = model(x.roll((down, right), (2, 3)))
        torch.testing.assert_close(moved, model(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["gin", "gcn", "sage"])
def test_message_passing_networks_are_equivariant(kind: str) -> None:
    nodes, edges = GRAPHS["random"]
    order = torch.randperm(nodes, generator=torch.Generator().manual_seed(0))
    x = torch.randn(nodes, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    model = network(kind, (3, 5, 4))
    place = torch.empty_like(order)
    place[order] = torch.arange(nodes)
    out = model(x, CSRGraph(edges, nodes, nodes))
    moved = model(x[order], CSRGraph(place[edges], nodes, nodes))
    torch.testing.assert_close(moved, out[order], rtol=0, atol=1e-12)


def test_layers_of_networks() -> None:
    assert bases_of("c4cnn", (1, 2, 3, 4)) == ["c4 lifting", "c4", "c4 mean"]
    assert bases_of("d4cnn", (1, 2, 4)) == ["d4 lifting", "d4 mean"]
    assert bases_of("cnn", (1, 2, 3, 4)) == ["shifts", "shifts", "mean"]
    assert bases_of("ign2", (1, 2, 3)) == ["order2", "order2 invariants"]
    assert set(KINDS) == {"mlp", "gin", "gcn", "sage", "cnn", "c4cnn", "d4cnn", "ign2"}
    with pytest.raises(ConfigError, match="must be one of mlp, gin"):
        bases_of("cnnn", (1, 2, 3))
    with pytest.raises(ConfigError, match="at least two layers"):
        bases_of("cnn", (1, 2))
    assert repr(EquivariantLinear("c4", 2, 3)) == "EquivariantLinear(c4, 2, 3)"


def test_a_layer_is_its_map_and_its_bias() -> None:
    layer = network("ign2", (2, 3, 4)).layers[0]
    x = random_field("order2", 2)
    bias = layer.bias[:, 0, None, None] + layer.bias[:, 1, None, None] * torch.eye(4)
    expected = BASES["order2"].apply(x, layer.weight, None) + bias
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
