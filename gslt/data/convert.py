"""Graphs of PyTorch Geometric, DGL and NetworkX as a NodeDataset, and random splits for them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gslt.data import roles
from gslt.data.arrays import brief
from gslt.data.dataset import SPLITS, NodeDataset, to_undirected
from gslt.data.images import ImageDataset
from gslt.data.metrics import Task
from gslt.data.options import names_nothing
from gslt.data.parts import Parts, assemble, check_same_edges, edges_of_adjacency
from gslt.errors import ConfigError, DataError, DataWarning, listed, warn
from gslt.random import Stream

_FEATURE_NAMES = ("x", "feat")
_LABEL_NAMES = ("y", "label")
_MASK_NAMES = tuple(f"{split}_mask" for split in SPLITS)
#: Attribute of NetworkX' nodes that names the split of each.
_SPLIT = "split"
#: Attributes of NetworkX' edges that tell them apart and say nothing of them.
_EDGE_KEYS = {"id", "key"}


def as_dataset(
    obj: Any,
    *,
    name: str | None = None,
    train_mask: Any = None,
    val_mask: Any = None,
    test_mask: Any = None,
    num_classes: int | None = None,
    undirected: bool | None = None,
    x: str | None = None,
    y: str | None = None,
    split: str = _SPLIT,
    split_number: int = 0,
    features: str | None = None,
    synthetic: bool = False,
    source: str = "",
    task: Task | None = None,
    metric: str = "",
) -> NodeDataset:
    """Turn a graph of another library into a :class:`NodeDataset`.

    Its values may be tensors, NumPy arrays, lists or pandas' columns. Labels are whole numbers,
    texts (classes in sorted order, their names are kept) or one-hot rows; None, NaN, −1 and a row
    of zeros are no label. The masks are called ``train_mask``, ``val_mask`` (or ``valid``,
    ``validation``) and ``test_mask``, or end in ``_idx`` and list the nodes, or all three are
    called ``idx_train``, ``idx_val``, ``idx_test`` or ``train``, ``val``, ``test``. A
    :class:`gslt.errors.DataWarning` says what of the graph is not used, such as edge weights, and
    what looks wrong, see :func:`gslt.data.parts.assemble`.

    Args:
        obj: a PyG ``Data``, a homogeneous ``DGLGraph``, a NetworkX graph, or a ``NodeDataset``
            (whose own facts stay, unless given here; unchanged, it is given back). Of a graph
            nothing is shared: what is written to it later does not change the data set.
        name: of the data set; None takes ``"graph"``.
        train_mask: a mask ``(N,)``, several of them ``(N, splits)``, or numbers of nodes ``(n,)``;
            None takes the graph's own. The three masks go together.
        val_mask: as ``train_mask``.
        test_mask: as ``train_mask``.
        num_classes: None takes the largest label plus one, or the number of names.
        undirected: True adds the reverse of every edge and merges repetitions. Otherwise edges
            stay as they are (those of an undirected NetworkX graph stand in both directions); False
            says that a direction is meant, so that nobody is warned of it.
        x: name of the features; None takes ``x`` or ``feat``, of NetworkX ``feat`` alone: there
            ``x`` and ``y`` are mostly coordinates of a drawing.
        y: name of the labels; None takes ``y`` or ``label``, of NetworkX ``label`` alone.
        split: NetworkX only: node attribute ``"train"``, ``"val"`` or ``"test"`` (or ``""`` and
            None: in no split), used when the nodes hold no masks.
        split_number: which of several splits, from 0, where the masks are ``(N, splits)``. It,
            ``x``, ``y``, ``split`` and ``features`` say how a graph is read, and are refused where
            nothing is read by them.
        features: made where there are none: ``"degree"``, ``"one-hot"``, ``"constant"`` or
            ``"spectral"``, see :func:`gslt.data.structural.make_features`.
        synthetic: whether the graph was generated.
        source: one line: where the data comes from.
        task: ``"multilabel"`` where a node may have several labels, each 0 or 1 in its row; None
            takes one class a node, and warns where a row has several ones.
        metric: what runs are judged by: ``"accuracy"``, ``"roc_auc"`` or ``"micro_f1"``, see
            :attr:`NodeDataset.metric`.

    Raises:
        DataError: if features, labels or masks are missing or break a rule of ``NodeDataset``; for
            a set of images.
        ConfigError: if there is no such split, or no such kind of features; for an argument that
            does not apply to the object.
    """
    if isinstance(obj, ImageDataset):
        raise DataError(
            f"{obj.name!r} is a set of images, and this needs a graph; take one of "
            "`gslt data list`, or of your own"
        )
    given = {"train_mask": train_mask, "val_mask": val_mask, "test_mask": test_mask}
    masks = {key: value for key, value in given.items() if value is not None}
    if isinstance(obj, NodeDataset):
        _refuse_reading(obj, masks, split_number, x=x, y=y, features=features, split=split)
        facts = {
            "name": name or obj.name,
            "num_classes": obj.num_classes if num_classes is None else num_classes,
            "synthetic": synthetic or obj.synthetic,
            "source": source or obj.source,
            "task": task or obj.task,
            "metric": metric or obj.metric,
        }
        return _changed(obj, facts, masks, undirected, split_number)
    parts = _parts(obj, x, y, split, needs_features=features is None)
    return assemble(
        replace(parts, x=_own(parts.x), edge_index=_own(parts.edge_index), **masks),
        name=name or "graph",
        split=split_number,
        num_classes=num_classes,
        undirected=undirected,
        synthetic=synthetic,
        source=source,
        features=features,
        task=task,
        metric=metric,
    )


def _own(value: Any) -> Any:
    """A copy of what a data set would share with the user's graph; masks and labels it copies."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    # NumPy's arrays and pandas' columns and frames.
    return value.copy() if hasattr(value, "__array__") and hasattr(value, "copy") else value


