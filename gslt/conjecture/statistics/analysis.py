"""Everything that is computed from the table of runs, for the report and for ``verdict.json``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gslt.conjecture.statistics.contrasts import Contrast, contrasts
from gslt.conjecture.statistics.criteria import Criteria
from gslt.conjecture.statistics.endpoints import Run
from gslt.conjecture.statistics.mediation import Association, associations
from gslt.conjecture.statistics.verdict import Verdicts, verdicts
from gslt.files import plain


@dataclass(frozen=True)
class Analysis:
    """The verdicts, and what is reported beside them."""

    verdicts: Verdicts
    contrasts: tuple[Contrast, ...]
    associations: tuple[Association, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **self.verdicts.as_dict(),
            "contrasts": plain(self.contrasts),
            "associations": plain(self.associations),
        }


def analyse(runs: Iterable[Run], criteria: Criteria | None = None) -> Analysis:
    """Verdicts, contrasts and associations of a table of runs.

    Raises:
        ConfigError: if a run is there twice.
    """
    table = list(runs)
    return Analysis(
        verdicts(table, criteria),
        tuple(contrasts(table, criteria)),
        tuple(associations(table)),
    )
