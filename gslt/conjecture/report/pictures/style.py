"""Colours and shapes of the arms. Colours: Okabe & Ito, and a ramp of one hue for ordered lines."""

from __future__ import annotations

from collections.abc import Sequence

from gslt.conjecture.statistics.decision import Outcome
from gslt.conjecture.statistics.endpoints import DENSE, FROZEN, Arm
from gslt.studies.report.series import BASELINE, COLOURS

_BLUE, _VERMILION, _GREEN, _PINK, _ORANGE, _ = COLOURS
#: Ends of the ramps, from light to dark: of freezing ratios, and of depths.
RATIO_RAMP = ("#86C5F0", "#063F66")
DEPTH_RAMP = ("#EDB04A", "#54206B")
_ARMS = {
    "trained": BASELINE,
    "weak ticket": _ORANGE,
    "random mask": _PINK,
    DENSE: _VERMILION,
    "sparse": _GREEN,
}
_MARKERS = {"trained": "s", "weak ticket": "D", "random mask": "v", DENSE: "o", "sparse": "P"}
#: Colours of the outcomes, dark enough for text; a sign beside them tells them apart as well.
OUTCOMES: dict[Outcome, str] = {
    "supported": "#00598C",
    "contradicted": "#A84A00",
    "no meaningful difference": "#00694C",
    "undecided": "#555555",
    "mixed": "#8A3F6B",
}


def arm_colours(arms: Sequence[Arm]) -> dict[Arm, str]:
    """A colour for each arm: the freezing ratios from light to dark."""
    ratios = sorted(ratio for arm, ratio in arms if arm == FROZEN and ratio)
    shades = dict(zip(ratios, ramp(RATIO_RAMP, len(ratios)), strict=True))
    return {
        (arm, ratio): shades[ratio] if arm == FROZEN and ratio else _ARMS.get(arm, "#555555")
        for arm, ratio in arms
    }


def marker(arm: Arm) -> str:
    """Shape of an arm's points."""
    return _MARKERS.get(arm[0], "^")


def ramp(ends: tuple[str, str], number: int) -> list[str]:
    """So many colours from the first to the second, evenly."""
    first, last = ([int(end[i : i + 2], 16) for i in (1, 3, 5)] for end in ends)
    steps = [i / max(1, number - 1) for i in range(number)]
    return [
        "#" + "".join(f"{round(a + step * (b - a)):02X}" for a, b in zip(first, last, strict=True))
        for step in steps
    ]
