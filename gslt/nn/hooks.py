"""Who looks on while layers compute: a probe, which sees every step, or torch, recording them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import torch
from torch import Tensor, nn

from gslt.errors import ConfigError

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


def is_patched(module: nn.Module) -> bool:
    """Whether somebody has given this very module, not its class, a ``forward`` of its own."""
    # A compiler does not look into the attributes of an instance.
    return not is_traced() and "forward" in vars(module)


def has_global_hooks() -> bool:
    """Whether a hook of torch would see every module being called."""
    every = nn.modules.module  # torch 2.6 has no function that tells
    return bool(
        every._global_forward_hooks
        or every._global_forward_pre_hooks
        or every._global_backward_hooks
        or every._global_backward_pre_hooks
    )


def is_traced() -> bool:
    """Whether torch records this call, to compile or to export it, or transforms it.

    Every step must then be an operation that torch knows.
    """
    return torch.compiler.is_compiling() or is_exported() or is_transformed()


def is_transformed() -> bool:
    """Whether ``torch.func`` (``vmap``, ``grad``, ``jvp``, …) transforms this call."""
    return torch._C._are_functorch_transforms_active()


def is_exported() -> bool:
    """Whether the record is to run without Python: ``torch.export``, ``torch.jit.trace``, ONNX."""
    # torch can tell from 2.7 on.
    exporting = getattr(torch.compiler, "is_exporting", lambda: False)
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return bool(exporting() or tracing)


def refuse_script(module: nn.Module) -> NoReturn:
    """What ``torch.jit.script`` meets in a layer that it cannot compile.

    Args:
        module: the layer, of which this is the ``__prepare_scriptable__``.

    Raises:
        ConfigError: always, naming what records it.
    """
    raise ConfigError(
        f"torch.jit.script cannot compile {type(module).__name__}; torch.export.export and "
        "torch.jit.trace record it"
    )


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Let an observer see every step in this block."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)
