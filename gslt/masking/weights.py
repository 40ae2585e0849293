"""The weights of a module, frozen or not yet, and what else its state holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from gslt.files.container import flat_bytes
from gslt.masking.fan_in import is_bias
from gslt.masking.parametrization import FrozenWeight, frozen_weights

#: Normalisation layers of torch, …
NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
#: … and the room of PyG's; DGL's have no parameter.
HOST_NORMS = "torch_geometric.nn.norm."
#: The mask under which ``weight`` is trained is the buffer of this name of the same layer, see
#: :mod:`gslt.masking.trained`.
MASK_SUFFIX = "_gslt_mask"


def weights_of(module: nn.Module) -> Iterator[tuple[str, nn.Module, str, nn.Parameter]]:
    """Every weight to be frozen or drawn, in the order of the module's parameters.

    Yields:
        Qualified name, the module that owns the parameter, its attribute there, the parameter.
    """
    for name, owner, attribute, parameter in parameters_of(module):
        if _is_weight(owner, attribute, parameter):
            yield name, owner, attribute, parameter


def parameters_of(module: nn.Module) -> Iterator[tuple[str, nn.Module, str, nn.Parameter]]:
    """Every parameter, under each of its names within a layer; yields as :func:`weights_of`.

    Args:
        module: any.
    """
    for path, owner in module.named_modules():
        own = owner.named_parameters(recurse=False, remove_duplicate=False)
        for attribute, parameter in own:
            yield f"{path}.{attribute}".lstrip("."), owner, attribute, parameter


def frozen_places(module: nn.Module) -> Iterator[tuple[str, nn.Module, str, FrozenWeight]]:
    """Every frozen weight, as :func:`weights_of` gives those that are not frozen yet.

    Yields:
        Qualified name in this module, the module that holds it, its attribute there, the weight.
    """
    for path, owner in module.named_modules():
        # Its own: wrappers of torch.compile give those of the module within as theirs.
        chains: Any = owner._modules.get("parametrizations") or {}
        for attribute, chain in chains.items():
            if isinstance(chain[0], FrozenWeight):
                yield f"{path}.{attribute}".lstrip("."), owner, attribute, chain[0]


def _is_weight(owner: nn.Module, attribute: str, parameter: nn.Parameter) -> bool:
    if isinstance(parameter, nn.UninitializedParameter):
        return True
    return parameter.dim() >= 2 and not is_norm(owner) and not is_bias(owner, attribute)


def is_norm(owner: nn.Module) -> bool:
    """Whether a layer is a normalisation: torch's, PyG's, or a class that is derived from one.

    >>> is_norm(nn.BatchNorm1d(3)), is_norm(nn.Linear(3, 3))
    (True, False)

    Args:
        owner: any layer; parameters that it holds itself are scales and biases, no weights.
    """
    kinds = type(owner).__mro__
    return isinstance(owner, NORMS) or any(f"{k.__module__}.".startswith(HOST_NORMS) for k in kinds)


def rewritten(module: nn.Module) -> list[str]:
    """Names of frozen weights on which another parametrization was put since."""
    return [
        name
        for name, owner, attribute, _ in frozen_places(module)
        if len(owner.parametrizations[attribute]) > 1  # type: ignore[index]
    ]


def unwrapped(module: nn.Module) -> nn.Module:
    """The module within torch's wrappers, which lengthen its names (``torch.compile``, DDP).

    >>> layer = nn.Linear(2, 2)
    >>> unwrapped(nn.DataParallel(layer)) is layer
    True

    Args:
        module: any; without a wrapper it is given back.
    """
    for wrapper in (nn.DataParallel, nn.parallel.DistributedDataParallel):
        if isinstance(module, wrapper):
            return unwrapped(module.module)
    # torch.jit's modules are in no dictionary of Python's.
    parts = getattr(module, "_modules", {})
    return unwrapped(parts["_orig_mod"]) if "_orig_mod" in parts else module


def frozen_root(module: nn.Module) -> nn.Module:
    """The module that was frozen, within wrappers that have been put around it since.

    Wrappers such as ``torch.compile(m)``, ``DataParallel(m)`` or a training module that holds ``m``
    lengthen every name; the names that freezing gave stay.

    Args:
        module: frozen, or something that holds a frozen module and no frozen weight beside it.
    """
    prefixes = {name.removesuffix(weight.name) for name, _, _, weight in frozen_places(module)}
    prefix = prefixes.pop() if len(prefixes) == 1 else ""
    return module.get_submodule(prefix[:-1]) if prefix.endswith(".") else module


def other_state(module: nn.Module) -> dict[str, Tensor]:
    """What the state of a frozen module holds beside its scores, by name.

    Args:
        module: as it was frozen, see :func:`frozen_root`.
    """
    scores = {id(weight.score()) for weight in frozen_weights(module)}
    # Of a module that stands at two places the state has both.
    sources = {
        f"{path}._extra_state".lstrip(".")
        for path, each in module.named_modules(remove_duplicate=False)
        if isinstance(each, FrozenWeight)
    }
    state = module.state_dict(keep_vars=True)
    return {
        name: value
        for name, value in state.items()
        if id(value) not in scores and name not in sources
    }


def unsaved(module: nn.Module) -> dict[str, Tensor]:
    """Buffers that the state of a frozen module leaves out (``persistent=False``), by name."""
    saved = other_state(module)
    return {name: value for name, value in module.named_buffers() if name not in saved}


def outside(module: nn.Module, root: nn.Module) -> list[str]:
    """Names of what is trained in a module beside a part of it, or has counted batches there.

    Args:
        module: any.
        root: the part.
    """
    inside = {id(value) for value in [*root.parameters(), *root.buffers()]}
    return [
        name
        for name, value in [*module.named_parameters(), *module.named_buffers()]
        if id(value) not in inside and (value.requires_grad or has_seen_batches(name, value))
    ]


def fingerprints(module: nn.Module) -> dict[str, str]:
    """SHA-256 of everything that :func:`other_state` gives, whatever its type of numbers.

    Args:
        module: as it was frozen.
    """
    return {name: fingerprint_of(value) for name, value in other_state(module).items()}


def fingerprint_of(value: Any) -> str:
    """SHA-256 of a value of a module's state; of numbers it does not depend on their precision."""
    if not isinstance(value, Tensor):
        return hashlib.sha256(bytes_of(value)).hexdigest()
    wide = value.to(torch.float64) if value.is_floating_point() else value
    return hashlib.sha256(f"{list(value.shape)}".encode() + bytes_of(wide)).hexdigest()


def bytes_of(value: Any) -> bytes:
    """A value of a module's state as bytes: what is compared and summed.

    The entries in row-major order; of a sparse tensor its indices, then its entries; of what is no
    tensor its ``repr``.
    """
    if not isinstance(value, Tensor):
        return repr(value).encode()
    if value.layout != torch.strided:
        sparse = value.detach().to_sparse_coo().coalesce()  # type: ignore[no-untyped-call]
        return bytes_of(sparse.indices()) + bytes_of(sparse.values())
    return flat_bytes(value).tobytes()


#: Running statistics of a norm that has seen no batch.
_FRESH = {"running_mean": 0, "running_var": 1, "num_batches_tracked": 0}


def has_seen_batches(name: str, value: Any) -> bool:
    """Whether a value is of a norm that no longer has the running statistics it was built with.

    Args:
        name: qualified, in the module's state.
        value: of any shape ``(…)``.
    """
    fresh = _FRESH.get(name.rpartition(".")[2])
    return fresh is not None and isinstance(value, Tensor) and bool((value != fresh).any())
