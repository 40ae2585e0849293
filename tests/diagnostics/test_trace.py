"""The frame and the picture of what a probe measured."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_geometric import nn as pyg

import gslt
from gslt.diagnostics import MEASURES, Topology, measure, probe
from gslt.diagnostics.trace import Trace
from gslt.environment import import_quietly
from gslt.errors import ConfigError, GsltWarning

GUIDE = Path(gslt.__file__).parents[1] / "docs" / "diagnostics.md"

# A triangle with a tail.
EDGES = torch.tensor([[0, 1, 2, 2, 1, 2, 0, 3], [1, 2, 0, 3, 0, 1, 2, 2]])
PATH = Topology.of(EDGES, 4)
X = torch.eye(4)


class Plain(nn.Module):
    """A GCN as users write it."""

    def __init__(self, depth: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        widths = [4, *[5] * (depth - 1), 2]
        self.convs = nn.ModuleList(map(pyg.GCNConv, widths[:-1], widths[1:]))

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        for conv in self.convs[:-1]:
            x = conv(x, edge_index).relu()
        out: Tensor = self.convs[-1](x, edge_index)
        return out


def traced(model: nn.Module, *calls: Tensor, **options: Any) -> Trace:
    with probe(model, PATH, **options) as trace, torch.no_grad():
        for x in calls:
            model(x, EDGES)
    return trace


def panels(figure: Any) -> list[Any]:
    return [axes for axes in figure.axes if axes.axison]


def models() -> list[nn.Module]:
    torch.manual_seed(0)
    sequence = [
        (pyg.GCNConv(4, 5), "x, edges -> x"),
        nn.ReLU(),
        (pyg.GCNConv(5, 2), "x, edges -> x"),
    ]
    return [
        Plain(2),
        pyg.models.GCN(4, 5, num_layers=2, out_channels=2),
        pyg.Sequential("x, edges", sequence),
    ]


@pytest.mark.parametrize("model", models(), ids=lambda model: type(model).__name__)
def test_a_plain_gcn_of_pyg(model: nn.Module) -> None:
    trace = traced(model, X)
    assert (trace.laplacian, trace.propagation) == ("augmented", "GCNConv")
    found = trace.frame()
    assert list(found.index) == [1, 2]
    assert list(found["width"]) == [5, 2]
    assert set(found["laplacian"]) == {"augmented"}
    # Energy of each layer's own result, worked out from what the layer gives.
    with torch.no_grad():
        out = model(X, EDGES)
    expected = measure(out, PATH, "augmented").dirichlet_energy
    assert found["dirichlet_energy"][2] == pytest.approx(expected, rel=1e-6)
    assert trace.plot("dirichlet_energy").axes[0].get_yscale() == "log"


def test_a_plain_graph_conv_of_dgl() -> None:
    try:
        dgl, host = import_quietly("dgl"), import_quietly("dgl.nn.pytorch")
    except ImportError:
        pytest.skip("DGL is not installed")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = host.GraphConv(4, 5), host.GraphConv(5, 2)

        def forward(self, graph: Any, x: Tensor) -> Tensor:
            out: Tensor = self.second(graph, self.first(graph, x).relu())
            return out

    model, graph = Net(), dgl.graph((EDGES[0], EDGES[1]))
    for given, laplacian in ((graph, "symmetric"), (dgl.add_self_loop(graph), "augmented")):
        with probe(model, given) as trace, torch.no_grad():
            out = model(given, X)
        assert (trace.laplacian, trace.propagation) == (laplacian, "GraphConv")
        expected = measure(out, PATH, laplacian).dirichlet_energy
        assert trace.frame()["dirichlet_energy"][2] == pytest.approx(expected, rel=1e-6)
        assert f"{laplacian} Laplacian, that of GraphConv" in caption(trace.plot())


def caption(figure: Any) -> str:
    return " ".join(figure.get_supxlabel().split())


def test_a_frame_is_layer_by_measure() -> None:
    trace = traced(Plain(), X, 2 * X)
    found = trace.frame()
    assert list(found.columns) == [
        *("call", "module", "step", "width", "laplacian"),
        *(name for name, entry in MEASURES.items() if not entry.sampled),
    ]
    assert list(found["module"]) == ["convs.0", "convs.1", "convs.2"]
    assert found.index.name == "layer"
    assert set(found["call"]) == {1}
    assert set(trace.frame(call=0)["call"]) == {0}
    assert list(trace.frame(call=None)["call"]) == [0, 0, 0, 1, 1, 1]
    steps = trace.frame(call=0, step=None)
    assert list(steps["step"][:4]) == ["input", "projection", "aggregation", "layer"]
    assert len(trace.frame(call=None, step=None)) == len(trace.readings) == len(trace.rows())
    assert list(trace.frame(step="aggregation").index) == [1, 2, 3]
    for call in (2, -3):
        with pytest.raises(ConfigError, match=f"that was measured, 0, 1, got {call}"):
            trace.frame(call=call)
    wrong: Any = "agregation"
    with pytest.raises(ConfigError, match="did you mean aggregation"):
        trace.frame(step=wrong)
    assert traced(Plain()).frame().empty


def test_calls_on_fewer_nodes_keep_their_numbers_and_are_told() -> None:
    model, fewer = Plain(), EDGES[:, EDGES.amax(0) < 3]
    told = pytest.warns(GsltWarning, match="nothing was measured in 2 of 4 calls of the model")
    with told, probe(model, PATH) as trace, torch.no_grad():
        model(X[:3], fewer)
        model(X, EDGES)
        model(X, EDGES)
        model(X[:3], fewer)
    assert set(trace.frame()["call"]) == set(trace.frame(call=2)["call"]) == {2}
    assert set(trace.frame(call=1)["call"]) == set(trace.frame(call=-2)["call"]) == {1}
    for call in (0, 3):
        with pytest.raises(ConfigError, match=f"that was measured, 1, 2, got {call}"):
            trace.plot(call=call)


def test_a_picture_has_a_panel_for_each_measure() -> None:
    trace = traced(Plain(), X)
    drawn = panels(trace.plot())
    # Measures of classes need labels, and have no panel without.
    assert [axes.get_title(loc="left") for axes in drawn] == [
        entry.title for entry in MEASURES.values() if not (entry.sampled or entry.labelled)
    ]
    assert [axes.get_yscale() == "log" for axes in drawn[:3]] == [True, False, True]
    (line,) = drawn[1].get_lines()
    assert list(line.get_xdata()) == [1, 2, 3]
    assert list(line.get_ydata()) == list(trace.frame()["rayleigh_quotient"])
    figure = trace.plot("mad", "collapse", title="mine")
    assert [axes.get_title(loc="left") for axes in panels(figure)] == [
        MEASURES["mad"].title,
        MEASURES["collapse"].title,
    ]
    assert figure.get_suptitle() == "mine"
    assert "Grey: layers that are not 5 wide" in caption(figure)
    assert traced(Plain(), X).plot().get_suptitle() == "Plain, layer by layer"


def test_nothing_is_cut_off() -> None:
    for asked in ((), ("dirichlet_energy",), ("mad", "collapse")):
        figure = traced(Plain(20), X).plot(*asked)
        figure.draw_without_rendering()
        outer = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
        width, height = figure.bbox.size
        assert outer.x0 >= 0
        assert outer.y0 >= 0
        assert outer.x1 <= width
        assert outer.y1 <= height


def test_zero_is_marked_on_a_logarithmic_axis() -> None:
    model = Plain()
    with torch.no_grad():
        model.convs[1].lin.weight.zero_()
    trace = traced(model, X)
    assert list(trace.frame()["dirichlet_energy"])[1:] == [0, 0]
    (axes,) = panels(trace.plot("dirichlet_energy"))
    line, marks = axes.get_lines()
    assert [math.isnan(y) for y in line.get_ydata()] == [False, True, True]
    assert list(marks.get_xdata()) == [2, 3]
    assert "Hollow triangles: zero" in caption(trace.plot("dirichlet_energy"))


def test_what_cannot_be_drawn_is_said() -> None:
    trace = traced(Plain(), X, only=["mad", "nc1"])
    with pytest.raises(ConfigError, match=r"must be one of mad, nc1, got 'collapse'"):
        trace.plot("collapse")
    with pytest.raises(ConfigError, match=r"nc1 has no value at any layer .* have one: mad"):
        trace.plot("nc1")
    with pytest.raises(ConfigError, match="no layer was measured: call the model within"):
        traced(Plain()).plot()


def test_the_guides_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are marked by a picture that they write."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    written = [block for block in blocks if "savefig" in block]
    assert len(written) == 2
    for block in written:
        if "dgl" in block:
            pytest.importorskip("dgl")
        exec(block, {})
    energies = [tmp_path / name for name in ("energy.png", "energy-dgl.png")]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in energies if path.exists())
    assert energies[0].exists()
