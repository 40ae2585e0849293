"""Equal layers frozen one by one in one module: same seed, same name, same weights, and a warning.

Random streams are named, so that a rebuilt model has the weights of the first. Two layers without a
name of their own draw the same; where they meet in one module, that is said.
"""

from __future__ import annotations

import warnings
from typing import Any
from weakref import WeakSet

from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook
from torch.nn.utils.parametrize import is_parametrized

from gslt.errors import GsltWarning
from gslt.masking.parametrization import frozen_weights

_unnamed: WeakSet[nn.Module] = WeakSet()
_watching: list[Any] = []


def watch(layer: nn.Module) -> None:
    """Say so when this layer and an equal one become parts of one module.

    Args:
        layer: frozen by itself without a prefix.
    """
    if not _watching:
        _watching.append(register_module_module_registration_hook(_registered))
    _unnamed.add(layer)


def _registered(parent: nn.Module, name: str, child: nn.Module | None) -> None:
    """Torch's hook: a module gets a part."""
    if len(_unnamed) < 2 or child is None:
        return
    coming = [each for each in child.modules() if each in _unnamed]
    there = [each for each in parent.modules() if each in _unnamed] if coming else []
    for layer in coming:
        drawn = _drawn(layer)
        if drawn and any(other is not layer and _drawn(other) == drawn for other in there):
            kind = type(layer)
            if is_parametrized(layer):
                kind = kind.__bases__[0]  # Torch has made a class of its own for it.
            warnings.warn(
                f"{name} and another {kind.__name__} of {type(parent).__name__} were frozen one by "
                "one without a name, so both have the same random weights and scores: give each "
                "its own name (prefix of freeze), or freeze the whole network",
                GsltWarning,
                stacklevel=3,
            )
            return


def _drawn(layer: nn.Module) -> list[tuple[object, ...]]:
    """What the numbers of a layer follow from."""
    return [
        (w.name, w.shape, w.fan_in, w.config.seed, w.config.weight_init)
        for w in frozen_weights(layer)
    ]
