"""Weak tickets: from a module that was trained under a mask, and back into one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gslt.config import FreezeConfig
from gslt.errors import TicketError, listed
from gslt.freezing import PRUNED, SEARCHED
from gslt.masking.trained import masked_weights, put_mask, random_masks, source_report
from gslt.masking.weights import MASK_SUFFIX, weights_of
from gslt.nn.networks import Network
from gslt.ticket.schema import Architecture, StoredTicket, kept_bits, unstorable


def weak_ticket(
    module: nn.Module,
    source: FreezeConfig,
    dataset: str,
    split: int,
    results: dict[str, float],
    content_hash: str,
) -> StoredTicket:
    """The weak ticket that a module is, see :meth:`gslt.Ticket.trained`.

    Args:
        module: with a mask on every weight.
        source: what the mask began with.
        dataset: name of the data set it was trained on.
        split: number of its split.
        results: figures of the training.
        content_hash: of the data set.

    Raises:
        TicketError: if a weight has no mask, or the module holds what no ticket can store.
    """
    held = {each.name: each for each in masked_weights(module)}
    bare = [name for name, *_ in weights_of(module) if name not in held]
    if bare or not held:
        names = listed(bare) or "any weight"
        raise TicketError(f"there is no mask on {names}, so that this is no weak ticket")
    for name, each in held.items():
        if lost := int(each.weight[~each.kept].count_nonzero()):
            raise TicketError(
                f"{lost} weights of {name} that its mask removes are not 0: something wrote to "
                "them past the mask; train the module that gslt made, or a copy of it, anew"
            )
    kept = {name: each.kept.flatten().cpu() for name, each in held.items()}
    searched = _searched_places(module, source)
    if any(not torch.equal(kept[name], places) for name, places in searched.items()):
        # Rewired: any weight could have been kept.
        count, total = (sum(map(f, kept.values())) for f in (kept_bits, torch.numel))
        source = dense(source, 1.0 - count / total)
        searched = _searched_places(module, source)
    architecture = None
    if isinstance(module, Network):
        architecture = Architecture(module.config, module.in_channels, module.out_channels)
    weights = {name: each.weight.detach().flatten().cpu() for name, each in held.items()}
    if wide := [name for name, each in held.items() if each.weight.dtype == torch.float64]:
        raise TicketError(
            f"{listed(wide)} has double precision, and a ticket stores single: train in float32"
        )
    state = other_values(module)
    if refused := [f"{name} {why}" for name, v in state.items() if (why := unstorable(v))]:
        raise TicketError(f"a ticket cannot hold what {listed(refused)}")
    return StoredTicket(
        source,
        {name: kept[name][places] for name, places in searched.items()},
        source_report(module, source).counts,
        _checksum(weights, kept, searched),
        architecture,
        dataset,
        split,
        results,
        {name: value.detach().cpu().clone() for name, value in state.items()},
        content_hash,
        values={name: weight[kept[name]].float() for name, weight in weights.items()},
    )


def put_trained(ticket: StoredTicket, module: nn.Module) -> None:
    """Put the trained weights of a ticket, their mask and its state into a module.

    Args:
        ticket: a weak one.
        module: not frozen, with the weights and the state that the ticket is of.

    Raises:
        TicketError: if the mask that the seed regenerates is not that of the training.
    """
    searched, kept, weights = _searched_places(module, ticket.config), {}, {}
    for name, mask in ticket.masks.items():
        kept[name] = searched[name].clone()
        kept[name][searched[name]] = mask
        weights[name] = torch.zeros(kept[name].numel())
        weights[name][kept[name]] = ticket.values[name]
    if _checksum(weights, kept, searched) != ticket.weights_checksum:
        raise TicketError(
            "the mask regenerated from the seed is not the one of the training: the seed or the "
            "settings of the mask are wrong, or a trained weight was changed"
        )
    for name, owner, attribute, weight in list(weights_of(module)):
        with torch.no_grad():
            weight.copy_(weights[name].view(weight.shape))
        put_mask(owner, attribute, kept[name].view(weight.shape))
    if ticket.state:
        module.load_state_dict({**module.state_dict(), **ticket.state})


def dense(source: FreezeConfig, sparsity: float) -> FreezeConfig:
    """The source of a ticket whose mask was rewired: what its mask began with, with nothing pruned.

    Args:
        source: what the mask began with.
        sparsity: of the mask that it has come to.
    """
    exact: dict[str, Any] = {"draw": "exact", "connected": False}
    return replace(source, sparsity=sparsity, prune_ratio=None, lock_ratio=None, **exact)


def other_values(module: nn.Module) -> dict[str, Any]:
    """What the state of a module that is not frozen holds beside its weights and their masks."""
    own = {name for name, *_ in weights_of(module)}
    own |= {f"{each.name}{MASK_SUFFIX}" for each in masked_weights(module)}
    return {name: value for name, value in module.state_dict().items() if name not in own}


def _searched_places(module: nn.Module, config: FreezeConfig) -> dict[str, Tensor]:
    """Where each weight is searched, flat and boolean, by name; no weight is made."""
    return {name: mask.flatten() for name, mask in random_masks(module, config).items()}


def _checksum(
    weights: Mapping[str, Tensor], kept: Mapping[str, Tensor], searched: Mapping[str, Tensor]
) -> str:
    """What :func:`gslt.ticket.ticket.weights_checksum` is of a weak ticket.

    The weights are the trained ones, 0 where they are not kept.

    Args:
        weights: flat, by name.
        kept: boolean, of the same sizes.
        searched: likewise; the rest is pruned.
    """
    digest = hashlib.sha256()
    for name, weight in weights.items():
        values = torch.where(kept[name], weight.float(), 0.0)
        pattern = torch.where(searched[name], SEARCHED, PRUNED).to(torch.int8)
        digest.update(name.encode() + b"\0" + values.numpy().astype("<f4").tobytes())
        digest.update(pattern.numpy().tobytes())
    return digest.hexdigest()
