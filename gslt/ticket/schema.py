"""What a ticket file holds, and the rules that its parts must keep among themselves."""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from gslt.config import VISION, FreezeConfig, ModelConfig
from gslt.errors import ConfigError
from gslt.files.container import DTYPES, MOST_DIMENSIONS
from gslt.freezing import FrozenCounts, frozen_counts, taking_part
from gslt.masking.given import given_parts
from gslt.masking.report import FreezeReport
from gslt.masking.supermask import Supermask, check_window
from gslt.nn.gnn import weight_shapes
from gslt.nn.source import SourcePlan
from gslt.nn.vision import norm_shapes

#: What every reader can hold in a signed word.
LARGEST_COUNT = 2**63 - 1


@dataclass(frozen=True)
class Architecture:
    """What rebuilds the network around the weights."""

    model: ModelConfig
    """Message passing, depth, width."""
    in_channels: int
    """Number of features."""
    out_channels: int
    """Number of classes."""

    def __post_init__(self) -> None:
        for width in (self.in_channels, self.out_channels):
            if type(width) is not int or width < 1:
                raise ConfigError(f"a network has at least one input and class, got {width!r}")


@dataclass(frozen=True, eq=False)
class StoredTicket:
    """What a ticket file holds."""

    config: FreezeConfig
    """The frozen source network."""
    masks: dict[str, Tensor]
    """Which searched weights are kept, by qualified weight name, boolean ``(m,)``."""
    source: FrozenCounts
    """Counts of the whole source network."""
    weights_checksum: str
    """SHA-256 of the regenerated network, see :func:`gslt.ticket.weights_checksum`."""
    architecture: Architecture | None = None
    """The classifier of nodes or images; None for a ticket of a module of your own."""
    dataset: str = ""
    """Name of the data set it was found on."""
    split: int = 0
    """Number of its split, for data sets that have several."""
    results: dict[str, float] = dataclasses.field(default_factory=dict)
    """Figures of the search: accuracies, best epoch."""
    state: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    """What else the module holds that is no longer as it was built, such as running statistics, by
    qualified name; of any shape ``(…)``. A network of gslt's has running statistics of images."""
    content_hash: str = ""
    """Of the data set, see :attr:`gslt.data.NodeDataset.content_hash`; empty where nobody said."""
    construction: SourcePlan | None = None
    """The source of a ticket that was constructed, see :mod:`gslt.theory.construct`."""
    pattern: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    """Which weights are frozen, where that was given (:func:`gslt.freeze`) and no seed tells it: by
    the names of the masks, int8 ``(n,)``, −1 pruned, +1 locked, 0 searched; else empty."""
    values: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    """Of a weak ticket: the trained weights that each mask keeps, float32 ``(k,)``, by weight name;
    the weights themselves, which no scale multiplies. Empty in a strong one."""


def check_ticket(ticket: StoredTicket) -> None:
    """Refuse a ticket that contradicts itself, without building any of it.

    Raises:
        ValueError: naming the contradiction.
    """
    if not re.fullmatch("[0-9a-f]{64}", ticket.weights_checksum):
        raise ValueError("the checksum of its weights is no SHA-256")
    if ticket.content_hash and not re.fullmatch("[0-9a-f]{64}", ticket.content_hash):
        raise ValueError("the hash of its data is no SHA-256")
    if not isinstance(ticket.dataset, str):
        raise ValueError(f"its data set is called {ticket.dataset!r}")
    expect_count(ticket.split)
    if not isinstance(ticket.results, dict):
        raise ValueError("its results are no object")
    for name, value in ticket.results.items():
        # JSON has no infinity and no NaN, and a bool is no figure.
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        if not plain or not abs(value) <= sys.float_info.max:
            raise ValueError(f"its result {name!r} is no finite number")
    # Text that is no Unicode could not be printed, nor name a random stream.
    names = [*ticket.masks, *ticket.results, *ticket.state]
    "".join([ticket.dataset, ticket.config.place, *names]).encode()
    for name, stored in ticket.state.items():
        if reason := unstorable(stored):
            raise ValueError(f"its value {name!r} {reason}")
    if ticket.source.total < 1:
        raise ValueError("it has no weight")
    if ticket.architecture is not None and ticket.construction is not None:
        raise ValueError("it is of a classifier and constructed, which exclude each other")
    if ticket.values:
        _check_values(ticket)
    if ticket.pattern:
        _check_pattern(ticket)
    if ticket.architecture is not None:
        shapes = _shapes_of(ticket, ticket.architecture)
        _check_state(ticket.architecture, ticket.state)
        _check_counts(ticket, shapes)
    elif ticket.construction is not None:
        _check_construction(ticket, ticket.construction)
        _check_counts(ticket, ticket.construction.shapes)
    elif ticket.pattern:
        layers = given_parts(_flat_shapes(ticket), ticket.config, ticket.pattern)
        _check_kept(ticket, [layer.counts for layer in layers])
    else:
        counts = _global_counts(ticket)
        if ticket.config.threshold == "global":
            _check_kept(ticket, counts)
        _expect_equal("counts of the source", counts, [ticket.source])
    _expect_equal("searched weights", ticket.source.searched, sum(_searched(ticket)))


