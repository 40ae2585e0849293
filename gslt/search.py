"""The search for a strong lottery ticket, and weight training, its baseline: one loop for both."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from gslt import memory
from gslt.backends import get_backend
from gslt.config import Precision, RunConfig, SearchConfig, TrainConfig
from gslt.data import NodeDataset
from gslt.errors import ConfigError, GsltError
from gslt.frozen import freeze, initialise
from gslt.frozen_weight import frozen_weights
from gslt.nn.gnn import GNN, compact_features
from gslt.nn.graph import Backend
from gslt.random import Stream
from gslt.results import Epoch, Result, Run
from gslt.ticket import Ticket

OnEpoch = Callable[[Epoch], None]


def search(
    dataset: NodeDataset,
    config: SearchConfig | None = None,
    *,
    progress: bool = True,
    on_epoch: OnEpoch | None = None,
) -> Result:
    """Search a strong lottery ticket in a frozen source network (Edge-Popup).

    Args:
        dataset: the graph, see :func:`gslt.load_dataset`.
        config: source network, sparsity, optimisation. Default: the Frozen paper's GIN.
        progress: show a progress bar on a terminal.
        on_epoch: called after every epoch.

    Returns:
        The runs, each with its ticket at the best validation epoch.

    Raises:
        ConfigError: for a device or backend that is not there.
        GsltError: if the loss becomes infinite or NaN.
    """
    config = config or SearchConfig()
    if not isinstance(config, SearchConfig):
        raise ConfigError("gslt.search takes a SearchConfig; gslt.train takes a TrainConfig")

    def prepare(model: GNN, seed: int) -> None:
        freeze(model, replace(config, seed=seed))

    return _repeat(dataset, config, prepare, progress, on_epoch)


def train(
    dataset: NodeDataset,
    config: TrainConfig | None = None,
    *,
    progress: bool = True,
    on_epoch: OnEpoch | None = None,
) -> Result:
    """Train the weights of the same model with the same loop. See :func:`search`."""
    config = config or TrainConfig()
    if not isinstance(config, TrainConfig):
        raise ConfigError("gslt.train takes a TrainConfig; gslt.search takes a SearchConfig")

    def prepare(model: GNN, seed: int) -> None:
        initialise(model, config.weight_init, seed)

    return _repeat(dataset, config, prepare, progress, on_epoch)


def evaluate(model: GNN, dataset: NodeDataset) -> dict[str, float]:
    """Accuracy of a model, or of a ticket's model, on every split, by the data set's evaluator.

    Raises:
        ConfigError: if the data set has other numbers of features or classes than the model.
    """
    if (dataset.num_features, dataset.num_classes) != (model.in_channels, model.out_channels):
        raise ConfigError(
            f"the model takes {model.in_channels} features and gives {model.out_channels} classes, "
            f"but {dataset.name} has {dataset.num_features} and {dataset.num_classes}"
        )
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    dataset = dataset.to(device)
    return dataset.evaluate(_predict(model, _Inputs(model.backend, dataset).of("float32")))


class _Inputs:
    """What a model of this backend is called with, in single precision and in any other."""

    def __init__(self, backend: Backend, dataset: NodeDataset) -> None:
        self.backend = backend
        self.x = compact_features(dataset.x)
        self.graph = backend.graph(dataset.edge_index, dataset.num_nodes)

    def of(self, precision: Precision) -> Sequence[object]:
        """Features of this type, known to the graph as constant, and the graph."""
        x = self.x.to(getattr(torch, precision))
        self.graph.remember(x)
        return self.backend.inputs(x, self.graph)


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


def _repeat(
    dataset: NodeDataset,
    config: SearchConfig | TrainConfig,
    prepare: Callable[[GNN, int], None],
    progress: bool,
    on_epoch: OnEpoch | None,
) -> Result:
    device, backend = check_runnable(config)
    dataset = dataset.to(device)
    inputs = _Inputs(backend, dataset)
    runs = []
    for seed in range(config.seed, config.seed + config.runs):
        model = GNN(dataset.num_features, dataset.num_classes, config, backend)
        prepare(model, seed)
        loop = _Loop(dataset, config, seed, model.to(device), inputs)
        with memory.reused():
            runs.append(loop.run(progress, on_epoch))
    return Result(config, dataset.name, tuple(runs))


class _Loop:
    """One run: every forward gives the loss of the next update and the accuracy of the last."""

    def __init__(
        self,
        dataset: NodeDataset,
        config: SearchConfig | TrainConfig,
        seed: int,
        model: GNN,
        inputs: _Inputs,
    ) -> None:
        self.dataset, self.config, self.seed, self.model = dataset, config, seed, model
        self.inputs = inputs.of(config.precision)
        self.exact_inputs = inputs.of("float32")
        self.supermask = next((w.supermask for w in frozen_weights(model)), None)
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )
        self.history: list[Epoch] = []
        self.best: Epoch | None = None
        self.best_state: dict[str, Tensor] = {}
        # Places, not a mask: their number is known, so a GPU does not have to be asked for it.
        self.train = dataset.train_mask.nonzero().flatten()
        self.train_y = dataset.y[self.train]

    def run(self, progress: bool, on_epoch: OnEpoch | None) -> Run:
        started = time.perf_counter()
        epochs = range(1, self.config.epochs + 1)
        with tqdm(
            epochs, desc=f"seed {self.seed}", unit="epoch", disable=None if progress else True
        ) as bar:
            self._set_sparsity(0)
            loss = self._loss(self._forward(0))
            for epoch in bar:
                lr = self._update(epoch, loss)
                sparsity = self._set_sparsity(epoch)
                last = epoch == self.config.epochs
                with torch.set_grad_enabled(not last):
                    logits = self._forward(epoch)
                    loss = self._loss(logits)
                record = self._score(epoch, logits.detach(), loss.detach(), lr, sparsity, started)
                bar.set_postfix_str(_postfix(record, self.best))
                if on_epoch is not None:
                    on_epoch(record)
        return self._finish(time.perf_counter() - started)

    def _loss(self, logits: Tensor) -> Tensor:
        return F.cross_entropy(logits[self.train], self.train_y)

    def _update(self, epoch: int, loss: Tensor) -> float:
        lr = self.config.lr * (1 + math.cos(math.pi * (epoch - 1) / self.config.epochs)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return lr

    def _set_sparsity(self, epoch: int) -> float | None:
        if not isinstance(self.config, SearchConfig):
            return None
        sparsity = self.config.sparsity_at(epoch)
        assert self.supermask is not None
        self.supermask.sparsity = sparsity
        return sparsity

    def _forward(self, epoch: int) -> Tensor:
        generator = None
        if self.config.dropout:
            generator = torch.Generator(self.config.device)
            generator.manual_seed(Stream(self.seed, f"epoch {epoch}", "dropout").key[0] >> 1)
        self.model.train()
        logits: Tensor = self.model(*self.inputs, generator=generator)
        return logits

    def _score(
        self,
        epoch: int,
        logits: Tensor,
        loss_now: Tensor,
        lr: float,
        sparsity: float | None,
        started: float,
    ) -> Epoch:
        # Without dropout the model is the same function in training: its logits score every split.
        if self.model.config.dropout:
            logits = _predict(self.model, self.inputs)
            loss_now = self._loss(logits)
        loss = loss_now.item()
        if not math.isfinite(loss):
            raise GsltError(
                f"the loss became {loss} at epoch {epoch} of seed {self.seed}; lower lr "
                f"({self.config.lr:g}), or use batch_norm or another weight_init or scale"
            )
        record = Epoch(
            seed=self.seed,
            epoch=epoch,
            loss=loss,
            **self.dataset.accuracy(logits),
            lr=lr,
            sparsity=sparsity,
            seconds=time.perf_counter() - started,
        )
        self.history.append(record)
        at_target = sparsity is None or sparsity == self.config.sparsity  # type: ignore[union-attr]
        if at_target and (self.best is None or record.val > self.best.val):
            self.best = record
            self.best_state = copy.deepcopy(self.model.state_dict())
        return record

    def _finish(self, seconds: float) -> Run:
        assert self.best is not None
        self.model.load_state_dict(self.best_state)
        self.model.eval()
        accuracy = self.dataset.evaluate(_predict(self.model, self.exact_inputs))
        ticket = None
        if isinstance(self.config, SearchConfig):
            results = {**accuracy, "epoch": self.best.epoch}
            ticket = Ticket.of(
                self.model,
                dataset=self.dataset.name,
                split=self.dataset.split,
                results=results,
            )
        return Run(
            seed=self.seed,
            best_epoch=self.best.epoch,
            train_accuracy=accuracy["train"],
            val_accuracy=accuracy["val"],
            test_accuracy=accuracy["test"],
            seconds=seconds,
            history=self.history,
            model=self.model,
            ticket=ticket,
        )


def _predict(model: GNN, inputs: Sequence[object]) -> Tensor:
    was_training = model.training
    model.eval()
    with torch.no_grad():
        logits: Tensor = model(*inputs)
    model.train(was_training)
    return logits


def _postfix(record: Epoch, best: Epoch | None) -> str:
    text = f"loss {record.loss:.3f}, train {100 * record.train:.2f}, val {100 * record.val:.2f}"
    return text + (f", best {100 * best.val:.2f} → test {100 * best.test:.2f}" if best else "")
