"""Representations on their way through the layers, for whoever wants to see them: a probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

#: Takes the name of a step and what it gave.
Observer = Callable[[str, Tensor], None]

_observers: list[Observer] = []


def is_observed() -> bool:
    """Whether anybody is looking; what is made for observers alone need not be made otherwise."""
    return bool(_observers)


def observed(step: str, value: Tensor) -> Tensor:
    """The value itself, once every observer has seen it.

    Args:
        step: what was computed: ``"projection"``, ``"aggregation"``, ``"normalisation"``,
            ``"activation"``, or ``"layer"`` at a layer's end.
        value: what it gave, ``(N, width)``.
    """
    for observer in _observers:
        observer(step, value)
    return value


def has_hooks(module: nn.Module) -> bool:
    """Whether a hook of torch would see this module being called."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Let an observer see every step in this block."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)
