"""What the error budget of a construction is made of, by hand."""

from __future__ import annotations

import torch

from gslt.nn.equivariant import EquivariantLinear, EquivariantNetwork
from gslt.theory.coefficients import norms_of, size_of_inputs, unit_coefficients, wanted_of


def test_size_of_inputs_is_the_largest_sum_and_one_for_the_bias() -> None:
    layer = EquivariantLinear("linear", 2, 3).double()
    x = torch.tensor([[1.0, -2.0], [0.5, 0.25]], dtype=torch.float64)
    assert size_of_inputs(layer, x, None) == 3.0 + 1.0
    # A tap sees the place or its neighbour, so all nine together see each of the four places once.
    taps = EquivariantLinear("shifts", 1, 1).double()
    image = torch.tensor([[[[1.0, 2.0], [3.0, -4.0]]]], dtype=torch.float64)
    assert size_of_inputs(taps, image, None) == 10.0 + 1.0
    assert norms_of(taps, image, None).tolist() == [1.0] * 9


def test_coefficients_are_divided_by_the_largest_of_weights_and_biases() -> None:
    network = EquivariantNetwork("mlp", (1, 2, 1)).double()
    first = network.layers[0]
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[[0.5]], [[-1.0]]]))
        first.bias.copy_(torch.tensor([[2.0], [0.0]]))
    alpha, beta, scale = wanted_of(first, with_one=True)
    assert scale == 2.0
    # The third unit is constant at 1.
    assert alpha.flatten().tolist() == [0.5, -1.0, 0.0]
    assert beta.flatten().tolist() == [2.0, 0.0, 1.0]
    assert unit_coefficients(network, 0).flatten().tolist() == [0.25, -0.5]
