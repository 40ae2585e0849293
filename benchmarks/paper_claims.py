"""What the Frozen paper says of GIN and Conv6 (figures 4 – 7, table 1), beside what a study says.

    gslt study run --preset table --workers 2 --out FOLDER      # and sparsity, window, locking,
    python benchmarks/paper_claims.py FOLDER [--json FILE]      # freezing, width, size

Every claim is one or more contrasts: mean difference of accuracy in points between runs of the same
seed, over everything that both sides vary, with the 95 % interval over seeds, the p of a two-sided
sign-flip test by seeds, and the differences of test accuracy at the last epoch and of training
accuracy beside it. A claim *holds here*
where every one of its contrasts lies above 0 (or within ± 0.5 points, where it says equality), is
*contradicted here* where one lies below, else it is *not told*. To lie above or below takes an
interval without 0 and p ≤ 0.05, which fewer than six seeds cannot reach; p is not corrected.
Claims whose presets the folder lacks are named at the end.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

import common
from pandas import DataFrame

from gslt import studies
from gslt.freezing import split_ratio, window_sparsity
from gslt.report.statistics import Estimate, least_p, paired, sign_flip_test
from gslt.report.tables import Cell, Column, Table
from gslt.studies.presets import SHARES

#: Points of accuracy below which two arms are as good as each other.
EQUAL = 0.5
ALPHA = 0.05
ACCURACIES = ("test_accuracy", "last_test_accuracy", "train_accuracy")


@dataclass(frozen=True)
class Side:
    """Runs of one preset: those whose columns have these values."""

    preset: str
    columns: dict[str, object]

    def of(self, runs: DataFrame) -> DataFrame:
        """Its rows."""
        rows = runs[runs["study"].str.startswith(f"{self.preset}-")]
        for name, value in self.columns.items():
            if name not in rows:
                return rows.iloc[:0]
            column = rows[name]
            near = isinstance(value, float)
            rows = rows[(column - value).abs() < 1e-9 if near else column == value]
        return rows


@dataclass(frozen=True)
class Contrast:
    """What is better than what, by a claim."""

    name: str
    first: Side
    second: Side
    #: Columns that a pair agrees in beside the seed: both sides vary them.
    on: tuple[str, ...] = ()
    equal: bool = False
    """Whether the claim says that both are as good."""


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper, and the contrasts that would show it."""

    where: str
    sentence: str
    contrasts: tuple[Contrast, ...]
    column: str = "test_accuracy"
    """Which difference decides."""


@dataclass(frozen=True)
class Found:
    """What the runs say of a contrast, in points of accuracy."""

    name: str
    seeds: int
    test: Estimate
    last: Estimate
    """Test accuracy at the last epoch, whichever is the best."""
    train: Estimate
    p: float
    says: str
    """``above``, ``below``, ``equal`` or ``open``."""


def arm(preset: str, name: str, **axes: object) -> Side:
    """Runs of an arm at values of its axes."""
    return Side(preset, {"arm": name, **{f"axis_{axis}": value for axis, value in axes.items()}})


def at_sparsity(preset: str, name: str, sparsity: float) -> Side:
    """Runs of an arm at a sparsity, whatever setting places it there."""
    return Side(preset, {"arm": name, "asked_density": 1 - sparsity})


def window_contrasts(
    preset: str, freezing_ratio: float, *on: str, step: float = 0.1
) -> tuple[Contrast, ...]:
    """The middle of each window against the sparsities beside it that were tried."""
    found = []
    for name, share in SHARES.items():
        middle = round(window_sparsity(*split_ratio(freezing_ratio, share), 0.5), 2)
        for other in (round(middle - step, 2), round(middle + step, 2)):
            sides = (at_sparsity(preset, name, each) for each in (middle, other))
            found.append(Contrast(f"{name}: sparsity {middle:g} − {other:g}", *sides, on))
    return tuple(found)


def frozen_against(name: str) -> tuple[Contrast, ...]:
    """The frozen sources of the table, in the middle of all sparsities and in the dense range."""
    return tuple(
        Contrast(f"{frozen} − {name}", arm("table", frozen), arm("table", name))
        for frozen in ("frozen source, SKC", "frozen source, dense range, SKC")
    )