def _check_construction(ticket: StoredTicket, source: SourcePlan) -> None:
    """Refuse a source that has not the weights, the seed and the factors of the ticket."""
    if ticket.values:
        raise ValueError("its weights are trained, and it is constructed, of random ones")
    # First what bounds the work.
    if (size := source.searched_size) != ticket.source.total:
        raise ValueError(f"its source has {ticket.source.total} weights, its construction {size}")
    if source.seed != ticket.config.seed:
        raise ValueError(f"its seed is {ticket.config.seed}, its construction's {source.seed}")
    _expect_equal("weights", list(source.shapes), list(ticket.masks))
    for name, value in ticket.state.items():
        if name not in source.factors or value.dtype != torch.float64 or value.dim():
            raise ValueError(f"its construction has no value {name!r} of this shape and type")


def _check_counts(ticket: StoredTicket, shapes: Mapping[str, Sequence[int]]) -> None:
    """Refuse masks that weights of these shapes, of this source, do not have."""
    whole, pattern = bool(ticket.values), ticket.pattern or None
    report = FreezeReport.of(shapes, ticket.config, pattern, whole=whole)
    counts = [layer.counts for layer in report.layers]
    _expect_equal("searched weights", [c.searched for c in counts], _searched(ticket))
    _check_kept(ticket, counts)
    _expect_equal("counts of the source", [report.counts], [ticket.source])


def _check_values(ticket: StoredTicket) -> None:
    """Refuse trained weights that are not those of the masks."""
    config = ticket.config
    if ticket.pattern:
        raise ValueError("its weights are trained, so that no pattern of frozen ones is given")
    if ticket.source.locked or config.ratios[1] or config.scale != "none":
        raise ValueError("its weights are trained, so that none is locked and no scale is on them")
    if (config.place, config.threshold) != ("all", "global"):
        raise ValueError("a mask on trained weights has no place and no threshold of layers")
    _expect_equal("names of trained weights", [*ticket.masks], [*ticket.values])
    if not any(map(len, ticket.values.values())):
        raise ValueError("it keeps no trained weight")
    for name, value in ticket.values.items():
        if value.dtype != torch.float32 or not bool(value.isfinite().all()):
            raise ValueError(
                f"a trained weight of {name!r} is no finite number of single precision"
            )
        _expect_equal(
            f"trained weights of {name!r}", [kept_bits(ticket.masks[name])], [*value.shape]
        )


def _check_pattern(ticket: StoredTicket) -> None:
    """Refuse a given pattern that is not of these masks, or that this source cannot have."""
    if list(ticket.pattern) != list(ticket.masks):
        raise ValueError("its pattern is not of the weights of its masks")
    if any(value.dtype != torch.int8 or value.dim() != 1 for value in ticket.pattern.values()):
        raise ValueError("its pattern is not of flat int8 tensors")
    layers = given_parts(_flat_shapes(ticket), ticket.config, ticket.pattern)
    counts = [layer.counts for layer in layers]
    _expect_equal("searched weights", [c.searched for c in counts], _searched(ticket))
    _expect_equal("counts of the source", [FrozenCounts.sum(counts)], [ticket.source])
    check_window(counts, ticket.config.sparsity)


def _flat_shapes(ticket: StoredTicket) -> dict[str, tuple[int, ...]]:
    return {name: (value.numel(),) for name, value in ticket.pattern.items()}


def unstorable(value: Any) -> str:
    """Why a value of a module's state cannot be in a ticket; empty where it can.

    Args:
        value: anything.
    """
    if not isinstance(value, Tensor):
        return f"is no tensor, but {type(value).__name__}"
    if value.layout != torch.strided or value.dtype not in DTYPES.values():
        return f"is of the type {value.dtype}, {value.layout}, which no ticket holds"
    if not value.numel() or value.dim() > MOST_DIMENSIONS:
        return f"has no entry, or more than {MOST_DIMENSIONS} dimensions"
    if not bool(value.isfinite().all()):
        return "is not finite"
    return ""


