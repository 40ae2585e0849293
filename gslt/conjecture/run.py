"""The studies of the test, one after the other, into one folder; then what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gslt.conjecture.plan import PLAN, Plan, write_plan
from gslt.errors import GsltError, Interrupted, RunError
from gslt.studies.execute import Executor, run_study
from gslt.studies.records import StudyFolder


@dataclass
class Progress:
    """What became of the runs of a plan."""

    failures: dict[str, str] = field(default_factory=dict)
    """Reasons by identity."""
    stopped_by: int = 0
    """Number of the signal that asked to stop; 0 where none did."""

    def check(self) -> None:
        """End with an error where runs failed or were interrupted.

        Raises:
            GsltError: naming the reasons.
            Interrupted: if somebody asked to stop.
        """
        again = "the same command goes on"
        if self.stopped_by:
            raise Interrupted(f"stopped; {again}", self.stopped_by)
        if self.failures:
            reasons = "; ".join(sorted(set(self.failures.values())))
            raise GsltError(f"{len(self.failures)} runs failed ({reasons}); {again}")


def run_plan(
    plan: Plan,
    folder: StudyFolder,
    executor: Executor | None = None,
    *,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> Progress:
    """Compute the runs of a plan that have no record yet.

    Args:
        plan: what to run.
        folder: where records are and go.
        executor: where to compute; default in this process.
        progress: show a bar over the epochs of each study on a terminal.
        say: told a line about every study.

    Raises:
        RunError: if the folder holds something else, or a study of this name that is another.
        DataError: if a data set is not there.
    """
    begin(plan, folder)
    done = Progress()
    for study in plan.studies:
        summary = run_study(study, folder, executor, progress=progress)
        say(f"{study.name}: {summary}")
        done.failures |= summary.failures
        done.stopped_by = summary.stopped_by
        if summary.stopped_by:
            break
    return done


def begin(plan: Plan, folder: StudyFolder) -> None:
    """Write the studies of a plan and the plan itself into a folder.

    Raises:
        RunError: if the folder holds something else, or a study of this name that is another.
    """
    begun = (folder.path / PLAN).exists()
    if not begun and any((folder.path / "studies").glob("*.yaml")):
        raise RunError(
            f"{str(folder.path)!r} holds studies that are not of this test; choose another --out"
        )
    for study in plan.studies:
        folder.add(study)
    write_plan(folder.path, plan)