_EPL = Claim(
    "figure 4",
    "EPL beats ERK",
    (
        Contrast(
            "EPL − ERK",
            Side("window", {"axis_allocation": "epl"}),
            Side("window", {"axis_allocation": "erk"}),
            ("arm", "asked_density"),
        ),
    ),
)
OF_GIN = (
    Claim(
        "table 1",
        "the frozen ticket is more accurate than weight training",
        frozen_against("weight training"),
    ),
    Claim(
        "table 1",
        "a frozen source beats a dense one",
        frozen_against("dense source, SKC"),
    ),
    Claim(
        "table 1",
        "a dense source is as good as weight training",
        (
            Contrast(
                "dense source − weight training",
                arm("table", "dense source, SKC"),
                arm("table", "weight training"),
                equal=True,
            ),
        ),
    ),
    Claim(
        "figure 4",
        "every proportion of pruned to locked peaks in the middle of its window (0.4 frozen)",
        window_contrasts("window", 0.4, "axis_allocation"),
    ),
    Claim(
        "figure 4",
        "the same, 0.2 frozen",
        window_contrasts("locking", 0.2),
    ),
    _EPL,
    Claim(
        "figure 5",
        "GIN is best in the dense range: sparsity 0.2 beats 0.5",
        (
            Contrast(
                "sparsity 0.2 − 0.5",
                arm("sparsity", "dense source, SKC", sparsity=0.2),
                arm("sparsity", "dense source, SKC", sparsity=0.5),
            ),
        ),
    ),
    Claim(
        "figure 5",
        "locking beats pruning, each in the middle of its window",
        (
            Contrast(
                "all locked − all pruned",
                Side("freezing", {"arm": "all locked"}),
                Side("freezing", {"arm": "all pruned"}),
                ("axis_freezing_ratio",),
            ),
        ),
    ),
    Claim(
        "figure 5",
        # At sparsity 0.5 both are as far from the middle of their windows.
        "locking beats pruning at equal sparsity",
        (
            Contrast(
                "all locked − all pruned, freezing ratio 0.2, sparsity 0.5",
                arm("locking", "all locked", sparsity=0.5),
                arm("locking", "all pruned", sparsity=0.5),
            ),
            Contrast(
                "all locked − all pruned, freezing ratio 0.4, sparsity 0.5",
                at_sparsity("window", "all locked", 0.5),
                at_sparsity("window", "all pruned", 0.5),
                ("axis_allocation",),
            ),
        ),
    ),
    Claim(
        "figure 6",
        "a twice as wide frozen source beats a dense one",
        tuple(
            Contrast(
                f"frozen, {2 * width} wide − dense, {width} wide",
                arm("width", "frozen source", hidden_channels=2 * width),
                arm("width", "dense source", hidden_channels=width),
            )
            for width in (64, 128)
        ),
    ),
    Claim(
        "figure 7",
        "signed constants beat uniform weights",
        (
            Contrast(
                "SKC − KU",
                arm("size", "frozen source, SKC"),
                arm("size", "frozen source, KU"),
                ("axis_freezing_ratio",),
            ),
        ),
    ),
    Claim(
        "section 4.2",
        "freezing does not cost training accuracy",
        frozen_against("dense source, SKC"),
        "train_accuracy",
    ),
)
OF_CONV6 = (
    Claim(
        "figure 4",
        "every proportion of pruned to locked peaks in the middle of its window (0.4 frozen)",
        window_contrasts("window", 0.4, "axis_allocation", step=0.2),
    ),
    _EPL,
    Claim(
        "figure 5",
        "Conv6 is best at middle sparsity",
        tuple(
            Contrast(
                f"{init}: sparsity 0.5 − {other:g}",
                *(arm("sparsity", f"dense source, {init}", sparsity=s) for s in (0.5, other)),
            )
            for init in ("SKC", "KU")
            for other in (0.1, 0.9)
        ),
    ),
    Claim(
        "figure 5",
        # At sparsity 0.5 the half pruned source is in the middle of its window, the other at the
        # dense end of its own.
        "a frozen source beats a sparse one of equal search space where the window matters",
        (
            Contrast(
                "half and half − all pruned, freezing ratio 0.4, sparsity 0.5",
                at_sparsity("window", "half and half", 0.5),
                at_sparsity("window", "all pruned", 0.5),
                ("axis_allocation",),
            ),
            Contrast(
                "frozen source − sparse source, each in the middle of its window",
                arm("table", "frozen source, SKC"),
                arm("table", "sparse source, SKC"),
            ),
        ),
    ),
    Claim(
        "figure 7",
        "signed constants beat uniform weights",
        (
            Contrast(
                "SKC − KU, over all sources",
                *(
                    Side("table", {"method": "search", "weight_init": init})
                    for init in ("skc", "ku")
                ),
                ("freezing_ratio", "prune_ratio"),
            ),
        ),
    ),
)
#: What the paper says, by architecture.
CLAIMS = {"gin": OF_GIN, "conv6": OF_CONV6}


