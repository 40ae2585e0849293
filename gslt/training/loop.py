"""One run: the epochs of one seed, of either kind, for the search and for weight training."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gslt.config import Optimizer, RunConfig, SearchConfig, TrainConfig
from gslt.data import Dataset, ImageDataset
from gslt.data.content import judge_facts
from gslt.data.labelled import SPLITS
from gslt.data.metrics import ACCURACY, loss
from gslt.errors import ConfigError, GsltError, Interrupted, RunError
from gslt.masking.parametrization import frozen_weights
from gslt.nn.networks import Network
from gslt.progress import progress_bar
from gslt.random import Stream
from gslt.ticket.ticket import Ticket
from gslt.training.checkpoint import Checkpoint, file_names
from gslt.training.epochs import EpochKind, FullBatch, MiniBatches
from gslt.training.inputs import ImageInputs, Inputs
from gslt.training.results import Epoch, Run, ticket_results
from gslt.training.rewire import Rewiring
from gslt.training.run_folder import RunFolder
from gslt.training.signals import Request, stop_requests

OnEpoch = Callable[[Epoch], None]


def make_optimizer(model: nn.Module, config: RunConfig) -> torch.optim.Optimizer:
    """The optimizer of a run, over every parameter of its model.

    Args:
        model: frozen, so that its parameters are scores, or with initial weights.
        config: optimizer, lr, momentum and weight decay count.
    """
    kinds: dict[Optimizer, Callable[..., torch.optim.Optimizer]] = {
        "adamw": torch.optim.AdamW,
        "adam": torch.optim.Adam,
        "sgd": partial(torch.optim.SGD, momentum=config.momentum),
    }
    make = kinds[config.optimizer]
    return make(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)


def _moments(config: RunConfig) -> set[str]:
    """What the optimizer keeps of a parameter."""
    if config.optimizer == "sgd":
        return {"momentum_buffer"} if config.momentum else set()
    return {"step", "exp_avg", "exp_avg_sq"}


class Probe(Protocol):
    """Looks at the model on its way, such as :class:`gslt.diagnostics.SearchProbe`."""

    def begin(self, seed: int, done: int, epochs: int) -> None:
        """A seed's run begins, or goes on.

        Args:
            seed: of the run.
            done: epochs that an earlier process finished; 0 for a run that begins.
            epochs: how many there will be.
        """

    def __call__(
        self,
        seed: int,
        epoch: int,
        epochs: int,
        model: Network,
        inputs: Sequence[object],
        best_epoch: int,
    ) -> None:
        """An epoch ended.

        Args:
            seed: of the run.
            epoch: the last finished one; 0 is before the first.
            epochs: how many there will be at most; the same as ``epoch`` where it is the last.
            model: as it is now; leave it so.
            inputs: what to call it with, in single precision: features ``(N, in)`` and the graph,
                or some validation images ``(n, C, 32, 32)``.
            best_epoch: of best validation accuracy so far; 0 where there is none yet.
        """

    def end(
        self, seed: int, best_epoch: int, epochs: int, model: Network, inputs: Sequence[object]
    ) -> None:
        """The last epoch has ended, and the model is again that of the best one.

        Args:
            seed: of the run.
            best_epoch: of best validation accuracy.
            epochs: how many there could have been; a run with patience may have ended before.
            model: of the best epoch; leave it so.
            inputs: what to call it with.
        """


class Loop:
    """One run. Its kind of epoch follows from its data, see :mod:`gslt.training.epochs`.

    Args:
        dataset: on the device of the run.
        config: of a search or of weight training.
        seed: of this run; the config's own seed is that of the first.
        model: frozen, or with initial weights, on the device.
        inputs: what the model is called with.
        probe: looks at the model after every epoch.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: SearchConfig | TrainConfig,
        seed: int,
        model: Network,
        inputs: Inputs | ImageInputs,
        probe: Probe | None = None,
    ) -> None:
        self.dataset, self.config, self.seed, self.model = dataset, config, seed, model
        self.probe = probe
        self.all_inputs = inputs
        self.inputs = inputs.of(config.precision)
        self.exact_inputs = inputs.of("float32")
        self.supermask = next((w.supermask for w in frozen_weights(model)), None)
        self.optimizer = make_optimizer(model, config)
        self.rewiring = Rewiring(model, self.optimizer, config, seed)
        self.history: list[Epoch] = []
        self.best: Epoch | None = None
        self.best_state: dict[str, Tensor] = {}
        # Places, not a mask: their number is known, so a GPU does not have to be asked for it.
        self.train = dataset.train_mask.nonzero().flatten()
        self.train_y = dataset.y[self.train]
        self.kind: EpochKind = FullBatch()
        if isinstance(dataset, ImageDataset):
            assert isinstance(inputs, ImageInputs)
            self.kind = MiniBatches(dataset, inputs, config.batch_size)
        if getattr(config, "rewire_every", 0) == self.kind.updates == 1:
            raise ConfigError(
                f"all {len(self.train)} training images are one batch, and an update that rewires "
                "trains no weight; use rewire_every of at least 2, or a smaller batch_size"
            )
        #: Updates so far; in every epoch there are ``kind.updates``.
        self.updates = 0

    def run(
        self,
        progress: bool,
        on_epoch: OnEpoch | None,
        folder: RunFolder | None = None,
    ) -> Run:
        """Every epoch that is still to come, and the result.

        Args:
            progress: show a progress bar on a terminal.
            on_epoch: called after every epoch.
            folder: where to go on from and to write to.

        Raises:
            GsltError: if the loss becomes infinite or NaN.
            Interrupted: after a request to stop, once a checkpoint is written to the folder.
        """
        if folder is None:
            return self._run(progress, on_epoch, None, Request())
        if (checkpoint := folder.begin(self.seed, identity(self.dataset))) is not None:
            self._restore(checkpoint)
        with stop_requests() as stop:
            return self._run(progress, on_epoch, folder, stop)

    def _run(
        self, progress: bool, on_epoch: OnEpoch | None, folder: RunFolder | None, stop: Request
    ) -> Run:
        done, last = len(self.history), self.config.epochs
        started = time.perf_counter() - (self.history[-1].seconds if done else 0.0)
        with progress_bar(
            range(done + 1, last + 1),
            desc=f"seed {self.seed}",
            unit="epoch",
            initial=done,
            total=last,
            show=progress,
        ) as bar:
            if done < last:
                # A checkpoint holds no activations: a resumed run computes this forward again.
                self._set_sparsity(done)
                if self.probe is not None:
                    self.probe.begin(self.seed, done, last)
                    if not done:
                        self.probe(self.seed, 0, last, self.model, self.exact_inputs, 0)
                self.kind.begin(self, done)
            for epoch in bar:
                self.kind.run(self, epoch)
                record = self._record_epoch(epoch, started)
                bar.set_postfix_str(_postfix(record, self.best, self.dataset.metric_label))
                best = self.best.epoch if self.best else 0
                ended = self.config.is_last(epoch, best)
                if self.probe is not None:
                    end = epoch if ended else last
                    self.probe(self.seed, epoch, end, self.model, self.exact_inputs, best)
                if folder is not None:
                    folder.on_epoch(record)
                if on_epoch is not None:
                    on_epoch(record)
                if ended:
                    bar.total = epoch
                    break
                if folder is not None:
                    self._checkpoint_or_stop(folder, stop)
        self.kind.end()
        return self._finish(time.perf_counter() - started)

    def _checkpoint_or_stop(self, folder: RunFolder, stop: Request) -> None:
        """Write a checkpoint where it is time for one, and stop where that was asked for."""
        if not stop and not folder.wants_checkpoint():
            return
        written = folder.save(self._checkpoint(folder.checkpoints.identity))
        if stop.signal_number is not None:
            state = "go on" if written else "its checkpoint could not be written; begin again"
            raise Interrupted(
                f"stopped after epoch {len(self.history)} of {self.config.epochs} (seed "
                f"{self.seed}); {state} with: {folder.way_on}",
                stop.signal_number,
            )

    def _checkpoint(self, run: dict[str, Any]) -> Checkpoint:
        moments = self.optimizer.state_dict()["state"]
        tensors = {f"model/{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in self.best_state.items()}
        tensors |= {
            f"optimizer/{number}/{name}": value
            for number, state in moments.items()
            for name, value in state.items()
        }
        best = self.best.epoch if self.best else 0
        return Checkpoint(run, self.seed, list(self.history), best, tensors)

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Take over the state of a checkpoint.

        Raises:
            RunError: if its tensors are not those of this model.
        """
        model, best = checkpoint.part("model"), checkpoint.part("best")
        moments: dict[int, dict[str, Tensor]] = {}
        shapes = [p.shape for p in self.model.parameters()]
        try:
            for key, value in checkpoint.part("optimizer").items():
                number, _, name = key.partition("/")
                if name != "step" and value.shape != shapes[int(number)]:
                    raise ValueError(f"{key} has shape {tuple(value.shape)}")
                moments.setdefault(int(number), {})[name] = value
            kept = _moments(self.config)
            if any(moments.get(number, {}).keys() != kept for number in range(len(shapes))):
                raise ValueError("it has not the moments of every parameter")
            expected = _types(self.model.state_dict())
            for state in (model, best) if checkpoint.best_epoch else (model,):
                if _types(state) != expected:
                    raise ValueError("its tensors are of another model")
            self.model.load_state_dict(model)
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        except (RuntimeError, LookupError, ValueError) as error:
            raise RunError(
                f"the checkpoint of epoch {checkpoint.epoch} of seed {self.seed} does not fit the "
                f"model: {error}; without {' and '.join(file_names(self.seed))} the seed is "
                "begun again"
            ) from error
        self.history = list(checkpoint.history)
        self.updates = len(self.history) * self.kind.updates
        self.best = self.history[checkpoint.best_epoch - 1] if checkpoint.best_epoch else None
        self.best_state = best

    def _loss(self, logits: Tensor) -> Tensor:
        return loss(logits[self.train], self.train_y)

    def _update(self, epoch: int, loss: Tensor) -> None:
        """One update: of every kind of epoch, and the only place that changes a parameter."""
        lr = self.config.lr_at(epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if l1 := getattr(self.config, "l1", 0.0):
            for scores in self.model.parameters():
                assert scores.grad is not None
                scores.grad.add_(scores.detach().sign(), alpha=l1)
        if not self.rewiring.rewire(epoch, first=not self.updates % self.kind.updates):
            self.optimizer.step()
        self.updates += 1

    def _sparsity_at(self, epoch: int) -> float | None:
        if not isinstance(self.config, SearchConfig):
            return None
        assert self.supermask is not None
        return self.config.sparsity_at(epoch, self.supermask.source_sparsity)

    def _set_sparsity(self, epoch: int) -> None:
        if (sparsity := self._sparsity_at(epoch)) is not None:
            assert self.supermask is not None
            self.supermask.sparsity = sparsity

    def _forward(self, epoch: int) -> Tensor:
        generator = None
        if self.config.dropout:
            generator = torch.Generator(self.config.device)
            generator.manual_seed(Stream(self.seed, f"epoch {epoch}", "dropout").key[0] >> 1)
        self.model.train()
        logits: Tensor = self.model(*self.inputs, generator=generator)
        return logits

    def finite(self, loss: float, epoch: int) -> float:
        """The loss of an epoch, unless it is none.

        Raises:
            GsltError: if it is infinite or NaN.
        """
        if not math.isfinite(loss):
            raise GsltError(
                f"the loss became {loss} at epoch {epoch} of seed {self.seed}; lower lr "
                f"({self.config.lr:g}), or use batch_norm or another weight_init or scale"
            )
        return loss

    def _record_epoch(self, epoch: int, started: float) -> Epoch:
        loss, scores = self.kind.measure(self, epoch)
        sparsity = self._sparsity_at(epoch)
        record = Epoch(
            seed=self.seed,
            epoch=epoch,
            loss=loss,
            **scores,
            lr=self.config.lr_at(epoch),
            sparsity=sparsity,
            seconds=time.perf_counter() - started,
            metric=self.dataset.metric,
        )
        self.history.append(record)
        at_target = sparsity is None or sparsity == self.config.sparsity  # type: ignore[union-attr]
        if at_target and (self.best is None or record.val > self.best.val):
            self.best = record
            self.best_state = copy.deepcopy(self.model.state_dict())
        return record

    def _finish(self, seconds: float) -> Run:
        assert self.best is not None
        last = self._evaluated()
        self.model.load_state_dict(self.best_state)
        self.model.eval()
        best = self._evaluated()
        if self.probe is not None:
            epochs, best_epoch = self.config.epochs, self.best.epoch
            self.probe.end(self.seed, best_epoch, epochs, self.model, self.exact_inputs)
        scores = {split: best[f"{split}_accuracy"] for split in SPLITS}
        draw = getattr(self.config, "score_draw", 0)
        results = ticket_results(scores, self.best.epoch, self.dataset.metric, draw)
        return Run(
            seed=self.seed,
            best_epoch=self.best.epoch,
            seconds=seconds,
            history=self.history,
            model=self.model,
            ticket=ticket_of(self.model, self.config, self.seed, self.dataset, results),
            **best,
            **{f"last_{name}": value for name, value in last.items()},
        )

    def _evaluated(self) -> dict[str, float]:
        """Accuracies and losses of the network as it is now, in single precision."""
        return self.dataset.accuracy_and_loss(self.all_inputs.predict(self.model))


def ticket_of(
    model: Network,
    config: SearchConfig | TrainConfig,
    seed: int,
    dataset: Dataset,
    results: dict[str, float],
) -> Ticket | None:
    """The ticket that a run has found: strong of a search, weak of training under a mask, or none.

    Args:
        model: of the best epoch.
        config: of the run.
        seed: of the run.
        dataset: that it was found on.
        results: figures of the run.
    """
    on: dict[str, Any] = {"dataset": dataset.name, "split": dataset.split, "results": results}
    on["content_hash"] = dataset.content_hash
    if isinstance(config, SearchConfig):
        return Ticket.of(model, **on)
    if not config.mask_sparsity:
        return None
    return Ticket.trained(model, replace(config.masked_source, seed=seed), **on)


def identity(dataset: Dataset) -> dict[str, Any]:
    """What tells a data set and its metric from others, for checkpoints; accuracy goes unsaid.

    Raises:
        DataError: for an evaluator whose name does not tell it from others.
    """
    kind = "images" if isinstance(dataset, ImageDataset) else "graph"
    found: dict[str, Any] = {kind: [dataset.name, dataset.split, *dataset.counts.values()]}
    found |= {} if dataset.metric == ACCURACY else {"metric": dataset.metric}
    return {**found, **judge_facts(dataset)}


def _types(state: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (value.shape, value.dtype) for name, value in state.items()}


def _postfix(record: Epoch, best: Epoch | None, metric: str) -> str:
    text = f"loss {record.loss:.3f}, {metric}: train {100 * record.train:.2f}, "
    text += f"val {100 * record.val:.2f}"
    return text + (f", best {100 * best.val:.2f} → test {100 * best.test:.2f}" if best else "")
