"""Which functions of torch are a step of message passing: projection, normalisation, activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_PRODUCTS = {
    F.linear,
    torch.matmul,
    torch.mm,
    Tensor.matmul,
    Tensor.mm,
    Tensor.__matmul__,
    torch.sparse.mm,
}
_NORMS = {F.batch_norm, F.layer_norm, F.instance_norm, F.group_norm, F.rms_norm, F.normalize}
_ACTIVATIONS = {
    *(F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_),
    *(F.leaky_relu, F.prelu, F.rrelu, F.relu6),
    *(F.elu, F.selu, F.celu, F.gelu, F.silu, F.mish, F.softplus, F.hardtanh, F.hardswish),
    *(torch.tanh, Tensor.tanh, torch.sigmoid, Tensor.sigmoid),
}


def step_of(function: Callable[..., Any], args: tuple[Any, ...]) -> str | None:
    """The step that a call of a function is; None where it is no step."""
    if function in _NORMS:
        return "normalisation"
    if function in _ACTIVATIONS:
        return "activation"
    if function in _PRODUCTS:
        sparse = bool(args) and isinstance(args[0], Tensor) and args[0].layout != torch.strided
        # A square sparse matrix is an adjacency; a sparse matrix of features is projected.
        square = sparse and args[0].dim() == 2 and args[0].size(0) == args[0].size(1)
        return "aggregation" if square else "projection"
    return None


class FunctionSteps(TorchFunctionMode):
    """Tells what every step that is a function of torch gave. It changes no argument and no result.

    Args:
        observer: called with the name of the step and its result.
    """

    def __init__(self, observer: Callable[[str, Any], None]) -> None:
        super().__init__()
        self.observer = observer

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call the function as it was called, and look at the result."""
        result = func(*args, **(kwargs or {}))
        step = step_of(func, args)
        if step is not None:
            self.observer(step, result)
        return result
