"""Studies whose runs take a moment, and what their folders hold."""

from __future__ import annotations

import json
from typing import Any

from gslt.studies.records import StudyFolder
from gslt.studies.runs import Record
from gslt.studies.study import Study

TINY: dict[str, Any] = {"num_layers": 2, "hidden_channels": 8, "epochs": 4, "lr": 0.1}


def tiny(dataset: str = "debian", seeds: int = 2, **settings: Any) -> Study:
    return Study(
        name="tiny",
        seeds=seeds,
        settings={**TINY, "dataset": dataset, **settings},
        arms={"ticket": {"sparsity": [0.3, 0.6]}, "trained": {"method": "train"}},
    )


def records(folder: StudyFolder) -> dict[str, dict[str, Any]]:
    """What was found, without what differs between machines and moments."""
    found = {}
    for path in (folder.path / "records").iterdir():
        record = Record.from_json(json.loads(path.read_text()))
        values = {k: v for k, v in record.measured.items() if k != "seconds"}
        found[path.stem] = {"run": record.spec.values, **values}
    return found
