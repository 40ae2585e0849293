"""``gslt smooth``: over-smoothing in trained, searched and untrained networks."""