def judge(contrast: Contrast, runs: DataFrame, column: str = "test_accuracy") -> Found | None:
    """The contrast by seeds, or None where its runs are not there.

    Args:
        contrast: what is compared.
        runs: of a study folder.
        column: whose difference says whether it is above or below.
    """
    sides = [side.of(runs) for side in (contrast.first, contrast.second)]
    if any(side.empty for side in sides):
        return None
    pairs = paired(*sides, ["seed", "dataset", "split", *contrast.on], ACCURACIES)
    by_seed = 100 * pairs.groupby("seed")[list(ACCURACIES)].mean()
    estimates = {name: Estimate.of(by_seed[name].to_numpy(float)) for name in ACCURACIES}
    p = float(sign_flip_test(by_seed[column].to_numpy(float))[0])
    mean, margin, says = estimates[column], EQUAL if contrast.equal else 0.0, "open"
    enough = least_p(len(by_seed)) <= ALPHA
    if contrast.equal and enough and max(-mean.low, mean.high) < EQUAL:
        says = "equal"
    elif p <= ALPHA and mean.low > margin:
        says = "above"
    elif p <= ALPHA and mean.high < -margin:
        says = "below"
    return Found(contrast.name, len(by_seed), *estimates.values(), p, says)


@dataclass(frozen=True)
class Result:
    """A claim, and what was found of it."""

    claim: Claim
    found: list[Found]

    @property
    def verdict(self) -> str:
        """Whether the claim holds here."""
        if len(self.found) < len(self.claim.contrasts):
            return "measured in part" if self.found else "not measured"
        wanted = {"equal" if contrast.equal else "above" for contrast in self.claim.contrasts}
        said = {each.says for each in self.found}
        if said <= wanted:
            return "holds here"
        return "contradicted here" if said - wanted - {"open"} else "not told"

    @property
    def values(self) -> common.Values:
        """Every figure."""
        claim = {"where": self.claim.where, "claim": self.claim.sentence, "here": self.verdict}
        return {**claim, "contrasts": [asdict(each) for each in self.found]}


def judge_all(runs: DataFrame, architecture: str = "gin") -> list[Result]:
    """Every claim about an architecture, in the order of the paper.

    Args:
        runs: of a study folder.
        architecture: a key of :data:`CLAIMS`.
    """
    runs = runs[runs["architecture"] == architecture]
    return [
        Result(claim, [found for c in claim.contrasts if (found := judge(c, runs, claim.column))])
        for claim in CLAIMS[architecture]
    ]


def table(results: list[Result], architecture: str = "gin") -> Table:
    """A row a contrast, in the order of the paper."""
    columns: list[Column] = [
        ("where", lambda row: Cell(row[0].claim.where)),
        (f"the paper says of {architecture}", lambda row: Cell(row[0].claim.sentence)),
        ("here", lambda row: Cell(row[0].verdict)),
        ("contrast", lambda row: Cell(row[1].name)),
        ("test, points", lambda row: Cell(row[1].test.words("+.2f"))),
        ("at the last epoch", lambda row: Cell(row[1].last.words("+.2f"))),
        ("training, points", lambda row: Cell(row[1].train.words("+.2f"))),
        ("p", lambda row: Cell(f"{row[1].p:.3f}")),
        ("n", lambda row: Cell(str(row[1].seeds))),
    ]
    rows = [(result, found) for result in results for found in result.found]
    return Table.of("", rows, columns, names=4)


def main() -> None:
    """Judge the claims of a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of `gslt study run`")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to this file")
    parser.add_argument("--architecture", choices=list(CLAIMS), default="gin")
    asked = parser.parse_args()
    results = judge_all(studies.frame(asked.folder), asked.architecture)
    print(table(results, asked.architecture).body())
    if absent := [r.claim.sentence for r in results if len(r.found) < len(r.claim.contrasts)]:
        print("\nNot measured, or in part: " + "; ".join(absent))
    common.save(asked.json, equal_within=EQUAL, claims=[result.values for result in results])


if __name__ == "__main__":
    main()
