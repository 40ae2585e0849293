"""``gslt demo``, ``gslt study``, ``gslt report`` and ``gslt compare-backends``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace

from gslt.cli.executors import add_executor, device_here, executor_of
from gslt.cli.options import Action, add_other_data, add_root, add_split, data_folder
from gslt.comparison.config import CompareConfig
from gslt.config import Architecture, DemoConfig, Preset, Size, part
from gslt.errors import ConfigError, RunError


def add(commands: Any) -> None:
    """Add the commands to a parser."""
    commands.add_subcommand("demo", _demo_parser(), help="the main job on the embedded graph")
    study = ArgumentParser(description="Studies: grids of runs, as in the figures of the paper.")
    commands.add_subcommand("study", study, help="run a grid of runs, or see how far it is")
    actions = study.add_subcommands(dest="action")
    actions.add_subcommand("run", _run_parser(), help="compute what is missing of a study")
    actions.add_subcommand("status", _folder_parser("How far the studies in a folder are."))
    text = "Tables, figures and one HTML page of the studies in a folder, of what is there so far."
    report = _folder_parser(text)
    shown = "epoch whose accuracies are shown: that of the best validation accuracy, or the last"
    report.add_argument("--epoch", type=Literal["best", "last"], default="best", help=shown)
    add_other_data(report)
    commands.add_subcommand("report", report, help="tables and figures of studies")
    text = "one ticket on every backend: parity, time, memory"
    commands.add_subcommand("compare-backends", _compare_parser(), help=text)


def _demo_parser() -> ArgumentParser:
    parser = ArgumentParser(
        description="Weight training and tickets in a dense, a sparse and a frozen source, on the "
        "embedded Debian graph: table and pictures."
    )
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="output folder")
    parser.add_class_arguments(DemoConfig)
    return parser


def _run_parser() -> ArgumentParser:
    parser = ArgumentParser(
        description="Compute the runs of a study that have no record yet. The same command again "
        "goes on; several studies in one folder share their common runs."
    )
    text = "table or figure of the Frozen paper (arXiv 2402.14029)"
    parser.add_argument("--preset", type=Preset | None, help=text)
    text = "quick: minutes on a CPU; standard: up to two hours on 2 cores, seeds enough for an "
    text += "ordering; paper: the paper's epochs, width and seeds"
    parser.add_argument("--size", type=Size, default="standard", help=text)
    parser.add_argument("--study", type=Path | None, help="YAML file of a study of your own")
    parser.add_argument("--out", type=Path, required=True, help="folder of studies and records")
    parser.add_argument("--architecture", type=Architecture, default="gin", help="of a preset")
    text = "of a preset: name or path [debian; ogbn-arxiv for the paper's size]"
    parser.add_argument("--dataset", type=str | None, help=text)
    add_other_data(parser)
    add_executor(parser)
    return parser


def _folder_parser(description: str) -> ArgumentParser:
    parser = ArgumentParser(description=description)
    parser.add_argument("folder", type=Path, help="folder of studies and records")
    return parser


def _compare_parser() -> ArgumentParser:
    parser = ArgumentParser(
        description="The same tickets on PyG's own layers, on gslt with PyG and on gslt with DGL: "
        "outputs, gradients, trajectories, time and memory; tables and a picture."
    )
    text = "output folder"
    parser.add_argument("--out", type=Path, default=Path("runs/backends"), help=text)
    text = "a data set in the place of the synthetic graphs: name or path"
    parser.add_argument("--dataset", type=str | None, help=text)
    add_root(parser)
    add_split(parser)
    parser.add_class_arguments(CompareConfig)
    return parser


def _demo(options: Namespace) -> None:
    from gslt.demo import run_demo, table

    config = part(DemoConfig, options)
    rows = run_demo(options.out, config)
    print("\n" + table(rows))
    names = ("summary.json", "table.md", "accuracy_vs_size.png", "learning_curves.png")
    print("written: " + ", ".join(str(options.out / name) for name in names))


def _study_run(options: Namespace) -> None:
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
        print(dataset)
    folder = StudyFolder(options.out, allow_other_data=options.allow_other_data)
    print(f"{study.name}: {len(study.runs)} runs of {len(study.arms)} arms")
    summary = run_study(study, folder, executor_of(options, folder))
    print(summary)
    summary.check(f"the same command goes on; gslt report {options.out} shows what is there")
    print(f"gslt report {options.out} makes tables and figures of it")


def _study_status(options: Namespace) -> None:
    from gslt.studies.execute import status_lines
    from gslt.studies.records import StudyFolder

    print("\n".join(status_lines(StudyFolder(options.folder))))


def _report(options: Namespace) -> None:
    from gslt.conjecture.protocol import PLAN
    from gslt.report import write_report
    from gslt.studies.records import StudyFolder

    if (options.folder / PLAN).exists():
        raise RunError(
            f"{str(options.folder)!r} holds a test of the conjecture: gslt conjecture "
            f"--report_only --out {options.folder}"
        )
    folder = StudyFolder(options.folder, allow_other_data=options.allow_other_data)
    page, *rest = write_report(folder, epoch=options.epoch, say=print)
    print(f"written: {page}, and {len(rest)} tables and figures beside it")


def _compare_backends(options: Namespace) -> None:
    from gslt.comparison import compare_backends
    from gslt.data import load_dataset

    dataset = None
    if options.dataset is not None:
        dataset = load_dataset(options.dataset, options.dataset_dir, split=options.split)
    compare_backends(part(CompareConfig, options), options.out, dataset=dataset)
    print((options.out / "comparison.md").read_text(encoding="utf-8"))
    files = ("comparison.json", "comparison.md", "comparison.png")
    print("written: " + ", ".join(str(options.out / name) for name in files))


ACTIONS: dict[str, Action] = {
    "demo": _demo,
    "study run": _study_run,
    "study status": _study_status,
    "report": _report,
    "compare-backends": _compare_backends,
}
