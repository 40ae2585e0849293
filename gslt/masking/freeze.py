"""Frozen weights: ``freeze`` turns any torch, PyG or DGL module into a frozen source network.

Every weight matrix of the module becomes a parametrization (``torch.nn.utils.parametrize``): the
random weights and the freezing pattern are regenerated from the seed, and what was the weight
parameter is now the flat tensor of scores of the weights left to the search. So
``sum(p.numel() for p in module.parameters())`` is the search space, and ``layer.weight`` is the
effective weight.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from gslt.config import FreezeConfig, SearchConfig
from gslt.errors import ConfigError, FreezingWarning, GsltWarning, listed, warn
from gslt.masking.fan_in import fan_in_of, is_bias, is_of_host, padding_row, units_of
from gslt.masking.parametrization import FrozenWeight, forget_selections, frozen_weights
from gslt.masking.report import FreezeReport, parts_of, prefixed
from gslt.masking.supermask import Supermask
from gslt.masking.trained import unmask
from gslt.masking.twins import watch
from gslt.masking.weights import (
    fingerprint_of,
    fingerprints,
    frozen_places,
    has_seen_batches,
    is_norm,
    other_state,
    parameters_of,
    rewritten,
    unsaved,
    unwrapped,
    weights_of,
)
from gslt.settings import shortened

M = TypeVar("M", bound=nn.Module)

#: How a parameter is fixed that is no weight, no bias and of no norm.
KEPT = "kept at its present value"
#: Methods by which hosts draw the weights of a layer anew.
RESETTERS = {"reset_parameters", "_reset_parameters"}
#: Where PyG's layers keep what they have made of a graph.
CACHES = {"_cached_edge_index", "_cached_adj_t", "_cached_h", "_cached_x"}


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
    anything else at its present value (as buffers of the same name). So is a parameter of any shape
    and name that takes no gradient (``requires_grad=False``), such as a positional encoding, an
    embedding or a whole encoder that is fixed. Afterwards ``module.parameters()`` are the scores
    and nothing else. A module that is frozen already, or holds frozen layers, is frozen anew as one
    network: its scores stay the same parameters, so that an optimizer goes on with them, take a
    gradient again, and begin anew. The random weights have variance 2 / fan-in, see
    :func:`gslt.masking.fan_in.fan_in_of`; the padding row of an embedding stays zero.

    Args:
        module: any torch, PyG or DGL module.
        config: the frozen source network; a ``SearchConfig`` is one, and a :class:`GsltWarning`
            names what it says of the search beside.
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
        layer has nearly all of what is frozen, and where the scores before the search keep nothing
        of a layer, of which a :class:`gslt.errors.FreezingWarning` warns too; it also tells where
        settings of what is frozen change nothing, as nothing is.

    Raises:
        ConfigError: for a module without weights that take a gradient, with shared or uninitialised
            weights, with another parametrization on a weight, or that is a part of a frozen
            network; for a place that it does not have, or ratios where no layer takes part; for a
            sparsity that the source does not have with its true counts; for a pattern that does not
            fit.
    """
    report = make_source(module, config, prefix=prefix, pattern=pattern)
    if unused := _unused(config):
        warn(
            f"freeze leaves out {listed(unused)}, which say how to search: gslt.search does; in a "
            "loop of your own, do it there (gslt.reset_scores draws scores)",
            GsltWarning,
        )
    if pattern is None and config.ignored:
        warn(config.ignored, FreezingWarning)
    weights = frozen_weights(module)
    supermask = weights[0].supermask
    assert supermask is not None
    searched = supermask.numbers_kept()
    kept = [w.counts.locked + n for w, n in zip(weights, searched, strict=True)]
    report = replace(report, kept=tuple(kept))
    if report.emptied:
        warn(report.emptied, FreezingWarning)
    return report


def _unused(config: FreezeConfig) -> list[str]:
    """What the config of a search sets that changes which ticket is found, but not the source."""
    if not isinstance(config, SearchConfig):
        return []
    names = ("sparsity_schedule", "sparsity_levels", "score_draw", "l1", "precision")
    values = {name: getattr(config, name) for name in names}
    return [f"{n}={value}" for n, value in values.items() if value != getattr(SearchConfig, n)]