def dataset_at_hand(
    data: Any, dataset_dir: str | None = None, split: int = 0
) -> NodeDataset | ImageDataset:
    """A data set, or what :func:`as_dataset` takes, in the place of a name that is looked up.

    Args:
        data: the graph or the images.
        dataset_dir: where names are looked up, which there is none of.
        split: number of the split, where there are several.

    Raises:
        ConfigError: for what could only count where a data set is loaded.
    """
    if dataset_dir is not None:
        raise ConfigError(
            f"dataset_dir is where a name or path is looked up, and {type(data).__name__} is at "
            "hand; leave dataset_dir out"
        )
    if not isinstance(data, ImageDataset | NodeDataset):
        return as_dataset(data, split_number=split)
    if split not in (0, data.split):
        raise ConfigError(
            f"{data.name!r} is a data set with split {data.split} alone, and split is {split}; "
            f"load it with split={split}, and leave split out"
        )
    return data


def _refuse_reading(
    data: NodeDataset,
    masks: dict[str, Any],
    split_number: int,
    *,
    split: str,
    **reading: str | None,
) -> None:
    """Refuse what says how a graph is read, where there is a data set already.

    Raises:
        ConfigError: naming the argument.
    """
    given = {name: value for name, value in reading.items() if value is not None}
    given |= {"split": split} if split != _SPLIT else {}
    several = [roles.count_splits(value, data.num_nodes, key) for key, value in masks.items()]
    if split_number and max(several, default=1) == 1:
        given["split_number"] = str(split_number)
    if given:
        name, value = next(iter(given.items()))
        raise ConfigError(
            f"{data.name!r} is a data set already, of which no graph is read, and {name} is "
            f"{value}; leave it out, or give the graph itself"
        )


def _changed(
    data: NodeDataset,
    facts: dict[str, Any],
    masks: dict[str, Any],
    undirected: bool | None,
    split: int,
) -> NodeDataset:
    """The same data set with other facts, masks or edges; itself where nothing changes."""
    changes = {key: value for key, value in facts.items() if value != getattr(data, key)}
    for key, value in masks.items():
        changes[key] = roles.mask(value, data.num_nodes, key, split)
    if undirected:
        changes["edge_index"] = to_undirected(data.edge_index, data.num_nodes)
    return replace(data, **changes) if changes else data


