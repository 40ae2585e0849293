"""What the papers prove about random subnetworks, checked on numbers.

:mod:`~gslt.theory.subset_sum` finds the subset of random numbers, some of them locked and some
pruned, that is nearest to a target, for many targets at a time. :mod:`~gslt.theory.laws` has how
near that is: theory's bounds and predictions, and the simulations beside them.
"""

from __future__ import annotations

from gslt.theory.laws import VARIABLES, draws, unreached, values_needed
from gslt.theory.subset_sum import SubsetSums, subset_sums

__all__ = ["VARIABLES", "SubsetSums", "draws", "subset_sums", "unreached", "values_needed"]
