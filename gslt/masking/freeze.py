"""Frozen weights: ``freeze`` turns any torch, PyG or DGL module into a frozen source network.

Every weight matrix of the module becomes a parametrization (``torch.nn.utils.parametrize``): the
random weights and the freezing pattern are regenerated from the seed, and what was the weight
parameter is now the flat tensor of scores of the weights left to the search. So
``sum(p.numel() for p in module.parameters())`` is the search space, and ``layer.weight`` is the
effective weight.
"""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from gslt.config import FreezeConfig, shortened
from gslt.errors import ConfigError, GsltWarning
from gslt.files.container import flat_bytes
from gslt.freezing import FrozenCounts, FrozenPart, Units, frozen_parts, taking_part
from gslt.freezing.allocation import FALLING_SHORT
from gslt.masking.fan_in import fan_in_of, is_bias, padding_row, units_of
from gslt.masking.given import given_parts
from gslt.masking.parametrization import FrozenWeight, forget_selections, frozen_weights
from gslt.masking.supermask import Supermask, check_layer_sparsity, check_window
from gslt.masking.twins import watch

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class FrozenLayer:
    """One frozen weight in a report."""

    name: str
    """Qualified parameter name."""
    shape: tuple[int, ...]
    counts: FrozenCounts
    takes_part: bool = True
    """Whether ``FreezeConfig.place`` lets it have frozen weights."""
    expected: tuple[float, float] | None = None
    """Numbers of pruned and locked weights that the allocation gives it; None where nobody said."""
    added: int = 0
    """Pruned weights that the connectivity correction made searched ones."""

    @property
    def frozen(self) -> int:
        """Number of its weights that are pruned or locked."""
        return self.counts.pruned + self.counts.locked


#: Normalisation layers of torch, …
NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
#: … and the room of PyG's; DGL's have no parameter.
HOST_NORMS = "torch_geometric.nn.norm."
#: The mask under which ``weight`` is trained is the buffer of this name of the same layer, see
#: :mod:`gslt.masking.trained`.
MASK_SUFFIX = "_gslt_mask"
#: A layer with so large a share of the frozen weights has nearly all of them.
NEARLY_ALL = 0.9
#: Allocation of a pattern that was not made by one.
GIVEN = "given"


