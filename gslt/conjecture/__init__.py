"""Whether freezing counters over-smoothing: from numbers of runs to a verdict."""
