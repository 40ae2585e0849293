"""What a verdict means and what it rests on, in words that its outcome and numbers choose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gslt.conjecture.decision import Outcome
from gslt.conjecture.protocol import DENSE, FROZEN, Criteria
from gslt.report.statistics import Estimate
from gslt.studies.columns import is_missing

if TYPE_CHECKING:
    from gslt.conjecture.association import Association, Slope
    from gslt.conjecture.verdict import Verdict

#: What each arm is.
ARM_WORDS = {
    "trained": "the weights are trained, none is masked",
    "weak ticket": "the weights are trained under a random mask of the tickets' sparsity",
    "random mask": "random weights under a random mask: nothing is searched or trained",
    DENSE: "a ticket, searched among all random weights",
    "sparse": "a ticket in a source of which a part was pruned at random before the search",
    FROZEN: "a ticket in a source of which the fraction F was decided at random before the search: "
    "pruned, or locked (always kept)",
}
#: A sign beside the colour of each outcome: colours alone do not tell it.
SIGNS: dict[Outcome, str] = {
    "supported": "▲",
    "contradicted": "▼",
    "no meaningful difference": "≈",
    "undecided": "?",
    "mixed": "≠",
}
#: Colours of the outcomes, dark enough for text.
COLOURS: dict[Outcome, str] = {
    "supported": "#00598C",
    "contradicted": "#A84A00",
    "no meaningful difference": "#00694C",
    "undecided": "#555555",
    "mixed": "#8A3F6B",
}
_MEANING: dict[Outcome, str] = {
    "supported": "Tickets of frozen sources smooth less than tickets of dense sources, and the "
    "less the more of the source is frozen.",
    "contradicted": "Tickets of frozen sources smooth more than tickets of dense sources, and the "
    "more the more of the source is frozen.",
    "no meaningful difference": "Whatever freezing changes in how much a ticket smooths, it is "
    "less than a factor of {factor:.3g} either way in the quotient, the smallest effect that "
    "matters.",
    "undecided": "These runs show neither a difference between tickets of frozen and of dense "
    "sources nor that there is none which matters.",
    "mixed": "Single depths are decided differently: no one sentence holds for all of them.",
}
_NEEDED = {
    "smallest effect": "to find the smallest effect that matters, or show that there is none",
    "observed effect": "for a true difference as large as the one observed",
    "least seeds": "before any result can be significant",
}


def meaning(verdict: Verdict, criteria: Criteria) -> str:
    """A few words for people who do not know the names of the outcomes."""
    matters = math.exp(criteria.smallest_effect)
    text = _MEANING[verdict.outcome].format(factor=matters)
    if verdict.outcome in ("undecided", "mixed"):
        return text
    if len(verdict.depths) > 1:
        text = f"On average over the depths: {text[0].lower()}{text[1:]}"
    decided = verdict.outcome in ("supported", "contradicted")
    if decided and max(-verdict.effect.low, verdict.effect.high) < criteria.smallest_effect:
        text += (
            f" Averaged over the freezing ratios the difference is below a factor of {matters:.3g} "
            "in the quotient, the smallest effect that matters; at single ratios it can be above."
        )
    return text


def accuracy_words(association: Association) -> str:
    """What freezing did to accuracy."""
    accuracy = association.accuracy
    if math.isnan(accuracy.mean):
        return "Test accuracy: no seed has every run."
    said = accuracy.words("+.1f", times=100, unit=" points")
    return f"Test accuracy of frozen minus that of dense: {said}."


def association_words(association: Association) -> str:
    """Whether what freezing did to accuracy goes with what it did to smoothness."""
    if math.isnan(association.pooled.slope_interval[0]):
        return "Too few seeds to tell whether accuracy goes with smoothness."
    return (
        f"As the quotient of frozen over dense grows, accuracy {_goes(association.pooled)}; among "
        f"seeds of one depth and ratio it {_goes(association.within)}. Points for each unit of the "
        "log quotient, with 95 % intervals."
    )


def _goes(line: Slope) -> str:
    low, high = line.slope_interval
    if line.slope == low == high == 0:
        return "shows nothing, as the quotient does not vary"
    way = "rises" if low > 0 else "falls" if high < 0 else "is not shown to rise or fall"
    return f"{way} ({100 * line.slope:+.1f}, {100 * low:+.1f} to {100 * high:+.1f})"


def slope_words(line: Slope) -> str:
    """A slope with its interval and how much it explains, below a picture."""
    low, high = line.slope_interval
    ends = "no interval" if math.isnan(low) else f"{100 * low:+.2f} to {100 * high:+.2f}"
    return f"{100 * line.slope:+.2f} points per unit ({ends}), R² {line.r_squared:.2f}"


def factor_words(effect: Estimate, collapsed: bool = False) -> str:
    """A difference of log quotients as a factor of the quotient, with its interval.

    Args:
        effect: the difference.
        collapsed: whether pairs of which one run collapsed totally stand in it.

    >>> factor_words(Estimate(math.log(2), 0.0, math.log(4)))
    '× 2 (95 % interval × 1 to × 4)'
    """
    if math.isnan(effect.mean):
        return "no number"
    counted = ", collapsed pairs counted as the largest difference" if collapsed else ""
    if math.isnan(effect.low):
        return f"× {factor(effect.mean)} (no interval{counted})"
    ends = f"× {factor(effect.low)} to × {factor(effect.high)}"
    return f"× {factor(effect.mean)} (95 % interval {ends}{counted})"


def factor(log: float) -> str:
    """``exp(log)`` of three digits; what is far off as a power of ten.

    >>> factor(math.log(2)), factor(-30.0)
    ('2', '10^-13.0')
    """
    if abs(log) > math.log(1e4):
        return f"10^{log / math.log(10):.1f}"
    return f"{math.exp(log):.3g}"


def depth_words(depths: Sequence[int]) -> str:
    """Numbers of layers.

    >>> depth_words([4]), depth_words([2, 4, 8])
    ('4 layers', '2, 4 and 8 layers')
    """
    if not depths:
        return "no depth"
    *first, last = map(str, depths)
    return f"{', '.join(first)} and {last} layers" if first else f"{last} layers"


def needed_words(verdict: Verdict) -> str:
    """How many seeds an undecided verdict needs, and on what that rests."""
    needed = verdict.needed
    if needed is None:
        return ""
    if needed.n is None:
        return "No number of seeds up to 10,000 is known to decide it."
    low, high = ("unknown" if end is None else f"{end:,}" for end in (needed.low, needed.high))
    ends = "" if needed.low is None and needed.high is None else f" ({low} to {high})"
    return (
        f"About {needed.n:,} seeds are needed{ends} {_NEEDED[needed.basis]}; "
        f"{len(verdict.seeds)} are there."
    )


def collapse_words(verdicts: Sequence[Verdict]) -> str:
    """How many pairs behind verdicts have runs that collapsed totally, and what became of them."""
    one = sum(each.one_collapsed for each in verdicts)
    both = sum(each.both_collapsed for each in verdicts)
    if not one and not both:
        return "No run behind a verdict collapsed totally."
    return (
        f"Of the pairs behind the verdicts, {one} have one run that collapsed totally and one that "
        f"did not, and {both} have two that did. The first count as the largest difference seen "
        "and rule out “no meaningful difference”; the second count as equal."
    )


def arm_name(arm: str, ratio: float | None = None) -> str:
    """An arm, with its freezing ratio where it has one.

    >>> arm_name("dense", math.nan), arm_name("frozen", 0.4)
    ('dense', 'frozen, F = 0.4')
    """
    return arm if is_missing(ratio) else f"{arm}, F = {ratio:g}"
