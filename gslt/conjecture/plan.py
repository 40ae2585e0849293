"""What a folder of the test was begun with: preset, architecture, data set and criteria."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from gslt.config import Architecture, build
from gslt.conjecture.protocol import Size, studies
from gslt.conjecture.statistics.criteria import Criteria
from gslt.errors import RunError
from gslt.files import write_text
from gslt.studies.study import Study

PLAN = "conjecture.yaml"
#: What cannot change within a folder.
_FIXED = ("preset", "architecture", "dataset")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One test of the conjecture."""

    preset: Size = "standard"
    architecture: Architecture = "gin"
    dataset: str | None = None
    """Name or path of one data set in the place of the preset's."""
    criteria: Criteria = field(default_factory=Criteria)
    """What the verdicts are judged by."""
    stated: Criteria | None = None
    """What was stated before the first run, where that is something else."""

    @property
    def studies(self) -> list[Study]:
        """The grids of runs.

        Raises:
            ConfigError: for a preset that does not exist.
        """
        return studies(self.preset, architecture=self.architecture, dataset=self.dataset)

    @property
    def changes(self) -> list[str]:
        """Sentences on the criteria that are not those stated before the first run."""
        if self.stated is None:
            return []
        pairs = [
            (item.name, getattr(self.stated, item.name), getattr(self.criteria, item.name))
            for item in dataclasses.fields(Criteria)
            if item.name != "power"  # No verdict depends on it.
        ]
        return [
            f"{name} was stated as {first:.4g} before the first run and is {now:.4g} here: by "
            "criteria that were chosen later nothing is tested"
            for name, first, now in pairs
            if first != now
        ]

    def command(self, out: str) -> str:
        """The command line that computes, and reports, this test into a folder."""
        words = ["gslt", "conjecture", "--preset", self.preset, "--out", out]
        words += ["--architecture", self.architecture]
        words += [] if self.dataset is None else ["--dataset", self.dataset]
        for item in dataclasses.fields(Criteria):
            if (value := getattr(self.criteria, item.name)) != item.default:
                words += [f"--{item.name}", repr(value)]
        return shlex.join(words)

    @property
    def values(self) -> dict[str, Any]:
        """Plain values; the criteria are those stated first."""
        fixed = {name: getattr(self, name) for name in _FIXED}
        return {**fixed, "criteria": dataclasses.asdict(self.stated or self.criteria)}


def settle(out: Path, **chosen: Any) -> Plan:
    """The plan of a folder: what it was begun with, else what is chosen now.

    Args:
        out: the folder; it need not exist.
        chosen: fields of :class:`Plan` and of :class:`Criteria`; None takes the folder's own, or
            the default.

    Raises:
        RunError: if the folder was begun with another preset, architecture or data set.
        ConfigError: for a value that is not possible.
    """
    chosen = {name: value for name, value in chosen.items() if value is not None}
    fixed = {name: chosen.pop(name) for name in _FIXED if name in chosen}
    begun = _read(out / PLAN)
    if begun is None:
        return Plan(**fixed, criteria=build(Criteria, chosen))
    for name, value in fixed.items():
        if value != getattr(begun, name):
            raise RunError(
                f"{str(out)!r} was begun with {name} {getattr(begun, name)}, not {value}; leave "
                f"--{name} out to go on, or choose another --out"
            )
    criteria = replace(begun.criteria, **chosen)
    stated = None if criteria == begun.criteria else begun.criteria
    return replace(begun, criteria=criteria, stated=stated)


def write_plan(out: Path, plan: Plan) -> None:
    """Note in a folder what it was begun with, once."""
    if not (out / PLAN).exists():
        write_text(out / PLAN, yaml.safe_dump(plan.values, sort_keys=False))


def _read(path: Path) -> Plan | None:
    if not path.exists():
        return None
    try:
        values = dict(yaml.safe_load(path.read_text(encoding="utf-8")))
        criteria = build(Criteria, dict(values.pop("criteria")))
        plan = build(Plan, {**values, "criteria": criteria})
        _ = plan.studies
    except (OSError, LookupError, TypeError, ValueError, yaml.YAMLError) as error:
        raise RunError(
            f"{str(path)!r} is damaged ({error}); with --preset and the other options of the first "
            "command it can be made anew once this file is deleted"
        ) from error
    return plan
