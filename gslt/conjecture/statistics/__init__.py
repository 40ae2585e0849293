"""The statistics of the verdict: a table of runs in, outcomes with their numbers out."""