@dataclass(frozen=True)
class FreezeReport:
    """What :func:`freeze` froze, and which other parameters it fixed at a constant."""

    layers: tuple[FrozenLayer, ...]
    fixed: tuple[tuple[str, str], ...]
    """Qualified name of each parameter that is no weight, and how it was fixed."""
    allocation: str = "epl"
    """How the frozen weights were divided; :data:`GIVEN` where a pattern says it."""
    ratios: tuple[float, float] = (0.0, 0.0)
    """Pruning and locking ratio that were asked for, of the weights that take part."""

    @classmethod
    def of(
        cls,
        shapes: Mapping[str, Sequence[int]],
        config: FreezeConfig,
        pattern: Mapping[str, Tensor] | None = None,
        *,
        units: Mapping[str, Units] | None = None,
        whole: bool = False,
    ) -> FreezeReport:
        """What :func:`freeze` would freeze of a network; no weight is made.

        Args:
            shapes: of its weights by name, see :func:`gslt.nn.gnn.weight_shapes`.
            config: the frozen source network.
            pattern: which weights are frozen, where config and seed do not say it.
            units: what the weights connect; default :meth:`gslt.freezing.Units.of`.
            whole: for a mask on trained weights, which keeps all that is searched, so that its
                sparsity is that of the source, whatever the config says.

        Raises:
            ConfigError: see :func:`freeze`.
        """
        parts = _parts(shapes, config, units, pattern=pattern, whole=whole)
        return cls._of(shapes, *parts, (), config)

    @classmethod
    def _of(
        cls,
        shapes: Mapping[str, Sequence[int]],
        part: Sequence[bool],
        parts: Sequence[FrozenPart],
        fixed: tuple[tuple[str, str], ...],
        config: FreezeConfig,
    ) -> FreezeReport:
        layers = tuple(
            FrozenLayer(name, tuple(shape), p.counts, takes, (p.pruned, p.locked), p.added)
            for (name, shape), takes, p in zip(shapes.items(), part, parts, strict=True)
        )
        # A pattern is made here from counts and seed, drawn by itself, or given.
        drawn = config.draw != "exact" or config.connected
        given = not drawn and any(p.pattern is not None for p in parts)
        return cls(layers, fixed, GIVEN if given else config.allocation, config.ratios)

    @property
    def counts(self) -> FrozenCounts:
        """Counts of the whole network."""
        return FrozenCounts.sum(layer.counts for layer in self.layers)

    @property
    def concentration(self) -> str:
        """A sentence where one of several layers that take part has nearly all frozen weights.

        Empty where its share is below 90 %: then freezing is not a matter of one layer; and where
        nothing is searched, as in a random mask.
        """
        part = [layer for layer in self.layers if layer.takes_part]
        frozen = sum(layer.frozen for layer in part)
        first = max(part, key=lambda layer: layer.frozen, default=None)
        if first is None or len(part) < 2 or not frozen or first.frozen < NEARLY_ALL * frozen:
            return ""
        if not self.counts.searched:
            return ""
        how = f"allocation {self.allocation}"
        advice = "place=hidden, or names, lets others take part alone"
        if self.allocation == GIVEN:
            how, advice = "this pattern", "freeze more of the others"
        return (
            f"{first.name} ({'×'.join(map(str, first.shape))}) takes {first.frozen:,} of the "
            f"{frozen:,} frozen weights ({100 * first.frozen / frozen:.1f} %), the other "
            f"{len(part) - 1} that take part {frozen - first.frozen:,}: with {how} what is "
            f"measured is freezing of this one layer; {advice}"
        )

    @property
    def shortfall(self) -> str:
        """A sentence where the layers of an allocation cannot keep what the ratios leave.

        Empty for allocations that divide the overflow of a full layer among the others.
        """
        part = FrozenCounts.sum(layer.counts for layer in self.layers if layer.takes_part)
        unpruned = round((1 - self.ratios[0]) * part.total)
        searched = round((1 - sum(self.ratios)) * part.total)
        short = part.total - part.pruned, part.searched
        if self.allocation not in FALLING_SHORT or (
            short[0] >= unpruned - 1 and short[1] >= searched - 1
        ):
            return ""
        return (
            f"allocation {self.allocation} does not divide what a full layer cannot hold: of "
            f"{part.total:,} weights {short[0]:,} are unpruned (density "
            f"{short[0] / part.total:.4f}; {unpruned:,} by the ratios) and {short[1]:,} searched "
            f"({searched:,} by the ratios)"
        )

    def __str__(self) -> str:
        rows = [(x.name, "×".join(map(str, x.shape)), x.counts) for x in self.layers]
        rows.append(("all", "", self.counts))
        width = max(len(name) for name, _, _ in rows)
        lines = [
            f"{'weight':<{width}} {'shape':>12} {'total':>9} {'pruned':>9} {'locked':>9} "
            f"{'searched':>9}"
        ]
        lines += [
            f"{name:<{width}} {shape:>12} {c.total:>9} {c.pruned:>9} {c.locked:>9} {c.searched:>9}"
            for name, shape, c in rows
        ]
        lines = [f"{line}{end}" for line, end in zip(lines, self._expectations(), strict=True)]
        lines += [f"not a weight: {name} {how}" for name, how in self.fixed]
        sentences = filter(None, [self.shortfall, self.concentration])
        lines += [f"warning: {sentence}" for sentence in sentences]
        return "\n".join(lines)

    def _expectations(self) -> list[str]:
        """What stands behind the head and the rows, where counts are not the allocation's."""
        if not any(map(_departs, self.layers)):
            return [""] * (len(self.layers) + 2)
        head = " " + " ".join(f"{name:>{width}}" for name, width in _EXPECTATION.items())
        lines, all_pruned, all_locked = [head], 0.0, 0.0
        for layer in self.layers:
            pruned, locked = layer.expected or (layer.counts.pruned, layer.counts.locked)
            all_pruned, all_locked = all_pruned + pruned, all_locked + locked
            lines.append(_expectation(layer.counts, pruned, locked, layer.added))
        added = sum(layer.added for layer in self.layers)
        return [*lines, _expectation(self.counts, all_pruned, all_locked, added)]


