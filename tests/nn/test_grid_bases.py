"""Convolutions over grids and their groups: by hand, and that no other maps commute."""

from __future__ import annotations

import pytest
import torch
from equivariance import CASES, commuting, elements, random_field, random_weight, rank, units
from torch import Tensor

from gslt.nn.equivariant import BASES
from gslt.nn.grid_bases import C4, D4, PlaneGroup


def test_convolutions_by_hand() -> None:
    """One 1 in the middle: a tap that looks right moves it left, turned by 90° down."""
    x = torch.zeros(1, 1, 3, 3)
    x[..., 1, 1] = 1
    right = torch.zeros(1, 1, 9)
    right[..., 5] = 1
    assert BASES["shifts"].apply(x, right, None)[0, 0].nonzero().tolist() == [[1, 0]]
    lifted = BASES["c4 lifting"].apply(x, right, None)[0, 0]
    assert lifted.nonzero().tolist() == [[0, 1, 0], [1, 2, 1], [2, 1, 2], [3, 0, 1]]
    # Relative element 1 and centre: (ψf)(g) = f(g · 90°), in place.
    turn = torch.zeros(1, 1, 36)
    turn[..., 9 + 4] = 1
    moved = BASES["c4"].apply(lifted[None, None], turn, None)[0, 0]
    assert torch.equal(moved, lifted[[1, 2, 3, 0]])
    mean = BASES["c4 mean"].apply(lifted[None, None], torch.tensor([[[18.0]]]), None)
    assert mean.tolist() == [[2.0]]


@pytest.mark.parametrize("group", [C4, D4], ids=["C4", "D4"])
def test_groups_act_as_groups(group: PlaneGroup) -> None:
    """(gh)x = g(hx), of images that no element leaves as they are; and so on regular fields."""
    x = torch.arange(2.0 * group.size * 9).reshape(1, 2, group.size, 3, 3)
    for g in range(group.size):
        assert group.product(g, 0) == group.product(0, g) == g
        assert sorted(group.product(g, h) for h in range(group.size)) == list(range(group.size))
        for h in range(group.size):
            for act in (group.turned, group.acted):
                assert torch.equal(act(act(x, h), g), act(x, group.product(g, h)))


def test_turns_by_hand() -> None:
    x = torch.tensor([[1, 2], [3, 4]])
    assert C4.turned(x, 1).tolist() == [[2, 4], [1, 3]]
    assert D4.turned(x, 4).tolist() == [[2, 1], [4, 3]]
    # Mirrored first, then turned.
    assert D4.turned(x, 5).tolist() == [[1, 3], [2, 4]]


def convolutions(inputs: int, outputs: int, side: int) -> Tensor:
    """Every tap between every pair of maps, as matrices of images (side × side)."""
    made = []
    for weight in torch.eye(outputs * inputs * 9, dtype=torch.float64):
        kernel = weight.reshape(outputs, inputs, 3, 3)
        x = units((inputs, side, side))[:, 0]
        made.append(torch.nn.functional.conv2d(x, kernel, padding=1).flatten(1).T)
    return torch.stack(made)


@pytest.mark.parametrize(
    ("name", "inputs", "outputs", "dimension"),
    [
        ("shifts", 1, 1, 9),
        ("c4 lifting", 1, 4, 9),
        ("d4 lifting", 1, 8, 9),
        ("c4", 4, 4, 36),
        ("d4", 8, 8, 72),
    ],
)
def test_convolution_bases_are_complete(
    name: str, inputs: int, outputs: int, dimension: int
) -> None:
    """Among all 3 × 3 convolutions no others commute with the group."""
    shape = ((inputs,) if inputs > 1 else ()) + (3, 3)
    out = ((outputs,) if outputs > 1 else ()) + (3, 3)
    candidates = convolutions(inputs, outputs, 3)
    null = commuting(candidates, CASES[name].actions, shape, out)
    space = null @ candidates.flatten(1)
    ours = torch.stack(list(elements(name, shape))).flatten(1)
    assert (len(null), len(ours)) == (dimension, dimension)
    assert rank(torch.cat([space, ours])) == dimension


@pytest.mark.parametrize("name", ["c4 lifting", "d4 lifting"])
def test_images_keep_three_maps_to_images(name: str) -> None:
    """Of the 9 taps, turns leave the centre, the sum of those beside it, and of the corners."""
    turns = [(on_input, on_input) for on_input, _ in CASES[name].actions]
    null = commuting(convolutions(1, 1, 3), turns, (3, 3), (3, 3))
    assert len(null) == BASES[name].own_size == 3
    assert BASES[name].identity == 0


@pytest.mark.parametrize("name", ["d4 lifting", "d4"])
def test_kernels_of_a_few_elements_at_a_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = random_field(name, 2), random_weight(name, 3, 2)
    whole = BASES[name].apply(x, w, None)
    for entries in (1, 3 * w.numel()):
        monkeypatch.setattr("gslt.nn.grid_bases._KERNEL", entries)
        torch.testing.assert_close(BASES[name].apply(x, w, None), whole, rtol=0, atol=1e-12)


def test_shifts_commute_with_translations_inside() -> None:
    """Of a 7 × 7 image with zeros around 3 × 3 numbers, no number crosses the border."""
    x = torch.zeros(1, 2, 7, 7, dtype=torch.float64)
    x[..., 2:5, 2:5] = random_field("shifts", 2, 1)[..., :3, :3]
    w = random_weight("shifts", 3, 2)
    out = BASES["shifts"].apply(x, w, None)
    for down, right in [(1, 0), (-1, 1), (0, -1)]:
        moved = BASES["shifts"].apply(x.roll((down, right), (2, 3)), w, None)
        torch.testing.assert_close(moved, out.roll((down, right), (2, 3)), rtol=0, atol=1e-12)
