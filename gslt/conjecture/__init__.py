"""The test of the conjecture that freezing counters over-smoothing, from a plan to three verdicts.

``protocol`` has the arms and the grids of runs; ``trajectories`` compares two arms at equal fit;
``rule`` has what a claim is tested by, ``claims`` the verdicts, by the tests of ``means``;
``rivals`` how often the rule errs where the truth is known; ``findings`` brings them together, and
``report`` writes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gslt.faces import lazy

if TYPE_CHECKING:
    from gslt.conjecture.claims import judge, judge_contrasts
    from gslt.conjecture.criteria import Criteria
    from gslt.conjecture.protocol import Plan, open_plan, run_plan
    from gslt.conjecture.rule import Rule

__all__ = ["Criteria", "Plan", "Rule", "judge", "judge_contrasts", "open_plan", "run_plan"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "claims": ["judge", "judge_contrasts"],
        "criteria": ["Criteria"],
        "protocol": ["Plan", "open_plan", "run_plan"],
        "rule": ["Rule"],
    },
)
