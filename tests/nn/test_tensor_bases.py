"""Maps of 2-order tensors: by hand, and that no other maps commute with permutations."""

from __future__ import annotations

import pytest
import torch
from equivariance import commuting, elements, rank, relabellings, same, units
from torch import Tensor

from gslt.nn.equivariant import BASES
from gslt.nn.tensor_bases import permuted


def test_order_2_by_hand() -> None:
    """A = [[1, 2], [3, 5]]: diagonal (1, 5), row means (1.5, 4), column means (2, 3.5)."""
    x = torch.tensor([[[[1.0, 2.0], [3.0, 5.0]]]], dtype=torch.float64)
    vectors = [[1, 5], [1.5, 4], [2, 3.5], [3, 3], [2.75, 2.75]]
    expected = [[[1, 2], [3, 5]], [[1, 3], [2, 5]]]
    expected += [[[a, 0], [0, b]] for a, b in vectors]
    expected += [[[a, a], [b, b]] for a, b in vectors]
    expected += [[[a, b], [a, b]] for a, b in vectors[:3]]
    weights = torch.eye(15, dtype=torch.float64).reshape(15, 1, 1, 15)
    assert [BASES["order2"].apply(x, w, None)[0, 0].tolist() for w in weights] == expected
    weight = torch.tensor([[[1.0, 10.0]]], dtype=torch.float64)
    assert BASES["order2 invariants"].apply(x, weight, None).tolist() == [[3 + 25]]
    constant = BASES["order2"].constant(torch.ones_like(x), weight)
    assert constant.tolist() == [[[[11, 1], [1, 11]]]]


def test_a_single_node_has_no_others() -> None:
    x, weight = torch.full((1, 1, 1, 1), 2.0), torch.tensor([[[3.0, 5.0]]])
    assert BASES["order2 invariants"].apply(x, weight, None).tolist() == [[6.0]]
    out = BASES["order2"].apply(x, torch.ones(1, 1, 15), None)
    assert out.tolist() == [[[[30.0]]]]


def test_permutation_by_hand() -> None:
    x = torch.tensor([[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]])
    assert permuted(x, torch.tensor([2, 0, 1])).tolist() == [[[[9, 7, 8], [3, 1, 2], [6, 4, 5]]]]


def every_map(outputs: int, inputs: int) -> Tensor:
    """All matrices with a single 1, one after the other."""
    return torch.eye(outputs * inputs, dtype=torch.float64).reshape(-1, outputs, inputs)


@pytest.mark.parametrize(
    ("name", "nodes", "dimension"),
    [
        ("order2", 4, 15),
        ("order2", 5, 15),
        ("order2", 3, 14),
        ("order2", 2, 8),
        ("order2 invariants", 4, 2),
    ],
)
def test_permutation_bases_are_complete(name: str, nodes: int, dimension: int) -> None:
    """The null space of the commutators has as many dimensions, and the elements lie in it."""
    invariant = name == "order2 invariants"
    shape, out = (nodes, nodes), () if invariant else (nodes, nodes)
    candidates = every_map(1 if invariant else nodes**2, nodes**2)
    null = commuting(candidates, relabellings(nodes, invariant), shape, out)
    ours = torch.stack(list(elements(name, shape))).flatten(1)
    assert (len(null), rank(ours)) == (dimension, dimension)
    assert rank(torch.cat([null, ours])) == dimension


@pytest.mark.parametrize("nodes", [2, 4, 5])
def test_biases_of_tensors_are_complete(nodes: int) -> None:
    candidates = units((nodes, nodes)).reshape(-1, nodes**2, 1)
    actions = [(same, act) for _, act in relabellings(nodes, invariant=False)]
    null = commuting(candidates, actions, (), (nodes, nodes))
    one = torch.ones(1, 1, nodes, nodes, dtype=torch.float64)
    eye = torch.eye(2, dtype=torch.float64).reshape(2, 1, 1, 2)
    ours = torch.stack([BASES["order2"].constant(one, each).flatten() for each in eye])
    assert torch.equal(ours[0], torch.ones(nodes**2, dtype=torch.float64))
    assert torch.equal(ours[1], torch.eye(nodes, dtype=torch.float64).flatten())
    assert len(null) == rank(ours) == rank(torch.cat([null, ours])) == 2
