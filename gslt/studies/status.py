"""How far the studies in a folder are."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from gslt.errors import RunError
from gslt.studies.records import StudyFolder
from gslt.studies.study import Study
from gslt.training.run_folder import in_use


def status_lines(folder: StudyFolder) -> Iterator[str]:
    """A line a study, and one for every run that failed or whose record cannot be used.

    Raises:
        RunError: if the folder holds no study.
    """
    for study in folder.studies():
        yield from _lines(folder, study)


def _lines(folder: StudyFolder, study: Study) -> Iterator[str]:
    seconds, running, troubles = [], 0, []
    for identity in study.runs:
        try:
            record = folder.read(identity)
        except RunError as error:
            troubles.append(f"  {error}")
            continue
        if record is not None:
            seconds.append(record.measured["seconds"])
            continue
        running += in_use(folder.run_path(identity))
        if (reason := folder.failure(identity)) is not None:
            troubles.append(f"  {identity} failed: {reason}")
    total, done = len(study.runs), len(seconds)
    parts = [f"{done} of {total} runs done", f"{running} running" if running else ""]
    if seconds and done < total:
        left = (total - done) * statistics.fmean(seconds)
        parts.append(f"about {duration(left)} of computing left, {duration(sum(seconds))} spent")
    elif seconds:
        parts.append(f"{duration(sum(seconds))} of computing")
    yield f"{study.name}: " + ", ".join(part for part in parts if part)
    yield from troubles


def duration(seconds: float) -> str:
    """Such as ``12 s``, ``3 min`` or ``1.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
