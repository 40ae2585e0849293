r"""Bases of the 3 × 3 convolutions: of images, and of fields over the rotations and reflections.

A regular field :math:`f(g, y)` has one number for every element g of C4 (turns by 90°) or D4 (turns
and mirror images) at every place y; the group acts by :math:`(hf)(g, y) = f(h^{-1}g, h^{-1}y)`
(Cohen and Welling 2016, "Group equivariant convolutional networks", arXiv 1602.07576). With a
kernel ψ of taps t, over relative elements where the input is regular, the maps are

.. math:: (\psi x)(g, y) = \sum_t \psi(g^{-1}t)\, x(y + t), \qquad
    (\psi f)(g, y) = \sum_{g', t} \psi(g^{-1}g', g^{-1}t)\, f(g', y + t),

so an element of the basis is one tap at one relative element: it moves numbers and interpolates
none. Images end in zeros, as far as a kernel looks beyond their border: turns commute with that
exactly, translations where nothing but zeros crosses the border.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from gslt.nn.bases import Basis, expect, mix_channels
from gslt.nn.graph import Graph

Int64 = npt.NDArray[np.int64]

#: Places that a 3 × 3 kernel looks at, row by row: (down, right).
TAPS = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
_CENTRE = 4
#: Entries of kernels that are made of coefficients at a time, unless one element has more.
_KERNEL = 1 << 23


class PlaneGroup:
    """The turns of the plane by 0°, 90°, 180°, 270°, and maybe the same after a mirroring.

    >>> PlaneGroup(flips=True).product(1, 4)
    5

    Args:
        flips: D4, of 8 elements, in place of C4, of 4.
    """

    def __init__(self, flips: bool) -> None:
        turn, mirror = np.array([[0, -1], [1, 0]]), np.array([[1, 0], [0, -1]])
        turns = [np.linalg.matrix_power(turn, k) for k in range(4)]
        #: Matrices of the elements, on (down, right), ``(|G|, 2, 2)``; the neutral one comes first.
        self.elements = np.stack(turns + [each @ mirror for each in turns] * flips)
        self.size = len(self.elements)
        backwards = self.elements.transpose(0, 2, 1)
        #: Which element :math:`g^{-1} g'` is, ``(|G|, |G|)``.
        self.relative = self._which(np.einsum("gij,hjk->ghik", backwards, self.elements))
        #: Which tap :math:`g^{-1} t` is, ``(|G|, 9)``.
        self.taps = np.einsum("gij,tj->gti", backwards, TAPS) @ [3, 1] + _CENTRE

    def _which(self, matrices: Int64) -> Int64:
        """Which elements some matrices ``(…, 2, 2)`` are."""
        same = (matrices[..., None, :, :] == self.elements).all((-2, -1))
        places: Int64 = np.argmax(same, -1)
        return places

    def product(self, first: int, second: int) -> int:
        """Which element the product of two is.

        Args:
            first: number of an element.
            second: of the one that acts first.
        """
        return int(self._which(self.elements[first] @ self.elements[second]))

    def turned(self, x: Tensor, element: int) -> Tensor:
        """Images that an element has acted on: :math:`(hx)(y) = x(h^{-1}y)`.

        Args:
            x: images ``(…, H, W)``.
            element: which one, 0 … |G| − 1.
        """
        mirrored = x.flip(-1) if element >= 4 else x
        return torch.rot90(mirrored, element % 4, (-2, -1))

    def acted(self, x: Tensor, element: int) -> Tensor:
        """Regular fields that an element has acted on: :math:`f(h^{-1}g, h^{-1}y)`.

        Args:
            x: fields ``(batch, channels, |G|, H, W)``.
            element: which one, 0 … |G| − 1.
        """
        return self.turned(x[:, :, self.relative[element].tolist()], element)


C4, D4 = PlaneGroup(flips=False), PlaneGroup(flips=True)


class Shifts(Basis):
    """Maps of images that commute with translations and look at 3 × 3 places.

    Element k is :math:`(B_k x)(y) = x(y + t_k)`, of the taps row by row.
    """

    size = own_size = 9
    identity = _CENTRE

    def apply(self, x: Tensor, weight: Tensor, graph: Graph | None) -> Tensor:
        """Images ``(B, q, H, W)`` of images x ``(B, p, H, W)`` and w ``(q, p, 9)``."""
        _expect_images(x)
        return F.conv2d(x, weight.reshape(*weight.shape[:2], 3, 3), padding=1)


class Lifting(Basis):
    """Maps of images to regular fields: K = 9 taps.

    The maps of an image to an image that commute with the group are sums of three: the centre, the
    four taps beside it, and the corners.

    Args:
        group: C4 or D4.
    """

    size, own_size = 9, 3

    def __init__(self, group: PlaneGroup) -> None:
        self.group = group

    def apply(self, x: Tensor, weight: Tensor, graph: Graph | None) -> Tensor:
        """Fields ``(B, q, |G|, H, W)`` of images x ``(B, p, H, W)`` and w ``(q, p, 9)``."""
        _expect_images(x)
        return _over_group(x, weight, self.group.taps)

    def constant(self, x: Tensor, weight: Tensor) -> Tensor:
        """The same image for every element of the group, ``(B, q, |G|, H, W)``."""
        _expect_images(x)
        return super().constant(x, weight).unsqueeze(2).expand(-1, -1, self.group.size, -1, -1)


class Regular(Basis):
    """Maps of regular fields to regular fields: K = 9 |G|, tap t at relative element u is 9 u + t.

    Args:
        group: C4 or D4.
    """

    identity = _CENTRE

    def __init__(self, group: PlaneGroup) -> None:
        self.group = group
        self.size = self.own_size = 9 * group.size
        table = 9 * group.relative[:, :, None] + group.taps[:, None, :]
        self._table = table.reshape(group.size, -1)

    def apply(self, x: Tensor, weight: Tensor, graph: Graph | None) -> Tensor:
        """Fields ``(B, q, |G|, H, W)`` of fields x ``(B, p, |G|, H, W)`` and w ``(q, p, K)``."""
        _expect_regular(x, self.group)
        return _over_group(x.flatten(1, 2), weight, self._table)


class Mean(Basis):
    """Invariants of images, or of regular fields: the mean over everything but channels.

    Args:
        group: C4 or D4 of regular fields; None for images.
    """

    identity = _CENTRE

    def __init__(self, group: PlaneGroup | None = None) -> None:
        self.group = group
        self.own_size = 9 * (group.size if group else 1)

    def apply(self, x: Tensor, weight: Tensor, graph: Graph | None) -> Tensor:
        """Numbers ``(B, q)`` of a field x ``(B, p, …)`` and w ``(q, p, 1)``."""
        if self.group is None:
            _expect_images(x)
        else:
            _expect_regular(x, self.group)
        return mix_channels(x.flatten(2).mean(2), weight[:, :, 0])

    def constant(self, x: Tensor, weight: Tensor) -> Tensor:
        """The same as of any field."""
        return self.apply(x, weight, None)


def _expect_images(x: Tensor) -> None:
    expect(x.dim() == 4, "(batch, channels, height, width)", x)


def _expect_regular(x: Tensor, group: PlaneGroup) -> None:
    good = x.dim() == 5 and x.size(2) == group.size
    expect(good, f"(batch, channels, {group.size}, height, width)", x)


def _over_group(x: Tensor, weight: Tensor, table: Int64) -> Tensor:
    """One convolution for every element of a group, ``(B, q, |G|, H, W)``.

    Where the kernels of all elements are large, those of a few are made at a time.

    Args:
        x: images ``(B, maps, H, W)``, all maps of a channel in turn.
        weight: coefficients ``(q, p, K)``.
        table: which coefficient each entry of a kernel is, ``(|G|, maps of a channel × 9)``.
    """
    step = max(1, _KERNEL // max(1, weight.numel()))
    parts = []
    for some in torch.split(torch.from_numpy(table).to(weight.device), step):
        kernel = weight[:, :, some].transpose(1, 2).flatten(2).flatten(0, 1)
        out = F.conv2d(x, kernel.reshape(len(kernel), -1, 3, 3), padding=1)
        parts.append(out.reshape(len(x), len(weight), len(some), *out.shape[2:]))
    return torch.cat(parts, 2) if len(parts) > 1 else parts[0]
