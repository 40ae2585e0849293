"""A folder of fabricated runs of two arms, and the files and words of its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fabricated import fill

from gslt.report import write_report
from gslt.report.study import StudyReport
from gslt.studies.records import StudyFolder
from gslt.studies.study import GridCell, Study

ARMS: dict[str, dict[str, Any]] = {
    "weight training": {"method": "train"},
    "frozen source": {"freezing_ratio": 0.4, "sparsity": 0.5},
}


def three_seeds(cell: GridCell) -> float:
    """0.70, 0.72, 0.74 where weights are trained, else 0.61, 0.61, 0.64."""
    ticket = (0.61, 0.61, 0.64)
    seed = cell.spec.config.seed
    return ticket[seed] if cell.arm == "frozen source" else 0.70 + 0.02 * seed


def report(folder: StudyFolder) -> tuple[dict[str, str], list[str]]:
    """Text files of a report by name, and what was said."""
    said: list[str] = []
    paths = write_report(folder, say=said.append)
    texts = {
        path.relative_to(folder.path).as_posix(): path.read_text("utf-8")
        for path in paths
        if path.suffix != ".png"
    }
    return texts, said


def of_study(path: Path, study: Study, accuracy: Any) -> StudyReport:
    return StudyReport(fill(path, study, accuracy).results(study))
