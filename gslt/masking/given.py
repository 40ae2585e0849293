"""Freezing patterns that are given, not drawn: what a found ticket keeps, or anything else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from gslt.config import FreezeConfig
from gslt.errors import ConfigError, listed
from gslt.freezing import LOCKED, PRUNED, FrozenPart
from gslt.freezing.source import counts_of
from gslt.masking.parametrization import forget_selections, frozen_weights
from gslt.random import Stream

#: Fields of a config that a given pattern takes the place of, and the values that say nothing.
_UNUSED = {"allocation": "epl", "place": "all", "draw": "exact", "connected": False}


def given_parts(
    shapes: Mapping[str, Sequence[int]], config: FreezeConfig, pattern: Mapping[str, Tensor]
) -> list[FrozenPart]:
    """What a given pattern freezes of every weight.

    Args:
        shapes: of the weights by name.
        config: of the source; nothing in it may decide what is frozen.
        pattern: see :func:`gslt.freeze`.

    Raises:
        ConfigError: for names that are no weights, other shapes, other values or no whole numbers,
            and for settings of which the pattern takes the place.
    """
    both = [
        name for name in ("freezing_ratio", "prune_ratio", "lock_ratio") if getattr(config, name)
    ]
    both += [name for name, usual in _UNUSED.items() if getattr(config, name) != usual]
    if both:
        raise ConfigError(
            f"a pattern says which weights are frozen, and so does {listed(both)}; leave it out"
        )
    if unknown := [name for name in pattern if name not in shapes]:
        raise ConfigError(
            f"the pattern has {listed(unknown)}, which no weight is called; they are "
            f"{listed(list(shapes), most=20)}"
        )
    parts = []
    for name, shape in shapes.items():
        flat = torch.zeros(math.prod(shape), dtype=torch.int8)
        if (given := pattern.get(name)) is not None:
            if tuple(given.shape) not in (tuple(shape), tuple(flat.shape)):
                raise ConfigError(
                    f"the pattern of {name} has the shape {tuple(given.shape)}, the weight "
                    f"{tuple(shape)}"
                )
            if given.is_floating_point() or given.is_complex() or given.dtype == torch.bool:
                raise ConfigError(f"the pattern of {name} is of {given.dtype}, not whole numbers")
            values = given.detach().cpu().to(torch.int64).flatten()
            if (wrong := values[(values < PRUNED) | (values > LOCKED)]).numel():
                raise ConfigError(
                    f"the pattern of {name} has the value {int(wrong[0])}; -1 is pruned, 1 locked "
                    "and 0 searched"
                )
            flat = values.to(torch.int8)
        counts = counts_of(flat.numpy())
        parts.append(FrozenPart(counts, counts.pruned, counts.locked, 0, flat.numpy()))
    return parts


def found_pattern(
    module: nn.Module, *, locked: float = 1.0, pruned: float = 1.0, seed: int = 0
) -> dict[str, Tensor]:
    """The freezing pattern that the present ticket of a module gives, for :func:`gslt.freeze`.

    In every weight a share of what the ticket keeps becomes locked and a share of what it removes
    pruned, rounded to whole numbers, at random places; the rest is left to a search. With the seed
    of the ticket's source the new source has the same random weights, so that what is locked is a
    part of the ticket; with another one only the places are the same.

    Args:
        module: frozen, such as ``ticket.model()``.
        locked: share of the kept weights that becomes locked.
        pruned: share of the removed weights that becomes pruned.
        seed: of the places (stream role ``"found"``).

    Returns:
        By weight, int8 of its shape: −1 pruned, +1 locked, 0 searched.

    Raises:
        ConfigError: if nothing in the module is frozen, or a share is outside [0, 1].

    >>> from gslt.config import FreezeConfig
    >>> from gslt.masking.freeze import FrozenLinear
    >>> layer = FrozenLinear(2, 3, config=FreezeConfig(sparsity=0.5))
    >>> found_pattern(layer, pruned=0.0)["weight"].sum().item()
    3
    """
    for name, share in (("locked", locked), ("pruned", pruned)):
        if not 0.0 <= share <= 1.0:
            raise ConfigError(f"{name} must lie in [0, 1], got {share}")
    weights = frozen_weights(module)
    if not weights:
        raise ConfigError(f"{type(module).__name__} is not frozen: it has no ticket")
    forget_selections(module)
    found = {}
    for weight in weights:
        kept = weight.kept()
        order = torch.from_numpy(Stream(seed, weight.name, "found").permutation(kept.numel()))
        pattern = torch.zeros(kept.numel(), dtype=torch.int8)
        for among, share, value in ((kept, locked, LOCKED), (~kept, pruned, PRUNED)):
            places = order[among[order]]
            pattern[places[: round(share * places.numel())]] = value
        found[weight.name] = pattern.view(weight.shape)
    return found
