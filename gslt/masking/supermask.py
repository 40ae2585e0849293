"""Scores → mask: the weights that a ticket keeps, derived from their scores, and its gradient.

Edge-Popup (Ramanujan et al. 2020, arXiv 1911.13299) gives every searchable weight a score and keeps
the weights with the largest ones. A *group* of layers shares one budget of kept weights: the whole
network (global threshold, Sreenivasan et al. 2022, arXiv 2202.12002) or each layer alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from gslt.config import Ranking, Threshold
from gslt.errors import ConfigError, GsltWarning
from gslt.freezing import FrozenCounts
from gslt.masking.selection import Hint, count_true, select_largest
from gslt.nn.hooks import is_transformed


class _Masked(torch.autograd.Function):
    """Effective weight w ⊙ mask · scale, with Edge-Popup's straight-through gradient.

    The backward takes the indicator for |z| (or for z, when scores are ranked raw), and the scale
    for a constant: dL/dz = dL/dw_eff · w · scale · sign(z). At z = 0 the subgradient +1 is used, so
    that no score is ever stuck there.
    """

    @staticmethod
    def forward(
        ctx: Any,
        score: Tensor,
        searched_weight: Tensor,
        mask: Tensor,
        scale: Tensor,
        locked_weight: Tensor | None,
        searched_index: Tensor | None,
        ranking: Ranking,
    ) -> Tensor:
        ctx.save_for_backward(score, searched_weight, scale, searched_index)
        ctx.ranking = ranking
        kept = searched_weight * mask
        if locked_weight is not None and searched_index is not None:
            kept = locked_weight.index_put((searched_index,), kept)
        return kept * scale

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        score, searched_weight, scale, searched_index = ctx.saved_tensors
        grad = grads[0] if searched_index is None else grads[0][searched_index]
        grad = grad * searched_weight * scale
        if ctx.ranking == "magnitude":
            grad = torch.where(score < 0, -grad, grad)
        return (grad, None, None, None, None, None, None)


def masked_weight(
    score: Tensor,
    searched_weight: Tensor,
    mask: Tensor,
    scale: Tensor,
    locked_weight: Tensor | None = None,
    searched_index: Tensor | None = None,
    ranking: Ranking = "magnitude",
) -> Tensor:
    """Effective weight of a layer (Otsuka et al. 2024, Eq. 1), flat.

    Pruned weights are 0, locked ones w · scale, searched ones w · scale where the mask keeps them.

    Args:
        score: scores of the m searched weights ``(m,)``; the only input with a gradient.
        searched_weight: their random weights ``(m,)``.
        mask: which of them are kept, boolean ``(m,)``.
        scale: factor on the whole layer, a scalar tensor, treated as a constant.
        locked_weight: random weights at locked places and zero elsewhere ``(n,)``; None when m = n.
        searched_index: where the searched weights are in the layer, int64 ``(m,)``; None when
            m = n.
        ranking: what the scores are ranked by, see :class:`Supermask`.

    Returns:
        The weight ``(n,)``.
    """
    if is_transformed():
        # The same in operations that torch can transform: 0 is added, with the gradient of |z|.
        sign = torch.ones_like(score)
        if ranking == "magnitude":
            sign = torch.where(score < 0, -sign, sign)
        kept = searched_weight * (mask + sign * (score - score.detach()))
        if locked_weight is not None and searched_index is not None:
            kept = locked_weight.index_put((searched_index,), kept)
        return kept * scale
    inputs = (score, searched_weight, mask, scale, locked_weight, searched_index, ranking)
    result: Tensor = _Masked.apply(*inputs)  # type: ignore[no-untyped-call]
    return result


class ScoreHolder(Protocol):
    """Whatever holds the present score tensor of a layer: torch's ``ParametrizationList``."""

    original: Tensor
    """Scores of the searched weights, ``(m,)``."""


@dataclass
class _Selection:
    """Masks and densities of every layer, derived from one state of the scores."""

    key: tuple[object, ...]
    #: The score tensors and their storages, held so that no other tensor takes over their address.
    seen: list[tuple[Tensor, Tensor]]
    masks: list[Tensor]
    densities: list[Tensor]
    probes: list[list[float]]
    certain: bool = True