#: Columns of a report where counts are not those of the allocation, and their widths.
_EXPECTATION = {
    "density": 8,
    "expected density": 16,
    "expected pruned": 15,
    "expected locked": 15,
    "added": 6,
}


def _expectation(counts: FrozenCounts, pruned: float, locked: float, added: int) -> str:
    """Density of the source, that expected, the pruned and locked weights expected, and added."""
    density, expected = ((counts.total - n) / counts.total for n in (counts.pruned, pruned))
    figures = (f"{density:.4f}", f"{expected:.4f}", f"{pruned:.1f}", f"{locked:.1f}", f"{added}")
    widths = _EXPECTATION.values()
    return " " + " ".join(f"{x:>{width}}" for x, width in zip(figures, widths, strict=True))


def _departs(layer: FrozenLayer) -> bool:
    """Whether the counts of a layer are not those of the allocation, rounded."""
    pruned, locked = layer.expected or (layer.counts.pruned, layer.counts.locked)
    differences = abs(layer.counts.pruned - pruned), abs(layer.counts.locked - locked)
    return max(differences) > 1 + 1e-6 or layer.added > 0


def freeze(
    module: nn.Module,
    config: FreezeConfig,
    *,
    prefix: str = "",
    pattern: Mapping[str, Tensor] | None = None,
) -> FreezeReport:
    """Turn a module into a frozen source network, in place.

    Every parameter of two or more dimensions becomes a frozen weight, unless it is a bias or
    belongs to a norm; its initial value is discarded, and a mask under which it was trained. Every
    other parameter stops being one: biases are fixed at 0, the scales of normalisation layers at 1,
    anything else at its present value (as buffers of the same name). Afterwards
    ``module.parameters()`` are the scores and nothing else. A module that is frozen already, or
    holds frozen layers, is frozen anew as one network. The random weights have variance
    2 / fan-in, see :func:`gslt.masking.fan_in.fan_in_of`; the padding row of an embedding stays
    zero.

    Args:
        module: any torch, PyG or DGL module.
        config: the frozen source network; a ``SearchConfig`` is one.
        prefix: put before the qualified names that name the random streams. Give each layer its own
            when you freeze layers one by one, or layers of equal shape get equal weights; where two
            such, or copies of one, become parts of one module, a ``GsltWarning`` says so.
        pattern: which weights are frozen, in the place of the ratios, which are then left out, and
            of the seed: by the module's own names −1 pruned, +1 locked, 0 searched, whole numbers
            ``(n,)`` or of the weight's shape. Weights without a name in it are searched. See
            :func:`gslt.found_pattern`; a ticket stores it.

    Which layers have frozen weights, ``config.place`` says, with the names of the module's
    parameters, without the prefix: see :func:`gslt.freezing.taking_part` for what ``input`` and
    ``hidden`` are in a module of your own.

    Returns:
        What was frozen and what was fixed; ``print`` it. Its counts are the true ones, beside the
        expected ones where they differ (``config.draw``, ``config.connected``). It says where one
        layer has nearly all of what is frozen.

    Raises:
        ConfigError: for a module without weights, with shared or uninitialised weights, with
            another parametrization on a weight, or that is a part of a frozen network; for a place
            that it does not have, or ratios where no layer takes part; for a sparsity that the
            source does not have with its true counts; for a pattern that does not fit.
    """
    if not isinstance(config, FreezeConfig):
        raise ConfigError(
            f"freeze takes a FreezeConfig or a SearchConfig, got {shortened(config)}; such as "
            "gslt.freeze(module, gslt.FreezeConfig(freezing_ratio=0.4))"
        )
    weights = _checked(module)
    fan_in = {name: fan_in_of(module, name, shape) for name, shape in weights}
    units = {name: units_of(module, name, shape, fan_in[name]) for name, shape in weights}
    part, parts = _parts(dict(weights), config, units, prefix, pattern)
    supermask = Supermask(
        [p.counts for p in parts],
        sparsity=config.sparsity,
        threshold=config.threshold,
        ranking=config.ranking,
    )
    # Until here nothing was changed, and from here on nothing is refused.
    _thaw(module)
    _unmask(module)
    targets = list(weights_of(module))
    assert [name for name, *_ in targets] == [name for name, _ in weights]
    frozen = []
    for (name, owner, attribute, weight), p in zip(targets, parts, strict=True):
        frozen_weight = FrozenWeight(
            _prefixed(name, prefix), weight.shape, fan_in[name], p.counts, config, p.pattern
        )
        if (row := padding_row(owner)) is not None:
            frozen_weight.keep_zero(row)
        frozen_weight.to(device=weight.device, dtype=weight.dtype)
        weight.requires_grad_(True)
        # "unsafe" is torch's word for scores of another shape than the weight.
        parametrize.register_parametrization(owner, attribute, frozen_weight, unsafe=True)
        if _drop_effective_weights not in owner._state_dict_hooks.values():
            owner.register_state_dict_post_hook(_drop_effective_weights)  # type: ignore[no-untyped-call]
        _complete_class(owner)
        supermask.holders.append(owner.parametrizations[attribute])  # type: ignore[index, arg-type]
        frozen.append(frozen_weight)
    for index, frozen_weight in enumerate(frozen):
        frozen_weight.supermask, frozen_weight.index = supermask, index
    fixed = fix_others(module)
    seen = {name for name, value in other_state(module).items() if _has_seen_batches(name, value)}
    supermask.has_drawn_counts = (
        pattern is not None or config.place != "all" or not config.has_exact_counts
    )
    supermask.fixed = {name: f for name, f in fingerprints(module).items() if name not in seen}
    watch(module)
    return FreezeReport._of({f.name: f.shape for f in frozen}, part, parts, fixed, config)


