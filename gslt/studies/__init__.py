"""Studies: grids of runs with identities, their records, and the one table that they make.

:func:`frame` loads the runs of a folder into a pandas frame, which statistics, figures, tables and
pages take, and :func:`trajectories` how they went, epoch by epoch. :class:`Study` describes a grid,
:func:`run_study` computes what is missing of it, and :func:`preset` makes those of the papers.
"""

from __future__ import annotations

from gslt.studies.columns import COLUMNS, column
from gslt.studies.execute import run_study
from gslt.studies.presets import preset
from gslt.studies.records import StudyFolder, frame, trajectories
from gslt.studies.runs import Record, StudyResults
from gslt.studies.study import RunSpec, Study, load_study

__all__ = [
    "COLUMNS",
    "Record",
    "RunSpec",
    "Study",
    "StudyFolder",
    "StudyResults",
    "column",
    "frame",
    "load_study",
    "preset",
    "run_study",
    "trajectories",
]
