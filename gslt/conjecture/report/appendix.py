"""Error rates of the verdict's code where the truth is planted, computed once per design."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gslt.conjecture.plan import Plan
from gslt.conjecture.protocol import RATIOS
from gslt.conjecture.statistics.criteria import Criteria
from gslt.conjecture.statistics.error_rates import error_rates
from gslt.conjecture.statistics.simulate import Planted
from gslt.files import plain, write_json
from gslt.version import __version__

#: File with the rates, in the folder of the test.
ERROR_RATES = "error_rates.json"
SIMULATIONS = 1_000


@dataclass(frozen=True)
class Case:
    """What is planted, and its name."""

    name: str
    planted: Planted


def cases(plan: Plan) -> list[Case]:
    """An effect, none and a reversal for every number of seeds and list of depths of the plan.

    The effect is the smallest that matters: larger ones are found more often.
    """
    smallest = plan.criteria.smallest_effect
    effects = {"planted effect": smallest, "planted null": 0.0, "planted reversal": -smallest}
    return [
        Case(name, Planted(effect=effect, seeds=seeds, depths=depths, ratios=RATIOS))
        for seeds, depths in _designs(plan)
        for name, effect in effects.items()
    ]


def _designs(plan: Plan) -> list[tuple[int, tuple[int, ...]]]:
    """Seeds and depths of the studies, each once, in order."""
    found: dict[tuple[int, tuple[int, ...]], None] = {}
    for study in plan.studies:
        depths = {cell.spec.config.num_layers for cell in study.cells}
        found[len(study.seed_list), tuple(sorted(depths))] = None
    return list(found)


def rates(folder: Path, plan: Plan, *, compute: bool = True, progress: bool = True) -> list[Any]:
    """Error rates of every case as plain values, those known from the folder's own file.

    Args:
        folder: of the test.
        plan: whose seeds, depths and criteria are simulated.
        compute: whether to simulate what is not known; else it is left out.
        progress: show a bar on a terminal.
    """
    path, wanted = folder / ERROR_RATES, cases(plan)
    known = {_key(entry): entry for entry in _read(path)}
    keys = {case: _wanted_key(case, plan.criteria) for case in wanted}
    missing = [case for case in wanted if keys[case] not in known]
    if missing and compute:
        for case in tqdm(
            missing,
            desc="error rates of the verdict on synthetic runs",
            unit="case",
            disable=None if progress else True,
        ):
            found = error_rates(case.planted, SIMULATIONS, plan.criteria).as_dict()
            entry = {"name": case.name, "gslt": __version__, **found}
            known[_key(entry)] = entry
            write_json(path, list(known.values()))
    return [known[key] for key in keys.values() if key in known]


def _wanted_key(case: Case, criteria: Criteria) -> str:
    same = {"planted": case.planted, "criteria": criteria}
    return _key({**plain(same), "simulations": SIMULATIONS, "gslt": __version__})


def _key(entry: Any) -> str:
    names = ("planted", "criteria", "simulations", "gslt")
    return json.dumps([entry[name] for name in names], sort_keys=True)


def _read(path: Path) -> list[Any]:
    """Entries of the file; none where it is not there, or damaged: they are computed again."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        _ = [_key(entry) for entry in entries]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []
    return list(entries)