def reset_scores(module: nn.Module, draw: int = 0) -> None:
    """Give the frozen weights of a module the scores that they had before any search.

    ``reset_parameters()`` of every frozen layer, and of layers that hold some, does this with the
    first draw; what is fixed (random weights, pattern, biases, norms) is not touched. A deep copy
    is equal until it is reset, and then has draws of its own: hosts that copy a layer and reset the
    copies (``DirGNNConv``, ``to_hetero``) get different scores over the same random weights.

    Args:
        module: frozen, or a part of what was.
        draw: which scores: 0 for those that freezing gave; every other number names scores of its
            own, independent of them, from the same seed.

    Raises:
        ConfigError: if nothing in the module is frozen, or for a negative number.

    >>> layer = FrozenLinear(2, 2, config=FreezeConfig(seed=3))
    >>> first = layer.parametrizations.weight.original.detach().clone()
    >>> reset_scores(layer, draw=1)
    >>> bool((layer.parametrizations.weight.original == first).any())
    False
    >>> layer.reset_parameters()
    >>> bool((layer.parametrizations.weight.original == first).all())
    True
    """
    if draw < 0:
        raise ConfigError(f"draw must be a number from 0 on, got {draw}")
    weights = frozen_weights(module)
    if not weights:
        raise ConfigError(f"{type(module).__name__} is not frozen: there are no scores to reset")
    with torch.no_grad():
        for weight in weights:
            weight.score().copy_(weight.initial_score(draw))


