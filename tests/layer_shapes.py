"""Shapes of layers to freeze: the paper's GIN, and what hypothesis draws."""

from __future__ import annotations

from hypothesis import strategies as st

from gslt.freezing import ALLOCATIONS

#: The GIN of the Frozen paper: 128 → 386 → 386 → 386 → 40 and the head 386 → 40.
PAPER_GIN = [(386, 128), (386, 386), (386, 386), (40, 386), (40, 386)]
#: Its weights.
N = 378_280
dimension = st.integers(1, 9)
shapes_strategy = st.lists(
    st.tuples(dimension, dimension)
    | st.tuples(dimension, dimension, st.integers(1, 3), st.integers(1, 3)),
    min_size=1,
    max_size=6,
)
schemes = st.sampled_from(sorted(ALLOCATIONS))
fraction = st.floats(0, 1)
