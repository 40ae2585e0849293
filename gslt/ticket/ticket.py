"""A ticket: which of the searched weights are kept, and what regenerates all the rest."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import warnings
from collections.abc import Container, Mapping
from dataclasses import dataclass
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gslt.backends import get_backend
from gslt.config import VISION, FreezeConfig
from gslt.errors import (
    ConfigError,
    FreezingWarning,
    GsltWarning,
    TicketError,
    differences,
    listed,
    warn,
)
from gslt.files import open_regular, reading, replacing
from gslt.files.folder import TICKET
from gslt.freezing import FrozenCounts
from gslt.masking.freeze import bake, check_shapes, make_source
from gslt.masking.parametrization import FrozenWeight, forget_selections, frozen_weights
from gslt.masking.report import FULLER, WEAK_REMEDY, FreezeReport, emptied_layers
from gslt.masking.supermask import Supermask
from gslt.masking.trained import masked_weights, source_report, unmask
from gslt.masking.weights import (
    bytes_of,
    fingerprint_of,
    fingerprints,
    frozen_places,
    frozen_root,
    other_state,
    outside,
    rewritten,
    unsaved,
    unwrapped,
)
from gslt.nn.budget import check_room
from gslt.nn.gnn import GNN, weight_shapes
from gslt.nn.networks import Network, build_network
from gslt.nn.source import ConstructedNetwork
from gslt.settings import part
from gslt.ticket.file import beyond_defaults, pattern_codes, read_ticket, write_ticket
from gslt.ticket.mask_code import entropy_bits
from gslt.ticket.schema import Architecture, StoredTicket, kept_bits, unstorable
from gslt.ticket.weak import dense, other_values, put_trained, weak_ticket

#: Memory while a network is built: scores, random weights, where they are, how they were drawn.
BYTES_PER_WEIGHT = 40


@dataclass(frozen=True)
class TicketSize:
    """How large a ticket is, and against what. Counts are numbers of weights."""

    total: int
    searched: int
    pruned: int
    locked: int
    kept: int
    """Weights of the ticket: locked ones and searched ones that the mask keeps."""
    bits: int
    """Bits of the mask: one per searched weight. The size that papers report. None in a weak ticket
    whose mask the seed regenerates."""
    entropy_bits: float
    """Least size of the masks: Σ m H(k / m) over the layers, with k kept of m searched weights."""
    coded_bytes: int
    """Bytes of the masks in the ticket file."""
    stored: int
    """Values beside the masks that the ticket has to store, such as running statistics, and the
    trained weights of a weak ticket."""
    stored_bytes: int
    """Bytes of these values."""
    bytes: int
    """Size of the ticket file, with its header and metadata."""
    pattern_bytes: int = 0
    """Bytes of a freezing pattern that was given, which no seed regenerates."""

    @property
    def sparsity(self) -> float:
        """Fraction of all weights removed."""
        return 1.0 - self.density

    @property
    def density(self) -> float:
        """Fraction of all weights kept."""
        return self.kept / self.total

    @property
    def search_space(self) -> float:
        """Fraction of all weights left to the search."""
        return self.searched / self.total

    @property
    def content_bytes(self) -> float:
        """Bytes of the mask, one bit per searched weight, and of what is stored beside it."""
        return self.bits / 8 + self.stored_bytes + self.pattern_bytes

    @property
    def ratio(self) -> float:
        """How many times smaller than float32 weights the mask is, with what is stored beside it.

        32 N / (bits + 8 stored_bytes + 8 pattern_bytes).
        """
        bits = 8 * self.content_bytes
        return 32 * self.total / bits if bits else float("inf")

    @property
    def header_bytes(self) -> int:
        """Bytes of the ticket file that are no content: header and metadata."""
        return self.bytes - self.coded_bytes - self.stored_bytes - self.pattern_bytes

    @property
    def file_ratio(self) -> float:
        """How many times smaller than float32 weights the file is: 4 N / bytes."""
        return 4 * self.total / self.bytes

    def words(self, stored: str = "stored bytes") -> str:
        """Bits and bytes in a sentence, as in ``print(size)``.

        Args:
            stored: what is counted beside the mask, where there is something.
        """
        besides = self.stored_bytes + self.pattern_bytes
        beside = f" and {besides:,} {stored}" if besides else ""
        smaller = f", × {self.ratio:.1f} smaller than float32 weights"
        if not self.content_bytes:
            smaller = ", as the seed regenerates all of it"
        return (
            f"{self.bits:,} mask bits{beside}{smaller}; file {self.bytes:,} bytes, "
            f"× {self.file_ratio:.1f}{'' if self.content_bytes else ' smaller than the weights'}"
        )

    def __str__(self) -> str:
        return self.words()

    def as_dict(self) -> dict[str, float]:
        """Every figure by name."""
        names = ("sparsity", "density", "search_space", "ratio", "header_bytes", "file_ratio")
        return {**dataclasses.asdict(self), **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True, eq=False)
class Ticket(StoredTicket):
    """A lottery ticket: a subnetwork of a random network that a seed regenerates.

    A strong one has the random weights; a weak one was trained under a mask, and stores them.
    """

    def __eq__(self, other: object) -> bool:
        """Whether another ticket holds the same in every field: masks, source, data and figures.

        :func:`gslt.overlap` says how much the masks alone have in common.
        """
        if not isinstance(other, Ticket):
            return NotImplemented
        fields = (field.name for field in dataclasses.fields(self))
        return all(_same(getattr(self, name), getattr(other, name)) for name in fields)

    def __hash__(self) -> int:
        return hash((self.weights_checksum, self.dataset, self.split))

    def __str__(self) -> str:
        s = self.size()
        stored = "bytes of trained weights" if self.is_weak and not self.state else "stored bytes"
        return (
            f"ticket    {s.total:,} weights: {s.pruned:,} pruned, {s.locked:,} locked, "
            f"{s.searched:,} searched; {s.kept:,} kept (sparsity {s.sparsity:.3f}, density "
            f"{s.density:.3f})\nsize      {s.words(stored)}"
        )

    def __repr__(self) -> str:
        data = f" of {self.dataset}" if self.dataset else ""
        return f"<{'weak' if self.is_weak else 'strong'} ticket{data}: {self.size()}>"

    @classmethod
    def of(
        cls,
        module: nn.Module,
        *,
        dataset: str = "",
        split: int = 0,
        results: dict[str, float] | None = None,
        content_hash: str = "",
    ) -> Ticket:
        """The ticket that a frozen module is at this moment.

        Beside the masks it stores a freezing pattern that was given (:func:`gslt.freeze`), every
        tensor of the module's state that has changed since the module was frozen, the running
        statistics of a norm that had seen a batch before, and parameters that freezing kept at
        values that are not all the same.

        Args:
            module: a module frozen as one network, or a wrapper around one (``torch.compile``,
                ``DataParallel``, a training module): the same ticket. A :class:`gslt.GNN` can be
                rebuilt by :meth:`model`, any other one is restored by :meth:`restore`.
            dataset: name of the data set it was found on.
            split: number of its split.
            results: figures of the search, finite numbers.
            content_hash: of the data set, see :attr:`gslt.data.NodeDataset.content_hash`.

        A :class:`gslt.errors.FreezingWarning` names layers that have lost every weight, a
        :class:`gslt.errors.GsltWarning` what is trained in a wrapper beside the frozen module, and
        buffers with ``persistent=False`` that have changed: no ticket holds these.

        Raises:
            TicketError: if the module is not frozen, is a part of a frozen network or has lost one,
                or holds several; if a score is no number; or if it holds anything that no
                :meth:`restore` could bring back: see :func:`gslt.ticket.schema.unstorable`.
        """
        root = frozen_root(module)
        weights = single_source(root)
        if beside := outside(module, root):
            warn(
                f"the ticket is of {type(root).__name__} alone: it does not hold {listed(beside)} "
                "beside it; store these yourself",
                GsltWarning,
            )
        module = root
        if lost := _lost(module):
            warn(
                f"{listed(lost)} changed since the module was frozen, and no ticket holds a buffer "
                "that its state leaves out (persistent=False)",
                GsltWarning,
            )
        architecture = None
        if isinstance(module, Network):
            architecture = Architecture(module.config, module.in_channels, module.out_channels)
        forget_selections(module)
        # Copies: on the CPU these are the masks that the module computes with.
        masks = {w.name: w.mask().to("cpu", copy=True) for w in weights}
        kept = {
            w.name: (kept_bits(masks[w.name]) + w.counts.locked, w.counts.total) for w in weights
        }
        if emptied := emptied_layers(kept, FULLER):
            warnings.warn(emptied, FreezingWarning, stacklevel=2)
        state = _state(module)
        checksum = weights_checksum(module, state)
        config = part(FreezeConfig, weights[0].config)
        source = FrozenCounts.sum(w.counts for w in weights)
        given = {w.name: w.given_pattern for w in weights}
        pattern = {name: value.clone() for name, value in given.items() if value is not None}
        return cls(
            config,
            masks,
            source,
            checksum,
            architecture,
            dataset,
            split,
            dict(results or {}),
            state,
            content_hash,
            module.config if isinstance(module, ConstructedNetwork) else None,
            pattern,
        )

    @classmethod
    def trained(
        cls,
        module: nn.Module,
        source: FreezeConfig,
        *,
        dataset: str = "",
        split: int = 0,
        results: dict[str, float] | None = None,
        content_hash: str = "",
    ) -> Ticket:
        """The weak ticket that a module is at this moment, whose weights were trained under a mask.

        It stores the values of the weights that the mask keeps, and every other value of the
        module's state. Where the mask is still the one that the seed of the source regenerates it
        costs nothing; a mask that was rewired is stored, one bit for every weight, and the ticket's
        source is the dense one of the same seed, its sparsity that of the mask.

        Args:
            module: with a mask on every weight, see :func:`gslt.masking.initialise`.
            source: what the mask began with, see :attr:`gslt.TrainConfig.masked_source`.
            dataset: name of the data set it was trained on.
            split: number of its split.
            results: figures of the training, finite numbers.
            content_hash: of the data set, see :attr:`gslt.data.NodeDataset.content_hash`.

        Raises:
            TicketError: if a weight has no mask, or the module holds what no ticket can store.
        """
        given = (dataset, split, dict(results or {}), content_hash)
        return cls(**vars(weak_ticket(unwrapped(module), source, *given)))

    @property
    def is_weak(self) -> bool:
        """Whether it stores trained weights."""
        return bool(self.values)

    def began_with(self, source: FreezeConfig) -> bool:
        """Whether it is of this source; of a mask that was rewired, whether that began there.

        Args:
            source: of a search, or :attr:`gslt.TrainConfig.masked_source`.
        """
        rewired = dense(source, self.config.sparsity)
        return self.config in ([source, rewired] if self.is_weak else [source])

    def model(self, backend: str = "pyg", *, baked: bool = False) -> Network | ConstructedNetwork:
        """The ticket as a model on a backend, ``"pyg"`` or ``"dgl"``.

        Its logits equal the searched model's: bit for bit on the same backend.

        Args:
            backend: engine of the message passing; need not be that of the search. A network of
                images has none.
            baked: with plain weights instead of scores and masks, see :func:`gslt.bake`.

        Returns:
            A frozen, or baked, model on the CPU, in evaluation mode.

        Raises:
            TicketError: if the ticket belongs to a module of your own (use :meth:`restore`).
            ConfigError: if memory cannot hold the network, or for another backend than the default
                of a network of images.
        """
        if self.architecture is None and self.construction is None:
            raise TicketError(
                "this ticket was found in a module of your own, so gslt cannot build it; build the "
                "module yourself and call ticket.restore(module)"
            )
        check_room(
            BYTES_PER_WEIGHT * self.source.total,
            f"the network of {self.source.total:,} weights of this ticket",
            torch.device("cpu"),
            lambda there: "use a machine with more memory, or a smaller network",
        )
        model: Network | ConstructedNetwork
        if self.construction is not None:
            model = ConstructedNetwork(self.construction)
        else:
            assert self.architecture is not None
            model = _network(self.architecture, backend)
        self._restore(model)
        if not self.is_weak:
            return (bake(model) if baked else model).eval()
        if baked:
            unmask(model)
        return model.requires_grad_(not baked).eval()

    def restore(self, module: nn.Module) -> None:
        """Freeze a module as the ticket's source and put the ticket's masks into it, in place.

        The mask becomes scores of 1 (kept) and 0 (removed), which select exactly that mask. What
        the ticket stores beside it, such as running statistics, takes its place in the module. Of a
        weak ticket the module gets the trained weights, and the mask on them as in training.

        Args:
            module: of the ticket's architecture; frozen or not, its weights are discarded. For a
                weak ticket it must not be frozen. One of your own must compute the same: only its
                weights can be compared.

        Raises:
            TicketError: if the module is not the ticket's architecture (the fields are named), has
                not what the ticket stores by the same names, shapes and types, or if this machine
                does not regenerate the ticket's weights. The module is then as it was.
            ConfigError: if the module cannot be frozen.
        """
        _check_module(module)
        module = unwrapped(module)
        self._check_architecture(module)
        # Everything is tried on a copy: a module that is refused stays as it was.
        self._restore(copy.deepcopy(module))
        self._restore(module)

    def _check_architecture(self, module: nn.Module) -> None:
        """Refuse another network of gslt's: its weights may fit, and its function be another.

        Dropout may differ, as no evaluation has it.
        """
        if self.architecture is None or not isinstance(module, Network):
            return
        found = Architecture(module.config, module.in_channels, module.out_channels)
        there, here = map(_settings, (self.architecture, found))
        if how := differences(there, here):
            raise TicketError(
                f"the ticket is of another network: {how}; build the module as it was at the "
                "search, by ticket.architecture, or take ticket.model()"
            )

    def _restore_trained(self, module: nn.Module) -> None:
        """Put trained weights and their mask into a module that is not frozen."""
        if frozen_weights(module):
            raise TicketError(
                f"{type(module).__name__} is frozen, and the weights of a weak ticket are trained; "
                "restore it into a module that is newly built"
            )
        report = source_report(module, self.config)
        self._check_fit({layer.name: layer.counts for layer in report.layers})
        self._check_others(other_values(module))
        put_trained(self, module)

    def _check_fit(self, counts: Mapping[str, FrozenCounts]) -> None:
        """Refuse a network whose weights are not those of the ticket."""
        expected = {name: c.searched for name, c in counts.items()}
        found = {name: mask.numel() for name, mask in self.masks.items()}
        if expected != found:
            different = sorted(set(expected.items()) ^ set(found.items()))
            raise TicketError(
                "the ticket does not fit the network; searched weights differ for "
                + listed(sorted({name for name, _ in different}))
                + "; build it as it was at the search: ticket.config and ticket.masks have the "
                "settings and the layers"
            )
        source = FrozenCounts.sum(counts.values())
        if source != self.source:
            raise TicketError(f"the ticket says {self.source}, but its source has {source}")

    def _check_others(self, others: Mapping[str, Any]) -> None:
        """Refuse a module that has not what the ticket stores beside the masks."""
        wanted = {name: _kind(value) for name, value in self.state.items()}
        if absent := [
            f"{name} ({kind}, in the module {_kind(others.get(name))})"
            for name, kind in wanted.items()
            if kind != _kind(others.get(name))
        ]:
            raise TicketError(
                f"the ticket stores {listed(absent)}; build the module as it was at the search, "
                "and of the same precision"
            )

    def _restore(self, module: nn.Module) -> None:
        (self._restore_trained if self.is_weak else self._restore_found)(module)
        if isinstance(module, Network | ConstructedNetwork):
            module.found_on = self.content_hash

    def _restore_found(self, module: nn.Module) -> None:
        """Freeze a module, and put the mask that was found into it."""
        check_shapes(module)
        self._take_gradients(module)
        make_source(module, self.config, pattern=self.pattern or None)
        weights = frozen_weights(module)
        self._check_fit({w.name: w.counts for w in weights})
        others = other_state(module)
        self._check_others(others)
        if weights_checksum(module, self.state) != self.weights_checksum:
            if [w.name for w in weights] != (order := list(self.masks)):
                raise TicketError(
                    "the module has its weights in another order than the network of the search, "
                    f"{listed(order)}; build it as it was there"
                )
            kept = listed([name for name in others if name not in self.state]) or "none"
            raise TicketError(
                "the network regenerated from the seed is not the one of the search: the seed or "
                "the freezing config is wrong, or the module holds other values that the ticket "
                f"does not store (here: {kept}); restore it into one that is newly built, with "
                "equal constants and of the same precision: what its constructor draws needs the "
                "same torch.manual_seed"
            )
        with torch.no_grad():
            for weight in weights:
                weight.score().copy_(self.masks[weight.name])
        for weight in weights:
            if not torch.equal(weight.mask().cpu(), self.masks[weight.name]):
                raise TicketError(
                    f"the mask of {weight.name} keeps another number of weights than sparsity "
                    f"{self.config.sparsity:g} allows; the file is damaged"
                )
        if self.state:
            _load(module, self.state)

    def _take_gradients(self, module: nn.Module) -> None:
        """Have searched what the ticket searched, and nothing kept where nothing takes a gradient.

        Args:
            module: maybe of another run, or set to be evaluated only.
        """
        parameters = dict(module.named_parameters())
        evaluated = not any(p.requires_grad for p in parameters.values())
        for name, parameter in parameters.items():
            if parameter.is_floating_point() and (evaluated or name in self.masks):
                parameter.requires_grad_(True)

    @property
    def report(self) -> FreezeReport | None:
        """What is frozen, layer by layer; None for a module of your own, which has the shapes."""
        shapes: Mapping[str, tuple[int, ...]]
        if self.construction is not None:
            shapes = self.construction.shapes
        elif (a := self.architecture) is not None:
            shapes = weight_shapes(a.in_channels, a.out_channels, a.model)
        else:
            return None
        return FreezeReport.of(shapes, self.config, self.pattern or None, whole=self.is_weak)

    @property
    def emptied(self) -> str:
        """A sentence on layers that have lost every weight; empty without any or without report."""
        if self.report is None:
            return ""
        return emptied_layers(self.kept_by_layer, WEAK_REMEDY if self.is_weak else FULLER)

    @property
    def kept_by_layer(self) -> dict[str, tuple[int, int]]:
        """Numbers of weights that the ticket keeps and that there are, by weight name.

        Without a report, for a module of your own, they are of the searched weights alone.
        """
        report = self.report
        counts = {layer.name: layer.counts for layer in report.layers} if report else {}
        found = {}
        for name, mask in self.masks.items():
            c = counts.get(name, FrozenCounts(mask.numel(), 0, 0))
            found[name] = (kept_bits(mask) + c.locked, c.total)
        return found

    def size(self) -> TicketSize:
        """Weights, bits and bytes of the ticket."""
        counts = [(mask.numel(), kept_bits(mask)) for mask in self.masks.values()]
        searched, kept = (sum(column) for column in zip(*counts, strict=True))
        source = self.source
        content, coded_bytes = write_ticket(self)
        stored = [*self.state.values(), *self.values.values()]
        return TicketSize(
            total=source.total,
            searched=searched,
            pruned=source.pruned,
            locked=source.locked,
            kept=kept + source.locked,
            bits=0 if self.is_weak and kept == searched else searched,
            entropy_bits=sum(entropy_bits(*pair) for pair in counts),
            coded_bytes=coded_bytes,
            stored=sum(value.numel() for value in stored),
            stored_bytes=sum(value.nbytes for value in stored),
            bytes=len(content),
            pattern_bytes=sum(len(code) for codes in pattern_codes(self.pattern) for code in codes),
        )

    def save(self, path: str | Path) -> None:
        """Write the ticket file, at once or not at all.

        A ticket that is beyond the default limits (:class:`gslt.environment.Limits`) is written
        with a :class:`GsltWarning`.

        Raises:
            TicketError: if the ticket breaks a rule of the format.
        """
        content = self.to_bytes()
        with replacing(Path(path)) as temporary:
            temporary.write_bytes(content)

    def to_bytes(self) -> bytes:
        """The content of the ticket file. The same ticket gives the same bytes.

        Beyond the default limits it is a :class:`GsltWarning`, as in :meth:`save`.

        Raises:
            TicketError: if the ticket breaks a rule of the format.
        """
        content, _ = write_ticket(self)
        if sentence := beyond_defaults(self, len(content)):
            text = f"{sentence}, or it cannot be read"
            warnings.warn(text, GsltWarning, stacklevel=2)
        return content

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "this file") -> Ticket:
        """The ticket of a file's content; see :func:`load_ticket`.

        Args:
            data: the whole file.
            name: what errors call it.

        Raises:
            TicketError: if it is damaged, no ticket, or of another format version.
        """
        return cls(**vars(read_ticket(BytesIO(data), len(data), name)))


def load_ticket(path: str | Path) -> Ticket:
    """Read a ticket file. Its network is built only by :meth:`Ticket.model`.

    Raises:
        TicketError: if the file is missing, damaged, no ticket, or of another format version, or
            for a folder, naming the ticket in it.
    """
    if not isinstance(path, str | PathLike):
        raise TicketError(f"load_ticket takes the path of a file, not {type(path).__name__}")
    name = repr(str(path))
    try:
        with reading(path, TicketError, "a ticket"):
            if not Path(path).exists():
                raise TicketError(f"there is no ticket file {name}")
            if Path(path).is_dir():
                raise TicketError(f"{name} is a folder, and a ticket is a file; {_within(path)}")
            with open_regular(path) as (file, size):
                return Ticket(**vars(read_ticket(file, size, name)))
    except ConfigError as error:
        raise TicketError(str(error)) from None


def _within(folder: str | Path) -> str:
    """What to load instead of a folder."""
    found = Path(folder) / TICKET
    return f"load {str(found)!r}" if found.is_file() else f"there is no {TICKET} in it"


def weights_checksum(module: nn.Module, stored: Container[str] = ()) -> str:
    """SHA-256 over the regenerated network, layer by layer in the order of its parameters.

    Each layer contributes its name, a zero byte, its random weights as little-endian float32 with
    pruned ones set to zero, and its ternary freezing pattern as int8. Then follows every other
    value that the module's state holds, its name, a zero byte and its bytes (biases, norms; see
    :func:`gslt.masking.weights.bytes_of`): what a ticket does not store must be the same wherever
    it is restored.

    Args:
        module: as it was frozen, see :func:`gslt.masking.weights.frozen_root`.
        stored: names of the values that the ticket stores.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for weight in frozen_weights(module):
        values, pattern = weight.regenerated()
        digest.update(weight.name.encode() + b"\0")
        digest.update(values.float().cpu().numpy().astype("<f4").tobytes())
        digest.update(pattern.cpu().numpy().tobytes())
    for name, value in other_state(module).items():
        if name not in stored:
            digest.update(name.encode() + b"\0" + bytes_of(value))
    return digest.hexdigest()