def bake(module: M) -> M:
    """A copy of a frozen module that is frozen no more: its parameters are the effective weights.

    It computes the same, has no scores and no masks, and needs no gslt to be pickled, exported or
    loaded into the host's own class. Its weights take no gradient, as a ticket is never trained;
    biases and norms that freezing fixed stay buffers of the same names.

    Args:
        module: frozen, or something that holds a frozen module.

    Raises:
        ConfigError: if nothing in the module is frozen.

    >>> layer = FrozenLinear(2, 2, config=FreezeConfig(sparsity=0.5))
    >>> plain = bake(layer)
    >>> type(plain).__name__, torch.equal(plain.weight, layer.weight)
    ('FrozenLinear', True)
    """
    if not frozen_weights(module):
        raise ConfigError(f"{type(module).__name__} is not frozen: there is nothing to bake")
    forget_selections(module)
    with torch.no_grad():
        effective = {
            name: getattr(owner, attribute).detach().clone()
            for name, owner, attribute, _ in frozen_places(module)
        }
        plain = copy.deepcopy(module)
        _thaw(plain)
        parameters = dict(plain.named_parameters())
        for name, value in effective.items():
            parameters[name].copy_(value)
            parameters[name].requires_grad_(False)
    return plain


def _parts(
    shapes: Mapping[str, Sequence[int]],
    config: FreezeConfig,
    units: Mapping[str, Units] | None = None,
    prefix: str = "",
    pattern: Mapping[str, Tensor] | None = None,
    *,
    whole: bool = False,
) -> tuple[list[bool], list[FrozenPart]]:
    """Which of the weights take part in freezing, and what is frozen of each.

    Raises:
        ConfigError: if the source has no ticket of the sparsity, or the pattern does not fit.
    """
    part = taking_part(list(shapes), config.place)
    found = (
        given_parts(shapes, config, pattern)
        if pattern is not None
        else frozen_parts(
            {_prefixed(name, prefix): shape for name, shape in shapes.items()},
            *config.ratios,
            config.allocation,
            part,
            seed=config.seed,
            draw=config.draw,
            connected=config.connected,
            units={_prefixed(name, prefix): each for name, each in (units or {}).items()},
        )
    )
    if whole:
        return part, found
    counts = [p.counts for p in found]
    if pattern is not None or not config.has_exact_counts:
        check_window(counts, config.sparsity)
    if config.threshold == "layer":
        check_layer_sparsity(counts, config.sparsity)
    return part, found


