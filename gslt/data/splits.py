"""Random splits for graphs that come without one."""

from __future__ import annotations

import torch
from torch import Tensor

from gslt.errors import ConfigError, DataError
from gslt.random import Stream


def random_split(
    y: Tensor, fractions: tuple[float, float, float] = (0.6, 0.2, 0.2), seed: int = 0
) -> dict[str, Tensor]:
    """Split the labelled nodes at random within each class.

    Args:
        y: labels, int64 ``(N,)``, −1 for unlabelled nodes, which stay out of every split.
        fractions: of training, validation and test nodes; each above 0, together at most 1.
        seed: names the random stream; the same seed gives the same split everywhere.

    Returns:
        ``{"train_mask", "val_mask", "test_mask"}``, bool ``(N,)`` each: keyword arguments of
        :func:`gslt.data.as_dataset`.

    Raises:
        ConfigError: if the fractions break their rule.
        DataError: if y is not int64 ``(N,)``, or has too few nodes to fill three splits.
    """
    if len(fractions) != 3 or min(fractions) <= 0 or sum(fractions) > 1 + 1e-9:
        raise ConfigError(
            f"fractions must be three numbers above 0 with a sum of at most 1, got {fractions}; "
            "for example (0.6, 0.2, 0.2)"
        )
    if y.dim() != 1 or y.dtype != torch.int64:
        raise DataError(f"y must be int64 of shape (nodes,), got {y.dtype} {tuple(y.shape)}")
    order = torch.from_numpy(Stream(seed, "random_split", "split").permutation(len(y)))
    shuffled = y.cpu()[order]
    masks = {f"{name}_mask": torch.zeros(len(y), dtype=torch.bool) for name in _NAMES}
    for label in torch.unique(shuffled[shuffled >= 0]):
        members = order[shuffled == label]
        ends = [round(sum(fractions[: i + 1]) * len(members)) for i in range(3)]
        for mask, start, end in zip(masks.values(), [0, *ends], ends, strict=False):
            mask[members[start:end]] = True
    for name, mask in masks.items():
        if not mask.any():
            raise DataError(
                f"{name} would be empty with fractions {fractions} of {int((y >= 0).sum())} "
                "labelled nodes; give larger fractions or label more nodes"
            )
    return {name: mask.to(y.device) for name, mask in masks.items()}


_NAMES = ("train", "val", "test")
