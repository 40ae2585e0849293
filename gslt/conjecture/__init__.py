"""The test of the conjecture that freezing counters over-smoothing, from a plan to a verdict.

``protocol`` has the arms, the grids of runs and the table of what they found; ``decision`` the
rule, ``power`` what so many seeds can show, ``simulation`` how often the rule errs where the truth
is known; ``verdict`` brings them together with all that is reported beside the verdict.
"""

from __future__ import annotations

from gslt.conjecture.protocol import Criteria, Plan, open_plan, read_runs, run_plan, runs_of
from gslt.conjecture.verdict import Analysis, Verdict

__all__ = [
    "Analysis",
    "Criteria",
    "Plan",
    "Verdict",
    "open_plan",
    "read_runs",
    "run_plan",
    "runs_of",
]