def _prefixed(name: str, prefix: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def weights_of(module: nn.Module) -> Iterator[tuple[str, nn.Module, str, nn.Parameter]]:
    """Every weight to be frozen or drawn, in the order of the module's parameters.

    Yields:
        Qualified name, the module that owns the parameter, its attribute there, the parameter.
    """
    for path, owner in module.named_modules():
        for attribute, parameter in owner.named_parameters(recurse=False):
            if _is_weight(owner, attribute, parameter):
                yield f"{path}.{attribute}".lstrip("."), owner, attribute, parameter


def frozen_places(module: nn.Module) -> Iterator[tuple[str, nn.Module, str, FrozenWeight]]:
    """Every frozen weight, as :func:`weights_of` gives those that are not frozen yet.

    Yields:
        Qualified name in this module, the module that holds it, its attribute there, the weight.
    """
    for path, owner in module.named_modules():
        if parametrize.is_parametrized(owner):
            for attribute, chain in owner.parametrizations.items():
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


def _check_whole(module: nn.Module) -> None:
    inside = Counter(id(weight.supermask) for weight in frozen_weights(module))
    for weight in frozen_weights(module):
        shared = len(weight.supermask.holders) if weight.supermask else 0
        if shared > inside[id(weight.supermask)]:
            raise ConfigError(
                f"{weight.name} shares its threshold with weights outside this module, which would "
                "lose it; freeze the whole network anew"
            )


def _checked(module: nn.Module) -> list[tuple[str, torch.Size]]:
    """The weights that will be frozen; what cannot be is refused."""
    if not isinstance(module, nn.Module):
        raise ConfigError(f"freeze takes a torch module, got {shortened(module)}")
    _check_whole(module)
    _check_plain(module)
    weights = _frozen_or_not(module)
    if not weights:
        raise ConfigError(f"{type(module).__name__} has no weight to freeze")
    return weights


def _frozen_or_not(module: nn.Module) -> list[tuple[str, torch.Size]]:
    """Name and shape of every weight that will be frozen, those too that are frozen now.

    In a layer that has both, those that are frozen now come last, as they do once it is thawed.
    """
    plain = [(owner, name, weight.shape) for name, owner, _, weight in weights_of(module)]
    frozen = [(owner, name, weight.shape) for name, owner, _, weight in frozen_places(module)]
    order = {owner: number for number, owner in enumerate(module.modules())}
    both = sorted([*plain, *frozen], key=lambda each: order[each[0]])
    return [(name, shape) for _, name, shape in both]


def _check_plain(module: nn.Module) -> None:
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            raise ConfigError(
                f"{name} has no shape yet (a lazy layer); run one forward pass, then freeze"
            )
    seen: dict[int, str] = {}
    for name, owner, _, weight in weights_of(module):
        if isinstance(owner, parametrize.ParametrizationList) or _is_reparametrized(owner):
            raise ConfigError(
                f"{name} belongs to another parametrization; remove it before freezing"
            )
        if id(weight) in seen:
            raise ConfigError(
                f"{seen[id(weight)]} and {name} are the same tensor; a frozen weight belongs to "
                "one layer, so untie them first"
            )
        seen[id(weight)] = name


def _is_reparametrized(owner: nn.Module) -> bool:
    """Whether torch's older ``weight_norm``, ``spectral_norm`` or pruning rewrites a weight."""
    rewriters = (WeightNorm, SpectralNorm, BasePruningMethod)
    return any(isinstance(hook, rewriters) for hook in owner._forward_pre_hooks.values())


def fix_others(module: nn.Module) -> tuple[tuple[str, str], ...]:
    """Fix every parameter that is no weight, as :func:`freeze` says; weights must be frozen before.

    Args:
        module: any.

    A class with "norm" in its name that is neither torch's nor PyG's, nor derived from one, is no
    norm here; where its scale is not 1, and so might have been meant to be, a :class:`GsltWarning`
    says that it is kept.

    Returns:
        Qualified name of each, and how it was fixed.
    """
    fixed = []
    for path, owner in module.named_modules():
        if isinstance(owner, parametrize.ParametrizationList):
            continue
        norm = is_norm(owner)
        for attribute, parameter in list(owner.named_parameters(recurse=False)):
            value, how = parameter.detach().clone(), "kept at its present value"
            if is_bias(owner, attribute):
                value, how = torch.zeros_like(value), "fixed at 0"
            elif norm:
                value, how = torch.ones_like(value), "fixed at 1"
            elif "norm" in type(owner).__name__.lower() and bool((value != 1).any()):
                warnings.warn(
                    f"{f'{path}.{attribute}'.lstrip('.')} of {type(owner).__name__}, a class that "
                    f"gslt does not know as a norm, is {how}; derive it from a norm of torch or "
                    "PyG to have it fixed at 1, or set it before freezing",
                    GsltWarning,
                    stacklevel=3,
                )
            delattr(owner, attribute)
            owner.register_buffer(attribute, value)
            fixed.append((f"{path}.{attribute}".lstrip("."), how))
    return tuple(fixed)


def _complete_class(owner: nn.Module) -> None:
    """Add to the class that torch made, for this layer alone, when it was parametrized.

    torch's class refuses to be pickled, and a copy shares it. With :func:`_reduced` it is pickled
    and copied as the host's class is, and the copy has a class of its own.
    """
    kind = type(owner)
    for method in {"__getstate__", "__deepcopy__"} & set(vars(kind)):
        delattr(kind, method)
    setattr(kind, "__reduce_ex__", _reduced)  # noqa: B010
    setattr(kind, "__setstate__", _revived)  # noqa: B010
    if hasattr(owner, "reset_parameters"):
        setattr(kind, "reset_parameters", reset_scores)  # noqa: B010


def _reduced(layer: nn.Module, protocol: int) -> tuple[Any, ...]:
    # Python 3.10 has no such method of every object.
    state_of = getattr(layer, "__getstate__", lambda: layer.__dict__)
    # Without a graph: torch's recurrent layers put the weights of a pass into their state.
    with torch.no_grad():
        state = state_of()
    return _blank, (type(layer).__bases__[0], tuple(layer.parametrizations)), state  # type: ignore[arg-type]


def _revived(layer: nn.Module, state: Any) -> None:
    """Take the state of the layer that was copied or saved, and the place in its network."""
    type(layer).__bases__[0].__setstate__(layer, state)  # type: ignore[attr-defined]
    for chain in layer.parametrizations.values():  # type: ignore[operator]
        if isinstance(chain[0], FrozenWeight) and chain[0].supermask is not None:
            chain[0].supermask.join(chain[0].index, chain)
    watch(layer)


def _blank(kind: type[nn.Module], parametrized: tuple[str, ...]) -> nn.Module:
    """A layer of the host's class ``kind`` that is parametrized but has no state yet."""
    layer = kind.__new__(kind)
    nn.Module.__init__(layer)
    for attribute in parametrized:
        layer.register_buffer(attribute, torch.empty(0))
        parametrize.register_parametrization(layer, attribute, nn.Identity())
    _complete_class(layer)
    return layer


def _drop_effective_weights(
    owner: nn.Module, state: dict[str, Any], prefix: str, metadata: object
) -> None:
    # PyG's Linear writes `self.weight` into its state by hand; a frozen weight is never stored.
    for attribute in getattr(owner, "parametrizations", ()):
        state.pop(f"{prefix}{attribute}", None)


def _thaw(module: nn.Module) -> None:
    places = list(frozen_places(module))
    for owner in {owner for _, owner, _, _ in places}:
        # A host's own way to copy may share the class, and torch takes the weight from it.
        of, shared = type(owner), ("__dict__", "__weakref__")
        own = {name: value for name, value in vars(of).items() if name not in shared}
        owner.__class__ = type(of.__name__, of.__bases__, own)
    for _, owner, attribute, weight in places:
        score = owner.parametrizations[attribute].original  # type: ignore[index, union-attr]
        parametrize.remove_parametrizations(owner, attribute, leave_parametrized=False)
        delattr(owner, attribute)
        blank = torch.zeros(weight.shape, device=score.device, dtype=score.dtype)
        owner.register_parameter(attribute, nn.Parameter(blank))


def _unmask(module: nn.Module) -> None:
    """Take away the masks under which weights were trained, and what keeps gradients from them."""
    for _, owner, attribute, weight in list(weights_of(module)):
        if f"{attribute}{MASK_SUFFIX}" in owner._buffers:
            delattr(owner, f"{attribute}{MASK_SUFFIX}")
            owner.register_parameter(attribute, nn.Parameter(weight.detach().clone()))


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


def fingerprints(module: nn.Module) -> dict[str, str]:
    """SHA-256 of everything that :func:`other_state` gives, whatever its type of numbers.

    Args:
        module: as it was frozen.
    """
    return {name: _fingerprint(value) for name, value in other_state(module).items()}


def _fingerprint(value: Any) -> str:
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


def _has_seen_batches(name: str, value: Any) -> bool:
    """Whether a value is of a norm that no longer has the running statistics it was built with."""
    fresh = _FRESH.get(name.rpartition(".")[2])
    return fresh is not None and isinstance(value, Tensor) and bool((value != fresh).any())


class FrozenLinear(nn.Linear):
    """A frozen ``torch.nn.Linear``: same call, no trained weight.

    Args:
        in_features: input width.
        out_features: output width.
        bias: as in torch; a bias is fixed at 0.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        config: FreezeConfig | None = None,
        name: str = "",
    ) -> None:
        super().__init__(in_features, out_features, bias)
        freeze(self, config or FreezeConfig(), prefix=name)


class FrozenConv2d(nn.Conv2d):
    """A frozen ``torch.nn.Conv2d``: same call and options, no trained weight.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        kernel_size: as in torch.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.
        **options: further options of ``torch.nn.Conv2d``; a bias is fixed at 0.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        config: FreezeConfig | None = None,
        name: str = "",
        **options: Any,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, **options)
        freeze(self, config or FreezeConfig(), prefix=name)
