"""The way out: what a baked module is saved, copied, exported and compiled to, and what is not."""

from __future__ import annotations

import contextlib
import copy
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from graphs import GRAPHS, adjacency, features, mean_matrix, symmetric_matrix
from small_modules import skip_older_torch
from torch import Tensor, nn

import gslt
from gslt.backends.csr import CompiledGraph, CSRGraph
from gslt.backends.pyg import BACKEND, FrozenGCNConv, FrozenGINConv, FrozenSAGEConv
from gslt.environment import import_quietly
from gslt.errors import ConfigError, GraphError
from gslt.masking.parametrization import frozen_weights
from gslt.nn.graph import EdgeList

pyg = import_quietly("torch_geometric.nn")

FROZEN = gslt.FreezeConfig(sparsity=0.5, freezing_ratio=0.4)
NODES, EDGES = GRAPHS["random"]
#: Nodes and edges of another graph than the one that is recorded.
OTHER_NODES, OTHER_EDGES = GRAPHS["self-loops"]

pytestmark = [
    # Recorders of torch warn of their own future, and of what they do not record.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]


class Net(nn.Module):
    """Three layers, a batch norm with statistics, dropout."""

    def __init__(self, gcn: nn.Module, sage: nn.Module, gin: nn.Module) -> None:
        super().__init__()
        self.gcn, self.norm, self.sage, self.gin = gcn, nn.BatchNorm1d(8), sage, gin

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        x = F.relu(self.norm(self.gcn(x, edge_index)))
        x = F.dropout(F.relu(self.sage(x, edge_index)), 0.5, self.training)
        return self.gin(x, edge_index)


def torch_module() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def host_layers() -> nn.Module:
    return Net(pyg.GCNConv(6, 8), pyg.SAGEConv(8, 8), pyg.GINConv(nn.Linear(8, 3)))


def drop_ins() -> nn.Module:
    gin = FrozenGINConv(nn.Linear(8, 3), name="gin")
    return Net(FrozenGCNConv(6, 8, name="gcn"), FrozenSAGEConv(8, 8, name="sage"), gin)


def gnn(architecture: str = "gin", **options: Any) -> gslt.GNN:
    config = gslt.ModelConfig(architecture=architecture, num_layers=3, hidden_channels=8, **options)
    return gslt.GNN(6, 3, config, BACKEND)


BUILT: dict[str, Callable[[], nn.Module]] = {
    "drop-ins": drop_ins,
    "gnn gat": lambda: gnn("gat", heads=2),
    "gnn gcn": lambda: gnn("gcn"),
    "gnn gin": lambda: gnn("gin"),
    "gnn sage": lambda: gnn("sage"),
    "host layers": host_layers,
    "torch": torch_module,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "no edges": {"edges": "none"},
    "no head": {"head": False},
    "no norm": {"batch_norm": False, "unit_gain": True},
    "pair norm": {"batch_norm": False, "pair_norm": True},
    "residual": {"residual": True},
}


def given(module: nn.Module, nodes: int = NODES, edges: Tensor = EDGES) -> tuple[Tensor, ...]:
    x = features(nodes, 6, torch.float32)
    return (x,) if isinstance(module, nn.Sequential) else (x, edges)


def pair(name: str) -> tuple[nn.Module, nn.Module]:
    """A frozen module with running statistics, and the baked one."""
    module = BUILT[name]()
    gslt.freeze(module, FROZEN)
    module(*given(module))
    module.eval()
    if isinstance(module, gslt.GNN):
        return module, gslt.Ticket.of(module).model(baked=True)
    return module, gslt.bake(module)


def exported(module: nn.Module, *, strict: bool = False) -> Callable[..., Tensor]:
    skip_older_torch()
    nodes, number = torch.export.Dim("nodes", min=2), torch.export.Dim("edges", min=2)
    shapes = ({0: nodes}, {1: number})[: len(given(module))]
    inner = list(module.named_parameters())
    program = torch.export.export(
        module,
        given(module),
        dynamic_shapes=(shapes,) if isinstance(module, gslt.GNN) else shapes,
        strict=strict,
    )
    assert {name for name, _ in inner} <= set(program.state_dict)
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    return torch.export.load(file).module()


def compiled(module: nn.Module) -> Callable[..., Tensor]:
    skip_older_torch()
    torch._dynamo.reset()
    return torch.compile(module, backend="aot_eager", fullgraph=True)


def traced(module: nn.Module) -> Callable[..., Tensor]:
    return torch.jit.trace(module, given(module))


def saved(module: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def to_onnx(module: nn.Module, path: Path, *, dynamo: bool = True) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(module, given(module), path, dynamo=dynamo, verbose=False)


#: What a module goes through and computes the same afterwards.
COPIES: dict[str, Callable[[nn.Module], Callable[..., Tensor]]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda module: pickle.loads(pickle.dumps(module)),
    "torch.save": saved,
}
RECORDS: dict[str, Callable[[nn.Module], Callable[..., Tensor]]] = {
    "compile": compiled,
    "export": exported,
    "trace": traced,
}


@pytest.mark.parametrize("way", sorted(COPIES | RECORDS))
@pytest.mark.parametrize("name", sorted(BUILT))
def test_a_baked_module_goes_every_way(name: str, way: str) -> None:
    frozen, baked = pair(name)
    arrived = (COPIES | RECORDS)[way](baked)
    for graph in ((NODES, EDGES), (OTHER_NODES, OTHER_EDGES)):
        inputs = given(baked, *graph)
        with torch.no_grad():
            expected, found = frozen(*inputs), arrived(*inputs)
        assert torch.equal(baked(*inputs), expected)
        assert torch.allclose(found, expected, atol=1e-5)
    if way in COPIES:
        assert torch.equal(COPIES[way](frozen)(*inputs), expected)


@pytest.mark.parametrize("way", ["export strict", *sorted(RECORDS)])
@pytest.mark.parametrize("name", ["drop-ins", "gnn gin", "torch"])
def test_a_frozen_module_says_to_bake(name: str, way: str) -> None:
    frozen, _ = pair(name)
    strict = way not in RECORDS
    with pytest.raises(Exception, match=r"is frozen.*gslt\.bake\(module\) first") as caught:
        (exported(frozen, strict=True) if strict else RECORDS[way](frozen))(*given(frozen))
    # A compiler tells the reason within an error of its own.
    assert isinstance(caught.value, ConfigError) or strict or way == "compile"
    # No trace of it is left.
    assert torch.equal(frozen(*given(frozen)), gslt.bake(frozen)(*given(frozen)))


def test_torch_script() -> None:
    for name in ("torch", "host layers"):
        frozen, baked = pair(name)
        assert torch.allclose(
            torch.jit.script(baked)(*given(baked)), frozen(*given(frozen)), atol=1e-6
        )
        with pytest.raises(ConfigError, match=r"gslt\.bake\(module\) first"):
            torch.jit.script(frozen)
    for name, layer in (("drop-ins", "FrozenGCNConv"), ("gnn gin", "GNN")):
        with pytest.raises(ConfigError, match=f"cannot compile {layer}; torch.export"):
            torch.jit.script(pair(name)[1])


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("name", sorted(BUILT))
def test_onnx(name: str, dynamo: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    frozen, baked = pair(name)
    to_onnx(baked, tmp_path / "model.onnx", dynamo=dynamo)
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    names = [each.name for each in session.get_inputs()]
    inputs = [tensor.numpy() for tensor in given(baked)]
    (found,) = session.run(None, dict(zip(names, inputs, strict=True)))
    assert torch.allclose(torch.from_numpy(found), frozen(*given(frozen)), atol=1e-5)
    with pytest.raises(Exception, match=r"gslt\.bake\(module\) first"):
        to_onnx(frozen, tmp_path / "frozen.onnx", dynamo=dynamo)


# What stands behind: the layers of gslt in operations that torch can record


@pytest.mark.parametrize("options", sorted(OPTIONS))
def test_every_option_of_a_gnn_is_exported(options: str) -> None:
    model = gnn("sage", **OPTIONS[options])
    gslt.freeze(model, FROZEN)
    baked = gslt.bake(model.eval())
    inputs = given(model, OTHER_NODES, OTHER_EDGES)
    for strict in (False, True):
        program = exported(baked, strict=strict)
        assert torch.allclose(program(*inputs), model(*inputs), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{}, {"improved": True}, {"add_self_loops": False}, {"normalize": False}],
    ids=lambda options: " ".join(options) or "default",
)
@pytest.mark.parametrize("weighted", [False, True])
def test_every_option_of_a_gcn_is_exported(options: dict[str, Any], weighted: bool) -> None:
    layer = gslt.bake(FrozenGCNConv(6, 3, config=FROZEN, **options))
    x, edges = features(OTHER_NODES, 6, torch.float32), OTHER_EDGES
    inputs = (x, edges, torch.linspace(0.5, 1.5, edges.size(1))) if weighted else (x, edges)
    program = torch.export.export(layer, inputs)
    whole = compiled(layer)(*inputs)
    expected = layer(*inputs)
    assert torch.allclose(program.module()(*inputs), expected, atol=1e-6)
    assert torch.allclose(whole, expected, atol=1e-6)


def test_two_sets_of_nodes_are_exported() -> None:
    layer = gslt.bake(FrozenSAGEConv((6, 4), 3, config=FROZEN))
    pair = (features(5, 6, torch.float32), features(2, 4, torch.float32))
    edges = torch.tensor([[0, 1, 4, 4], [0, 0, 1, 1]])
    program = torch.export.export(layer, (pair, edges))
    assert torch.allclose(program.module()(pair, edges), layer(pair, edges), atol=1e-6)


def test_a_network_is_exported_with_edges_alone() -> None:
    skip_older_torch()
    _, baked = pair("gnn sage")
    matrix = adjacency(EDGES, NODES, NODES).float().to_sparse_coo()
    with pytest.raises(GraphError, match=r"edge_index \(2, E\), can be exported"):
        torch.export.export(baked, (features(NODES, 6, torch.float32), matrix))


def compiled_graph(edges: Tensor, nodes: int) -> EdgeList:
    return CompiledGraph(edges, nodes, nodes)


@pytest.mark.parametrize("graph", sorted(GRAPHS))
@pytest.mark.parametrize("kind", [compiled_graph, lambda e, n: EdgeList(e, n, n)])
def test_recorded_sums_are_those_of_the_matrices(kind: Callable[..., Any], graph: str) -> None:
    nodes, edges = GRAPHS[graph]
    built, matrix = kind(edges, nodes), adjacency(edges, nodes, nodes)
    # Parallel edges count, parallel loops count as one: see Graph.symmetric.
    x = features(nodes, 3).requires_grad_()
    for found, expected in (
        (built.sum(x), matrix @ x),
        (built.mean(x, root=2.0), mean_matrix(matrix) @ x + 2 * x),
        (built.symmetric(x), symmetric_matrix(matrix) @ x),
    ):
        assert torch.allclose(found, expected, atol=1e-12)
        up = features(nodes, 3, seed=5)
        (ours,), (theirs,) = (torch.autograd.grad(y, x, up) for y in (found, expected))
        assert torch.allclose(ours, theirs, atol=1e-12)
    assert built.shape == CSRGraph(edges, nodes, nodes).shape
    assert not built.remembers(x)


def test_a_compiled_product_is_an_operator_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_older_torch()
    x, degree = features(NODES, 3).requires_grad_(), torch.rand(NODES, dtype=torch.float64)
    for transposed in (False, True):
        arguments = (x, EDGES, NODES, NODES, "mean", degree, None, degree, transposed)
        torch.library.opcheck(torch.ops.gslt.propagate.default, arguments)
    # Its matrix is built once, however often it runs; torch before 2.13 records a call of its own.
    built = []
    build = CSRGraph._build
    monkeypatch.setattr(CSRGraph, "_build", lambda *a: built.append(a) or build(*a))
    _, baked = pair("gnn gin")
    model, inputs = compiled(baked), given(baked, NODES, EDGES.clone())
    for _ in range(5):
        model(*inputs)
    assert len(built) <= 2


def test_a_frozen_module_is_compiled_and_trained_as_without_compilation() -> None:
    skip_older_torch()
    found = []
    for wrap in (lambda module: module, lambda m: torch.compile(m, backend="aot_eager")):
        torch._dynamo.reset()
        module = FrozenSAGEConv(6, 3, config=FROZEN)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            out = wrap(module)(*given(module))
            out.square().mean().backward()
            optimizer.step()
        found.append(
            [out.detach(), *(weight.score().detach() for weight in frozen_weights(module))]
        )
    for plain, other in zip(*found, strict=True):
        assert torch.allclose(plain, other, atol=1e-5)


def test_a_baked_module_is_loaded_where_there_is_no_gslt(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    gslt.freeze(module, gslt.FreezeConfig())
    x = torch.linspace(-1.0, 1.0, 6).view(2, 3)
    torch.save((gslt.bake(module), x, module(x).detach()), tmp_path / "baked.pt")
    code = (
        "import sys; sys.modules['gslt'] = None; import torch\n"
        "module, x, y = torch.load('baked.pt', weights_only=False)\n"
        "assert torch.equal(module(x), y) and sorted(module.state_dict()) == "
        "['0.bias', '0.weight', '2.bias', '2.weight']"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
