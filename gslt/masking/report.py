"""What freezing makes of each weight of a network: counts by layer, and what there is to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from gslt.config import FreezeConfig
from gslt.errors import listed
from gslt.freezing import FrozenCounts, FrozenPart, Units, frozen_parts, taking_part
from gslt.freezing.allocation import FALLING_SHORT
from gslt.masking.given import given_parts
from gslt.masking.supermask import check_layer_sparsity, check_window

#: A layer with so large a share of the frozen weights has nearly all of them.
NEARLY_ALL = 0.9
#: Allocation of a pattern that was not made by one.
GIVEN = "given"
#: What leaves a layer of a weak ticket some weights, …
WEAK_REMEDY = "a lower mask_sparsity or another allocation keeps some"
#: … a layer of a searched one, …
FULLER = "a lower sparsity, less pruning or threshold=layer keeps some"
#: … and a layer before the search.
_FULLER_START = (
    'a search that begins so may get no gradient: threshold="layer" gives every layer its share, '
    "a lower sparsity or less pruning a larger one"
)


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
    kept: tuple[int, ...] | None = None
    """Weights of each layer that the scores before the search keep, locked ones among them; None
    where nothing was selected."""

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
        parts = parts_of(shapes, config, units, pattern=pattern, whole=whole)
        return cls.of_parts(shapes, *parts, (), config)

    @classmethod
    def of_parts(
        cls,
        shapes: Mapping[str, Sequence[int]],
        part: Sequence[bool],
        parts: Sequence[FrozenPart],
        fixed: tuple[tuple[str, str], ...],
        config: FreezeConfig,
    ) -> FreezeReport:
        """What was frozen, from what :func:`parts_of` found.

        Args:
            shapes: of the weights by name.
            part: which of them take part.
            parts: what is frozen of each.
            fixed: name of every other parameter, and how it was fixed.
            config: the frozen source network.
        """
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
    def emptied(self) -> str:
        """A sentence where some layers, not all, keep nothing before the search; else empty."""
        if not self.kept or not any(self.kept):
            return ""
        layers = zip(self.layers, self.kept, strict=True)
        kept = {layer.name: (kept, layer.counts.total) for layer, kept in layers}
        return emptied_layers(kept, _FULLER_START)

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
        sentences = filter(None, [self.shortfall, self.concentration, self.emptied])
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


def parts_of(
    shapes: Mapping[str, Sequence[int]],
    config: FreezeConfig,
    units: Mapping[str, Units] | None = None,
    prefix: str = "",
    pattern: Mapping[str, Tensor] | None = None,
    *,
    whole: bool = False,
) -> tuple[list[bool], list[FrozenPart]]:
    """Which of the weights take part in freezing, and what is frozen of each.

    Args:
        shapes: of the weights ``(out, in, …)``, by name.
        config: the frozen source network.
        units: what the weights connect; default :meth:`gslt.freezing.Units.of`.
        prefix: of the names of the random streams, see :func:`gslt.freeze`.
        pattern: which weights are frozen, where config and seed do not say it.
        whole: for a mask on trained weights, see :meth:`FreezeReport.of`.

    Raises:
        ConfigError: if the source has no ticket of the sparsity, or the pattern does not fit.
    """
    part = taking_part(list(shapes), config.place)
    found = (
        given_parts(shapes, config, pattern)
        if pattern is not None
        else frozen_parts(
            {prefixed(name, prefix): shape for name, shape in shapes.items()},
            *config.ratios,
            config.allocation,
            part,
            seed=config.seed,
            draw=config.draw,
            connected=config.connected,
            units={prefixed(name, prefix): each for name, each in (units or {}).items()},
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


def prefixed(name: str, prefix: str) -> str:
    """The name of a weight that names its random stream.

    >>> prefixed("weight", "conv1"), prefixed("weight", "")
    ('conv1.weight', 'weight')

    Args:
        name: in its module.
        prefix: of the module, see :func:`gslt.freeze`.
    """
    return f"{prefix}.{name}" if prefix else name


def emptied_layers(kept: Mapping[str, tuple[int, int]], remedy: str = WEAK_REMEDY) -> str:
    """A sentence that names the layers without any weight; empty where there is none.

    Args:
        kept: numbers of weights that are kept and that there are, by the layer's weight.
        remedy: what to do about it, the last part of the sentence.
    """
    lost = [f"{name}, {total:,} weights" for name, (left, total) in kept.items() if not left]
    if not lost:
        return ""
    return (
        f"{len(lost)} of {len(kept)} layers have lost every weight ({listed(lost)}), so that "
        f"nothing passes through them; {remedy}"
    )
