"""The test of the conjecture that freezing counters over-smoothing, from a plan to three verdicts.

``protocol`` has the arms and the grids of runs; ``trajectories`` compares two arms at equal fit;
``rule`` has what a claim is tested by, ``claims`` the verdicts, by the tests of ``means``;
``rivals`` how often the rule errs where the truth is known; ``findings`` brings them together, and
``report`` writes them.
"""

from __future__ import annotations

from gslt.conjecture.claims import judge, judge_contrasts
from gslt.conjecture.protocol import Criteria, Plan, open_plan, run_plan
from gslt.conjecture.rule import Rule

__all__ = ["Criteria", "Plan", "Rule", "judge", "judge_contrasts", "open_plan", "run_plan"]
