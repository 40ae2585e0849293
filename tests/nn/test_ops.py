"""Products and norms: by hand, against torch, in blocks, in bfloat16, and their gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from graphs import features
from torch import Tensor

from gslt.nn import memory
from gslt.nn.hooks import observing
from gslt.nn.ops import fan_out, linear, norm_relu


@pytest.fixture(params=["one block", "many blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "many blocks":
        monkeypatch.setattr(memory, "BLOCK", 64)


def test_norm_relu_by_hand() -> None:
    # Column (1, 2, 3): μ = 2, σ² = 2/3; column (5, 5, 5): σ² = 0.
    x = torch.tensor([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]], dtype=torch.float64)
    out = norm_relu(x, eps=0.5)
    assert out[:, 0].tolist() == pytest.approx([0, 0, 1 / (2 / 3 + 0.5) ** 0.5])
    assert out[:, 1].tolist() == [0, 0, 0]


@pytest.mark.usefixtures("blocks")
def test_norm_relu_is_batch_norm_and_relu() -> None:
    x = features(37, 5) * 3 + torch.tensor([0.0, 100.0, -5.0, 1e3, 0.1])
    x.requires_grad_()
    expected = F.relu(F.batch_norm(x, None, None, training=True))
    actual = norm_relu(x)
    assert torch.allclose(actual, expected, atol=1e-12)
    weight = features(37, 5, seed=3)
    gradients = [torch.autograd.grad((y * weight).sum(), x)[0] for y in (actual, expected)]
    assert torch.allclose(*gradients, atol=1e-12)


def test_pair_norm_by_hand() -> None:
    # Columns (1, 2, 3) and (5, 5, 8), means 2 and 6: ‖X − mean‖² = 2 + 6 over 6 entries is 4/3.
    x = torch.tensor([[1.0, 5.0], [2.0, 5.0], [3.0, 8.0]], dtype=torch.float64)
    size = (4 / 3) ** 0.5
    out = norm_relu(x, eps=0.0, pooled=True)
    assert out.tolist() == [pytest.approx(row) for row in ([0, 0], [0, 0], [1 / size, 2 / size])]
    # x̃ = s · (x − mean) · √n / ‖X − mean‖ with s = √2, as the paper writes it.
    formula = 2**0.5 * (x - x.mean(0)) * 3**0.5 / (x - x.mean(0)).norm()
    torch.testing.assert_close(out, formula.clamp(min=0))


@pytest.mark.usefixtures("blocks")
def test_pair_norm_is_its_formula_with_its_gradient() -> None:
    x = (features(37, 5) * 3 + torch.tensor([0.0, 100.0, -5.0, 1e3, 0.1])).requires_grad_()
    centred = x - x.mean(0)
    # The mean squared norm of a row is the width, up to ε.
    size = (centred.square().sum() / 37 / 5 + 1e-5).sqrt()
    expected, actual = F.relu(centred / size), norm_relu(x, pooled=True)
    torch.testing.assert_close(actual, expected, atol=1e-12, rtol=1e-12)
    weight = features(37, 5, seed=3)
    gradients = [torch.autograd.grad((y * weight).sum(), x)[0] for y in (actual, expected)]
    torch.testing.assert_close(*gradients, atol=1e-12, rtol=1e-12)
    seen: dict[str, Tensor] = {}
    with observing(seen.__setitem__):
        norm_relu(x, pooled=True)
    torch.testing.assert_close(seen["normalisation"], centred / size)
    assert float(seen["normalisation"].square().sum(1).mean()) == pytest.approx(5, rel=1e-5)


def test_pair_norm_of_a_constant_is_zero() -> None:
    assert norm_relu(torch.full((4, 3), 7.0), pooled=True).tolist() == [[0.0] * 3] * 4


@pytest.mark.usefixtures("blocks")
def test_gradients() -> None:
    x, weight = features(9, 4).requires_grad_(), features(3, 4, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(norm_relu, (x,))
    assert torch.autograd.gradcheck(lambda x: norm_relu(x, pooled=True), (x,))
    assert torch.autograd.gradcheck(linear, (x, weight))
    assert torch.autograd.gradgradcheck(linear, (x, weight))
    assert torch.autograd.gradcheck(fan_out, (x,))
    assert torch.autograd.gradgradcheck(fan_out, (x,))


def test_norm_relu_keeps_its_accuracy_far_from_zero() -> None:
    x = (features(20_000, 3) + 1e4).float()
    exact = F.relu(F.batch_norm(x.double(), None, None, training=True))
    assert torch.allclose(norm_relu(x).double(), exact, atol=5e-3)


def test_fan_out_with_one_consumer() -> None:
    x = features(3, 2).requires_grad_()
    first, second = fan_out(x)
    assert torch.equal(torch.autograd.grad(second.sum(), x)[0], torch.ones_like(x))
    assert torch.equal(first, x)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("native", [False, True])
def test_narrow_products_are_rounded_wide_ones(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gslt.nn.ops.NATIVE_BFLOAT16", native)
    x, weight = features(50, 7).bfloat16(), features(4, 7, torch.float32, seed=2)
    x.requires_grad_()
    weight.requires_grad_()
    grad = features(50, 4, seed=3).bfloat16()
    out = linear(x, weight)
    of_x, of_weight = torch.autograd.grad(out, (x, weight), grad)
    assert (out.dtype, of_x.dtype, of_weight.dtype) == (x.dtype, x.dtype, torch.float32)
    wide, matrix, upstream = (t.detach().double() for t in (x, weight, grad))
    for actual, expected in (
        (out, wide @ matrix.t()),
        (of_x, upstream @ matrix),
        (of_weight, upstream.t() @ wide),
    ):
        error = (actual.double() - expected).abs().max() / expected.abs().max()
        assert error < 0.01


@pytest.mark.usefixtures("blocks")
def test_narrow_norm_has_wide_statistics() -> None:
    x = (features(3000, 6) * 2 + 3).bfloat16().requires_grad_()
    wide = x.detach().double().requires_grad_()
    out, expected = norm_relu(x), F.relu(F.batch_norm(wide, None, None, training=True))
    assert out.dtype == torch.bfloat16
    assert torch.allclose(out.double(), expected, rtol=2**-7, atol=2**-7)
    grad = features(3000, 6, seed=5)
    (narrow,) = torch.autograd.grad(out, x, grad.bfloat16())
    (exact,) = torch.autograd.grad(expected, wide, grad)
    # Values beside the kink may fall on its other side.
    close = torch.isclose(narrow.double(), exact, rtol=0.02, atol=0.02)
    assert close.float().mean() > 0.99


def test_other_shapes_and_types_go_to_torch() -> None:
    weight = features(3, 4)
    x: Tensor = features(6, 4).view(2, 3, 4)
    assert torch.equal(linear(x, weight), F.linear(x, weight))
    with pytest.raises(RuntimeError, match="dtype"):
        linear(features(2, 4, torch.float32), weight)


def test_double_backward_of_the_norm_is_refused() -> None:
    x = features(5, 2).requires_grad_()
    (grad,) = torch.autograd.grad(norm_relu(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()