def make_source(
    module: nn.Module,
    config: FreezeConfig,
    *,
    prefix: str = "",
    pattern: Mapping[str, Tensor] | None = None,
) -> FreezeReport:
    """What :func:`freeze` does, for whoever puts scores of his own into the source, or searches it.

    Nothing is said of the scores before the search, nor of settings of a search.

    Args:
        module: see :func:`freeze`.
        config: likewise.
        prefix: likewise.
        pattern: likewise.

    Raises:
        ConfigError: see :func:`freeze`.
    """
    if not isinstance(config, FreezeConfig):
        raise ConfigError(
            f"freeze takes a FreezeConfig or a SearchConfig, got {shortened(config)}; such as "
            "gslt.freeze(module, gslt.FreezeConfig(freezing_ratio=0.4))"
        )
    module = unwrapped(module)
    weights = _checked(module)
    fan_in = {name: fan_in_of(module, name, shape) for name, shape in weights}
    units = {name: units_of(module, name, shape, fan_in[name]) for name, shape in weights}
    part, parts = parts_of(dict(weights), config, units, prefix, pattern)
    supermask = Supermask(
        [p.counts for p in parts],
        sparsity=config.sparsity,
        threshold=config.threshold,
        ranking=config.ranking,
    )
    _warn_of_norms(module)
    changed = _changed(module)
    # Until here nothing was changed, and from here on nothing is refused.
    _thaw(module)
    unmask(module)
    if hasattr(module, "found_on"):  # A network of gslt's, whose ticket or training is no more.
        module.found_on = None  # type: ignore[assignment]
    targets = list(_searchable(module))
    assert [name for name, *_ in targets] == [name for name, _ in weights]
    frozen = []
    for (name, owner, attribute, weight), p in zip(targets, parts, strict=True):
        frozen_weight = FrozenWeight(
            prefixed(name, prefix), weight.shape, fan_in[name], p.counts, config, p.pattern
        )
        if (row := padding_row(owner)) is not None:
            frozen_weight.keep_zero(row)
        frozen_weight.to(device=weight.device, dtype=weight.dtype)
        weight.requires_grad_(True)
        weight.grad = None  # That of the weight has another shape.
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
    others = other_state(module)
    stored = {name for name, value in others.items() if has_seen_batches(name, value)}
    # Whatever is not one number may have been drawn, and no seed of ours draws it again.
    stored |= {name for name, how in fixed if how == KEPT and not _is_constant(others[name])}
    stored |= changed
    supermask.has_drawn_counts = (
        pattern is not None or config.place != "all" or not config.has_exact_counts
    )
    kept = {name: value for name, value in others.items() if name not in stored}
    supermask.fixed = {name: fingerprint_of(value) for name, value in kept.items()}
    supermask.unsaved = {name: fingerprint_of(value) for name, value in unsaved(module).items()}
    watch(module)
    return FreezeReport.of_parts({f.name: f.shape for f in frozen}, part, parts, fixed, config)


def make_searched(
    module: nn.Module, config: SearchConfig, *, pattern: Mapping[str, Tensor] | None = None
) -> FreezeReport:
    """What :func:`make_source` does, with the scores that a search begins with.

    Args:
        module: see :func:`freeze`.
        config: of the search, which says the draw of the scores.
        pattern: see :func:`freeze`; of the shapes of the weights ``(out, in, …)``.

    Raises:
        ConfigError: see :func:`freeze`.
    """
    report = make_source(module, config, pattern=pattern)
    if config.score_draw:
        reset_scores(module, config.score_draw)
    return report