def random_split(
    y: Any,
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    task: Task | None = None,
) -> dict[str, Tensor]:
    """Split the labelled nodes at random, each class as nearly in these fractions as can be.

    The sizes of the splits are the fractions of all labelled nodes, to less than a node; those of a
    class in each split are as near to its own fractions as these sizes allow. A
    :class:`gslt.errors.DataWarning` names classes that are left without a training node, and says
    how many nodes are left out where every label is -1 or 1, as if these were two classes.

    Args:
        y: labels ``(N,)`` as :func:`as_dataset` takes them; −1, None, NaN or ``""`` for unlabelled
            nodes, which stay out of every split.
        fractions: of training, validation and test nodes; each above 0, together at most 1.
        seed: names the random stream; the same seed gives the same split everywhere.
        task: as in :func:`as_dataset`; nodes with several labels are split as if of one class.

    Returns:
        ``{"train_mask", "val_mask", "test_mask"}``, bool ``(N,)`` each: keyword arguments of
        :func:`gslt.data.as_dataset`.

    Raises:
        ConfigError: if the fractions break their rule.
        DataError: if y holds no labels, or has too few nodes to fill three splits.

    >>> masks = random_split(torch.tensor([0] * 10 + [1] * 5 + [-1]))
    >>> {name: int(mask.sum()) for name, mask in masks.items()}
    {'train_mask': 9, 'val_mask': 3, 'test_mask': 3}
    """
    if len(fractions) != 3 or not min(fractions) > 0 or not sum(fractions) <= 1 + 1e-9:
        raise ConfigError(
            f"fractions must be three numbers above 0 with a sum of at most 1, got {fractions}; "
            "for example (0.6, 0.2, 0.2)"
        )
    if task == "multilabel" or (task is None and roles.node_of_several(y) is not None):
        rows, names = roles.label_rows(y)
        label = rows.amax(dim=1).clamp(max=0).long()
    else:
        label, names = roles.labels(y)
    order = torch.from_numpy(Stream(seed, "random_split", "split").permutation(len(label)))
    shuffled = label.cpu()[order]
    # In the order of the shuffle, so that among equal classes chance decides.
    classes = list(dict.fromkeys(shuffled[shuffled >= 0].tolist()))
    members = {number: order[shuffled == number] for number in classes}
    shares = np.array([*fractions, max(0.0, 1.0 - sum(fractions))])
    sizes = _class_sizes(np.array([len(members[number]) for number in classes]), shares)
    masks = {name: torch.zeros(len(label), dtype=torch.bool) for name in _MASK_NAMES}
    for number, row in zip(classes, sizes.tolist(), strict=True):
        for mask, nodes in zip(masks.values(), torch.split(members[number], row), strict=False):
            mask[nodes] = True
    for name, mask in masks.items():
        if not mask.any():
            raise DataError(
                f"{name} would be empty with fractions {fractions} of {int((label >= 0).sum())} "
                "labelled nodes; give larger fractions or label more nodes"
            )
    if classes == [1] and (left := int((label < 0).sum())):
        warn(
            f"{left} of {len(label)} nodes are left out of every split: their label is -1, which "
            "means unlabelled, and all others are 1; where -1 is a class, number the classes from "
            "0, such as by (y + 1) // 2",
            DataWarning,
        )
    lacking = sorted(number for number, row in zip(classes, sizes, strict=True) if row[0] == 0)
    if lacking:
        called = [names[number] if names else str(number) for number in lacking]
        warn(
            f"{len(lacking)} of {len(classes)} classes get no training node ({listed(called)}); "
            "give a larger first fraction, or leave these classes unlabelled",
            DataWarning,
        )
    return {name: mask.to(label.device) for name, mask in masks.items()}


