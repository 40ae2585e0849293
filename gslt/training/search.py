"""The search for a strong lottery ticket, and weight training, its baseline: one loop for both."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from os import PathLike, fspath
from typing import Any

import torch
from torch import Tensor

from gslt.backends import get_backend
from gslt.config import VISION, ModelConfig, RunConfig, SearchConfig, TrainConfig
from gslt.data import Dataset, ImageDataset, as_dataset, load_dataset
from gslt.data.content import hold_to_data
from gslt.errors import ConfigError, FreezingWarning, GsltWarning, Interrupted, warn
from gslt.files.log import Log
from gslt.masking.freeze import make_searched
from gslt.masking.initialise import initialise_training
from gslt.masking.report import FreezeReport
from gslt.nn import memory
from gslt.nn.gnn import GNN, weight_shapes
from gslt.nn.graph import Backend
from gslt.nn.networks import Network, build_network
from gslt.training.inputs import network_inputs
from gslt.training.loop import Loop, OnEpoch, Probe, identity
from gslt.training.memory_budget import check_forward, check_memory
from gslt.training.results import Result, Run
from gslt.training.run_folder import RunFolder
from gslt.training.signals import Request, stop_requests


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
        dataset: the graph, or the images for a network of images: of :func:`gslt.load_dataset`;
            whatever :func:`gslt.as_dataset` takes; or a name or path of :func:`gslt.load_dataset`.
        config: source network, sparsity, optimisation. Default: the Frozen paper's GIN.
        progress: show a progress bar on a terminal.
        on_epoch: called after every epoch that is computed.
        folder: where to write metrics, checkpoints, ticket and summary. What is finished there is
            not computed again, so that a run that was killed goes on; that a finished folder calls
            neither ``on_epoch`` nor ``probe`` is a :class:`gslt.errors.GsltWarning`.
        probe: measures the model on its way, see :class:`gslt.diagnostics.SearchProbe`.
        pattern: which weights are frozen, in every run, in the place of the config's ratios: see
            :func:`gslt.freeze` and :func:`gslt.found_pattern`. Not with a folder, which knows a
            search by its config.

    Returns:
        The runs, each with its ticket at the best validation epoch.

    A :class:`gslt.errors.FreezingWarning` says where one layer has nearly all frozen weights, an
    allocation falls short of the ratios, or nothing is frozen and settings say how, once, and where
    a layer of a ticket has lost every weight.

    Raises:
        DataError: if the graph breaks a rule of :class:`gslt.NodeDataset`.
        ConfigError: for a device or backend that is not there, a run that memory cannot hold, or a
            source that has no ticket of the sparsity, or for a network of graphs on images, or the
            other way round.
        GsltError: if the loss becomes infinite or NaN.
        Interrupted: with a folder, after Ctrl-C, SIGTERM or SIGHUP, once a checkpoint or the seed
            that has ended is written.
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
    dataset = _dataset_for(config, dataset)
    if pattern is None:
        _check_sources(dataset, config)

    def prepare(model: Network, seed: int) -> None:
        report = make_searched(model, replace(config, seed=seed), pattern=pattern)
        # The counts are the same for every seed, or nearly so.
        if not told:
            for sentence in filter(None, [ignored, report.shortfall, report.concentration]):
                warnings.warn(sentence, FreezingWarning, stacklevel=4)
        told.append(seed)

    ignored = config.ignored if pattern is None else ""
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
            mask that keeps no weight, or for a network of graphs on images, or the other way round.
        GsltError: if the loss becomes infinite or NaN.
        Interrupted: with a folder, after Ctrl-C, SIGTERM or SIGHUP, once a checkpoint or the seed
            that has ended is written.
        UnwrittenError: with a folder, if its disk is full in the end; it has the result.
    """
    config = config or TrainConfig()
    if not isinstance(config, TrainConfig):
        raise ConfigError("gslt.train takes a TrainConfig; gslt.search takes a SearchConfig")
    dataset = _dataset_for(config, dataset)

    def prepare(model: Network, seed: int) -> None:
        for sentence in initialise_training(model, config, seed):
            # With exact counts they are the same for every seed.
            if sentence not in told:
                told.append(sentence)
                warn(sentence, FreezingWarning)

    told: list[str] = []
    return _repeat(dataset, config, prepare, progress, on_epoch, folder, probe)


def evaluate(model: Network, dataset: Any, *, allow_other_data: bool = False) -> dict[str, float]:
    """The data set's metric of a model, or of a ticket's model, on every split, by its evaluator.

    Args:
        model: on any device and backend.
        dataset: the graph or the images, as in :func:`search`; taken to the model's device.
        allow_other_data: go on, with a warning, where the data is not what a search or training
            found the model on, by its content: another graph, or other masks, of which test nodes
            may be nodes that it was trained on.

    Returns:
        Fractions ``train``, ``val`` and ``test``.

    A :class:`gslt.errors.GsltWarning` says where a ticket of an older gslt does not know its data.

    Raises:
        DataError: if the model was found on other data, unless that is allowed.
        ConfigError: if the data set has other numbers of features or classes than the model, is of
            another kind, or memory cannot hold the forward pass.
    """
    if not isinstance(getattr(model, "config", None), ModelConfig):
        raise ConfigError(
            "evaluate takes a network of gslt, such as result.best.model or "
            f"load_ticket(path).model(), got {type(model).__name__}; one of your own has a forward "
            "of its own, whose predictions dataset.evaluate takes"
        )
    data = _dataset_for(model.config, dataset)
    if (data.num_features, data.num_classes) != (model.in_channels, model.out_channels):
        what = "channels" if isinstance(data, ImageDataset) else "features"
        raise ConfigError(
            f"the model takes {model.in_channels} {what} and gives {model.out_channels} classes, "
            f"but {data.name} has {data.num_features} and {data.num_classes}"
        )
    found_on = getattr(model, "found_on", None)
    if found_on is not None:
        known, flag = {"content_hash": found_on}, "allow_other_data=True"
        allowed = allow_other_data
        if said := hold_to_data(known, "the model", data, allowed=allowed, flag=flag):
            warn(said, GsltWarning)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    check_forward(data, model.config, device)
    data = data.to(device)
    backend = model.backend if isinstance(model, GNN) else None
    return data.evaluate(network_inputs(backend, data).predict(model))


