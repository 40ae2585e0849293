"""What the papers prove about random subnetworks, checked on numbers.

:mod:`~gslt.theory.subset_sum` finds the subset of random numbers, some of them locked and some
pruned, that is nearest to a target, for many targets at a time.
"""

from __future__ import annotations

from gslt.theory.subset_sum import SubsetSums, subset_sums

__all__ = ["SubsetSums", "subset_sums"]
