"""The search for a strong lottery ticket, and weight training, its baseline: one loop for both."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gslt.backends import get_backend
from gslt.config import RunConfig, SearchConfig, TrainConfig
from gslt.data import NodeDataset, as_dataset
from gslt.errors import ConfigError, FreezingWarning, warn
from gslt.files.log import Log
from gslt.masking.freeze import FreezeReport, freeze
from gslt.masking.initialise import initialise_training
from gslt.nn import memory
from gslt.nn.gnn import GNN, weight_shapes
from gslt.nn.graph import Backend
from gslt.training.loop import Loop, OnEpoch, Probe, identity, inputs_of, predict
from gslt.training.memory_budget import check_forward, check_memory
from gslt.training.results import Result, Run
from gslt.training.run_folder import RunFolder


def search(
    dataset: Any,
    config: SearchConfig | None = None,
    *,
    progress: bool = True,
    on_epoch: OnEpoch | None = None,
    folder: RunFolder | None = None,
    probe: Probe | None = None,
    pattern: Mapping[str, Tensor] | None = None,
) -> Result:
    """Search a strong lottery ticket in a frozen source network (Edge-Popup).

    Args:
        dataset: the graph: of :func:`gslt.load_dataset`, or whatever :func:`gslt.as_dataset` takes.
        config: source network, sparsity, optimisation. Default: the Frozen paper's GIN.
        progress: show a progress bar on a terminal.
        on_epoch: called after every epoch.
        folder: where to write metrics, checkpoints, ticket and summary. What is finished there is
            not computed again, so that a run that was killed goes on.
        probe: measures the model on its way, see :class:`gslt.diagnostics.SearchProbe`.
        pattern: which weights are frozen, in every run, in the place of the config's ratios: see
            :func:`gslt.freeze` and :func:`gslt.found_pattern`. Not with a folder, which knows a
            search by its config.

    Returns:
        The runs, each with its ticket at the best validation epoch.

    A :class:`gslt.errors.FreezingWarning` says where one layer has nearly all frozen weights or an
    allocation falls short of the ratios, once, and where a layer of a ticket has lost every weight.

    Raises:
        DataError: if the graph breaks a rule of :class:`gslt.NodeDataset`.
        ConfigError: for a device or backend that is not there, a run that memory cannot hold, or a
            source that has no ticket of the sparsity.
        GsltError: if the loss becomes infinite or NaN.
        Interrupted: with a folder, after Ctrl-C, SIGTERM or SIGHUP, once a checkpoint is written.
        UnwrittenError: with a folder, if its disk is full in the end; it has the result.
    """
    config = config or SearchConfig()
    if not isinstance(config, SearchConfig):
        raise ConfigError("gslt.search takes a SearchConfig; gslt.train takes a TrainConfig")
    if pattern is not None and folder is not None:
        raise ConfigError(
            "a run folder knows a search by its config, which has no pattern; leave the folder out "
            "and save the tickets of the result"
        )
    dataset = as_dataset(dataset)
    if pattern is None:
        _check_sources(dataset, config)

    def prepare(model: GNN, seed: int) -> None:
        report = freeze(model, replace(config, seed=seed), pattern=pattern)
        # The counts are the same for every seed, or nearly so.
        if not told:
            for sentence in filter(None, [report.shortfall, report.concentration]):
                warnings.warn(sentence, FreezingWarning, stacklevel=4)
        told.append(seed)

    told: list[int] = []
    return _repeat(dataset, config, prepare, progress, on_epoch, folder, probe)


def train(
    dataset: Any,
    config: TrainConfig | None = None,
    *,
    progress: bool = True,
    on_epoch: OnEpoch | None = None,
    folder: RunFolder | None = None,
    probe: Probe | None = None,
) -> Result:
    """Train the weights of the same model with the same loop: the baseline of a ticket.

    Args:
        dataset: the graph, as in :func:`search`.
        config: model, initial weights, optimisation. Default: the Frozen paper's GIN.
        progress: show a progress bar on a terminal.
        on_epoch: called after every epoch.
        folder: where to write metrics, checkpoints, weights and summary, as in :func:`search`.
        probe: measures the model on its way.

    Returns:
        The runs, each with its model at the best validation epoch, and under a mask with the weak
        ticket that it is.

    A :class:`gslt.errors.FreezingWarning` names layers that the mask leaves no weight, and says
    where its allocation falls short of the sparsity.

    Raises:
        ConfigError: for a device or backend that is not there, a run that memory cannot hold, or a
            mask that keeps no weight.
        GsltError: if the loss becomes infinite or NaN.
        Interrupted: with a folder, after Ctrl-C, SIGTERM or SIGHUP, once a checkpoint is written.
        UnwrittenError: with a folder, if its disk is full in the end; it has the result.
    """
    config = config or TrainConfig()
    if not isinstance(config, TrainConfig):
        raise ConfigError("gslt.train takes a TrainConfig; gslt.search takes a SearchConfig")
    dataset = as_dataset(dataset)

    def prepare(model: GNN, seed: int) -> None:
        for sentence in initialise_training(model, config, seed):
            # With exact counts they are the same for every seed.
            if sentence not in told:
                told.append(sentence)
                warn(sentence, FreezingWarning)

    told: list[str] = []
    return _repeat(dataset, config, prepare, progress, on_epoch, folder, probe)


def evaluate(model: GNN, dataset: Any) -> dict[str, float]:
    """The data set's metric of a model, or of a ticket's model, on every split, by its evaluator.

    Args:
        model: on any device and backend.
        dataset: the graph, as in :func:`search`; it is taken to the model's device.

    Returns:
        Fractions ``train``, ``val`` and ``test``.

    Raises:
        ConfigError: if the data set has other numbers of features or classes than the model, or
            memory cannot hold the forward pass.
    """
    data = as_dataset(dataset)
    if (data.num_features, data.num_classes) != (model.in_channels, model.out_channels):
        raise ConfigError(
            f"the model takes {model.in_channels} features and gives {model.out_channels} classes, "
            f"but {data.name} has {data.num_features} and {data.num_classes}"
        )
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    check_forward(data, model.config, device)
    data = data.to(device)
    return data.evaluate(predict(model, inputs_of(model.backend, data).of("float32")))


def check_runnable(config: RunConfig) -> tuple[torch.device, Backend]:
    """Device and backend of a run.

    Raises:
        ConfigError: if the device is not here.
        MissingPackageError: if the backend's package is not installed.
    """
    kind, _, number = config.device.partition(":")
    known = (kind == "cpu" and not number) or (kind == "cuda" and (not number or number.isdigit()))
    if not known:
        raise ConfigError(f"device must be cpu, cuda or cuda:N, got {config.device!r}")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {config.device!r} is not here: torch sees {torch.cuda.device_count()} CUDA "
            "devices; use --device cpu"
        )
    return torch.device(config.device), get_backend(config.backend)


def _check_sources(dataset: NodeDataset, config: SearchConfig) -> None:
    """Refuse a seed whose source has no ticket of the sparsity before another one is searched."""
    if config.has_exact_counts:
        return
    shapes = weight_shapes(dataset.num_features, dataset.num_classes, config)
    for seed in range(config.seed, config.seed + config.runs):
        try:
            FreezeReport.of(shapes, replace(config, seed=seed))
        except ConfigError as error:
            raise ConfigError(f"seed {seed}: {error}") from None


def _repeat(
    dataset: NodeDataset,
    config: SearchConfig | TrainConfig,
    prepare: Callable[[GNN, int], None],
    progress: bool,
    on_epoch: OnEpoch | None,
    folder: RunFolder | None,
    probe: Probe | None,
) -> Result:
    device, backend = check_runnable(config)
    if folder is not None and folder.config != config:
        raise ConfigError("the folder was opened with another config")
    if folder is None or not folder.finished:
        check_memory(dataset, config, device)
    if folder is not None:
        folder.hold_to(dataset)
    content_hash = dataset.content_hash
    dataset = dataset.to(device)
    inputs = inputs_of(backend, dataset)

    def build() -> GNN:
        return GNN(dataset.num_features, dataset.num_classes, config, backend)

    if folder is not None and isinstance(log := getattr(probe, "log", None), Log):
        folder.watch(log)
    runs: list[Run] = []
    for seed in range(config.seed, config.seed + config.runs):
        stored = None if folder is None else folder.stored(seed, identity(dataset), build)
        if stored is not None:
            stored.model.to(device)
            runs.append(stored)
            continue
        model = build()
        prepare(model, seed)
        loop = Loop(dataset, config, seed, model.to(device), inputs, probe)
        with memory.reused():
            runs.append(loop.run(progress, on_epoch, folder))
        if folder is not None:
            folder.keep(runs[-1])
    result = Result(config, dataset.name, tuple(runs), content_hash, dataset.majority_rate())
    if folder is not None:
        folder.finish(result)
    return result
