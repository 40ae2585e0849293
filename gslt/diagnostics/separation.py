"""How well representations tell classes apart: scatter within and between classes, linear probe."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gslt.diagnostics.labels import Labels
from gslt.diagnostics.representation import Representation, blocks, check_representations

#: Penalties that the linear probe chooses from, as fractions of ‖X_c‖_F² of its training nodes;
#: the strongest first, so that it wins where others are as good.
PENALTIES = tuple(10.0**power for power in range(0, -8, -1))


def nc1(x: Tensor, labels: Labels) -> float:
    r"""NC1, the variability collapse of neural collapse: scatter within over between classes.

    .. math:: \frac{\mathrm{tr}\, S_W}{\mathrm{tr}\, S_B}, \qquad
        \mathrm{tr}\, S_W = \frac{1}{N} Σ_c Σ_{i: y_i = c} ‖x_i − μ_c‖², \qquad
        \mathrm{tr}\, S_B = \frac{1}{N} Σ_c n_c ‖μ_c − μ‖²

    over all N labelled nodes of every split, n_c of them and their mean μ_c in class c, μ the mean
    of all. This is the ratio of traces of Kothapalli et al. 2023 (arXiv 2307.01951), who study it
    in GNNs; with n_c = N/C it is theirs, else classes weigh as much as they have nodes, so that
    S_W + S_B is the scatter of all. Papyan et al. 2020 (arXiv 2008.08186) take
    tr(S_W S_B⁺)/C: that pseudo-inverse jumps where a direction of S_B falls below its cut-off,
    which is what over-smoothing makes directions do; a ratio of traces has no cut-off.

    Axioms of a node-similarity measure (see :func:`gslt.diagnostics.dirichlet_energy`): neither. It
    is the same for scaled, shifted and rotated x.

    Args:
        x: representations ``(n, h)``, any floating-point type.
        labels: of the n nodes.

    Returns:
        A number ≥ 0, and 0 if all nodes of a class are alike; ∞ where the classes' means are one
        and the nodes are not. NaN without labelled nodes, if all are alike (total collapse) up to
        rounding of x's type, or if x is not finite.

    Raises:
        GraphError: unless ``x`` is a dense floating-point matrix.
        DataError: if there is not one label for every row of x.

    >>> x = torch.tensor([[0.0], [2.0], [5.0], [7.0]])
    >>> split = torch.ones(3, 4, dtype=torch.bool)
    >>> y = torch.tensor([0, 0, 1, 1])
    >>> nc1(x, Labels(y=y, num_classes=2, train=split[0], val=split[1], test=split[2]))
    0.16
    """
    return _alone(x, labels).value(nc1_of)


def linear_probe(x: Tensor, labels: Labels) -> float:
    r"""Test accuracy of a linear classifier that is fitted to the representations.

    Ridge regression on the training nodes' one-hot labels, with an intercept that is not penalised:

    .. math:: W = (X_c^⊤ X_c + λ I)^{-1} X_c^⊤ Y_c

    with X_c, Y_c less their means; a node has the class of its highest score. λ is one of
    :data:`PENALTIES` × ‖X_c‖_F², that of the least squared leave-one-out error,
    Σ_i ‖(y_i − ŷ_i)/(1 − H_ii)‖² with the hat matrix H, the largest of equals. Validation and test
    nodes have no part in it. Linear probes: Alain & Bengio 2016 (arXiv 1610.01644); ridge
    regression: Hoerl & Kennard 1970. Nothing is random. Where x is wider than there are training
    nodes the Gram matrix is that of the nodes. The probe is the same for scaled, shifted and
    rotated x.

    Args:
        x: representations ``(n, h)``, any floating-point type.
        labels: of the n nodes, and the split.

    Returns:
        The fraction of test nodes that have their own class: plain accuracy, whatever the data
        set's own measure. Of a total collapse, where all training nodes are alike up to rounding of
        x's type, that of the commonest class of training, the first of equals. A class without a
        training node is never given. NaN without training or test nodes, or if x is not finite.

    Raises:
        GraphError: unless ``x`` is a dense floating-point matrix.
        DataError: if there is not one label for every row of x.

    >>> x = torch.tensor([[0.0], [1.0], [4.0], [5.0], [0.5], [6.0]])
    >>> train = torch.tensor([True, True, True, True, False, False])
    >>> y = torch.tensor([0, 0, 1, 1, 0, 0])
    >>> linear_probe(x, Labels(y=y, num_classes=2, train=train, val=train, test=~train))
    0.5
    """
    return _alone(x, labels).value(linear_probe_of)


def linear_probe_val(x: Tensor, labels: Labels) -> float:
    """Validation accuracy of the linear probe, see :func:`linear_probe`.

    Args:
        x: representations ``(n, h)``, any floating-point type.
        labels: of the n nodes, and the split.

    Raises:
        GraphError: unless ``x`` is a dense floating-point matrix.
        DataError: if there is not one label for every row of x.
    """
    return _alone(x, labels).value(linear_probe_val_of)


def nc1_of(representation: Representation) -> float:
    """See :func:`nc1`; NaN without labels."""
    x, labels = representation.x, representation.labels
    if labels is None or not bool((labels.y >= 0).any()):
        return math.nan
    index = (labels.y >= 0).nonzero().squeeze(1)
    y = labels.y[index]
    count = torch.bincount(y, minlength=labels.num_classes).double()
    # Less one of the rows, so that rows that are all alike are exactly zero.
    origin = x[index[0]].double()
    total = torch.zeros(labels.num_classes, x.size(1), dtype=torch.float64, device=x.device)
    for block, rows in _rows(x, index):
        total.addmm_(_one_hot(y[block], labels.num_classes).T, rows - origin)
    means = total / count.clamp(min=1).unsqueeze(1)
    centre = total.sum(0) / len(index)
    between = float((count * (means - centre).square().sum(1)).sum())
    within = sum(
        float((rows - origin - means[y[block]]).square().sum()) for block, rows in _rows(x, index)
    )
    rounding = _rounding(x, representation.norms[index])
    # Errors of the rows of a class cancel in its mean.
    if between > rounding * labels.num_classes / len(index):
        return within / between
    return math.inf if within > rounding else math.nan


def linear_probe_of(representation: Representation) -> float:
    """See :func:`linear_probe`; NaN without labels."""
    return _accuracy(representation, "test")


def linear_probe_val_of(representation: Representation) -> float:
    """See :func:`linear_probe_val`; NaN without labels."""
    return _accuracy(representation, "val")


@dataclass(frozen=True)
class Ridge:
    """A linear classifier: the class of a row x is that of the highest of xW + b."""

    weight: Tensor
    """W, float64 ``(h, C)``."""
    bias: Tensor
    """b, float64 ``(C,)``."""
    penalty: float
    """λ."""


def ridge_of(representation: Representation) -> Ridge | None:
    """The classifier of :func:`linear_probe`; None without training nodes or labels."""
    x, labels = representation.x, representation.labels
    if labels is None:
        return None
    index = _labelled(labels, labels.train)
    if len(index) == 0:
        return None
    target = _one_hot(labels.y[index], labels.num_classes)
    return ridge(x, index, target, _rounding(x, representation.norms[index]))


def ridge(x: Tensor, index: Tensor, target: Tensor, rounding: float = 0.0) -> Ridge:
    """Ridge regression with an intercept, the penalty by leave-one-out, see :func:`linear_probe`.

    Args:
        x: representations ``(n, h)``, finite.
        index: of the m ≥ 1 rows that are fitted.
        target: what is fitted, float64 ``(m, C)``.
        rounding: ‖X_c‖_F² that counts as none.
    """
    origin = x[index[0]].double()
    shift = torch.stack([(rows - origin).sum(0) for _, rows in _rows(x, index)]).sum(0)
    mean, level = origin + shift / len(index), target.mean(0)
    target = target - level
    squares, axes = _principal(x, index, mean, rounding)
    inner = torch.zeros(len(squares), target.size(1), dtype=torch.float64, device=x.device)
    for block, rows in _rows(x, index):
        inner.addmm_(((rows - mean) @ axes).T, target[block])
    penalties = squares.new_tensor(PENALTIES) * squares.sum()
    best = 0
    if len(squares):
        errors = _left_out(x, index, target, mean, axes, squares, inner, penalties)
        best = int(errors.argmin())
    weight = axes @ (inner / (squares + penalties[best]).unsqueeze(1))
    return Ridge(weight, level - mean @ weight, float(penalties[best]))


def _principal(x: Tensor, index: Tensor, mean: Tensor, rounding: float) -> tuple[Tensor, Tensor]:
    """σ² ``(r,)`` and right singular vectors ``(h, r)`` of X_c, by its smaller Gram matrix."""
    wide = len(index) < x.size(1)
    if wide:
        centred = x[index].double() - mean
        matrix = centred @ centred.T
    else:
        matrix = torch.zeros(x.size(1), x.size(1), dtype=torch.float64, device=x.device)
        for _, rows in _rows(x, index):
            rows = rows - mean
            matrix.addmm_(rows.T, rows)
    if x.size(1) == 0 or float(matrix.trace()) <= rounding:
        return mean[:0], mean.new_empty(x.size(1), 0)
    squares, vectors = (part.to(x.device) for part in torch.linalg.eigh(matrix.cpu()))
    kept = squares > squares[-1] * len(squares) * torch.finfo(torch.float64).eps
    squares, vectors = squares[kept], vectors[:, kept]
    return squares, centred.T @ vectors / squares.sqrt() if wide else vectors


def _left_out(
    x: Tensor,
    index: Tensor,
    target: Tensor,
    mean: Tensor,
    axes: Tensor,
    squares: Tensor,
    inner: Tensor,
    penalties: Tensor,
) -> Tensor:
    """Squared leave-one-out error for each penalty, by the hat matrix of all rows."""
    shrink = 1 / (squares.unsqueeze(1) + penalties)
    coefficients = (inner.unsqueeze(1) * shrink.unsqueeze(2)).flatten(1)
    errors = torch.zeros_like(penalties)
    for block, rows in _rows(x, index):
        scores = (rows - mean) @ axes
        own = scores.square() / squares
        # 1 − H_ii as a sum of what is not negative: no cancellation where the fit is exact.
        free = (1 - 1 / len(index) - own.sum(1, keepdim=True)).clamp(min=0)
        free = free + own @ (penalties * shrink)
        fitted = (scores @ coefficients).view(len(rows), len(penalties), -1)
        left = (target[block].unsqueeze(1) - fitted) / free.unsqueeze(2)
        errors += left.square().sum((0, 2))
    return errors


def _accuracy(representation: Representation, split: str) -> float:
    """Fraction of a split's nodes that the linear probe gives their own class."""
    x, labels = representation.x, representation.labels
    found = representation.shared(ridge_of)
    if labels is None or found is None:
        return math.nan
    index = _labelled(labels, getattr(labels, split))
    if len(index) == 0:
        return math.nan
    y, right = labels.y[index], 0
    for block, rows in _rows(x, index):
        scores = torch.addmm(found.bias, rows, found.weight)
        right += int((scores.argmax(1) == y[block]).sum())
    return right / len(index)


def _alone(x: Tensor, labels: Labels) -> Representation:
    """The representation without a graph."""
    check_representations(x)
    none = torch.empty(2, 0, dtype=torch.int64)
    return Representation.of(x, none, labels=labels)


def _labelled(labels: Labels, mask: Tensor) -> Tensor:
    """Indices of the nodes in a mask that have a label."""
    return (mask & (labels.y >= 0)).nonzero().squeeze(1)


def _one_hot(y: Tensor, num_classes: int) -> Tensor:
    return F.one_hot(y.long(), num_classes).double()


def _rounding(x: Tensor, norms: Tensor) -> float:
    """Sum of squares that rounding to the type of x may have made of rows with these ‖x_i‖²."""
    return float(torch.finfo(x.dtype).eps ** 2 * norms.sum())


def _rows(x: Tensor, index: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Rows of x in float64, block by block, and which of the index they are."""
    for block in blocks(len(index), x.size(1), x.device):
        yield block, x[index[block]].double()
