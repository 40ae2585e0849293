"""A ticket: which of the searched weights are kept, and what regenerates all the rest.

A ticket file is one safetensors file. Its tensors are the packed mask bits of each layer's searched
weights (uint8, least significant bit first, in row-major order of the weights); everything else
about the network follows from the metadata: architecture, freezing config and seed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from gslt.backends import get_backend
from gslt.config import FreezeConfig, ModelConfig, build, part
from gslt.errors import ConfigError, TicketError
from gslt.files import replacing
from gslt.freezing import FrozenCounts
from gslt.frozen import freeze
from gslt.frozen_weight import FrozenWeight, frozen_weights
from gslt.nn.gnn import GNN
from gslt.version import __version__

#: The one metadata key of a ticket file; its value is JSON.
KEY = "gslt-ticket"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Architecture:
    """What rebuilds the network around the weights."""

    model: ModelConfig
    in_channels: int
    out_channels: int

    def __post_init__(self) -> None:
        for width in (self.in_channels, self.out_channels):
            if not isinstance(width, int) or width < 1:
                raise ConfigError(f"a network has at least one input and class, got {width!r}")


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
    """Bits of the mask: one per searched weight. The size that papers report."""
    bytes: int
    """Size of the ticket file, with its header and metadata."""

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
    def ratio(self) -> float:
        """How many times smaller than float32 weights the mask is: 32 N / bits."""
        return 32 * self.total / self.bits if self.bits else float("inf")

    @property
    def file_ratio(self) -> float:
        """How many times smaller than float32 weights the file is: 4 N / bytes."""
        return 4 * self.total / self.bytes

    def as_dict(self) -> dict[str, float]:
        """Every figure by name."""
        names = ("sparsity", "density", "search_space", "ratio", "file_ratio")
        return {**dataclasses.asdict(self), **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True, eq=False)
class Ticket:
    """A strong lottery ticket: a subnetwork of a random network that a seed regenerates."""

    config: FreezeConfig
    """The frozen source network."""
    masks: dict[str, Tensor]
    """Which searched weights are kept, by qualified weight name, boolean ``(m,)``."""
    source: FrozenCounts
    """Counts of the whole source network."""
    weights_checksum: str
    """SHA-256 of the regenerated network, see :func:`weights_checksum`."""
    architecture: Architecture | None = None
    """The node classifier; None for a ticket of a module of your own."""
    dataset: str = ""
    """Name of the data set it was found on."""
    split: int = 0
    """Number of its split, for data sets that have several."""
    results: dict[str, float] = dataclasses.field(default_factory=dict)
    """Figures of the search: accuracies, best epoch."""

    @classmethod
    def of(
        cls,
        module: nn.Module,
        *,
        dataset: str = "",
        split: int = 0,
        results: dict[str, float] | None = None,
    ) -> Ticket:
        """The ticket that a frozen module is at this moment.

        Raises:
            TicketError: if the module is not frozen, or holds several frozen networks.
        """
        weights = _single_source(module)
        architecture = None
        if isinstance(module, GNN):
            architecture = Architecture(module.config, module.in_channels, module.out_channels)
        masks = {w.name: w.mask().cpu() for w in weights}
        checksum = weights_checksum(module)
        config = part(FreezeConfig, weights[0].config)
        source = FrozenCounts.sum(w.counts for w in weights)
        return cls(
            config, masks, source, checksum, architecture, dataset, split, dict(results or {})
        )

    def model(self, backend: str = "pyg") -> GNN:
        """The ticket as a model on a backend, ``"pyg"`` or ``"dgl"``.

        Its logits equal the searched model's: bit for bit on the same backend.

        Raises:
            TicketError: if the ticket belongs to a module of your own (use :meth:`restore`).
        """
        if self.architecture is None:
            raise TicketError(
                "this ticket was found in a module of your own, so gslt cannot build it; build the "
                "module yourself and call ticket.restore(module)"
            )
        a = self.architecture
        model = GNN(a.in_channels, a.out_channels, a.model, get_backend(backend))
        self.restore(model)
        return model.eval()

    def restore(self, module: nn.Module) -> None:
        """Freeze a module as the ticket's source and put the ticket's masks into it, in place.

        The mask becomes scores of 1 (kept) and 0 (removed), which select exactly that mask.

        Raises:
            TicketError: if the module is not the ticket's architecture, or if this machine does not
                regenerate the ticket's weights.
        """
        freeze(module, self.config)
        weights = frozen_weights(module)
        expected = {w.name: w.counts.searched for w in weights}
        found = {name: mask.numel() for name, mask in self.masks.items()}
        if expected != found:
            different = sorted(set(expected.items()) ^ set(found.items()))
            raise TicketError(
                "the ticket does not fit the network; searched weights differ for "
                + ", ".join(sorted({name for name, _ in different}))
            )
        source = FrozenCounts.sum(w.counts for w in weights)
        if source != self.source:
            raise TicketError(f"the ticket says {self.source}, but its source has {source}")
        if weights_checksum(module) != self.weights_checksum:
            kept = ", ".join(_other_state(module)) or "none"
            raise TicketError(
                "the network regenerated from the seed is not the one of the search: the seed or "
                "the freezing config is wrong, or the module holds other values that a ticket does "
                f"not carry, such as running statistics (here: {kept})"
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

    def size(self) -> TicketSize:
        """Weights, bits and bytes of the ticket."""
        searched = sum(mask.numel() for mask in self.masks.values())
        kept = sum(int(mask.sum()) for mask in self.masks.values())
        source = self.source
        return TicketSize(
            total=source.total,
            searched=searched,
            pruned=source.pruned,
            locked=source.locked,
            kept=kept + source.locked,
            bits=searched,
            bytes=len(self.to_bytes()),
        )

    def save(self, path: str | Path) -> None:
        """Write the ticket file, at once or not at all."""
        with replacing(Path(path)) as temporary:
            temporary.write_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """The content of the ticket file."""
        tensors = {name: pack(mask) for name, mask in self.masks.items()}
        values = {
            "version": FORMAT_VERSION,
            "gslt": __version__,
            "freeze": dataclasses.asdict(self.config),
            "architecture": self.architecture and dataclasses.asdict(self.architecture),
            "source": dataclasses.asdict(self.source),
            "searched": {name: mask.numel() for name, mask in self.masks.items()},
            "weights_sha256": self.weights_checksum,
            "dataset": self.dataset,
            "split": self.split,
            "results": self.results,
        }
        # One key, with the checksum in front: safetensors writes several in a random order.
        text = json.dumps(values, separators=(",", ":"))
        return safetensors.torch.save(tensors, {KEY: f"{file_checksum(text, tensors)} {text}"})


def load_ticket(path: str | Path) -> Ticket:
    """Read a ticket file.

    Raises:
        TicketError: if the file is missing, damaged, no ticket, or of another format version.
    """
    path = Path(path)
    if not path.is_file():
        raise TicketError(f"there is no ticket file {str(path)!r}")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return _parse(_read_metadata(path, metadata, tensors), tensors)
    except (safetensors.SafetensorError, LookupError, TypeError, ValueError, OSError) as error:
        raise TicketError(f"{str(path)!r} is damaged or no ticket: {error}") from error


def _read_metadata(
    path: Path, metadata: dict[str, str], tensors: dict[str, Tensor]
) -> dict[str, Any]:
    if KEY not in metadata:
        raise TicketError(f"{str(path)!r} is a safetensors file but no ticket")
    checksum, _, text = metadata[KEY].partition(" ")
    if file_checksum(text, tensors) != checksum:
        raise TicketError(f"{str(path)!r} is damaged: its content does not match its checksum")
    values: dict[str, Any] = json.loads(text)
    if values["version"] != FORMAT_VERSION:
        raise TicketError(
            f"{str(path)!r} has ticket format version {values['version']}; this gslt "
            f"({__version__}) reads version {FORMAT_VERSION}, the file was written by gslt "
            f"{values.get('gslt', 'of unknown version')}"
        )
    return values


def _parse(values: dict[str, Any], tensors: dict[str, Tensor]) -> Ticket:
    searched: dict[str, int] = dict(values["searched"])
    if set(searched) != set(tensors):
        raise TicketError("the ticket file lists other layers than it holds masks for: damaged")
    architecture = values["architecture"]
    if architecture is not None:
        model = build(ModelConfig, architecture["model"])
        architecture = build(Architecture, {**architecture, "model": model})
    return Ticket(
        config=build(FreezeConfig, values["freeze"]),
        masks={name: unpack(tensors[name], count) for name, count in searched.items()},
        source=build(FrozenCounts, values["source"]),
        weights_checksum=values["weights_sha256"],
        architecture=architecture,
        dataset=str(values["dataset"]),
        split=int(values["split"]),
        results={str(name): float(value) for name, value in dict(values["results"]).items()},
    )


def pack(mask: Tensor) -> Tensor:
    """Boolean ``(m,)`` → uint8 ``(⌈m / 8⌉,)``, least significant bit first."""
    return torch.from_numpy(np.packbits(mask.cpu().numpy(), bitorder="little"))


def unpack(packed: Tensor, count: int) -> Tensor:
    """Inverse of :func:`pack`.

    Raises:
        TicketError: if the bytes do not fit the count.
    """
    if packed.dtype != torch.uint8 or packed.shape != ((count + 7) // 8,):
        raise TicketError(f"a mask of {count} bits is stored as {packed.dtype} {packed.shape}")
    bits = np.unpackbits(packed.numpy(), count=count, bitorder="little")
    return torch.from_numpy(bits.astype(bool))


def file_checksum(text: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 over the metadata, then name and packed mask of each layer in name order."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(name.encode() + b"\0" + tensors[name].numpy().tobytes())
    return digest.hexdigest()


def weights_checksum(module: nn.Module) -> str:
    """SHA-256 over the regenerated network, layer by layer in the order of its parameters.

    Each layer contributes its name, a zero byte, its random weights as little-endian float32 with
    pruned ones set to zero, and its ternary freezing pattern as int8. Then follows every other
    value that the module's state holds, by name (biases, running statistics): a ticket does not
    carry them, so they must be the same wherever it is restored.
    """
    digest = hashlib.sha256()
    for weight in frozen_weights(module):
        values, pattern = weight.regenerated()
        digest.update(weight.name.encode() + b"\0")
        digest.update(values.cpu().numpy().astype("<f4").tobytes())
        digest.update(pattern.cpu().numpy().tobytes())
    for name, value in _other_state(module).items():
        digest.update(name.encode() + b"\0" + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _other_state(module: nn.Module) -> dict[str, Tensor]:
    scores = {id(weight.score()) for weight in frozen_weights(module)}
    state = module.state_dict(keep_vars=True)
    return {name: value for name, value in state.items() if id(value) not in scores}


def _single_source(module: nn.Module) -> list[FrozenWeight]:
    weights = frozen_weights(module)
    if not weights:
        raise TicketError(f"{type(module).__name__} is not frozen, so it holds no ticket")
    if len({id(weight.supermask) for weight in weights}) > 1:
        raise TicketError(
            "the layers were frozen one by one, each with a threshold of its own; "
            "gslt.freeze(module, config) makes them one source network, which a ticket can hold"
        )
    return weights
