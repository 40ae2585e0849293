"""How many weights two tickets have in common, and how many they would have by chance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gslt.errors import TicketError, listed
from gslt.freezing import SEARCHED
from gslt.masking.parametrization import forget_selections
from gslt.masking.trained import masked_weights
from gslt.masking.weights import frozen_root, unwrapped
from gslt.ticket.ticket import Ticket, single_source

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Overlap:
    """What two tickets A and B have in common, in a layer or in all of them.

    *By chance* is what to expect if neither knew of the other: in each layer the searched weights
    that a ticket keeps are a uniformly random subset of its searched ones, as large as they are;
    pruned and locked weights stay what they are. What two tickets of one frozen source share
    because it is locked is in both figures. A mask on trained weights counts as searched all over,
    so that two of one seed, which gives both the same mask, are far above chance.
    """

    total: int
    """Number of weights."""
    kept: tuple[int, int]
    """Numbers of weights |A| and |B| that the tickets keep."""
    both: int
    """Number of weights |A ∩ B| that both keep."""
    chance: float
    """Expected number of weights that both keep by chance."""
    variance: float
    """Variance of that number by chance."""
    same_sign: int
    """Number of weights that both keep, with one sign."""

    @classmethod
    def sum(cls, layers: Iterable[Overlap]) -> Overlap:
        """That of several layers together.

        Args:
            layers: of the same two tickets; by chance they are independent.
        """
        each = list(layers)
        return cls(
            sum(x.total for x in each),
            (sum(x.kept[0] for x in each), sum(x.kept[1] for x in each)),
            sum(x.both for x in each),
            math.fsum(x.chance for x in each),
            math.fsum(x.variance for x in each),
            sum(x.same_sign for x in each),
        )

    @property
    def jaccard(self) -> float:
        """Jaccard index |A ∩ B| / |A ∪ B|; NaN where both keep nothing."""
        return self._jaccard(self.both)

    @property
    def chance_jaccard(self) -> float:
        """Jaccard index of as many weights in both as are expected by chance."""
        return self._jaccard(self.chance)

    def _jaccard(self, both: float) -> float:
        return _ratio(both, sum(self.kept) - both)

    @property
    def contained(self) -> float:
        """Share |A ∩ B| / min(|A|, |B|) of the smaller ticket that the other has; 1 if nested."""
        return _ratio(self.both, min(self.kept))

    @property
    def deviations(self) -> float:
        """How many standard deviations more weights are in both than by chance.

        NaN where chance leaves no choice.
        """
        return _ratio(self.both - self.chance, math.sqrt(self.variance))

    @property
    def sign_agreement(self) -> float:
        """Share of the weights in both that have one sign.

        Of random weights 1 where the seed is the same, and about ½ otherwise.
        """
        return _ratio(self.same_sign, self.both)

    def as_dict(self) -> dict[str, float]:
        """Every figure by name."""
        first, second = self.kept
        return {
            "total": self.total,
            "kept_first": first,
            "kept_second": second,
            "both": self.both,
            "chance": self.chance,
            "deviations": self.deviations,
            "jaccard": self.jaccard,
            "chance_jaccard": self.chance_jaccard,
            "contained": self.contained,
            "sign_agreement": self.sign_agreement,
        }


@dataclass(frozen=True)
class TicketOverlap:
    """What two tickets have in common, layer by layer."""

    layers: dict[str, Overlap]
    """By qualified weight name."""
    same_weights: bool | None
    """Whether the random weights of both are the same wherever neither source prunes them; None
    where weights were trained."""

    @property
    def whole(self) -> Overlap:
        """That of all layers together."""
        return Overlap.sum(self.layers.values())

    @property
    def rows(self) -> dict[str, Overlap]:
        """The layers, and last ``all`` of them together."""
        return {**self.layers, "all": self.whole}

    def frame(self) -> DataFrame:
        """A row per layer and a last one, ``all``, with the figures of :meth:`Overlap.as_dict`."""
        from pandas import DataFrame

        frame = DataFrame([row.as_dict() for row in self.rows.values()], index=list(self.rows))
        return frame.rename_axis("weight")

    def plot(self, title: str = "Weights that both tickets keep, layer by layer") -> Any:
        """Draw the Jaccard index of every layer and of all, beside that by chance.

        Args:
            title: above the picture.

        Returns:
            A matplotlib figure; ``figure.savefig("overlap.png")`` writes it.
        """
        return overlap_figure(self.rows, title, self.note)

    @property
    def note(self) -> str:
        """What has to be known to read the figures; empty where nothing has."""
        if self.same_weights:
            return ""
        if self.same_weights is None:
            return (
                "there are trained weights: unless both began with the same ones, unit i of a "
                "hidden layer is another unit in each"
            )
        return (
            "the random weights differ, so that unit i of a hidden layer is another unit in each; "
            "features and classes alone correspond: expect little more in both than by chance, "
            "whatever the tickets have learnt"
        )

    def __str__(self) -> str:
        lines = overlap_lines(self.rows, "weight")
        return "\n".join([*lines, *filter(None, [self.note])])


def overlap_lines(rows: Mapping[str, Overlap], what: str) -> list[str]:
    """Overlaps in columns, for a terminal.

    Args:
        rows: by what they are of.
        what: that is, above the names.
    """
    width = max(map(len, [*rows, what]))
    lines = [f"{what:<{width}}  {'  '.join(_HEADINGS)}"]
    for name, row in rows.items():
        cells = zip(_cells(row), _HEADINGS, strict=True)
        texts = (text.rjust(len(heading)) for text, heading in cells)
        lines.append(f"{name:<{width}}  {'  '.join(texts)}")
    return lines


#: Above the columns of a printed overlap, which are as wide.
_HEADINGS = (
    *("    weights", "kept, first", "kept, second", "    in both", "     by chance"),
    *("Jaccard", "by chance", "one sign"),
)


def _cells(row: Overlap) -> list[str]:
    shares = (row.jaccard, row.chance_jaccard, row.sign_agreement)
    return [
        *(f"{n:,}" for n in (row.total, *row.kept, row.both)),
        f"{row.chance:,.1f} ± {math.sqrt(row.variance):,.1f}",
        *("–" if math.isnan(share) else f"{share:.3f}" for share in shares),
    ]


def overlap(first: Ticket | nn.Module, second: Ticket | nn.Module) -> TicketOverlap:
    """How many weights two tickets have in common, beside what they would have by chance.

    Weights correspond by their name and place. That means most where both tickets are of the same
    random weights (one seed) and differ in what they were searched with: sparsity, scores at first
    (:attr:`gslt.SearchConfig.score_draw`), data, optimiser, freezing.

    Args:
        first: a ticket, or a frozen module, or one that was trained under a mask: the ticket that
            it is at this moment. A ticket of a module of your own does not know the places of its
            weights; restore it into one, and give the module.
        second: likewise, with weights of the same names and shapes.

    Returns:
        The numbers of weights that each and both keep, by layer.

    Raises:
        TicketError: if the weights have other names or shapes, something is neither a ticket nor
            a module that :meth:`Ticket.of` takes, or is a ticket of a module of your own.
        ConfigError: if memory cannot hold the networks.

    >>> import gslt
    >>> layers = [gslt.FrozenLinear(2, 2, config=gslt.FreezeConfig()) for _ in range(2)]
    >>> overlap(*layers).whole.jaccard
    1.0
    """
    return _compared(_layers(first), _layers(second))


def pairwise_overlaps(
    tickets: Mapping[str, Ticket | nn.Module],
) -> dict[tuple[str, str], TicketOverlap]:
    """The overlap of every pair of tickets.

    Args:
        tickets: two or more by name, see :func:`overlap`.

    Raises:
        TicketError: as there, naming the two.
        ConfigError: likewise.
    """
    layers = {name: _layers(ticket) for name, ticket in tickets.items()}
    found = {}
    for first, second in combinations(layers, 2):
        try:
            found[first, second] = _compared(layers[first], layers[second])
        except TicketError as error:
            raise TicketError(f"{first} and {second}: {error}") from None
    return found


def _compared(ours: Mapping[str, _Layer], theirs: Mapping[str, _Layer]) -> TicketOverlap:
    _check_same(ours, theirs)
    pairs = {name: (layer, theirs[name]) for name, layer in ours.items()}
    trained = any(layer.trained for pair in pairs.values() for layer in pair)
    same = None if trained else all(_same_weights(*pair) for pair in pairs.values())
    return TicketOverlap({name: _overlap(*pair) for name, pair in pairs.items()}, same)


def overlap_figure(rows: Mapping[str, Overlap], title: str, note: str = "") -> Any:
    """Jaccard indices, one below the other, each beside that by chance.

    Args:
        rows: from top to bottom, by what they are of.
        title: above the figure.
        note: below it, behind what the marks mean.

    Returns:
        A matplotlib figure.
    """
    # The pictures of all of gslt; tickets that are only compared need none of them.
    from gslt.report.colours import COLOURS, DARK_GREY
    from gslt.report.figures import Row, canvas, forest

    shown = [
        Row(
            label=name,
            mean=row.jaccard,
            colour=COLOURS[0],
            small=[] if math.isnan(row.chance_jaccard) else [(row.chance_jaccard, DARK_GREY)],
            note="keep nothing" if math.isnan(row.jaccard) else f"{row.jaccard:.3f}",
        )
        for name, row in rows.items()
    ]
    caption = (
        "Circles: Jaccard index of the kept weights, |A ∩ B| / |A ∪ B|. Grey triangles: that of as "
        "many in both as are expected if each ticket kept as many of its searched weights of every "
        "layer, anywhere. "
    )
    drawing = canvas(
        [["all"]],
        title,
        caption + note[:1].upper() + note[1:],
        width=7.5,
        height=0.6 + 0.36 * len(shown),
    )
    axes = drawing.panels["all"]
    forest(axes, shown, "Jaccard index", below=0.25)
    axes.set_xlim(-0.02, 1.02)
    return drawing.figure


@dataclass(frozen=True)
class _Layer:
    """What a ticket is in one layer."""

    shape: tuple[int, ...]
    weight: Tensor
    """Random or trained weights ``(n,)``, without scale; pruned ones are 0."""
    searched: Tensor
    """Which of them the search decides on, boolean ``(n,)``."""
    kept: Tensor
    """Which of them the ticket keeps, boolean ``(n,)``."""
    trained: bool

    @property
    def locked(self) -> Tensor:
        """Which of them are kept without a search, boolean ``(n,)``."""
        return self.kept & ~self.searched

    @property
    def unpruned(self) -> Tensor:
        """Which of them the source does not prune, boolean ``(n,)``."""
        return self.kept | self.searched


def _layers(of: Ticket | nn.Module) -> dict[str, _Layer]:
    """What a ticket is in every layer, by qualified weight name."""
    module: Any = of
    if isinstance(of, Ticket):
        if of.architecture is None and of.construction is None:
            raise TicketError(
                "this ticket was found in a module of your own, and only that knows the places of "
                "its weights; build the module, call ticket.restore(module), and give the module "
                "to gslt.overlap"
            )
        module = of.model()
    elif not isinstance(of, nn.Module):
        hint = "; give its ticket" if hasattr(of, "ticket") else ""
        raise TicketError(f"gslt.overlap takes tickets and modules, not {type(of).__name__}{hint}")
    found = {}
    for each in masked_weights(unwrapped(module)):
        values, kept = each.weight.detach().cpu().flatten(), each.kept.cpu().flatten()
        everywhere = torch.ones_like(kept)
        shape = tuple(each.weight.shape)
        found[each.name] = _Layer(shape, values, everywhere, kept, True)
    if found:
        return found
    module = frozen_root(module)
    frozen = single_source(module)
    forget_selections(module)
    for weight in frozen:
        values, pattern = (each.cpu() for each in weight.regenerated())
        shape = tuple(weight.shape)
        found[weight.name] = _Layer(shape, values, pattern == SEARCHED, weight.kept(), False)
    return found


def _check_same(first: Mapping[str, _Layer], second: Mapping[str, _Layer]) -> None:
    """Refuse tickets of which not every weight has one of the same name and shape."""
    shapes = [{name: layer.shape for name, layer in each.items()} for each in (first, second)]
    names = dict.fromkeys([*first, *second])
    different = [
        f"{name} ({' and '.join('×'.join(map(str, x.get(name, ()))) or 'none' for x in shapes)})"
        for name in names
        if shapes[0].get(name) != shapes[1].get(name)
    ]
    if different:
        raise TicketError(
            f"the tickets are of networks with other weights: {listed(different)}; only the places "
            "of one network's weights can be compared"
        )


def _same_weights(a: _Layer, b: _Layer) -> bool:
    shared = a.unpruned & b.unpruned
    first, second = a.weight[shared], b.weight[shared]
    # A narrower type has rounded them.
    return torch.equal(first.to(second.dtype).to(first.dtype), second.to(first.dtype))


def _overlap(a: _Layer, b: _Layer) -> Overlap:
    both = a.kept & b.kept
    one_sign = both & (a.weight.sign() == b.weight.sign())
    return Overlap(
        a.kept.numel(),
        (_count(a.kept), _count(b.kept)),
        _count(both),
        *_by_chance(a, b),
        _count(one_sign),
    )


def _by_chance(a: _Layer, b: _Layer) -> tuple[float, float]:
    """Mean and variance of the number of weights that both keep by chance.

    With aᵢ and bᵢ whether a weight is kept, p = E aᵢ = k / m and p₂ = E aᵢaⱼ =
    k (k − 1) / (m (m − 1)) for k kept of m searched weights of A, and q, q₂ of B, the number is
    Σ aᵢbᵢ over those that both search, plus Σ aᵢ over those that A searches and B locks, plus Σ bᵢ
    likewise, plus those that both lock. Where both search the same weights it is hypergeometric.
    """
    (p, p2), (q, q2) = _moments(a), _moments(b)
    both, first = _count(a.searched & b.searched), _count(a.searched & b.locked)
    second, fixed = _count(a.locked & b.searched), _count(a.locked & b.locked)
    mean = both * p * q + first * p + second * q + fixed
    variance = (
        both * (p * q - (p * q) ** 2)
        + both * (both - 1) * (p2 * q2 - (p * q) ** 2)
        + first * (p - p**2)
        + first * (first - 1) * (p2 - p**2)
        + second * (q - q**2)
        + second * (second - 1) * (q2 - q**2)
        + 2 * both * first * q * (p2 - p**2)
        + 2 * both * second * p * (q2 - q**2)
    )
    # Where nothing is left to chance its terms cancel, but for rounding.
    return mean, variance if variance > 1e-9 * a.kept.numel() else 0.0


def _moments(layer: _Layer) -> tuple[float, float]:
    """Chance that a searched weight is kept, and that two different ones are."""
    m, k = _count(layer.searched), _count(layer.searched & layer.kept)
    return k / max(m, 1), k * (k - 1) / max(m * (m - 1), 1)


def _count(places: Tensor) -> int:
    return int(torch.count_nonzero(places))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