class Supermask:
    """The threshold that a network's frozen weights share, derived from their present scores.

    It remembers nothing that could go stale: the selection is kept only as long as no score tensor
    was written to (tensors count their versions), no optimizer made a step (torch's fused ones
    write without counting) and the sparsity is the same. A write through ``score.data`` in place is
    not counted: on a CPU a probe of some scores sees it unless it left these as they were, and
    everywhere ``eval()``, ``Ticket.of`` and ``bake`` select anew; write under ``torch.no_grad()``
    to be seen at once. Where the
    thresholds were last is a hint to the next selection, which makes it faster and never another
    one; copies and pickles start without. The layers join a copy one by one, so that the copy of a
    part of a network has no score of the rest: it keeps as many weights of its own as it did then.

    Args:
        counts: frozen counts of each layer. Where a layer's score tensor is found is appended to
            ``holders``, in the same order.
        sparsity: fraction of all weights that the ticket removes.
        threshold: ``"global"`` ranks all scores together; ``"layer"`` ranks each layer alone and
            gives each layer the sparsity.
        ranking: ``"magnitude"`` keeps the largest |z|, ``"raw"`` the largest z.

    Raises:
        ConfigError: if with ``threshold="layer"`` some layer cannot have the sparsity because too
            much of it is pruned or locked.
    """

    def __init__(
        self,
        counts: Sequence[FrozenCounts],
        *,
        sparsity: float,
        threshold: Threshold = "global",
        ranking: Ranking = "magnitude",
    ) -> None:
        self.counts = list(counts)
        self._holders: list[ScoreHolder | None] = []
        self._copied = False
        self._kept: list[int] = []
        self.fixed: dict[str, str] = {}
        """Fingerprints of what else the network holds, by name, where freezing finds it as it is
        built; what is not among them, a ticket has to store."""
        self.unsaved: dict[str, str] = {}
        """Fingerprints of buffers that no state has (``persistent=False``), and so no ticket."""
        self.has_drawn_counts = False
        """Whether the pruning ratio of the config does not tell how much of the network is pruned:
        a part of it was frozen, or counts were drawn or given."""
        self.threshold = threshold
        self.ranking = ranking
        self._selection: _Selection | None = None
        self.sparsity = sparsity
        self._hints = [Hint() for _ in self.budgets()]
        if threshold == "layer":
            check_layer_sparsity(self.counts, sparsity)

    @property
    def sparsity(self) -> float:
        """Target sparsity of the selection. A target outside the search window gives its edge."""
        return self._sparsity

    @sparsity.setter
    def sparsity(self, value: float) -> None:
        if not 0.0 <= value <= 1.0:
            raise ConfigError(f"sparsity must lie in [0, 1], got {value}")
        self._sparsity = float(value)

    @property
    def holders(self) -> list[ScoreHolder]:
        """Where the score tensor of each layer is found."""
        if self._copied:
            self._settle()
        return self._holders  # type: ignore[return-value]

    def join(self, layer: int, holder: ScoreHolder) -> None:
        """Take the copy of a layer into the copy of its supermask.

        Args:
            layer: its number in the network that was copied.
            holder: where its score tensor is found.
        """
        self._holders[layer] = holder

    def _settle(self) -> None:
        """After copying or loading: where layers are missing, be the supermask of the others."""
        there = [number for number, holder in enumerate(self._holders) if holder is not None]
        if not there or (len(there) < len(self._holders) and not self._kept):
            raise ConfigError(
                "a frozen weight was copied without its layer, or out of a network that had lost "
                "scores; copy the whole network, or gslt.bake it first"
            )
        self._copied = False
        if len(there) == len(self._holders):
            return
        before = len(self.counts)
        self.counts = [self.counts[number] for number in there]
        self._holders = [self._holders[number] for number in there]
        for number, holder in enumerate(self._holders):
            holder[0].index = number  # type: ignore[index]
        whole, kept = FrozenCounts.sum(self.counts), sum(self._kept[number] for number in there)
        if self.threshold == "global":
            self._sparsity = 1.0 - (kept + whole.locked) / max(whole.total, 1)
        self._hints = [Hint() for _ in self.budgets()]
        warnings.warn(
            f"{len(there)} of the {before} weights of a frozen network were copied without the "
            f"others, whose threshold they shared: the copy keeps {kept + whole.locked:,} of its "
            f"{whole.total:,} entries, as it did then, by a threshold of its own; freeze it anew "
            "for a sparsity of its own",
            GsltWarning,
            stacklevel=2,
        )

    @property
    def group(self) -> list[Any]:
        """Whose scores share the threshold: weights, entries, SHA-256 of names and counts."""
        # Of a copied part those that are there, without settling it: a state is no use.
        there = [
            [holder[0].name, c.total, c.pruned, c.locked]  # type: ignore[index]
            for holder, c in zip(self._holders, self.counts, strict=True)
            if holder is not None
        ]
        digest = hashlib.sha256(json.dumps(there).encode()).hexdigest()
        return [len(there), sum(total for _, total, *_ in there), digest]

    @property
    def source_sparsity(self) -> float | None:
        """Fraction of all weights that are pruned before the search, where no ratio tells it."""
        whole = FrozenCounts.sum(self.counts)
        return whole.pruned / max(whole.total, 1) if self.has_drawn_counts else None

    def budgets(self) -> list[int]:
        """Searched weights to keep: one number for the network, or one per layer.

        >>> layers = [FrozenCounts(10, 2, 1), FrozenCounts(30, 4, 5)]
        >>> Supermask(layers, sparsity=0.5).budgets()  # half of 40, of which 6 are locked
        [14]
        >>> Supermask(layers, sparsity=0.5, threshold="layer").budgets()
        [4, 10]
        """
        if self.threshold == "layer":
            return [_budget(c, self._sparsity) for c in self.counts]
        return [_budget(FrozenCounts.sum(self.counts), self._sparsity)]

    def mask(self, layer: int) -> Tensor:
        """Which searched weights of a layer are kept, boolean ``(m,)``."""
        selection = self._current()
        if selection.probes[layer] != _probe(_value(self.holders[layer].original)):
            self.forget()
        return self._current().masks[layer]

    def forget(self) -> None:
        """Select anew at the next use, whatever the scores say about when they were written."""
        if self._selection is not None:
            self._selection.certain = False

    def density(self, layer: int) -> Tensor:
        """Present fraction of a layer's weights that are not removed, a scalar tensor ``()``."""
        return self._current().densities[layer]

    def _current(self) -> _Selection:
        scores = [_value(holder.original) for holder in self.holders]
        key = (
            self._sparsity,
            _optimizer_steps[0],
            *((id(s), s.data_ptr(), s.device, _version(s)) for s in scores),
        )
        known = self._selection
        if known is None or known.key != key or not known.certain:
            if any(s.shape != (c.searched,) for s, c in zip(scores, self.counts, strict=True)):
                return self._left_behind(key, scores)
            # A selection made inside inference mode must serve a later backward as well.
            with torch.inference_mode(False), torch.no_grad(), torch._C._DisableFuncTorch():
                self._selection = known = self._derive(key, scores)
        return known

    def _left_behind(self, key: tuple[object, ...], scores: list[Tensor]) -> _Selection:
        """The selection that was there when torch's remove_parametrizations took scores away.

        What is removed has its effective weight from then on. The others keep their masks, so that
        removing one after the other gives the ticket as it was; with scores that have changed since
        there is no threshold any more.
        """
        before = self._selection
        left = [s.shape == (c.searched,) for s, c in zip(scores, self.counts, strict=True)]
        left = [True] * (len(key) - len(scores)) + left
        if before is None or [*compress(before.key, left)] != [*compress(key, left)]:
            raise ConfigError(
                "a frozen weight of this network lost its scores (remove_parametrizations), and "
                "the others, which shared its threshold, have changed since: gslt.bake(module) "
                "gives a plain module with the effective weights of all layers"
            )
        return before

    def _derive(self, key: tuple[object, ...], parameters: list[Tensor]) -> _Selection:
        scores = [parameter.detach() for parameter in parameters]
        groups = [[score] for score in scores] if self.threshold == "layer" else [scores]
        masks = [
            mask
            for group, keep, hint in zip(groups, self.budgets(), self._hints, strict=True)
            for mask in select_largest(group, keep, ranking=self.ranking, hint=hint)
        ]
        densities = [
            (count_true(mask) + c.locked).to(real_dtype(score)) / max(c.total, 1)
            for mask, c, score in zip(masks, self.counts, scores, strict=True)
        ]
        seen = list(zip(parameters, scores, strict=True))
        return _Selection(key, seen, masks, densities, [_probe(score) for score in scores])

    def __getstate__(self) -> dict[str, Any]:
        hints, none = [Hint() for _ in self._hints], [None] * len(self._holders)
        return {
            **self.__dict__,
            "_holders": none,
            "_copied": True,
            "_kept": self.numbers_kept(),
            "_selection": None,
            "_hints": hints,
        }

    def numbers_kept(self) -> list[int]:
        """Searched weights that each layer keeps now; empty where scores are gone or nowhere."""
        if self._copied and None in self._holders:
            return self._kept
        scores = [holder.original for holder in self.holders]
        whole = all(s.shape == (c.searched,) for s, c in zip(scores, self.counts, strict=True))
        if not whole or any(score.is_meta for score in scores):
            return []
        return [int(self.mask(layer).count_nonzero()) for layer in range(len(scores))]


