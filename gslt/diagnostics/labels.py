"""Labels and split of a graph's nodes, as measures of classes take them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gslt.diagnostics.topology import is_a
from gslt.errors import DataError, GsltWarning


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """The classes of n nodes, and the split.

    Raises:
        DataError: unless each part has one entry a node, the masks are bool, and labels are
            integers of at most ``num_classes − 1``.
    """

    y: Tensor
    """Labels ``(n,)``: 0 … num_classes − 1, or below 0 for a node without a label."""
    num_classes: int
    """Number of classes."""
    train: Tensor
    """Training nodes, bool ``(n,)``."""
    val: Tensor
    """Validation nodes, bool ``(n,)``."""
    test: Tensor
    """Test nodes, bool ``(n,)``."""

    def __post_init__(self) -> None:
        for name in ("y", "train", "val", "test"):
            if not isinstance(value := getattr(self, name), Tensor):
                raise DataError(f"{name} must be a tensor, got {type(value).__name__}")
        if self.y.dim() != 1 or self.y.is_floating_point() or self.y.dtype == torch.bool:
            shape = tuple(self.y.shape)
            raise DataError(f"y must be integers (n,), a label a node, got {self.y.dtype} {shape}")
        for name in ("train", "val", "test"):
            mask: Tensor = getattr(self, name)
            if mask.dtype != torch.bool or mask.shape != self.y.shape:
                raise DataError(
                    f"{name} must be bool ({len(self.y)},), an entry a label, got {mask.dtype} "
                    f"{tuple(mask.shape)}"
                )
        highest = int(self.y.max()) if len(self.y) else -1
        if highest >= self.num_classes:
            raise DataError(
                f"labels must be below num_classes = {self.num_classes}, got {highest}; number the "
                "classes from 0"
            )

    @classmethod
    def of(cls, graph: Any, given: Labels | None = None) -> Labels | None:
        """Those of a :class:`gslt.NodeDataset`, unless others are given; None of any other graph.

        None also where nodes have several labels, of which there are no classes to separate; a
        warning says so.

        Args:
            graph: whatever :func:`gslt.diagnostics.as_topology` reads.
            given: what is taken in the place of the graph's.

        Raises:
            DataError: if something else than ``Labels`` is given.
        """
        if given is not None:
            if not isinstance(given, cls):
                raise DataError(
                    f"labels must be diagnostics.Labels, got {type(given).__name__}; give "
                    "Labels(y=…, num_classes=…, train=…, val=…, test=…)"
                )
            return given
        if not is_a(graph, "gslt.data.dataset", "NodeDataset"):
            return None
        if graph.task == "multilabel":
            warnings.warn(
                f"nodes of {graph.name!r} have several labels: measures of classes (linear probe, "
                "NC1 and the like) are left out",
                GsltWarning,
                stacklevel=3,
            )
            return None
        masks = {"train": graph.train_mask, "val": graph.val_mask, "test": graph.test_mask}
        return cls(y=graph.y, num_classes=graph.num_classes, **masks)

    def check(self, num_rows: int) -> None:
        """Refuse labels of another number of rows.

        Args:
            num_rows: of the representations.

        Raises:
            DataError: if there are more or fewer.
        """
        if len(self.y) != num_rows:
            raise DataError(
                f"there are {len(self.y)} labels, but {num_rows} rows of representations; give one "
                "label a row, below 0 where there is none"
            )

    def to(self, device: torch.device) -> Labels:
        """The same on a device."""
        if self.y.device == device:
            return self
        masks = {"train": self.train, "val": self.val, "test": self.test}
        moved = {name: mask.to(device) for name, mask in masks.items()}
        return Labels(y=self.y.to(device), num_classes=self.num_classes, **moved)