def _network(a: Architecture, backend: str) -> Network:
    """The network of an architecture; one of images has no backend but the default."""
    images = a.model.architecture in VISION
    if images and backend != "pyg":
        raise ConfigError(
            f"{a.model.architecture} is a network of images, which has no message passing; "
            f"leave the backend {backend} out"
        )
    engine = None if images else get_backend(backend)
    return build_network(a.in_channels, a.out_channels, a.model, engine)


def _settings(a: Architecture) -> dict[str, Any]:
    """What decides on the function that a network is when it is evaluated."""
    values = {**dataclasses.asdict(a.model), **dataclasses.asdict(a)}
    return {name: value for name, value in values.items() if name not in ("model", "dropout")}


def _check_module(module: object) -> None:
    if not isinstance(module, nn.Module):
        raise TicketError(f"a ticket is of a torch module, not of {type(module).__name__}")


def single_source(module: nn.Module) -> list[FrozenWeight]:
    """The frozen weights of a module that holds one ticket.

    Args:
        module: as it was frozen, see :func:`gslt.masking.weights.frozen_root`.

    Raises:
        TicketError: see :meth:`Ticket.of`.
    """
    _check_module(module)
    weights = frozen_weights(module)
    if not weights:
        if any(masked_weights(module)):
            raise TicketError(
                f"the weights of {type(module).__name__} were trained under a mask: its ticket is "
                "gslt.Ticket.trained(module, config.masked_source), of the config of the training"
            )
        raise TicketError(
            f"{type(module).__name__} is not frozen, so it holds no ticket; gslt.freeze it, then "
            "search: train model.parameters(), which are the scores"
        )
    if len({id(weight.supermask) for weight in weights}) > 1:
        raise TicketError(
            "the layers were frozen one by one, each with a threshold of its own; "
            "gslt.freeze(module, config) makes them one source network, which a ticket can hold"
        )
    supermask = weights[0].supermask
    if supermask is not None and len(supermask.holders) > len(weights):
        raise TicketError(
            "the module is a part of a frozen network, or has lost a layer since: "
            f"{len(weights)} of {len(supermask.holders)} weights that share a threshold are left; "
            "take the ticket of the whole network, or gslt.freeze this module anew and search"
        )
    if names := rewritten(module):
        raise TicketError(
            f"another parametrization was put on {listed(names)} since they were frozen, which no "
            "ticket holds; remove it, or gslt.bake the module"
        )
    for name, _, _, weight in frozen_places(module):
        if name != weight.name:
            raise TicketError(
                f"{name} was frozen as {weight.name}, in another module or with a prefix, and "
                "restoring the ticket would freeze it by its own name; "
                "gslt.freeze(module, config) makes this module a network that a ticket can hold"
            )
    undefined = [weight.name for weight in weights if bool(weight.score().isnan().any())]
    if undefined:
        raise TicketError(
            f"scores of {listed(undefined)} are no numbers (NaN), so that no mask follows from "
            "them; search again with a smaller learning rate, or with threshold='layer' where a "
            "layer has lost every weight"
        )
    return weights