_optimizer_steps = [0]


def _count_step(*_: object) -> None:
    _optimizer_steps[0] += 1


register_optimizer_step_post_hook(_count_step)


def check_layer_sparsity(counts: Sequence[FrozenCounts], sparsity: float) -> None:
    """Refuse a per-layer threshold that some layer's frozen part makes impossible.

    Args:
        counts: frozen counts of each layer.
        sparsity: fraction that every layer is to remove; a difference of one weight is rounding.

    Raises:
        ConfigError: naming the layer and what to use instead.
    """
    for number, c in enumerate(counts):
        keep = round((1.0 - sparsity) * c.total)
        if not c.locked - 1 <= keep <= c.total - c.pruned + 1:
            raise ConfigError(
                f"layer {number} has {c.pruned} weights pruned and {c.locked} locked of {c.total}, "
                f"so it cannot have sparsity {sparsity:g} by itself; use threshold='global' or "
                "allocation='uniform'"
            )


def check_window(counts: Sequence[FrozenCounts], sparsity: float) -> None:
    """Refuse a sparsity that a source does not have with the counts that it really has.

    Args:
        counts: frozen counts of each layer.
        sparsity: fraction of all weights that the ticket is to remove.

    Raises:
        ConfigError: with the figures and the sparsities that there are.
    """
    c = FrozenCounts.sum(counts)
    keep = round((1.0 - sparsity) * c.total)
    if c.locked <= keep <= c.total - c.pruned:
        return
    # Rounded inwards, so that what is named is possible.
    low = math.ceil(1e6 * c.pruned / c.total) / 1e6
    high = math.floor(1e6 * (c.total - c.locked) / c.total) / 1e6
    problem = (
        f"prunes {c.pruned:,} of {c.total:,} weights, so that {c.total - c.pruned:,} are left"
        if keep > c.locked
        else f"locks {c.locked:,} of {c.total:,} weights"
    )
    there = f"sparsities from {low:g} to {high:g}: take one of them"
    if low > high:
        there = f"the one sparsity {c.pruned / c.total!r}: take that"
    raise ConfigError(
        f"this source {problem}, but a ticket of sparsity {sparsity:g} keeps {keep:,}; its tickets "
        f"have {there}, or prune or lock less (the "
        "counts of this draw, allocation and seed are not those of the ratios)"
    )


