"""One set of images that are classified, its rules, and how a training batch is varied."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gslt.data.labelled import (
    Facts,
    LabelledData,
    check_classes,
    check_devices,
    check_judged,
    check_splits,
    check_type,
    first_true,
)
from gslt.errors import DataError
from gslt.random import Stream

#: Pixels of an image's side, and how far one is shifted at most.
SIDE, SHIFT = 32, 4
#: Images that are summed at a time.
_BLOCK = 1 << 12


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageDataset(LabelledData):
    """N images of 32 × 32 pixels and C channels with a class each, checked when it is made.

    Raises:
        DataError: if a part breaks a rule below; the message names the first offending entry.
    """

    item: ClassVar[str] = "image"
    x: Tensor
    """Pixels, uint8 ``(N, C, 32, 32)``, 0 … 255."""
    y: Tensor
    """Classes, int64 ``(N,)``, 0 … num_classes − 1."""

    def _check(self) -> None:
        try:
            _check_images(self)
            check_classes(self)
            check_splits(self)
            check_judged(self)
        except DataError as error:
            raise DataError(f"data set {self.name!r}: {error}") from None

    @property
    def counts(self) -> dict[str, int]:
        """Images, channels and classes."""
        counts = {"images": self.num_items, "channels": self.num_features}
        return {**counts, "classes": self.num_classes}

    @cached_property
    def constants(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel over the training images, float32 ``(C,)``.

        Of pixels in [0, 1]. A channel that never varies is left as it is.
        """
        total = torch.zeros(2, self.num_features, dtype=torch.int64)
        places = self.train_mask.nonzero().flatten()
        for start in range(0, len(places), _BLOCK):
            pixels = self.x[places[start : start + _BLOCK]].long()
            sums = torch.stack([each.sum((0, 2, 3)) for each in (pixels, pixels.square())])
            total += sums.cpu()
        # Whole numbers, so that neither order nor blocks change a bit.
        mean, square = total.double() / (len(places) * SIDE * SIDE)
        deviation = (square - mean.square()).clamp(min=0.0).sqrt()
        deviation = torch.where(deviation > 0, deviation, 255.0)
        device = self.x.device
        return (mean / 255).float().to(device), (deviation / 255).float().to(device)

    def normalised(self, pixels: Tensor) -> Tensor:
        """(pixels / 255 − mean) / deviation with :attr:`constants`, float32.

        Args:
            pixels: uint8 ``(n, C, 32, 32)``.
        """
        mean, deviation = (each.view(1, -1, 1, 1) for each in self.constants)
        return (pixels.float() / 255 - mean) / deviation

    def _content(self) -> Iterator[Tensor]:
        yield from (self.x, self.y, *self.splits.values())

    def _facts(self) -> Facts:
        mean, deviation = (each.tolist() for each in self.constants)
        return {
            "name": self.name,
            "synthetic": self.synthetic,
            "source": self.source,
            **self.counts,
            "content_hash": self.content_hash,
            "labelled": self.num_items,
            "mean": ", ".join(f"{each:.4f}" for each in mean),
            "deviation": ", ".join(f"{each:.4f}" for each in deviation),
            **{name: int(mask.sum()) for name, mask in self.splits.items()},
            "task": self.task,
            "metric": self.metric,
            **({"evaluator": self.evaluator_name} if self.has_own_measure else {}),
            **{f"{name}_majority_rate": rate for name, rate in self.majority_rate().items()},
        }

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {int(mask.sum()):,}" for name, mask in self.splits.items())
        synthetic = "synthetic, " if self.synthetic else ""
        return (
            f"ImageDataset({self.name!r}, {synthetic}{self.num_items:,} images, "
            f"{self.num_features} channels, {self.num_classes} classes; {sizes})"
        )


def _check_images(data: ImageDataset) -> None:
    check_type("x", data.x, torch.uint8, f"(images, channels, {SIDE}, {SIDE})", 4)
    if 0 in data.x.shape or tuple(data.x.shape[2:]) != (SIDE, SIDE):
        raise DataError(
            f"x has shape {tuple(data.x.shape)}; a set needs at least one image of {SIDE} × {SIDE} "
            "pixels and one channel"
        )
    if data.task != "multiclass":
        raise DataError(f"task must be 'multiclass' for images, got {data.task!r}")
    number = data.num_classes
    if isinstance(number, bool) or not isinstance(number, int) or number < 2:
        raise DataError(f"num_classes must be an integer of at least 2, got {number!r}")
    check_type("y", data.y, torch.int64, "(images,)", 1)
    check_devices(data, "y", "train_mask", "val_mask", "test_mask")
    if len(data.y) != len(data.x):
        raise DataError(f"y holds {len(data.y)} labels for {len(data.x)} images; give one each")
    broken = (data.y < 0) | (data.y >= number)
    if broken.any():
        (image,) = first_true(broken)
        raise DataError(
            f"y[{image}] is {data.y[image].item()}, but labels are 0 … {number - 1}; relabel it or "
            "raise num_classes"
        )


