"""``gslt compare``: weight training and tickets of a dense, a sparse and a frozen source.

:func:`compare` runs the four arms on any data set as a study with a folder of its own (``arms``),
and gives a :class:`Comparison` of them: a table, its closing words, which claim no order that the
seeds do not show (``message``), frames of pandas and two pictures (``pictures``). The demo is a
preset of it.
"""

from __future__ import annotations

from gslt.sources.arms import study_of
from gslt.sources.comparison import Comparison, compare, compare_study

__all__ = ["Comparison", "compare", "compare_study", "study_of"]
