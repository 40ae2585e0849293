"""Why a verdict is what it is, in sentences made from its numbers."""

from __future__ import annotations

from gslt.conjecture.decision import Decision, Scores
from gslt.report.statistics import Estimate


def reason(
    scores: Scores, decision: Decision, effect: Estimate, tau: Estimate, alpha: float
) -> str:
    """A few sentences that follow from the numbers of a verdict.

    Args:
        scores: what was tested.
        decision: what came out.
        effect: frozen minus dense of the log quotient.
        tau: rank correlation of freezing ratio and log quotient.
        alpha: level of the tests.
    """
    if not scores.ratios:
        return "There is no dense arm, or no frozen one, with runs."
    if not scores.seeds:
        return "No seed has a dense run and one at every freezing ratio."
    first = (
        f"The log quotient of frozen minus that of dense sources is {effect}, "
        f"with {_count(len(scores.seeds), 'seed')}."
    )
    return " ".join([first, _because(decision, tau, alpha), *_notes(scores)])


def _because(decision: Decision, tau: Estimate, alpha: float) -> str:
    several = decision.comparisons > 1
    corrected = f" after Holm's correction for {decision.comparisons} comparisons" * several
    if decision.outcome == "mixed":
        return "Single depths are decided otherwise, so that this mean over them says little."
    if decision.outcome == "no meaningful difference":
        also = (
            f" A difference there is (p = {decision.p_holm:.2g}), but it is too small to matter."
            if decision.p_holm <= alpha
            else ""
        )
        return (
            "At every freezing ratio it is shown to be smaller than what matters "
            f"(p = {decision.p_equivalence_holm:.2g}{corrected}).{also}"
        )
    if decision.outcome == "undecided":
        return _undecided(decision, alpha, corrected)
    way, side = ("rises", "above") if decision.direction > 0 else ("falls", "below")
    return (
        f"It {way} with the freezing ratio (mean tau within a seed {tau.mean:+.2f}) and lies "
        f"{side} that of the dense source (p = {decision.p_holm:.2g}{corrected})."
    )


def _undecided(decision: Decision, alpha: float, corrected: str) -> str:
    if decision.least_holm > alpha:
        return (
            f"So few seeds can never show a difference: their smallest possible p is "
            f"{decision.least:.2g}, and {decision.least_holm:.2g}{corrected}."
        )
    if decision.direction == 0:
        return "Trend over the freezing ratios and mean difference point in different directions."
    return (
        f"Neither a difference (p = {decision.p_holm:.2g}) nor its absence "
        f"(p = {decision.p_equivalence_holm:.2g}) is shown{corrected}."
    )


def _notes(scores: Scores) -> list[str]:
    notes = []
    if scores.one_collapsed:
        notes.append(
            f"In {_count(scores.one_collapsed, 'pair')} one run alone has collapsed totally; each "
            "counts as the largest difference seen."
        )
    if scores.both_collapsed:
        notes.append(
            f"In {_count(scores.both_collapsed, 'pair')} both runs have collapsed totally; they "
            "count as equal."
        )
    if scores.left_out:
        listed = ", ".join(str(seed) for seed in scores.left_out)
        notes.append(f"Left out, as a run or its number is missing: seeds {listed}.")
    return notes


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
