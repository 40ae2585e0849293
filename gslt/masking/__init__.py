"""From random weights to a supermask: selection by score, the one mechanism that freezes a layer.

A frozen weight is a parametrization of the host's own parameter
(``torch.nn.utils.parametrize``): its scores are the only parameters, its values and its pattern
come from named streams of one seed, and the mask follows from the scores of all of them together.
"""

from __future__ import annotations

from gslt.masking.freeze import FrozenConv2d, FrozenLinear, freeze
from gslt.masking.given import found_pattern
from gslt.masking.initialise import initialise
from gslt.masking.parametrization import FrozenWeight, frozen_weights
from gslt.masking.report import FreezeReport
from gslt.masking.selection import select_largest
from gslt.masking.supermask import Supermask, masked_weight

__all__ = [
    "FreezeReport",
    "FrozenConv2d",
    "FrozenLinear",
    "FrozenWeight",
    "Supermask",
    "found_pattern",
    "freeze",
    "frozen_weights",
    "initialise",
    "masked_weight",
    "select_largest",
]