def _shapes_of(ticket: StoredTicket, architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights of the architecture, which must have the names of the masks."""
    model, total, expected = architecture.model, ticket.source.total, list(ticket.masks)
    a, hidden, b = architecture.in_channels, model.hidden_channels, architecture.out_channels
    # First what bounds the work: a layer is no larger than the network.
    largest = hidden * max(a, b, hidden if model.num_layers > 2 else 0)
    of_graph = model.architecture not in VISION
    if of_graph and (model.num_layers > len(expected) or largest > total):
        raise ValueError(
            f"wrong architecture: {model.num_layers} layers of width {hidden} between {a} features "
            f"and {b} classes do not make {len(expected)} masks and {total} weights"
        )
    if max(a, b) > total:
        raise ValueError(f"wrong architecture: {max(a, b)} inputs or classes of {total} weights")
    shapes = weight_shapes(a, b, model)
    for name, found in zip_longest(shapes, expected):
        if name != found:
            raise ValueError(f"wrong architecture: it has the weight {name}, the mask is {found}'s")
    if (size := sum(map(math.prod, shapes.values()))) != total:
        raise ValueError(f"wrong architecture: it has {size} weights, the source has {total}")
    return shapes


def _check_state(architecture: Architecture, state: Mapping[str, Tensor]) -> None:
    """Refuse values that the network has not: those of a graph have none, others their norms'."""
    if not state:
        return
    known: dict[str, tuple[int, ...]] = {}
    if architecture.model.architecture in VISION:
        known = norm_shapes(architecture.in_channels, architecture.out_channels, architecture.model)
    for name, value in state.items():
        if known.get(name) != tuple(value.shape) or not value.is_floating_point():
            raise ValueError(f"the network of its architecture has no value {name!r}")
        if name.endswith("running_var") and not bool((value >= 0).all()):
            raise ValueError(f"a variance in {name!r} is negative")


def _global_counts(ticket: StoredTicket) -> list[FrozenCounts]:
    """Counts of the whole network of a module of one's own, whose shapes nobody knows here.

    In layers that do not take part, every weight is searched. Counts that the ratios alone do not
    tell are taken as the file says them; :meth:`Ticket.restore` compares them.
    """
    config, source = ticket.config, ticket.source
    part = taking_part(list(ticket.masks), config.place)
    outside = sum(n for n, takes in zip(_searched(ticket), part, strict=True) if not takes)
    if outside > source.total:
        raise ValueError(f"more searched weights than the {source.total} of the source")
    shapes = [(source.total - outside,), (outside,)]
    counts = FrozenCounts.sum(frozen_counts(shapes, *config.ratios, "epl", [any(part), False]))
    if config.has_exact_counts:
        return [counts]
    if not any(config.ratios) and source.searched < source.total:
        raise ValueError("weights of its source are frozen, where its settings freeze none")
    if not ticket.values:
        check_window([source], config.sparsity)
    return [source]


def _check_kept(ticket: StoredTicket, counts: list[FrozenCounts]) -> None:
    config = ticket.config
    if ticket.values and any(config.ratios):
        # What the mask removes is pruned, and all the rest was trained.
        _expect_equal("kept weights", _searched(ticket), [*map(kept_bits, ticket.masks.values())])
        return
    budgets = Supermask(counts, sparsity=config.sparsity, threshold=config.threshold).budgets()
    kept = [kept_bits(mask) for mask in ticket.masks.values()]
    _expect_equal("kept weights", budgets, kept if config.threshold == "layer" else [sum(kept)])


def _searched(ticket: StoredTicket) -> list[int]:
    return [mask.numel() for mask in ticket.masks.values()]


def kept_bits(mask: Tensor) -> int:
    """How many bits of a boolean mask ``(m,)`` are set, without a sum that is longer than it."""
    return int(torch.count_nonzero(mask))


def expect_count(value: Any) -> None:
    """Refuse what is no number of things, or more than 63 bits can say.

    Raises:
        ValueError: if it is none.
    """
    if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
        raise ValueError(f"a count is {value!r}")


def _expect_equal(what: str, expected: Any, found: Any) -> None:
    if expected != found:
        raise ValueError(f"wrong {what}: {found}, where its settings make {expected}")