def train_and_val(
    number: int, seed: int, train: float = 0.8, val: float = 0.2
) -> tuple[Tensor, Tensor]:
    """Which of the first ``number`` images to train and which to validate on.

    The permutation of the stream ``(seed, "images", "split")`` begins with the validation images,
    then come the training images.

    >>> [places.tolist() for places in train_and_val(5, seed=0)]
    [[0, 1, 3, 4], [2]]

    Args:
        number: of images that are no test images, at least 2.
        seed: of the split.
        train: fraction of them to train on.
        val: fraction of them to validate on, rounded down, at least one image.

    Returns:
        Places of training and of validation images in ascending order, int64.
    """
    order = torch.from_numpy(Stream(seed, "images", "split").permutation(number))
    held = max(1, math.floor(val * number + 1e-9))
    taken = max(1, min(number - held, math.floor(train * number + 1e-9)))
    # What is left by rounding is trained on, where no image is left out on purpose.
    end = number if train + val > 1 - 1e-9 else held + taken
    return order[held:end].sort().values, order[:held].sort().values


def some_tested(number: int, seed: int, fraction: float) -> Tensor:
    """Places of a fraction of ``number`` test images, ascending, by ``(seed, "images", "test")``.

    Args:
        number: of test images.
        seed: of the split.
        fraction: rounded down, at least one image.
    """
    order = torch.from_numpy(Stream(seed, "images", "test").permutation(number))
    return order[: max(1, math.floor(fraction * number + 1e-9))].sort().values


@dataclass(frozen=True)
class Variation:
    """How the images of one batch are shifted and mirrored."""

    down: Tensor
    """Rows by which each is shifted, and 4: int64 ``(n,)``, 0 … 8."""
    right: Tensor
    """Columns by which each is shifted, and 4, likewise."""
    mirrored: Tensor
    """Whether left and right are exchanged, bool ``(n,)``."""

    @classmethod
    def drawn(cls, number: int, seed: int, epoch: int) -> Variation:
        """Of every training image in one epoch, from the stream ``(seed, "epoch e", "augment")``.

        Of word w of an image: w mod 9 rows, ⌊w / 9⌋ mod 9 columns, mirrored where ⌊w / 81⌋ is odd.

        Args:
            number: of images.
            seed: of the run.
            epoch: 1 is the first.
        """
        words = Stream(seed, f"epoch {epoch}", "augment").raw(number)
        span = 2 * SHIFT + 1
        parts = (words % span, words // span % span, words // span**2 % 2)
        down, right, mirrored = (torch.from_numpy(part.astype("int64")) for part in parts)
        return cls(down, right, mirrored == 1)

    def of(self, places: Tensor) -> Variation:
        """That of some of the images, by their places ``(m,)``."""
        return Variation(self.down[places], self.right[places], self.mirrored[places])

    def apply(self, x: Tensor) -> Tensor:
        """The images, shifted and mirrored; what comes in from beyond the border is zero.

        Mirroring follows the shift, as after a random crop of the image padded by 4.

        Args:
            x: ``(n, C, H, W)`` of any type.
        """
        number, channels, height, width = x.shape
        padded = F.pad(x, (SHIFT,) * 4)
        across = torch.arange(width, device=x.device).expand(number, -1)
        across = torch.where(self.mirrored.unsqueeze(1).to(x.device), width - 1 - across, across)
        # Shifting to the right is reading from the left.
        rows = torch.arange(height, device=x.device) + (2 * SHIFT - self.down.to(x.device))[:, None]
        columns = across + (2 * SHIFT - self.right.to(x.device))[:, None]
        image = torch.arange(number, device=x.device).view(-1, 1, 1, 1)
        channel = torch.arange(channels, device=x.device).view(1, -1, 1, 1)
        return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
