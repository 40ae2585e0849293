"""Colours: of the arms, in one registry, and of everything else that is drawn.

Those of arms begin with Okabe & Ito (2008), which colour-blind readers tell apart; marks differ as
well. Nothing else in the package picks a colour (``tests/report/test_colours.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

#: Okabe & Ito without yellow and black: told apart by colour-blind readers, and on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
BASELINE = "#000000"
WHITE = "#FFFFFF"
MARKERS = "os^DvPX"
#: Lines and words that belong to no arm, from dark to light.
DARK_GREY, GREY, LIGHT_GREY = "#444444", "#555555", "#888888"
#: What is smaller than this matters to nobody: the colour of such a range.
BAND = "#BBBBBB"
#: First and last colour of what has an order and is no arm: depths, steps.
ORDER_RAMP = ("#EDB04A", "#54206B")
#: The same of shares of coefficients, in the picture of a construction.
SHARE_RAMP = ("#9ECAE1", "#08519C")

#: Colour of each kind of arm, the same in every picture and page, and the words in its name that
#: tell it: the first kind that has one is the arm's.
ARM_COLOURS: dict[str, tuple[str, tuple[str, ...]]] = {
    "constructed": ("#8C6BB1", ("constructed", "construction")),
    "dynamic": ("#999933", ("dynamic sparse training",)),
    "weak ticket": (COLOURS[3], ("weak ticket",)),
    "random": (COLOURS[5], ("random mask", "random weights")),
    "trained": (BASELINE, ("weight training", "trained")),
    "frozen": (COLOURS[2], ("frozen", "half", "quarter", "quarters")),
    "sparse": (COLOURS[1], ("sparse source", "pruned")),
    "locked": (COLOURS[4], ("locked",)),
    "dense": (COLOURS[0], ("dense",)),
}


@dataclass(frozen=True)
class Look:
    """Colour and mark of an arm."""

    colour: str
    marker: str


def kind_of_arm(arm: str) -> str:
    """The kind of an arm in :data:`ARM_COLOURS`, by the words in its name; empty for none.

    >>> kind_of_arm("ticket, frozen source, F = 0.4"), kind_of_arm("dense, untrained")
    ('frozen', 'dense')
    >>> kind_of_arm("my arm")
    ''
    """
    words = " ".join(arm.lower().replace(",", " ").split())
    padded = f" {words} "
    kinds = (kind for kind, (_, known) in ARM_COLOURS.items() if _has(padded, known))
    return next(kinds, "")


def _has(padded: str, known: Sequence[str]) -> bool:
    return any(f" {each} " in padded for each in known)


def looks(arms: Sequence[str], trained: Collection[str] = ()) -> dict[str, Look]:
    """The look of every arm: the rule of all pictures and pages.

    The only arm that trains all its weights is black; one whose name tells its kind has the kind's
    colour, several of a kind shades of it. The others take the colours that are left, in their
    order. Marks follow the order of the arms.

    Args:
        arms: every arm of a study, in its order, whether it has runs or not.
        trained: those that train all their weights.

    >>> looks(["weight training", "dense source"], {"weight training"})["dense source"]
    Look(colour='#0072B2', marker='s')
    """
    black = set(trained) & set(arms) if len(set(trained) & set(arms)) == 1 < len(arms) else set()
    kinds = {arm: "trained" if arm in black else kind_of_arm(arm) for arm in arms}
    sizes, seen = Counter(kinds.values()), Counter[str]()
    taken = {ARM_COLOURS[kind][0] for kind in sizes if kind}
    left = [colour for colour in COLOURS if colour not in taken] or list(COLOURS)
    found = {}
    for number, (arm, kind) in enumerate(kinds.items()):
        place = seen[kind]
        seen[kind] += 1
        colour = (
            shades(ARM_COLOURS[kind][0], sizes[kind])[place] if kind else left[place % len(left)]
        )
        found[arm] = Look(colour, MARKERS[number % len(MARKERS)])
    return found


def shades(colour: str, number: int) -> list[str]:
    """So many shades of a colour, from light to dark; one is the colour itself.

    Args:
        colour: as ``#rrggbb``.
        number: of shades.

    >>> shades("#0072B2", 1)
    ['#0072B2']
    """
    if number == 1:
        return [colour]
    return ramp(mixed(colour, WHITE, 0.4), darker(colour, 0.65), number)


def variants(look: Look, number: int) -> list[Look]:
    """Looks of the lines of one arm, in their order: from a light to a dark shade of its colour.

    Args:
        look: of the arm; one line keeps it.
        number: of lines.
    """
    first = MARKERS.index(look.marker)
    return [
        Look(shade, MARKERS[(first + place) % len(MARKERS)])
        for place, shade in enumerate(shades(look.colour, number))
    ]


def ramp(first: str, last: str, number: int) -> list[str]:
    """So many colours from the first to the last, evenly.

    Args:
        first: as ``#rrggbb``.
        last: as ``#rrggbb``.
        number: of colours; one is the first.

    >>> ramp("#000000", "#FFFFFF", 3)
    ['#000000', '#808080', '#FFFFFF']
    """
    return [mixed(first, last, place / max(1, number - 1)) for place in range(number)]


def mixed(colour: str, other: str, share: float) -> str:
    """A colour with such a share of another.

    Args:
        colour: as ``#rrggbb``.
        other: as ``#rrggbb``.
        share: of the other, from 0 to 1.

    >>> mixed("#000000", "#FF8000", 0.5)
    '#804000'
    """
    both = ([int(each[start : start + 2], 16) for start in (1, 3, 5)] for each in (colour, other))
    return "#" + "".join(f"{round(a + share * (b - a)):02X}" for a, b in zip(*both, strict=True))


def darker(colour: str, share: float = 0.6) -> str:
    """A colour of so much of the light: dark enough for text on white.

    Args:
        colour: as ``#rrggbb``.
        share: of the light that is left, from 0 to 1.

    >>> darker("#FF8000", 0.5)
    '#804000'
    """
    return mixed("#000000", colour, share)