def _budget(counts: FrozenCounts, sparsity: float) -> int:
    keep = round((1.0 - sparsity) * counts.total) - counts.locked
    return min(max(keep, 0), counts.searched)


def real_dtype(tensor: Tensor) -> torch.dtype:
    """The type of a tensor of any shape ``(…)``, but single precision at least.

    For counts, densities and scales.
    """
    return torch.promote_types(tensor.dtype, torch.float32)


def _version(tensor: Tensor) -> object:
    # An inference tensor counts no versions: an object equal to no other asks for a new selection.
    return object() if tensor.is_inference() else tensor._version


def _value(score: Tensor) -> Tensor:
    """The tensor that a transform of ``torch.func`` has wrapped, or the score tensor itself."""
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(score):
        if functorch.is_batchedtensor(score):
            raise ConfigError(
                "torch.vmap goes over inputs, not over scores: which weights are kept follows from "
                "all scores of one network; call the module once for each set of scores "
                "(torch.func.functional_call)"
            )
        score = functorch.get_unwrapped(score)
    return score


def _probe(score: Tensor) -> list[float]:
    """A few scores, to notice what was written without counting; none where that would wait."""
    if score.device.type != "cpu" or torch.compiler.is_compiling():
        return []
    # Within a transform of torch.func, torch before 2.8 wraps what is read here as well.
    with torch._C._DisableFuncTorch():
        values: list[float] = score.detach()[:: max(1, score.numel() // 8)].tolist()
    return values
