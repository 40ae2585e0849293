"""What was found, in words that outcomes and numbers choose; nobody writes a verdict by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gslt.conjecture.claims import Claim, Component, Finding, Outcome, seed_words
from gslt.conjecture.protocol import DENSE, FROZEN, Plan
from gslt.conjecture.rule import ACCURACY
from gslt.conjecture.trajectories import NONE
from gslt.report.statistics import least_p
from gslt.studies.columns import heading, is_missing, span

#: What each arm is.
ARM_WORDS = {
    "trained": "the weights are trained, none is masked",
    "weak ticket": "the weights are trained under a random mask of the tickets' sparsity",
    "random mask": "random weights under a random mask: nothing is searched or trained",
    DENSE: "a ticket, searched among all random weights",
    FROZEN: "a ticket in a source of which the fraction F was locked (always kept) at random "
    "before the search, of all weights or of those in the place; what the paper found best in GIN "
    "is F = 0.2 and 0.4 of all, which there lies in the hidden layers",
    "narrower dense": "a dense source with as many weights as the frozen one (F = 0.4) searches",
    "dense, as many tickets": "a dense source at the sparsity at which it has as many tickets to "
    "choose among as the frozen one (F = 0.4)",
}
#: What each intervention is.
INTERVENTION_WORDS = {
    NONE: "smoothing is left as it is",
    "no edges": "the same network on the same nodes without an edge: nothing can smooth",
    "residual": "every layer adds its input: what is smoothed away is brought back",
    "pairnorm": "PairNorm in the place of batch norm: distances cannot shrink (arXiv 1909.12223)",
    "no norm": "no normalisation, layers scaled to unit gain: another network, no intervention",
}
#: A sign beside the colour of each outcome: colours alone do not tell it.
SIGNS: dict[Outcome, str] = {
    "shown": "▲",
    "shown but smaller than what matters": "△",
    "excluded": "≈",
    "reversed": "▼",
    "undecided": "?",
    "differs between epochs": "≠",
    "differs between fits": "≠",
    "differs between interventions": "≠",
}
_DIFFERS = "#8A3F6B"
#: Colours of the outcomes, dark enough for text.
COLOURS: dict[Outcome, str] = {
    "shown": "#00598C",
    "shown but smaller than what matters": "#3F6E8C",
    "excluded": "#00694C",
    "reversed": "#A84A00",
    "undecided": "#555555",
    "differs between epochs": _DIFFERS,
    "differs between fits": _DIFFERS,
    "differs between interventions": _DIFFERS,
}
#: What an outcome means, for people who do not know its name.
MEANING: dict[Outcome, str] = {
    "shown": "All tests agree, and the difference is larger than the smallest that matters.",
    "shown but smaller than what matters": "The difference is there, and smaller than what "
    "matters.",
    "excluded": "Whatever difference there is, in either direction, is smaller than what matters.",
    "reversed": "The opposite is so, by more than what matters.",
    "undecided": "These runs neither show it nor exclude it.",
    "differs between epochs": "What is found depends on the epoch at which one looks.",
    "differs between fits": "What is found depends on what is held equal.",
    "differs between interventions": "Interventions that should do the same do not.",
}
#: What these mean of M, which is decided only where S and A are shown.
MEANING_OF_M: dict[Outcome, str] = {
    "shown": "Where smoothing is kept from acting, the gain is smaller by more than what matters.",
    "shown but smaller than what matters": "Where smoothing is kept from acting, the gain is "
    "smaller by less than what matters.",
    "excluded": "Where smoothing is kept from acting, the gain is the same, up to what does not "
    "matter.",
    "reversed": "Where smoothing is kept from acting, the gain is larger by more than what "
    "matters.",
    "undecided": "These runs neither show that the gain is there because frozen sources smooth "
    "less nor exclude it.",
}


def too_few(plan: Plan) -> str:
    """Why the seeds of a plan are too few for a verdict of any kind; empty where they are not.

    Args:
        plan: the test.
    """
    seeds = plan.seeds
    claims = 3 * len(plan.datasets)
    level = plan.criteria.alpha / claims
    if least_p(seeds) <= level:
        return ""
    return (
        f"With {seeds} seeds the smallest possible p is {least_p(seeds):.2g}, above {level:.2g}, "
        f"which is asked of the first of {claims} claims: whatever they are, these runs are too "
        "few for a verdict. A larger preset has more."
    )


def card(claim: Claim) -> tuple[str, str]:
    """What a card says of a claim: the outcome, and what it means.

    Args:
        claim: on one data set.
    """
    if all(math.isnan(part.mean) for part in claim.tests):
        why = ", ".join(dict.fromkeys(part.why for part in claim.tests if part.why))
        return "not tested yet", f"Nothing it is tested by can be computed{f': {why}' * bool(why)}."
    meaning = {**MEANING, **MEANING_OF_M} if claim.name == "M" else MEANING
    return claim.label, meaning[claim.outcome]


def component_words(part: Component) -> str:
    """What a claim is tested by and what came out, in a line.

    Args:
        part: of a claim.
    """
    if math.isnan(part.mean):
        return f"{part.words}: not tested ({part.why})"
    interval = ", no interval"
    if math.isfinite(part.low + part.high):
        low, high = (effect(part.endpoint, end) for end in (part.low, part.high))
        interval = f", interval {low} to {high}"
    found = f"{effect(part.endpoint, part.mean)}{interval}"
    alone = part.without == part.under == NONE
    layers = "" if alone else f", {depth_words(part.depths)}"
    over = f"{len(part.seeds)} seeds{layers}{_collapsed(part)}"
    return f"{part.words}: {found}, {over}: {part.outcome}{_by_signs(part)}"


def _collapsed(part: Component) -> str:
    """Pairs that have no number, where there are some."""
    one, both = part.one_collapsed, part.both_collapsed
    if not one and not both:
        return ""
    return f", {one} pairs of which one run alone collapsed totally, {both} of which both did"


def _by_signs(part: Component) -> str:
    """Why nothing is decided where the interval would decide it."""
    if part.outcome != "undecided" or not math.isfinite(part.low + part.high):
        return ""
    apart = part.low > part.margin or part.high < -part.margin
    inside = -part.margin < part.low and part.high < part.margin and not part.one_collapsed
    if not apart and not inside:
        return ""
    return f" (the interval alone would decide it; sign flips of {len(part.seeds)} seeds do not)"


# What would change a verdict


def what_would_change(claim: Claim) -> tuple[str, ...]:
    """How far each test of a claim lies from another word, a sentence each.

    Of M what interventions leave too, where its tests are shown: then that decides.
    """
    parts = claim.parts if all(each.outcome == "shown" for each in claim.tests) else claim.tests
    return tuple(_distance(each) for each in parts)


def _distance(part: Component) -> str:
    name = part.endpoint if part.endpoint == ACCURACY else heading(part.endpoint)
    where = f"{name} {part.words}"
    if math.isnan(part.low):
        return f"{where}: not tested; {part.why or 'it needs two seeds or more'}."
    ends = (
        f"mean {part.mean:+.3g}, {100 * (1 - part.level):.3g} % interval {part.low:+.3g} to "
        f"{part.high:+.3g}, margin {part.margin:.3g}"
    )
    apart = {
        "shown": f"the interval would have to reach {part.low - part.margin:.2g} lower",
        "reversed": f"the interval would have to reach {-part.margin - part.high:.2g} higher",
        "undecided": f"{seed_words(part.needed)} if mean and spread stay as they are",
    }
    inside = min(part.margin - part.high, part.low + part.margin)
    words = apart.get(part.outcome, f"a margin smaller by {inside:.2g} would leave it undecided")
    left = f"; without seeds {', '.join(map(str, part.left_out))}" if part.left_out else ""
    left += f" ({part.why})" if part.why else ""
    found = f"{part.outcome}{_by_signs(part)}{_collapsed(part)}"
    return f"{where}: {found} ({ends}); {words}{left}."


# The sentence that may be quoted


def sentence(finding: Finding) -> str:
    """What was found on a data set, in words that may be quoted."""
    of_claims = "; ".join(
        f"{each.name} ({each.words}) {'' if each.outcome.startswith('differs') else 'is '}"
        f"{each.label}{_numbers(each)}"
        for each in finding.claims
    )
    return f"On {finding.dataset} the conjecture is {finding.outcome}: {of_claims}."


def _numbers(claim: Claim) -> str:
    tested = [each for each in claim.tests if not math.isnan(each.mean)]
    if not tested:
        return ""
    count = span([len(each.seeds) for each in tested])
    numbers = _excess(tested, claim.left) if claim.name == "M" else ", ".join(map(_effect, tested))
    return f", {numbers}, {count} seeds"


def _excess(tested: Sequence[Component], left: Sequence[Component]) -> str:
    """By how much a gain exceeds those under interventions, what these are, and where."""
    ends = [
        f"{effect(ACCURACY, min(means))} to {effect(ACCURACY, max(means))}"
        for parts in (tested, left)
        if (means := [each.mean for each in parts if not math.isnan(each.mean)])
    ]
    by = {each.without: depth_words(each.depths) for each in tested}
    same = len({*by.values()}) == 1
    names = ", ".join(by if same else [f"{name} ({layers})" for name, layers in by.items()])
    where = f" ({next(iter(by.values()))})" if same else ""
    exceeds = f"the gain exceeds those with {names} by {ends[0]}{where}"
    return exceeds + (f", and is {ends[1]} with them" if len(ends) > 1 else "")


def _effect(part: Component) -> str:
    return f"{effect(part.endpoint, part.mean)} {part.words}"


def effect(endpoint: str, value: float) -> str:
    """A difference in the unit that is read: points of accuracy, a factor of a quotient.

    >>> effect("test_accuracy", 0.0123), effect("log_quotient", 0.2231)
    ('+1.2 points', '× 1.25')
    >>> effect("log_quotient", 30.0)
    '× 10^13.0'

    Args:
        endpoint: what differs.
        value: the difference.
    """
    if endpoint == ACCURACY:
        return f"{100 * value:+.1f} points"
    if not endpoint.endswith("quotient"):
        return f"{value:+.3g}"
    far = abs(value) > math.log(1e4)
    return f"× 10^{value / math.log(10):.1f}" if far else f"× {math.exp(value):.2f}"


# Arms and depths


def arm_name(arm: str, ratio: float | None = None) -> str:
    """An arm, with its freezing ratio where it has one.

    Args:
        arm: its name.
        ratio: its freezing ratio; None or NaN without one.

    >>> arm_name("dense", math.nan), arm_name("frozen", 0.4)
    ('dense', 'frozen, F = 0.4')
    """
    return arm if is_missing(ratio) or arm == "random mask" else f"{arm}, F = {ratio:g}"


def depth_words(depths: Sequence[int]) -> str:
    """Numbers of layers.

    >>> depth_words([4]), depth_words([2, 4, 8])
    ('4 layers', '2, 4 and 8 layers')
    """
    if not depths:
        return "no depth"
    *first, last = map(str, depths)
    return f"{', '.join(first)} and {last} layers" if first else f"{last} layers"
