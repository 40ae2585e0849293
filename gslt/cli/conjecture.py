"""``gslt conjecture``."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from gslt.cli.executors import add_executor, device_here, executor_of
from gslt.cli.options import NAME_OR_PATH, Action, add_other_data, data_folder, field_names
from gslt.cli.output import LOG, Outcome
from gslt.cli.parser import Commands, Parser
from gslt.config import GraphArchitecture, Size
from gslt.conjecture.criteria import Criteria
from gslt.errors import GsltError, RunError, pasted
from gslt.files import plain


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    commands.add("conjecture", _parser, "test whether freezing counters over-smoothing")


def _parser() -> Parser:
    parser = Parser(
        description="Test the conjecture of the Frozen paper (arXiv 2402.14029): freezing counters "
        "over-smoothing more strongly than searching a dense source, and tickets classify better "
        "for it. Computes the runs that are missing, judges three claims (S: smoother at equal "
        "fit, A: accuracy, M: the one because of the other), and writes report.html and "
        "verdict.json. The same command goes on."
    )
    text = "quick: Cora, minutes, too few seeds for most verdicts; standard: Cora and Citeseer, 8 "
    text += (
        "hours on 2 cores; paper: the paper's network on the Debian graph, nine hours on 2 cores "
    )
    text += "(with --dataset ogbn-arxiv: a GPU) [what the folder was begun with, else standard]"
    parser.add_argument("--preset", type=Size | None, help=text)
    text = "folder of records and report"
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help=text)
    text = "message passing; the conjecture is about gin [the folder's, else gin]"
    parser.add_argument("--architecture", type=GraphArchitecture | None, help=text)
    text = f"one data set in the place of the preset's: {NAME_OR_PATH}"
    parser.add_argument("--dataset", type=str | None, help=text)
    text = "compute no run; report what is there"
    parser.add_argument("--report_only", action="store_true", help=text)
    add_other_data(parser)
    add_executor(parser)
    parser.add_class_arguments(Criteria)
    # What is not given is what the folder was begun with.
    parser.set_defaults(dict.fromkeys(field_names(Criteria)))
    return parser


def _conjecture(options: Namespace) -> Outcome:
    from gslt.conjecture.findings import check_accuracy
    from gslt.conjecture.protocol import PLAN, begin, open_plan, run_plan
    from gslt.conjecture.report import report_plan, verdict_text
    from gslt.studies.execute import Summary, check_study
    from gslt.studies.records import StudyFolder

    names = ["preset", "architecture", "dataset", *field_names(Criteria)]
    plan = open_plan(options.out, **{name: options[name] for name in names})
    folder = StudyFolder(options.out, allow_other_data=options.allow_other_data)
    done = Summary()
    if options.report_only:
        if not (options.out / PLAN).is_file():
            raise RunError(
                f"{str(options.out)!r} holds no test of the conjecture; without --report_only one "
                "is begun there"
            )
        begin(plan, folder)
    else:
        for study in plan.studies:
            datasets = check_study(study, data_folder(options), device_here(options))
            for each in datasets:
                check_accuracy(each.name, each.metric)
            listed = ", ".join(map(str, datasets))
            runs, arms = len(study.runs), len(study.arms)
            LOG.info("%s: %s runs of %s arms on %s", study.name, runs, arms, listed)
        done = run_plan(plan, folder, executor_of(options, folder), say=LOG.info)
        if done.stopped_by:
            # A report takes minutes, and somebody who asks to stop does not wait for one.
            report = pasted("gslt", "conjecture", "--report_only", "--out", options.out)
            done.check(f"the same command goes on; {report} judges what is there")
    try:
        # Simulations take minutes, and nobody who wants to see what is there waits for them.
        simulate = not options.report_only
        findings = report_plan(plan, folder, simulate=simulate, say=LOG.info)
    except RunError:
        done.check()
        raise
    page = options.out / "report.html"
    LOG.info("written: %s, verdict.json, tables/ and figures/ beside it", page)
    error = None
    try:
        done.check()
    except GsltError as found:
        error = found
    return Outcome(verdict_text(findings).strip("\n"), plain(findings.as_dict()), error)


ACTIONS: dict[str, Action] = {"conjecture": _conjecture}
