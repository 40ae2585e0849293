"""Bases as matrices on small fields, and what the groups do to these fields."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor

from gslt.nn.equivariant import BASES
from gslt.nn.grid_bases import C4, D4, PlaneGroup
from gslt.nn.tensor_bases import permuted

Act = Callable[[Tensor], Tensor]


class Case(NamedTuple):
    """A basis, the field that it maps, without batch and channels, and the group's actions."""

    shape: tuple[int, ...]
    actions: list[tuple[Act, Act]]
    """Of elements of the group, on the input and on the output."""


def same(x: Tensor) -> Tensor:
    return x


def plane(group: PlaneGroup, source: str, target: str) -> list[tuple[Act, Act]]:
    def act(field: str, element: int) -> Act:
        if field == "image":
            return lambda x: group.turned(x, element)
        return (lambda x: group.acted(x, element)) if field == "regular" else same

    return [(act(source, each), act(target, each)) for each in range(group.size)]


def relabellings(number: int, invariant: bool) -> list[tuple[Act, Act]]:
    def act(order: tuple[int, ...]) -> Act:
        return lambda x: permuted(x, torch.tensor(order))

    return [(act(o), same if invariant else act(o)) for o in permutations(range(number))]


#: Zeros beyond the border commute with turns, not with translations: those have tests of their own.
CASES = {
    "c4 lifting": Case((4, 4), plane(C4, "image", "regular")),
    "c4": Case((4, 3, 3), plane(C4, "regular", "regular")),
    "c4 mean": Case((4, 3, 3), plane(C4, "regular", "number")),
    "d4 lifting": Case((5, 5), plane(D4, "image", "regular")),
    "d4": Case((8, 3, 3), plane(D4, "regular", "regular")),
    "d4 mean": Case((8, 2, 2), plane(D4, "regular", "number")),
    "order2": Case((4, 4), relabellings(4, invariant=False)),
    "order2 invariants": Case((4, 4), relabellings(4, invariant=True)),
    "shifts": Case((4, 5), []),
    "mean": Case((4, 5), []),
    "linear": Case((), []),
}


def units(shape: tuple[int, ...]) -> Tensor:
    """All fields of one channel with a single 1, ``(entries, 1, …)``."""
    entries = math.prod(shape)
    return torch.eye(entries, dtype=torch.float64).reshape(entries, 1, *shape)


def matrix(of: Act, shape: tuple[int, ...]) -> Tensor:
    """The matrix of a linear map of fields, (outputs × inputs)."""
    return of(units(shape)).flatten(1).T


def elements(basis: str, shape: tuple[int, ...]) -> Iterator[Tensor]:
    """The matrices B_1 … B_K."""
    for weight in torch.eye(BASES[basis].size, dtype=torch.float64):
        yield matrix(lambda x, w=weight: BASES[basis].apply(x, w.reshape(1, 1, -1), None), shape)


def random_field(name: str, channels: int, batch: int = 2, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    shape = batch, channels, *CASES[name].shape
    return torch.randn(shape, generator=rng, dtype=torch.float64)


def random_weight(name: str, out: int, inp: int, seed: int = 1) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(out, inp, BASES[name].size, generator=rng, dtype=torch.float64)


def rank(rows: Tensor) -> int:
    return int(torch.linalg.matrix_rank(rows, rtol=1e-9))


def commuting(
    candidates: Tensor, actions: list[tuple[Act, Act]], shape: tuple[int, ...], out: tuple[int, ...]
) -> Tensor:
    """Combinations of candidates (C × outputs × inputs) that commute with actions, one a row.

    They are the null space of all commutators, as combinations ``(dimension, C)``.
    """
    gram = torch.zeros(len(candidates), len(candidates), dtype=torch.float64)
    for on_input, on_output in actions:
        left, right = matrix(on_output, out), matrix(on_input, shape)
        commutators = (left @ candidates - candidates @ right).flatten(1)
        gram += commutators @ commutators.T
    values, vectors = torch.linalg.eigh(gram)
    return vectors[:, values < 1e-9].T
