"""Subset sums: speed beside a plain NumPy loop and scipy's HiGHS solver, and their laws.

    python benchmarks/subset_sum.py [--quick] [--json FILE] [--plot FILE]

Every target has values of its own, as every coefficient of a constructed ticket has. Speed is
that of one thread, in seconds of the clock and of the processor; on a busy machine only the latter
says what a core does. The laws are those of ``docs/theory.md``: error against the number of free
values, targets out of reach, values needed against epsilon, and what locking and pruning cost.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import common
import numpy as np
import pictures
from scipy.optimize import Bounds, LinearConstraint, milp

from gslt.theory import laws

Values = dict[str, Any]
Answers = list[float]

#: p and l of sources that are frozen in three ways.
WAYS = {"all pruned": (1.0, 0.0), "half and half": (0.5, 0.5), "all locked": (0.0, 1.0)}
#: Variable, p, l, and by n the share of targets out of reach as it was simulated once before,
#: independently; None is below 5e-6.
REACH: list[tuple[str, float, float, dict[int, float | None]]] = [
    ("uniform", 0.0, 0.0, {20: 1.5e-4, 40: None}),
    ("uniform", 0.25, 0.25, {20: 0.15, 40: 0.034, 80: 2.1e-3, 120: 1.4e-4, 160: None}),
    ("product", 0.0, 0.0, {20: 7e-3, 40: 1e-5}),
    (
        "product",
        0.25,
        0.25,
        {20: 0.27, 40: 0.09, 80: 0.012, 120: 1.8e-3, 160: 2.6e-4, 240: 5e-6},
    ),
    (
        "product",
        0.0,
        0.5,
        {20: 0.36, 40: 0.17, 80: 0.047, 120: 0.013, 160: 4.3e-3, 240: 5e-4},
    ),
    ("product", 0.4, 0.4, {20: 0.68, 40: 0.52, 80: 0.35, 120: 0.24, 160: 0.17, 240: 0.095}),
]


# Speed


def by_numpy(values: np.ndarray, target: float) -> float:
    """Error of the best subset, one target at a time: the plain way to meet in the middle."""
    half = len(values) // 2
    sums = []
    for part in (values[:half], values[half:]):
        found = np.zeros(1)
        for value in part:
            found = np.concatenate([found, found + value])
        sums.append(found)
    order = np.argsort(sums[1])
    wanted = target - sums[0]
    right = np.searchsorted(sums[1][order], wanted).clip(1, len(order) - 1)
    near = np.stack([sums[1][order[right - 1]], sums[1][order[right]]])
    return float(np.abs(wanted - near).min())


def by_highs(values: np.ndarray, target: float) -> float:
    """Error of the subset that the mixed-integer solver gives, added up by us."""
    n = len(values)
    # Least e with  sum - e <= target <= sum + e.
    rows = np.column_stack([np.stack([values, values]), [[-1.0], [1.0]]])
    found = milp(
        np.append(np.zeros(n), 1.0),
        constraints=LinearConstraint(rows, [-np.inf, target], [target, np.inf]),
        integrality=np.append(np.ones(n), 0),
        bounds=Bounds(0, np.append(np.ones(n), np.inf)),
        options={"mip_rel_gap": 0.0},
    )
    return float(abs(target - values[np.rint(found.x[:n]) == 1].sum()))


def timed(solve: Callable[[], Answers]) -> tuple[Answers, float, float]:
    """What it answers, seconds of the clock, and of the processor."""
    wall, busy = time.perf_counter(), time.process_time()
    found = solve()
    return found, time.perf_counter() - wall, time.process_time() - busy


def one_by_one(solve: Callable[[np.ndarray, float], float], made: laws.Draws) -> Answers:
    return [solve(*row) for row in zip(made.values, made.targets, strict=True)]


def exact_rows(free: int, number: int, repetitions: int, solver: int) -> Iterator[Values]:
    """So many free values: gslt and the loop take turns over the same targets; then the solver."""
    made = laws.draws("uniform", free, number)
    few = laws.Draws(made.values[:solver], made.targets[:solver], made.locked, made.pruned)
    ways: dict[str, tuple[laws.Draws, Callable[[laws.Draws], Answers]]] = {
        "gslt": (made, lambda rows: list(rows.solve(threads=1).errors)),
        "NumPy loop": (made, lambda rows: one_by_one(by_numpy, rows)),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    answers: dict[str, Answers] = {}
    for _ in range(repetitions):
        for name, (rows, solve) in ways.items():
            answers[name], *seconds = timed(lambda rows=rows, solve=solve: solve(rows))
            times[name].append((seconds[0], seconds[1]))
    answers["HiGHS"], *seconds = timed(lambda: one_by_one(by_highs, few))
    times["HiGHS"] = [(seconds[0], seconds[1])]
    for name, found in answers.items():
        worse = np.array(found) - answers["gslt"][: len(found)]
        wall, busy = (sorted(each) for each in zip(*times[name], strict=True))
        yield {
            "method": name,
            "free": free,
            "targets": len(found),
            "repetitions": len(wall),
            "targets_per_second": len(found) / wall[len(wall) // 2],
            "targets_per_cpu_second": len(found) / busy[len(busy) // 2],
            "cpu_seconds": busy,
            # The solver knows sums to 1e-6 or so; what is nearer it cannot tell apart.
            "largest_excess_over_gslt": float(worse.max()),
            "smallest_excess_over_gslt": float(worse.min()),
        }


def approximate_rows(number: int) -> Iterator[Values]:
    """Sums of 240 values, a quarter pruned and a quarter locked: most of it greedily."""
    for variable in ("uniform", "product"):
        made = laws.draws(variable, 240, number, prune_ratio=0.25, lock_ratio=0.25)
        for exact, part in ((20, number), (30, max(20, number // 25))):
            rows = laws.Draws(made.values[:part], made.targets[:part], made.locked, made.pruned)
            errors, wall, busy = timed(lambda rows=rows, exact=exact: _errors(rows, exact))
            found = np.array(errors)
            inside = rows.reached()
            yield {
                "method": "gslt",
                "variable": variable,
                "values": 240,
                "prune_ratio": 0.25,
                "lock_ratio": 0.25,
                "exact": exact,
                "targets": part,
                "reachable": int(inside.sum()),
                "reachable_within_0.001": laws.share(
                    int((found[inside] <= 1e-3).sum()), int(inside.sum())
                ),
                "largest_error": float(found[inside].max()),
                "median_error": float(np.median(found)),
                "targets_per_second": part / wall,
                "targets_per_cpu_second": part / busy,
            }


def _errors(rows: laws.Draws, exact: int) -> Answers:
    return list(rows.solve(exact=exact, threads=1).errors)


# Laws


def error_laws(number: int, places: range) -> tuple[Values, Values]:
    """Median log2 error for every variable and number of free values, and the slopes."""
    rows: Values = {}
    slopes: Values = {}
    for variable in laws.VARIABLES:
        rows[variable], samples, predicted = [], [], []
        for m in places:
            made = laws.draws(variable, m, number)
            # A target is hit exactly with probability 0.
            errors = np.log2(made.solve().errors)
            samples.append(errors)
            predicted.append(laws.predicted_log2_error(laws.log2_density(made)))
            rows[variable].append(
                {
                    "free": m,
                    "log2_error": laws.quantile(errors, 0.5),
                    "predicted": predicted[-1],
                    "predicted_normal": laws.predicted_log2_error(
                        laws.log2_density(made, normal=True)
                    ),
                    "counting_bound": math.log2(laws.counting_bound(m)),
                }
            )
        slopes[variable] = {
            "simulated": laws.slope(places, samples),
            "predicted": float(np.polyfit(places, predicted, 1)[0]),
            "bound": -1.0,
        }
    return rows, slopes


def reach_rows(number: int, most: int) -> Iterator[Values]:
    """The table of targets out of reach, beside what was simulated before."""
    for variable, prune, lock, cells in REACH:
        for n, before in cells.items():
            if n > most:
                continue
            found = laws.unreached(variable, n, number, prune_ratio=prune, lock_ratio=lock, seed=1)
            # Half a unit of the last digit that was written; both are simulations.
            low, high = (0.0, 5e-6) if before is None else rounding(before)
            yield {
                "name": f"{variable}, p = {prune:g}, l = {lock:g}",
                "variable": variable,
                "prune_ratio": prune,
                "lock_ratio": lock,
                "n": n,
                "share": found,
                "before": before,
                "agrees": bool(found.low <= high and low <= found.high),
            }


def rounding(number: float) -> tuple[float, float]:
    """Numbers that are written so with two digits, or with one where the second is 0."""
    exponent = math.floor(math.log10(number))
    digits = 0 if f"{number:.1e}"[2] == "0" else 1
    half = 0.5 * 10.0 ** (exponent - digits)
    return number - half, number + half


def width_rows(number: int, frees: range, bits: range) -> Iterator[Values]:
    """Values for 99 % of the targets within epsilon: simulated, and by the predicted density."""
    shapes = [("F = 0", 0.0, 0.0)]
    shapes += [(f"F = {ratio:g}, all pruned", ratio, 0.0) for ratio in (0.25, 0.5, 0.75)]
    shapes += [("F = 0.5, half and half", 0.25, 0.25), ("F = 0.5, all locked", 0.0, 0.5)]
    for name, prune, lock in shapes:
        ratios = {"prune_ratio": prune, "lock_ratio": lock}
        left = 1 - prune - lock
        n = [round(m / left) for m in frees]
        errors = [
            np.log2(laws.draws("uniform", each, 2 * number, **ratios).solve().errors) for each in n
        ]
        found = {
            share: [-laws.quantile(each, share)[0] for each in errors] for share in (0.5, 0.99)
        }
        law = [laws.values_needed("uniform", 2.0**-b, number=number, **ratios) for b in bits]
        # Where 1 % and more is out of reach of every subset, no epsilon below 1 has 99 %.
        within = [place for place, at in enumerate(found[0.99]) if at > 2]
        yield {
            "name": name,
            **ratios,
            "expected_slope": 1 / left,
            "simulated": {
                "bits": [found[0.99][place] for place in within],
                "n": [n[place] for place in within],
                "slope": values_a_bit(
                    [n[at] for at in within], [errors[at] for at in within], 0.99
                ),
                "median_slope": values_a_bit(n, errors, 0.5),
                "median_bits": found[0.5],
            },
            "predicted": {
                "bits": list(bits),
                "n": law,
                "slope": float(np.polyfit(bits, law, 1)[0]),
                "last_slope": float(np.polyfit(bits[-4:], law[-4:], 1)[0]),
            },
        }


def values_a_bit(n: list[int], errors: list[np.ndarray], share: float) -> laws.Interval | None:
    """Values for each bit of log2(1 / epsilon); None where fewer than three widths tell."""
    if len(n) < 3:
        return None
    return laws.Interval(*(-1 / bits for bits in laws.slope(n, errors, share)))


def price_rows(number: int, ratios: tuple[float, ...]) -> Values:
    """Values for 99 % of the targets within 0.001, by simulation: the least n, by bisection."""
    found: Values = {}
    for way, (prune, lock) in WAYS.items():
        found[way] = []
        for ratio in ratios:
            shape = {"prune_ratio": prune * ratio, "lock_ratio": lock * ratio}
            guess = laws.values_needed("uniform", 1e-3, **shape)
            n = least(lambda n, shape=shape: success(n, 2 * number, shape) >= 0.99, guess)
            found[way].append(
                {"freezing_ratio": ratio, **shape, "n": n, "predicted": guess, "draws": 2 * number}
            )
    return found


def success(n: int, number: int, shape: dict[str, float]) -> float:
    """Share of targets within 0.001, other draws than those of the prediction."""
    made = laws.draws("uniform", n, number, seed=1, **shape)
    return float((made.solve(exact=20).errors <= 1e-3).mean())


def least(enough: Callable[[int], bool], guess: int) -> int:
    """The least number that is enough, near a guess."""
    low, high = guess * 4 // 5, max(guess + 1, guess * 5 // 4)
    while enough(low):
        low = low * 3 // 4
    while not enough(high):
        high = high * 5 // 4 + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def lemma_shapes() -> dict[str, dict[str, Any]]:
    """What the theorem and the lemmas freeze, each value by chance."""
    return {
        "Lueker: nothing frozen": {"prune_ratio": 0.0, "lock_ratio": 0.0},
        "Lemma 3.1: locked with probability 0.25": {"prune_ratio": 0.0, "lock_ratio": 0.25},
        "Lemma 3.2: pruned and locked, 0.25 each": {"prune_ratio": 0.25, "lock_ratio": 0.25},
    }


def cover_rows(number: int, most: int, delta: float = 0.1) -> Iterator[Values]:
    """Every target of [-1, 1] at once: the epsilon that 1 - delta of the draws keep."""
    for (name, shape), more in zip(lemma_shapes().items(), (0, 4, 8), strict=True):
        for n in range(8, most + more + 1, 2):
            made = laws.draws("uniform", n, number, by_chance=True, **shape)
            worst = laws.quantile(laws.covering_errors(made), 1 - delta)
            k = np.broadcast_to(made.locked, made.values.shape).sum(axis=1)
            bounds = np.array([laws.locked_sum_bound(int(each), delta) for each in k])
            yield {
                "name": name,
                "n": n,
                "draws": number,
                "delta": delta,
                "epsilon": worst,
                # Where delta is the smaller of the two, n says nothing of epsilon.
                "constant": n / -math.log2(worst.value) if worst.value < delta else None,
                "beyond_hoeffding": float((np.abs(made.targets - made.aim) > bounds).mean()),
            }


def range_rows(number: int, places: range) -> Iterator[Values]:
    """The other half of the lemmas: how often part of [-1, 1] lies beyond all sums."""
    for name, shape in lemma_shapes().items():
        for n in places:
            made = laws.draws("uniform", n, number, by_chance=True, **shape)
            ends = [replace(made, targets=np.full(number, end)) for end in (-1.0, 1.0)]
            missed = ~(ends[0].reached() & ends[1].reached())
            yield {"name": name, "n": n, "share": laws.share(int(missed.sum()), number)}


def shown(row: Values) -> str:
    """Speed in a line."""
    core, clock = (f"{row[key]:.4g}" for key in ("targets_per_cpu_second", "targets_per_second"))
    return f"{row['targets']:>6} targets  {core:>8} /s of a core  {clock:>8} /s of the clock"


def measure_speed(quick: bool) -> Values:
    exact, approximate = [], []
    counts = (12, 200, 1, 2) if quick else (20, 4000, 5, 3)
    for row in exact_rows(*counts):
        exact.append(row)
        excess = row["largest_excess_over_gslt"]
        print(f"n = {row['free']}  {row['method']:<22} {shown(row)}  worse by {excess:.1e} at most")
    for row in approximate_rows(500 if quick else 40_000):
        approximate.append(row)
        within = row["reachable_within_0.001"]
        print(
            f"n = 240 {row['variable']:<8} exact {row['exact']}  {shown(row)}  within 0.001: "
            f"{within.value:.5f} [{within.low:.5f}, {within.high:.5f}]",
            flush=True,
        )
    return {"exact": exact, "approximate": approximate}


def measure_laws(quick: bool, number: int) -> Values:
    errors, slopes = error_laws(number, range(10, 17 if quick else 25, 2))
    for name, slope in slopes.items():
        value, low, high = slope["simulated"]
        print(f"bits a value: {name:<16} {value:.3f} [{low:.3f}, {high:.3f}]", flush=True)
    widths = []
    frees = range(12, 19, 2) if quick else range(16, 31, 2)
    bits = range(6, 15, 4) if quick else range(6, 103, 8)
    for row in width_rows(number, frees, bits):
        widths.append(row)
        found, law = row["simulated"], row["predicted"]
        slopes_found = [
            "-" if each is None else "{:.3f} [{:.3f}, {:.3f}]".format(*each)
            for each in (found["slope"], found["median_slope"])
        ]
        print(
            f"values a bit: {row['name']:<22} 1 / (1 - F) = {row['expected_slope']:.3f}, "
            f"99 %: {slopes_found[0]}, median: {slopes_found[1]}, predicted {law['slope']:.3f}, "
            f"at its end {law['last_slope']:.3f}",
            flush=True,
        )
    price = price_rows(min(number, 2000), (0.0, 0.5) if quick else (0.0, 0.25, 0.5, 0.75))
    for name, rows in price.items():
        pairs = [(row["freezing_ratio"], row["n"], row["predicted"]) for row in rows]
        print(f"price (F, n, predicted): {name:<14} {pairs}", flush=True)
    cover = []
    for row in cover_rows(20 if quick else 300, 10 if quick else 18):
        cover.append(row)
        constant = "" if row["constant"] is None else f"  C = {row['constant']:.2f}"
        print(
            f"every target: {row['name']:<40} n = {row['n']:>2}  epsilon "
            f"{row['epsilon'].value:.2e}{constant}",
            flush=True,
        )
    ranges = list(range_rows(1000 if quick else 20_000, range(20, 41 if quick else 161, 20)))
    for row in ranges:
        print(
            f"[-1, 1] in reach: {row['name']:<40} n = {row['n']:>3}  not {row['share'].value:.2e}"
        )
    return {
        "errors": errors,
        "slopes": slopes,
        "widths": widths,
        "price": price,
        "cover": cover,
        "range": ranges,
    }


def measure_reach(number: int, most: int) -> list[Values]:
    rows = []
    for row in reach_rows(number, most):
        rows.append(row)
        value, low, high = row["share"]
        print(
            f"out of reach: {row['name']:<28} n = {row['n']:>3}  {value:.2e} "
            f"[{low:.1e}, {high:.1e}]  before: {row['before']}"
            f"{'' if row['agrees'] else '  DIFFERS'}",
            flush=True,
        )
    return rows


def main() -> None:
    """Measure speed and laws, and print both."""
    args = common.options(__doc__).parse_args()
    quick, load = args.quick, os.getloadavg()
    settings = {
        "number": 1000 if quick else 3000,
        "reach": 2000 if quick else 200_000,
        "quick": quick,
    }
    figures = {
        **measure_speed(quick),
        **measure_laws(quick, settings["number"]),
        "reach": measure_reach(settings["reach"], 40 if quick else 240),
        "settings": settings,
        "load_average": {"before": load, "after": os.getloadavg()},
    }
    if args.plot:
        pictures.plot_subset_sums(figures, args.plot)
    common.save(args.json, **figures)


if __name__ == "__main__":
    main()