def _state(module: nn.Module) -> dict[str, Tensor]:
    """What a ticket stores of a frozen module: what is not as freezing found it, or made it."""
    before, found = _supermask(module).fixed, fingerprints(module)
    values = other_state(module)
    changed = {name: values[name] for name in values if found[name] != before.get(name)}
    if isinstance(module, ConstructedNetwork):
        # Its factors are 1 where it is built anew, whatever they were when it was frozen.
        changed |= {name: values[name] for name in module.config.factors if values[name] != 1}
    refused = [f"{name} was removed" for name in before if name not in values]
    for name, value in changed.items():
        if isinstance(value, nn.Parameter):
            refused.append(f"{name} is a parameter that is not frozen")
        elif reason := unstorable(value):
            refused.append(f"{name} {reason}")
        elif isinstance(module, GNN):
            refused.append(f"{name} is not of the network that gslt.GNN builds")
    if refused:
        raise TicketError(
            f"the module has changed since it was frozen: {listed(refused)}; a ticket of it could "
            "not be restored. Freeze the module when everything else is in place, and search again"
        )
    return {name: value.detach().cpu().clone() for name, value in changed.items()}


def _load(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Put what a ticket stores into a frozen module, which has it in the same shape and type."""
    whole = module.state_dict()
    whole.update(state)
    module.load_state_dict(whole, strict=False)
    others = other_state(module)
    lost = [name for name, value in state.items() if bytes_of(others[name]) != bytes_of(value)]
    if lost:
        raise TicketError(f"the module does not take the stored values of {listed(lost)}")
    for name in state:
        # Whatever the module held before, a fresh one has another value: the next ticket stores it.
        _supermask(module).fixed.pop(name, None)


def _supermask(module: nn.Module) -> Supermask:
    """That of a frozen network, which knows how freezing found what else it holds."""
    supermask = frozen_weights(module)[0].supermask
    assert supermask is not None
    return supermask


def _lost(module: nn.Module) -> list[str]:
    """Buffers that no state of a frozen network has, and that are not as freezing found them."""
    before, now = _supermask(module).unsaved, unsaved(module)
    return [name for name in now if fingerprint_of(now[name]) != before.get(name)]


def _same(a: Any, b: Any) -> bool:
    """Whether two fields of tickets are equal: tensors in type, shape and numbers."""
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(_same(a[name], b[name]) for name in a)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    return bool(a == b)


def _kind(value: Any) -> str:
    """Shape and type of a value of a module's state, in words."""
    if not isinstance(value, Tensor):
        return "none" if value is None else type(value).__name__
    return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