def _class_sizes(
    sizes: npt.NDArray[np.int64], shares: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """How many nodes of each class go to each part, ``(classes, parts)``.

    Each class is rounded on its own first. Where a part misses its share of the whole by a node or
    more, single nodes move from parts that are too large to those that are too small, those by
    which the squares of the deviations grow least.

    Args:
        sizes: of the classes.
        shares: of the parts, with a sum of 1.

    >>> _class_sizes(np.array([5, 5, 5, 5]), np.array([0.05, 0.15, 0.8])).sum(axis=0).tolist()
    [1, 3, 16]
    """
    wanted = sizes[:, None] * shares
    ends = np.round(sizes[:, None] * np.cumsum(shares)).astype(np.int64)
    counts = np.diff(ends, axis=1, prepend=0)
    if (np.abs(counts.sum(axis=0) - sizes.sum() * shares) < 1).all():
        return counts
    excess = counts.sum(axis=0) - _apportioned(int(sizes.sum()), shares)
    while excess.any():
        source, target = int(excess.argmax()), int(excess.argmin())
        # Half of what the sum of squares grows by when one node of a class moves.
        cost = (wanted - counts)[:, source] - (wanted - counts)[:, target]
        chosen = int(np.where(counts[:, source] > 0, cost, np.inf).argmin())
        counts[chosen, [source, target]] += [-1, 1]
        excess[[source, target]] += [-1, 1]
    return counts


def _apportioned(total: int, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Whole numbers in proportion to the shares, by largest remainder; the first of equals wins."""
    exact = np.round(total * shares, 9)
    counts = np.floor(exact).astype(np.int64)
    left = total - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:left]] += 1
    return counts


def _parts(obj: Any, x: str | None, y: str | None, split: str, needs_features: bool) -> Parts:
    # A graph of a library proves that the library is loaded: nothing heavy is imported to ask.
    if split != _SPLIT and not _is(obj, "networkx", "Graph"):
        raise ConfigError(
            f"split names an attribute of NetworkX' nodes, and {type(obj).__name__} has masks; "
            f"leave split={split!r} out (split_number chooses one of several splits)"
        )
    if _is(obj, "torch_geometric.data", "Data"):
        return _from_pyg(obj, x, y, needs_features)
    if _is(obj, "dgl", "DGLGraph"):
        return _from_dgl(obj, x, y, needs_features)
    if _is(obj, "networkx", "Graph"):
        return _from_networkx(obj, x, y, split, needs_features)
    if isinstance(obj, str | Path):
        raise DataError(f"{str(obj)!r} is no graph; gslt.load_dataset({str(obj)!r}) loads it")
    if any(kind.__name__ == "HeteroData" for kind in type(obj).__mro__):
        raise DataError(
            "HeteroData has nodes or edges of several types, and this needs a graph of one; "
            "data.to_homogeneous() makes one of them"
        )
    if _is(obj, "torch_geometric.data", "Dataset") or isinstance(obj, list | tuple):
        raise DataError(
            f"{type(obj).__name__} is a set of graphs, and this needs one of them: such as the "
            "first, dataset[0]"
        )
    raise DataError(
        f"cannot read a graph from {type(obj).__name__}; give a PyG Data, a DGLGraph, a NetworkX "
        "graph or a NodeDataset"
    )


def _is(obj: Any, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(obj, kind)


def _pick(
    store: Mapping[str, Any],
    wanted: str | None,
    usual: tuple[str, ...],
    what: str,
    needed: bool = True,
) -> Any:
    """The value of the wanted name, or of the first usual one that is there."""
    names = usual if wanted is None else (wanted,)
    for name in names:
        if name in store:
            return store[name]
    if wanted is None and not needed:
        return None
    argument = "x" if what == "features" else "y"
    if wanted is not None:
        raise names_nothing(argument, wanted, "tensor of the graph", sorted(store))
    raise DataError(
        f"the graph has no {what} named {' or '.join(map(repr, names))}; it has "
        f"{', '.join(map(repr, sorted(store))) or 'nothing'}; add them, or name them with "
        f"{argument}=" + (", or have some made: features='degree'" if argument == "x" else "")
    )


def _from_pyg(data: Any, x: str | None, y: str | None, needs_features: bool) -> Parts:
    store = {key: value for key, value in data.to_dict().items() if value is not None}
    weights: dict[str, Any] = {}
    if "edge_index" not in store:
        if "adj_t" not in store:
            raise DataError(
                "the PyG Data has neither an edge_index nor an adj_t; set edge_index, (2, edges)"
            )
        store["edge_index"], weight = edges_of_adjacency(store["adj_t"])
        weights = {} if weight is None else {"the weights in adj_t": weight}
    elif "adj_t" in store:
        _check_adjacency(store["edge_index"], store["adj_t"])
    parts = Parts(
        x=_pick(store, x, _FEATURE_NAMES, "features", needs_features),
        y=_pick(store, y, _LABEL_NAMES, "labels"),
        edge_index=store["edge_index"],
        **roles.pick_masks(store),
    )
    used = {id(value) for value in vars(parts).values()}
    left = [key for key, value in store.items() if id(value) not in used and key != "adj_t"]
    # PyG warns where it has to guess the number of nodes, which tells edges from nodes alone.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        of_edges = [key for key in left if key.startswith("edge") or data.is_edge_attr(key)]
    return replace(parts, edge_data={**{key: store[key] for key in of_edges}, **weights})


def _check_adjacency(edge_index: Any, adj_t: Any) -> None:
    """Refuse a PyG ``Data`` that has two graphs: one of them would be left out."""
    try:
        other = edges_of_adjacency(adj_t)[0]
    except DataError:
        return  # What is no matrix is told elsewhere or is no graph.
    check_same_edges(edge_index, other, ("edge_index", "adj_t"))


def _from_dgl(graph: Any, x: str | None, y: str | None, needs_features: bool) -> Parts:
    if not graph.is_homogeneous:
        raise DataError(
            f"the DGLGraph has node types {graph.ntypes} and edge types {graph.etypes}; "
            "make it homogeneous with dgl.to_homogeneous"
        )
    store = dict(graph.ndata)
    return Parts(
        x=_pick(store, x, _FEATURE_NAMES, "features", needs_features),
        y=_pick(store, y, _LABEL_NAMES, "labels"),
        edge_index=torch.stack(graph.edges()),
        # What DGL notes of its own begins with an underscore.
        edge_data={key: value for key, value in graph.edata.items() if not key.startswith("_")},
        **roles.pick_masks(store),
    )


def network_parts(graph: Any, x: str | None, y: str | None) -> Parts:
    """The parts of a NetworkX graph, for :func:`gslt.data.parts.assemble`.

    Args:
        graph: nodes are numbered in the order of ``graph.nodes``.
        x: name of the features, or several with commas between them; None takes the usual one,
            or none.
        y: name of the labels; None takes the usual one.

    Raises:
        DataError: names the first node whose attribute is missing.
    """
    if x is None or "," not in x:
        return _from_networkx(graph, x, y, _SPLIT, False)
    nodes = list(graph.nodes(data=True))
    columns = [_attribute(nodes, name.strip(), "features", True) for name in x.split(",")]
    for (_, attributes), row in zip(nodes, zip(*columns, strict=True), strict=True):
        attributes[x] = list(row)
    return _from_networkx(graph, x, y, _SPLIT, False)


def _from_networkx(
    graph: Any, x: str | None, y: str | None, split: str, needs_features: bool
) -> Parts:
    """The parts of a NetworkX graph; nodes are numbered in the order of ``graph.nodes``.

    Raises:
        DataError: names the first node whose attribute is missing.
    """
    nodes = list(graph.nodes(data=True))
    if not nodes:
        raise DataError("the NetworkX graph has no nodes; add some with features and labels")
    number = {node: i for i, (node, _) in enumerate(nodes)}
    ends = [(number[u], number[v]) for u, v in graph.edges()]
    pairs = np.array(ends, dtype=np.int64).reshape(-1, 2)
    if not graph.is_directed():
        pairs = np.concatenate([pairs, pairs[pairs[:, 0] != pairs[:, 1], ::-1]])
    there = any(_FEATURE_NAMES[1] in attributes for _, attributes in nodes)
    made = not needs_features and x is None and not there
    if y is None:
        _check_classes(nodes)
    return Parts(
        x=None if made else _attribute(nodes, x or _FEATURE_NAMES[1], "features", x is not None),
        y=_attribute(nodes, y or _LABEL_NAMES[1], "labels", y is not None),
        edge_index=pairs,
        edge_rows=True,
        edge_data=_edge_data([attributes for _, _, attributes in graph.edges(data=True)]),
        split_like=_split_like(nodes, {x, y or _LABEL_NAMES[1]}),
        node_names=[node for node, _ in nodes],
        **_networkx_masks(nodes, split),
    )


def _check_classes(nodes: list[Any]) -> None:
    """Refuse the usual labels where they are names of the nodes, as Gephi and yEd write them."""
    usual = _LABEL_NAMES[1]
    if not roles.name_nodes([attributes.get(usual) for _, attributes in nodes]):
        return
    others = [name for name in nodes[0][1] if _may_be_classes(nodes, name)]
    how = (
        f"name what holds them with y=, such as y={others[0]!r}"
        if others
        else "give each node one more attribute that says its class, by "
        "networkx.set_node_attributes(graph, classes, 'class'), and y='class'"
    )
    raise DataError(
        f"{usual!r} of the nodes is a name, such as {brief(nodes[0][1][usual])}, another one in "
        f"nearly every node, so that the graph has no classes there; {how}"
    )


def _may_be_classes(nodes: list[Any], name: str) -> bool:
    """Whether an attribute is one of a few texts or whole numbers in every node."""
    values = [attributes.get(name) for _, attributes in nodes]
    plain = all(isinstance(value, str | int) for value in values)
    few = plain and len(set(map(str, values))) > 1 and not roles.name_nodes(list(map(str, values)))
    return few and name != "split" and not name.endswith("_mask")


def _attribute(nodes: list[Any], name: str, what: str, asked: bool) -> list[Any]:
    first, attributes = nodes[0]
    if not asked and not any(name in attributes for _, attributes in nodes):
        drawn = {"x", "y"} & set(attributes)
        hint = "; x and y may be coordinates of a drawing: where they are not, " if drawn else "; "
        raise DataError(
            f"node {first!r} has no {what} named {name!r}; it has "
            f"{', '.join(map(repr, attributes)) or 'no attributes'}{hint}"
            f"name the attribute with {'x' if what == 'features' else 'y'}="
            + (", or have features made: features='degree'" if what == "features" else "")
        )
    there = {each: None for _, attributes in nodes for each in attributes}
    if name not in there:
        option = "x" if what == "features" else "y"
        raise names_nothing(option, name, "attribute of nodes", there)
    for node, attributes in nodes:
        if name not in attributes:
            raise DataError(f"node {node!r} has no attribute {name!r}; give it to every node")
    return [attributes[name] for _, attributes in nodes]


def _split_like(nodes: list[Any], used: set[str | None]) -> list[str]:
    """Attributes that tell a split by their name, or by what they hold."""
    names = {name for _, attributes in nodes for name in attributes} - used
    return [
        name
        for name in sorted(names)
        if roles.tells_split(name) or roles.name_splits([a.get(name) for _, a in nodes])
    ]


def _edge_data(edges: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for each in edges for name in each if name not in _EDGE_KEYS)
    return {name: [each.get(name) for each in edges] for name in names}


def _networkx_masks(nodes: list[Any], split: str) -> dict[str, Any]:
    """Masks from attributes ``train_mask`` …, or from the name of each node's split."""
    names = {name for _, attributes in nodes for name in attributes}
    masks = {
        name: [False if (v := a.get(name)) is None else v for _, a in nodes]
        for name in sorted(names)
        if name.endswith("_mask")
    }
    found = roles.pick_masks(masks)
    if not found and split in names:
        column = [attributes.get(split) for _, attributes in nodes]
        return dict(roles.masks_of(column, len(nodes), split))
    return dict.fromkeys(_MASK_NAMES, [False] * len(nodes)) | found if found else {}
