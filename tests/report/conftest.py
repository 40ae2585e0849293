"""What several tests of reports begin with."""

from __future__ import annotations

from pathlib import Path

import pytest
from fabricated import fill
from small_reports import ARMS, three_seeds

from gslt.studies.records import StudyFolder
from gslt.studies.study import Study


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    study = Study(name="two", title="Two arms", settings={"hidden_channels": 10}, arms=ARMS)
    return fill(tmp_path / "studies", study, three_seeds)