def reset_scores(module: nn.Module, draw: int = 0) -> None:
    """Give the frozen weights of a module the scores that they had before any search.

    ``reset_parameters()`` of every frozen layer does this with the first draw, for all in it, and
    resets its running statistics and cached graphs as its host does. That of a module without
    frozen weights of its own is its host's: PyG's call their layers', many of DGL's write into the
    weights, which is refused. What is fixed (random weights, pattern, biases, norms) is not
    touched. A deep copy is equal until it is reset, and then has draws of its own: hosts that copy
    a layer and reset the copies (``DirGNNConv``, ``to_hetero``) get different scores over the same
    random weights.

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


def _check_whole(module: nn.Module) -> None:
    inside = Counter(id(weight.supermask) for weight in frozen_weights(module))
    for weight in frozen_weights(module):
        shared = len(weight.supermask.holders) if weight.supermask else 0
        if shared > inside[id(weight.supermask)]:
            raise ConfigError(
                f"{weight.name} shares its threshold with weights outside this module, which would "
                "lose it; freeze the whole network anew"
            )


def _changed(module: nn.Module) -> set[str]:
    """What a frozen network no longer holds as it was built; freezing it anew does not forget."""
    places = list(frozen_places(module))
    sources = {id(weight.supermask): weight.supermask for *_, weight in places}
    if len(sources) != 1 or any(name != weight.name for name, _, _, weight in places):
        return set()
    supermask = sources.popitem()[1]
    assert supermask is not None
    found = fingerprints(module)
    return {name for name in found if found[name] != supermask.fixed.get(name)}


def _is_constant(value: Tensor) -> bool:
    return bool((value == value.flatten()[:1]).all())


def _checked(module: nn.Module) -> list[tuple[str, torch.Size]]:
    """The weights that will be frozen; what cannot be is refused."""
    if not isinstance(module, nn.Module):
        raise ConfigError(f"freeze takes a torch module, got {shortened(module)}")
    _check_whole(module)
    if names := rewritten(module):
        raise ConfigError(
            f"another parametrization was put on {listed(names)} since they were frozen; remove it "
            "before freezing"
        )
    check_shapes(module)
    _check_plain(module)
    weights = _frozen_or_not(module)
    if not weights and (kept := [name for name, *_ in weights_of(module)]):
        raise ConfigError(
            f"no weight of {type(module).__name__} takes a gradient ({listed(kept)}), so that all "
            "would be kept as they are; call requires_grad_(True) on what is to be searched"
        )
    if not weights:
        raise ConfigError(f"{type(module).__name__} has no weight to freeze")
    return weights


def _searchable(module: nn.Module) -> Iterator[tuple[str, nn.Module, str, nn.Parameter]]:
    """The weights that will be frozen, of those that are not: whoever fixed one wants its value."""
    for name, owner, attribute, weight in weights_of(module):
        if weight.requires_grad:
            yield name, owner, attribute, weight


def _frozen_or_not(module: nn.Module) -> list[tuple[str, torch.Size]]:
    """Name and shape of every weight that will be frozen, those too that are frozen now.

    In a layer that has both, those that are frozen now come last, as they do once it is thawed.
    """
    plain = [(owner, name, weight.shape) for name, owner, _, weight in _searchable(module)]
    frozen = [(owner, name, weight.shape) for name, owner, _, weight in frozen_places(module)]
    order = {owner: number for number, owner in enumerate(module.modules())}
    both = sorted([*plain, *frozen], key=lambda each: order[each[0]])
    return [(name, shape) for _, name, shape in both]


def check_shapes(module: nn.Module) -> None:
    """Refuse a module of which a layer has no shape yet.

    Args:
        module: any.

    Raises:
        ConfigError: for a lazy layer that has not been called.
    """
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            raise ConfigError(
                f"{name} has no shape yet (a lazy layer); run one forward pass, then freeze"
            )


def _check_plain(module: nn.Module) -> None:
    weights = list(_searchable(module))
    for name, owner, _, _ in weights:
        if getattr(owner, "sparse", False) and isinstance(owner, nn.Embedding | nn.EmbeddingBag):
            raise ConfigError(
                f"{name} has sparse gradients, and scores have dense ones; build the "
                f"{type(owner).__name__} with sparse=False"
            )
        if isinstance(owner, parametrize.ParametrizationList) or _is_reparametrized(owner):
            raise ConfigError(
                f"{name} belongs to another parametrization; remove it before freezing"
            )
    shared, seen = {id(weight) for *_, weight in weights}, dict[int, str]()
    for name, _, _, parameter in parameters_of(module):
        if id(parameter) in seen:
            raise ConfigError(
                f"{seen[id(parameter)]} and {name} are the same tensor; a frozen weight belongs to "
                "one layer, so untie them first"
            )
        if id(parameter) in shared:
            seen[id(parameter)] = name


def _warn_of_norms(module: nn.Module) -> None:
    """Tell of scales of a norm that is not known as one, and that are frozen as weights."""
    for name, owner, _, weight in _searchable(module):
        kind, shape = type(owner).__name__, tuple(weight.shape)
        if "norm" in kind.lower() and not is_of_host(owner) and weight.numel() == max(shape):
            warn(
                f"{name} {shape} of {kind}, a class that gslt does not know as a norm, is frozen "
                "as a weight: random, and searched. Derive it from a norm of torch or PyG to have "
                "it fixed at 1, or call requires_grad_(False) on it to have it kept as it is",
                GsltWarning,
            )


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
    says that it is kept. Another says where a bias of a class of your own is a matrix.

    Returns:
        Qualified name of each, and how it was fixed.
    """
    fixed = []
    for name, owner, attribute, parameter in list(parameters_of(module)):
        if isinstance(owner, parametrize.ParametrizationList):
            continue
        value, how = parameter.detach().clone(), KEPT
        if not parameter.requires_grad:
            how = f"{KEPT}, as it takes no gradient"
        elif is_bias(owner, attribute):
            if not is_of_host(owner) and sum(size > 1 for size in value.shape) > 1:
                warn(
                    f"{name} {tuple(value.shape)} is a bias by its name, and fixed at 0; if it "
                    'multiplies something, give it a name without "bias"',
                    GsltWarning,
                )
            value, how = torch.zeros_like(value), "fixed at 0"
        elif is_norm(owner):
            value, how = torch.ones_like(value), "fixed at 1"
        elif "norm" in type(owner).__name__.lower() and bool((value != 1).any()):
            warn(
                f"{name} of {type(owner).__name__}, a class that gslt does not know as a norm, is "
                f"{how}; derive it from a norm of torch or PyG to have it fixed at 1, or set it "
                "before freezing",
                GsltWarning,
            )
        delattr(owner, attribute)
        owner.register_buffer(attribute, value)
        fixed.append((name, how))
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
    for method in sorted(RESETTERS):
        if hasattr(owner, method):
            setattr(kind, method, _reset)