def _dataset_for(config: ModelConfig, data: Any) -> Dataset:
    """Either kind of data, and the one that the network is of."""
    if isinstance(data, str | PathLike):
        data = load_dataset(fspath(data))
    dataset = data if isinstance(data, ImageDataset) else as_dataset(data)
    check_kind(config, dataset)
    return dataset


def check_kind(config: ModelConfig, dataset: Dataset) -> None:
    """Refuse a network of graphs on images, and one of images on a graph.

    Args:
        config: architecture.
        dataset: the data set.

    Raises:
        ConfigError: naming what would fit.
    """
    name = config.architecture
    if isinstance(dataset, ImageDataset) and name not in VISION:
        raise ConfigError(
            f"{dataset.name} is a set of images, and {name} is a network of graphs; take "
            f"architecture {', '.join(VISION)}, or a graph"
        )
    if name in VISION and not isinstance(dataset, ImageDataset):
        raise ConfigError(
            f"{dataset.name} is a graph, and {name} is a network of images; take a set of images, "
            "such as cifar10, or architecture gin, gcn, sage or gat"
        )


def check_runnable(config: RunConfig) -> tuple[torch.device, Backend | None]:
    """Device and backend of a run; images need none.

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
            "devices; use device cpu (--device cpu), or a torch with CUDA"
        )
    backend = None if config.architecture in VISION else get_backend(config.backend)
    return torch.device(config.device), backend


def _check_sources(dataset: Dataset, config: SearchConfig) -> None:
    """Refuse a seed whose source has no ticket of the sparsity before another one is searched."""
    if config.has_exact_counts:
        return
    shapes = weight_shapes(dataset.num_features, dataset.num_classes, config)
    for seed in range(config.seed, config.seed + config.runs):
        try:
            FreezeReport.of(shapes, replace(config, seed=seed))
        except ConfigError as error:
            raise ConfigError(f"seed {seed}: {error}") from None


def _say_not_called(folder: RunFolder, on_epoch: OnEpoch | None, probe: Probe | None) -> None:
    """Warn of what would be called after every epoch, where none is computed any more."""
    log, seeds = getattr(probe, "log", None), range(folder.config.runs)
    first = int(folder.values["seed"])
    told = isinstance(log, Log) and all(log.of(first + each) for each in seeds)
    names = ["on_epoch"] if on_epoch is not None else []
    names += ["probe"] if probe is not None and not told else []
    if names:
        warn(
            f"{str(folder.path)!r} is finished: no epoch is computed, and {' and '.join(names)} "
            "not called; take another folder, in which the epochs are computed again",
            GsltWarning,
        )


def _check_request(stop: Request, finished: int, folder: RunFolder) -> None:
    """Stop between two seeds where that was asked for while the one before ended.

    Raises:
        Interrupted: with the number of finished runs, and what goes on.
    """
    if stop.signal_number is not None:
        raise Interrupted(
            f"stopped after {finished} of {folder.config.runs} runs; go on with: {folder.way_on}",
            stop.signal_number,
        )


def _repeat(
    dataset: Dataset,
    config: SearchConfig | TrainConfig,
    prepare: Callable[[Network, int], None],
    progress: bool,
    on_epoch: OnEpoch | None,
    folder: RunFolder | None,
    probe: Probe | None,
) -> Result:
    device, backend = check_runnable(config)
    if folder is not None and not isinstance(folder, RunFolder):
        raise ConfigError(
            f"folder must be an open RunFolder, got {type(folder).__name__}: with "
            "gslt.RunFolder(path, config) as folder: …"
        )
    if folder is not None and folder.config != config:
        raise ConfigError("the folder was opened with another config")
    if folder is None or not folder.finished:
        check_memory(dataset, config, device)
    if folder is not None:
        folder.hold_to(dataset)
    content_hash = dataset.content_hash
    dataset = dataset.to(device)
    inputs = network_inputs(backend, dataset)

    def build() -> Network:
        return build_network(dataset.num_features, dataset.num_classes, config, backend)

    if folder is not None and isinstance(log := getattr(probe, "log", None), Log):
        folder.watch(log)
    if folder is not None and folder.finished:
        _say_not_called(folder, on_epoch, probe)
    runs: list[Run] = []
    # One request for all seeds: one that comes while a seed ends must not be lost with it.
    with nullcontext(Request()) if folder is None else stop_requests() as stop:
        for seed in range(config.seed, config.seed + config.runs):
            stored = None if folder is None else folder.stored(seed, identity(dataset), build)
            if stored is not None:
                stored.model.to(device)
                stored.model.found_on = content_hash
                runs.append(stored)
                continue
            if folder is not None and runs:
                _check_request(stop, len(runs), folder)
            model = build()
            prepare(model, seed)
            loop = Loop(dataset, config, seed, model.to(device), inputs, probe)
            with memory.reused():
                runs.append(loop.run(progress, on_epoch, folder))
            runs[-1].model.found_on = content_hash
            if folder is not None:
                folder.keep(runs[-1])
    result = Result(config, dataset.name, tuple(runs), content_hash, dataset.majority_rate())
    if folder is not None:
        folder.finish(result)
    return result
