"""The bases of grids beside escnn, where it is installed.

escnn needs ``lie_learn``, whose wheel needs NumPy below 2; its Fortran part is not needed:
``pip install lie_learn "numpy<2" && pip install --no-deps escnn``. Its D4 fails there.
"""

from __future__ import annotations

import warnings

import pytest
import torch
from equivariance import elements, units
from torch import Tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("escnn", exc_type=ImportError)
    from escnn import gspaces
    from escnn.nn import FieldType, R2Conv

pytestmark = pytest.mark.filterwarnings("ignore")


def maps(lifting: bool, number: int) -> Tensor:
    """Random 3 × 3 maps of escnn, as matrices on 3 × 3 fields, one a row."""
    space = gspaces.rot2dOnR2(4)
    regular = FieldType(space, [space.regular_repr])
    source = FieldType(space, [space.trivial_repr]) if lifting else regular
    torch.manual_seed(0)
    layer = R2Conv(source, regular, 3, bias=False)
    made = []
    for _ in range(number):
        torch.nn.init.normal_(layer.weights)
        kernel = layer.expand_parameters()[0].detach().double()
        x = units((source.size, 3, 3))[:, 0]
        made.append(torch.nn.functional.conv2d(x, kernel, padding=1).flatten(1).T.flatten())
    return torch.stack(made)


@pytest.mark.parametrize(
    ("name", "shape", "dimension"), [("c4", (4, 3, 3), 24), ("c4 lifting", (3, 3), 6)]
)
def test_taps_span_the_maps_of_escnn(name: str, shape: tuple[int, ...], dimension: int) -> None:
    """Its maps are fewer, limited to low frequencies. They are made of single-precision numbers."""
    theirs = maps("lifting" in name, 2 * dimension)
    ours = torch.stack(list(elements(name, shape))).flatten(1)
    values = torch.linalg.svdvals(theirs)
    assert int((values > 1e-5 * values[0]).sum()) == dimension
    inside = torch.linalg.lstsq(ours.T, theirs.T).solution.T @ ours
    torch.testing.assert_close(inside, theirs, rtol=0, atol=1e-6)
