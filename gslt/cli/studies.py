"""``gslt study``, ``gslt report`` and ``gslt compare-backends``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jsonargparse import Namespace

from gslt.cli.executors import add_executor, device_here, executor_of
from gslt.cli.options import (
    NAME_OR_PATH,
    Action,
    add_other_data,
    add_root,
    add_split,
    data_folder,
    given_options,
    refuse_lost,
)
from gslt.cli.output import LOG, Outcome
from gslt.cli.parser import Commands, Parser
from gslt.comparison.config import CompareConfig
from gslt.config import Architecture, Preset, Size
from gslt.errors import ConfigError, GsltError, RunError, pasted
from gslt.files import plain
from gslt.settings import part

#: What a file of a study says itself.
_OF_PRESET = ("--size", "--architecture", "--dataset")


def add(commands: Commands) -> None:
    """Add the commands to a parser."""
    about = "Studies: grids of runs, as in the figures of the paper."
    study = commands.group("study", about, "run a grid of runs, or see how far it is")
    study.add("run", _run_parser, "compute what is missing of a study")
    study.add("status", _status_parser, "how far the studies in a folder are")
    commands.add("report", _report_parser, "tables and figures of studies")
    text = "one ticket on every backend: parity, time, memory"
    commands.add("compare-backends", _compare_parser, text)


def check_study_file(options: Namespace, given: Sequence[str]) -> None:
    """Refuse settings of a preset beside ``--study``, which would be lost.

    Args:
        options: parsed options of any command.
        given: words of the command line.

    Raises:
        ConfigError: if there are settings of a preset beside a file.
    """
    if options.get("study") is None or options.preset is not None:
        return
    others = [flag for flag in given_options(given) if flag in _OF_PRESET]
    refuse_lost(others, f"the study in {str(options.study)!r} has its own settings")


def _run_parser() -> Parser:
    parser = Parser(
        description="Compute the runs of a study that have no record yet. The same command again "
        "goes on; several studies in one folder share their common runs."
    )
    text = "table or figure of the Frozen paper (arXiv 2402.14029); er: random sources of the ER "
    text += "paper; construction: targets against constructed tickets (the equivariant paper)"
    parser.add_argument("--preset", type=Preset | None, help=text)
    text = "quick: minutes on a CPU; standard: up to two hours on 2 cores, seeds enough for an "
    text += "ordering; paper: the paper's epochs, width and seeds"
    parser.add_argument("--size", type=Size, default="standard", help=text)
    text = "YAML file of a study of your own"
    parser.add_argument("--study", type=Path | None, metavar="FILE", help=text)
    text = "folder of studies and records"
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help=text)
    text = "architecture of a preset"
    parser.add_argument("--architecture", type=Architecture, default="gin", help=text)
    text = f"data set of a preset: {NAME_OR_PATH} [debian; ogbn-arxiv for the paper's size]"
    parser.add_argument("--dataset", type=str | None, help=text)
    add_other_data(parser)
    add_executor(parser)
    return parser


def _folder_parser(description: str) -> Parser:
    parser = Parser(description=description)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of studies and records")
    return parser


def _status_parser() -> Parser:
    return _folder_parser("How far the studies in a folder are.")


def _report_parser() -> Parser:
    text = "Tables, figures and one HTML page of the studies in a folder, of what is there so far."
    parser = _folder_parser(text)
    shown = "epoch whose accuracies are shown: that of the best validation accuracy, or the last"
    parser.add_argument("--epoch", type=Literal["best", "last"], default="best", help=shown)
    add_other_data(parser)
    return parser


def _compare_parser() -> Parser:
    parser = Parser(
        description="The same tickets on PyG's own layers, on gslt with PyG and on gslt with DGL: "
        "outputs, gradients, trajectories, time and memory; tables and a picture."
    )
    text = "output folder"
    parser.add_argument("--out", type=Path, default=Path("runs/backends"), metavar="DIR", help=text)
    text = "a data set in the place of the synthetic graphs: name or path"
    parser.add_argument("--dataset", type=str | None, help=text)
    add_root(parser)
    add_split(parser)
    parser.add_class_arguments(CompareConfig)
    return parser


def _study_run(options: Namespace) -> Outcome:
    from gslt.studies.execute import check_study, run_study
    from gslt.studies.presets import preset
    from gslt.studies.records import StudyFolder
    from gslt.studies.study import load_study

    if (options.preset is None) == (options.study is None):
        raise ConfigError("give either --preset or --study")
    if options.preset is not None:
        study = preset(
            options.preset,
            options.size,
            architecture=options.architecture,
            dataset=options.dataset,
        )
    else:
        study = load_study(options.study)
    for dataset in check_study(study, data_folder(options), device_here(options)):
        LOG.info("%s", dataset)
    folder = StudyFolder(options.out, allow_other_data=options.allow_other_data)
    LOG.info("%s: %s runs of %s arms", study.name, len(study.runs), len(study.arms))
    summary = run_study(study, folder, executor_of(options, folder))
    report, error = pasted("gslt", "report", options.out), None
    try:
        summary.check(f"the same command goes on; {report} shows what is there")
        LOG.info("%s makes tables and figures of it", report)
    except GsltError as found:
        error = found
    values = {"study": study.name, "folder": str(options.out), "runs": len(study.runs)}
    return Outcome(f"{study.name}: {summary}", {**values, **plain(summary)}, error)


def _study_status(options: Namespace) -> Outcome:
    from gslt.studies.execute import statuses
    from gslt.studies.records import StudyFolder

    found = list(statuses(StudyFolder(options.folder)))
    return Outcome("\n".join(line for each in found for line in each.lines), plain(found))


def _report(options: Namespace) -> Outcome:
    from gslt.conjecture.protocol import PLAN
    from gslt.report import write_report
    from gslt.studies.records import StudyFolder

    if (options.folder / PLAN).exists():
        raise RunError(
            f"{str(options.folder)!r} holds a test of the conjecture: "
            + pasted("gslt", "conjecture", "--report_only", "--out", options.folder)
        )
    folder = StudyFolder(options.folder, allow_other_data=options.allow_other_data)
    said: list[str] = []
    page, *rest = write_report(folder, epoch=options.epoch, say=said.append)
    LOG.info("written: %s, and %s tables and figures beside it", page, len(rest))
    files = [str(each) for each in rest]
    return Outcome("\n".join(said), {"studies": said, "page": str(page), "files": files})


def _compare_backends(options: Namespace) -> Outcome:
    from gslt.comparison import compare_backends
    from gslt.data import load_dataset

    dataset = None
    if options.dataset is None:
        lost = ["--dataset_dir"] * (options.dataset_dir is not None)
        lost += ["--split"] * (options.split != 0)
        refuse_lost(lost, "without --dataset the graphs are synthetic")
    else:
        lost = ["--nodes"] * (tuple(options.nodes) != CompareConfig.nodes)
        refuse_lost(lost, f"the graph is {options.dataset}")
        dataset = load_dataset(options.dataset, options.dataset_dir, split=options.split)
    values = compare_backends(part(CompareConfig, options), options.out, dataset=dataset)
    text = (options.out / "comparison.md").read_text(encoding="utf-8").rstrip("\n")
    files = ("comparison.json", "comparison.md", "comparison.png")
    LOG.info("written: %s", ", ".join(str(options.out / name) for name in files))
    return Outcome(text, plain(values))


ACTIONS: dict[str, Action] = {
    "study run": _study_run,
    "study status": _study_status,
    "report": _report,
    "compare-backends": _compare_backends,
}
