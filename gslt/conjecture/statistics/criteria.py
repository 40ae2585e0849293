"""What the verdict asks for, stated before any run.

The annotations stay evaluated (no postponed evaluation in this file): the command line reads them.
"""

import math
from dataclasses import dataclass

from gslt.config import check_values
from gslt.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """Error rates and the smallest effect that matters.

    Raises:
        ConfigError: for a value out of range.
    """

    alpha: float = 0.05
    """Largest rate of wrong verdicts of either kind in a family: a difference claimed where there
    is none, and "no meaningful difference" where there is one [the folder's, else 0.05]."""
    smallest_effect: float = math.log(1.25)
    """Smallest difference of the log quotient that matters; 0.22 is a factor of 1.25 either way. A
    convention: a log quotient has no natural unit, and a change by less than a quarter would not
    be called stronger smoothing [the folder's, else 0.223]."""
    power: float = 0.8
    """Chance of a decision that the number of seeds needed is computed for [the folder's, else
    0.8]."""

    def __post_init__(self) -> None:
        check_values(self)
        for name in ("alpha", "power"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ConfigError(f"{name} must lie in (0, 1), got {getattr(self, name)}")
        if not 0.0 < self.smallest_effect < math.inf:
            raise ConfigError(f"smallest_effect must be above 0, got {self.smallest_effect}")
