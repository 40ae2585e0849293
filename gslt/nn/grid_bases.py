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

from gslt.nn.bases import Basis, expect, mixed
from gslt.nn.graph import Graph

Int64 = npt.NDArray[np.int64]

#: Places that a 3 × 3 kernel looks at, row by row: (down, right).
TAPS = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
_CENTRE = 4


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
        """Which element the product of two is; the second acts first."""
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
        expect(x.dim() == 4, "(batch, channels, height, width)", x)
        return _convolved(x, weight)


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
        expect(x.dim() == 4, "(batch, channels, height, width)", x)
        kernel = weight[:, :, _on(self.group.taps, weight)].transpose(1, 2)
        out = _convolved(x, kernel.flatten(0, 1))
        return out.reshape(len(x), -1, self.group.size, *x.shape[2:])

    def constant(self, x: Tensor, weight: Tensor) -> Tensor:
        """The same image for every element of the group, ``(B, q, |G|, H, W)``."""
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
        self._table = 9 * group.relative[:, :, None] + group.taps[:, None, :]

    def apply(self, x: Tensor, weight: Tensor, graph: Graph | None) -> Tensor:
        """Fields ``(B, q, |G|, H, W)`` of fields x ``(B, p, |G|, H, W)`` and w ``(q, p, K)``."""
        expect_regular(x, self.group)
        kernel = weight[:, :, _on(self._table, weight)].transpose(1, 2)
        out = _convolved(x.flatten(1, 2), kernel.flatten(2, 3).flatten(0, 1))
        return out.reshape(len(x), -1, *x.shape[2:])


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
            expect(x.dim() == 4, "(batch, channels, height, width)", x)
        else:
            expect_regular(x, self.group)
        return mixed(x.flatten(2).mean(2), weight[:, :, 0])

    def constant(self, x: Tensor, weight: Tensor) -> Tensor:
        """The same as of any field."""
        return self.apply(x, weight, None)


def expect_regular(x: Tensor, group: PlaneGroup) -> None:
    """Refuses what is no regular field of a group.

    Args:
        x: a field.
        group: C4 or D4.

    Raises:
        ConfigError: if its shape is another.
    """
    good = x.dim() == 5 and x.size(2) == group.size
    expect(good, f"(batch, channels, {group.size}, height, width)", x)


def _convolved(x: Tensor, kernel: Tensor) -> Tensor:
    """Images ``(B, q, H, W)`` of images ``(B, p, H, W)`` and kernels ``(q, p, 9)``."""
    return F.conv2d(x, kernel.reshape(*kernel.shape[:2], 3, 3), padding=1)


def _on(table: Int64, weight: Tensor) -> Tensor:
    return torch.as_tensor(table, device=weight.device)
