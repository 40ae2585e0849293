"""Frozen weights that are equal in one module: same seed, same name, same numbers, and a warning.

Random streams are named, so that a rebuilt model has the weights of the first. Layers frozen one by
one under one name, or without any, draw the same, and so does a copy of a layer; where they meet in
one module, that is said.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import torch
from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook
from torch.nn.utils.parametrize import is_parametrized

from gslt.errors import GsltWarning
from gslt.masking.parametrization import FrozenWeight

#: Modules that are frozen, or will be with the first call; without any, nobody need look.
_frozen: WeakSet[nn.Module] = WeakSet()
_watching: list[Any] = []


def watch(layer: nn.Module) -> None:
    """Say so when weights of this layer and equal ones become parts of one module.

    Args:
        layer: frozen, or with ``drawn_later``, whatever its weights will follow from.
    """
    if not _watching:
        _watching.append(register_module_module_registration_hook(_registered))
    _frozen.add(layer)


def _registered(parent: nn.Module, name: str, child: nn.Module | None) -> None:
    """Torch's hook: a module gets a part."""
    # What a compiler traces was looked at before; it would guard every module that is watched.
    if child is None or torch.compiler.is_compiling() or not _frozen:
        return
    coming = {id(module): (key, path) for module, key, path in _drawn(child)}
    if not coming:
        return
    there = {key for module, key, _ in _drawn(parent) if id(module) not in coming}
    for key, path in coming.values():
        if key in there:
            where, kind = _layer(child, path)
            warnings.warn(
                f"{name}{where} and another {kind.__name__} of {type(parent).__name__} were "
                "frozen one by one under the same name, or are copies of one, so both have the "
                "same random weights and scores: give each its own name (prefix of freeze), or "
                "freeze the whole network",
                GsltWarning,
                stacklevel=3,
            )
            return


def _layer(child: nn.Module, path: str) -> tuple[str, type[nn.Module]]:
    """Where in a module the layer is that holds a weight, behind its containers, and its class."""
    where, layer = "", child
    for part in path.split(".") if path else []:
        if not isinstance(layer, nn.Sequential | nn.ModuleList | nn.ModuleDict):
            break
        where, layer = f"{where}.{part}", layer.get_submodule(part)
    # Torch has made a class of its own for what it parametrizes.
    return where, type(layer).__bases__[0] if is_parametrized(layer) else type(layer)


def _drawn(module: nn.Module) -> Iterator[tuple[nn.Module, tuple[object, ...], str]]:
    """What the numbers of each frozen weight follow from, and the path of its layer."""
    for path, each in module.named_modules():
        if isinstance(each, FrozenWeight):
            c = each.config
            key = (each.name, each.shape, each.fan_in, c.seed, c.weight_init)
            yield each, key, path.rpartition("parametrizations")[0].rstrip(".")
        elif (later := vars(each).get("drawn_later")) is not None:
            yield each, later, path