def _reset(layer: nn.Module, *args: Any, **kwargs: Any) -> None:
    """What a layer's ``reset_parameters`` does once it is frozen; arguments say how to draw."""
    reset_scores(layer)
    of = next(kind for kind in type(layer).__mro__[1:] if RESETTERS & set(vars(kind)))
    if of.__module__.partition(".")[0] not in ("torch", "torch_geometric", "dgl", "gslt"):
        warn(
            f"a {type(layer).__bases__[0].__name__} is frozen: its scores, running statistics and "
            "cached graphs are reset, and its own reset_parameters is not called; what else that "
            "would reset stays as it is",
            GsltWarning,
        )
    for part in layer.modules():
        if isinstance(part, _NormBase):
            part.reset_running_stats()
        for name in CACHES & set(vars(part)):
            setattr(part, name, None)


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
        for key, hook in list(owner._state_dict_hooks.items()):
            if hook is _drop_effective_weights:
                del owner._state_dict_hooks[key]
    for _, owner, attribute, weight in places:
        parametrize.remove_parametrizations(owner, attribute, leave_parametrized=False)
        # The parameter that optimizers know; torch makes scores of it again.
        parameter: nn.Parameter = getattr(owner, attribute)
        blank = parameter.new_zeros(weight.shape)
        if parameter.is_inference():
            setattr(owner, attribute, nn.Parameter(blank))
            continue
        with torch.no_grad():
            parameter.set_(blank)  # type: ignore[call-overload]
        parameter.grad = None
        parameter.requires_grad_(True)


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
