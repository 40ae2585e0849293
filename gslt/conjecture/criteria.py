"""What is stated before any run of the test.

The annotations stay evaluated (no postponed evaluation in this file): the command line reads them.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gslt.errors import ConfigError
from gslt.settings import check_values

if TYPE_CHECKING:
    from gslt.conjecture.rule import Rule


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """Error rate and the smallest effects that matter, stated before any run.

    Raises:
        ConfigError: for a value out of range.
    """

    alpha: float = 0.05
    """Largest chance of a false word among all verdicts together [the folder's, else 0.05]."""
    smallest_effect: float = math.log(1.25)
    """Smallest difference of a log quotient that matters; 0.22 is a factor of 1.25 either way: a
    change by less than a quarter would not be called stronger smoothing [the folder's, else
    0.223]."""
    smallest_gain: float = 0.01
    """Smallest difference of test accuracy that matters; 0.01 is one point: what separates
    published results on these graphs [the folder's, else 0.01]."""
    power: float = 0.8
    """Chance of a decision that the number of seeds needed is computed for [the folder's, else
    0.8]."""

    def __post_init__(self) -> None:
        check_values(self)
        for name in ("smallest_effect", "smallest_gain"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}")
        _ = self.rule  # Which refuses the others.

    @property
    def rule(self) -> "Rule":
        """The rule that the claims are judged by."""
        # Heavy, and of no use to the help of a command.
        from gslt.conjecture.rule import ACCURACY, Rule
        from gslt.studies.columns import LOG_QUOTIENT, LOG_UNCENTRED_QUOTIENT

        quotients = dict.fromkeys((LOG_UNCENTRED_QUOTIENT, LOG_QUOTIENT), self.smallest_effect)
        margins = {**quotients, ACCURACY: self.smallest_gain}
        return Rule(alpha=self.alpha, power=self.power, margins=margins)
