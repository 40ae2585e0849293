"""Fan-in: over how many inputs a unit sums, for every layout in which hosts keep their weights."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from torch import Size, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.parametrize import is_parametrized

from gslt.errors import ConfigError, GsltWarning, warn
from gslt.freezing import Units

#: Attributes by which layers of torch, PyG and DGL declare the widths of their inputs, …
INPUTS = (
    "in_features",
    "in_channels",
    "in_feats",
    "in_feat",
    "in_size",
    "input_size",
    "_in_feats",
    "_in_src_feats",
    "_in_dst_feats",
)
#: … and of their outputs.
OUTPUTS = ("out_features", "out_channels", "out_feats", "out_feat", "out_size", "_out_feats")
#: torch's layers whose weights are (out, in, *kernel), whatever their widths.
OUTPUT_FIRST = (nn.Linear, nn.Bilinear, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention, _ConvNd)
#: Weights of PyG and DGL whose shape and declared widths do not tell: class and parameter, of its
#: own or of a module that it holds → the dimensions that are summed over, or the attribute that
#: says how many. None of them: the weight is a row that is looked up, or a factor of its own input
#: alone.
BY_NAME: dict[tuple[str, str], tuple[int, ...] | str] = {
    ("Linear", "weight"): (1,),
    ("RGCNConv", "comp"): (1,),
    ("CuGraphRGCNConv", "comp"): (1,),
    ("CuGraphRelGraphConv", "coeff"): (1,),
    ("TypedLinear", "coeff"): (1,),
    ("TypedLinear", "W"): "submat_in",
    ("WeightBasis", "w_comp"): (1,),
    ("DenseChebConv", "W"): (0, 1),
    ("InteractionBlock", "W"): (1, 2),
    ("GMMConv", "mu"): (-1,),
    ("GMMConv", "sigma"): (-1,),
    ("GMMConv", "inv_sigma"): (-1,),
    ("MemPooling", "k"): (-1,),
    ("HGTConv", "p_rel"): (),
    ("RGATConv", "att"): (1,),
    ("RGATConv", "l1"): (),
    ("RENet", "ent"): (),
    ("RENet", "rel"): (),
    ("RadialPooling", "interaction_cutoffs"): (),
    ("RadialPooling", "rbf_kernel_means"): (),
    ("RadialPooling", "rbf_kernel_scaling"): (),
    ("InducedSetAttentionBlock", "ind"): (),
    ("InducedSetAttentionBlock", "inducing_points"): (),
    ("PoolingByMultiheadAttention", "seed"): (),
    ("PMALayer", "seed_vectors"): (),
    # Rows of an embedding that are matrices, (inputs, outputs), or vectors that features meet.
    ("TransR", "rel_project.weight"): "nfeats",
    ("PathEncoder", "embedding_table.weight"): (1,),
}


#: Biases of PyG and DGL that do not say so: they are added to a sum, and multiply nothing.
BIASES = {("RGATConv", "b1"), ("RGATConv", "b2")}
#: All others have the word in their name: ``in_proj_bias``, ``bias_ih_l0``, ``bias1``, ``relBias``;
#: not ``debiased``.
_BIAS = re.compile(r"((?<![a-zA-Z])b|B)ias(es)?(?![a-z])")


def is_bias(owner: nn.Module, attribute: str) -> bool:
    """Whether a parameter is a bias, by a word of its name or :data:`BIASES`, whatever its shape.

    >>> is_bias(nn.Linear(2, 3), "bias"), is_bias(nn.Linear(2, 3), "weight")
    (True, False)
    >>> is_bias(nn.GRU(2, 3), "bias_hh_l0"), is_bias(nn.Module(), "debiased_proj")
    (True, False)

    Args:
        owner: the layer that holds it.
        attribute: its name there.
    """
    if _BIAS.search(attribute):
        return True
    kinds = filter(_is_host, type(owner).__mro__)
    return any((kind.__name__, attribute) in BIASES for kind in kinds)


def fan_in_of(module: nn.Module, name: str, shape: Size) -> int:
    """Over how many inputs one output unit of a weight sums, so that He's variance is 2 / fan-in.

    A stack of matrices, of relations or heads or bases, counts one matrix; an attention vector per
    head its length; an embedding 1, since a row is looked up and not summed; the map of an
    adjacency matrix in ``LINKX`` the number of nodes, since they are its features (as of a bag of
    words, few are not zero); a transposed convolution the mean number of taps on an output, which
    its stride divides. torch's own layers keep (out, in, *kernel), PyG's and DGL's bare parameters
    (…, in, out), and both declare widths.

    A layer of your own is understood if it declares ``in_features`` (and ``out_features``), or says
    it itself: ``self.fan_in = {"weight": 64}``. Otherwise (out, in), (stack, in, out) or
    (out, in, *kernel) is guessed, with a warning where another guess would give another number.

    >>> fan_in_of(nn.Conv2d(2, 7, 3), "weight", Size((7, 2, 3, 3)))
    18

    Args:
        module: holds the weight somewhere.
        name: its qualified name in the module.
        shape: shape of the weight.

    Raises:
        ConfigError: for a ``fan_in`` below 1.
    """
    path, _, attribute = name.rpartition(".")
    owner = module.get_submodule(path)
    while isinstance(owner, nn.ParameterDict | nn.ParameterList) and path:
        path, _, attribute = path.rpartition(".")
        owner = module.get_submodule(path)
    above, _, held = path.rpartition(".")
    told = _by_name(module.get_submodule(above), f"{held}.{attribute}", shape) if path else None
    if told is None:
        told = _told(owner, attribute, shape)
    if told is None and min(shape) > 0:
        told = _read(owner, attribute, shape)
    return max(1, math.prod(shape[1:]) if told is None else told)


def units_of(module: nn.Module, name: str, shape: Size, fan_in: int) -> Units:
    """What the entries of a weight connect.

    ===================================== =========================================================
    weight                                blocks, outputs, inputs, taps
    ===================================== =========================================================
    (out, in)                             1, out, in, 1; also of an (in, out), whose rows come first
    convolution (out, in / g, *kernel)    g, out / g, in / g, taps of the kernel
    transposed (in, out / g, *kernel)     g, out / g, in / g, taps of the kernel
    stack (…, in, out) or (…, out, in)    matrices of the stack, out, in, 1
    ===================================== =========================================================

    Args:
        module: holds the weight somewhere.
        name: its qualified name in the module.
        shape: shape of the weight.
        fan_in: see :func:`fan_in_of`; tells a stack of matrices from a kernel.
    """
    owner = module.get_submodule(name.rpartition(".")[0])
    if isinstance(owner, _ConvNd):
        g, taps = owner.groups, math.prod(shape[2:])
        first = isinstance(owner, _ConvTransposeNd)
        one, other = shape[0] // g, shape[1]
        return Units(g, other if first else one, one if first else other, taps, first)
    if len(shape) < 3 or math.prod(shape[1:]) == fan_in:
        return Units.of(shape)
    blocks = math.prod(shape[:-2])
    if shape[-2] == fan_in:
        return Units(blocks, shape[-1], shape[-2], 1, inputs_first=True)
    return Units(blocks, shape[-2], shape[-1])


def padding_row(owner: nn.Module) -> int | None:
    """The row of an embedding that stands for no input and is zero, as torch keeps it.

    Args:
        owner: any layer.
    """
    return owner.padding_idx if isinstance(owner, nn.Embedding | nn.EmbeddingBag) else None


def _told(owner: nn.Module, attribute: str, shape: Size) -> int | None:
    """What the layer itself says, or its class."""
    own = getattr(owner, "fan_in", None)
    if isinstance(own, Mapping) and attribute in own:
        if own[attribute] < 1:
            raise ConfigError(f"fan_in of {attribute} must be at least 1, got {own[attribute]}")
        return int(own[attribute])
    if (named := _by_name(owner, attribute, shape)) is not None:
        return named
    if isinstance(owner, nn.Embedding | nn.EmbeddingBag):
        return 1
    if isinstance(owner, _ConvTransposeNd):
        taps = math.prod(owner.kernel_size) / math.prod(owner.stride)
        return round(shape[0] // owner.groups * taps)
    return math.prod(shape[1:]) if isinstance(owner, OUTPUT_FIRST) else None


def _by_name(owner: nn.Module, name: str, shape: Size) -> int | None:
    """What :data:`BY_NAME` says of a parameter of a host's layer."""
    for kind in filter(_is_host, type(owner).__mro__):
        summed = BY_NAME.get((kind.__name__, name))
        if isinstance(summed, str) and hasattr(owner, summed):
            return int(getattr(owner, summed))
        if isinstance(summed, tuple):
            return math.prod(shape[d] for d in summed)
    return None


def _read(owner: nn.Module, attribute: str, shape: Size) -> int:
    """What declared widths and the shape say."""
    if attribute.startswith("att") and shape[0] == 1:
        return shape[-1]
    inputs, outputs = _declared(owner, INPUTS), _declared(owner, OUTPUTS)
    vector = math.prod(shape) == max(shape)
    if any(_is_host(kind) for kind in type(owner).__mro__):
        matrix = shape[-2] in inputs and (shape[-1] in outputs or not vector)
        per_head = len(shape) > 2 and shape[0] == 1
        return shape[-2] if matrix or not (vector or per_head) else shape[-1]
    fitting = [(-1, -2), (-2, -1)] if len(shape) == 2 else [(-2, -1), (1, 0), (-1, -2)]
    declared = [(i, o) for i, o in fitting if shape[i] in inputs]
    if declared:
        # Rather where the outputs fit as well.
        i, o = min(declared, key=lambda places: shape[places[1]] not in outputs)
        # As in (64, 4) of a layer from 64 to 64: either end may be meant.
        if shape[o] in outputs or shape[i] not in outputs:
            return math.prod(shape[1:]) if i == 1 else shape[i]
    if vector:
        return max(shape)
    # One matrix for each of one relation, or one vector for each head.
    guess = shape[-2] if len(shape) == 3 else math.prod(shape[1:])
    if len(shape) > 2 and shape[0] == 1:
        guess = shape[-1]
    if len(shape) > 2 or shape[0] != shape[1]:
        warn(
            f"{type(owner).__name__}.{attribute} {tuple(shape)} does not tell how many inputs a "
            f"unit sums over; {guess} is taken. Declare in_features and out_features in the layer, "
            f'or fan_in = {{"{attribute}": …}}',
            GsltWarning,
        )
    return guess


def _declared(owner: nn.Module, attributes: Iterable[str]) -> set[int]:
    found = (getattr(owner, attribute, None) for attribute in attributes)
    widths = (each if isinstance(each, tuple | list) else [each] for each in found)
    return {w for several in widths for w in several if isinstance(w, int) and w > 0}


def is_of_host(owner: nn.Module) -> bool:
    """Whether a layer is torch's, PyG's or DGL's own, or derived from one of PyG or DGL.

    Args:
        owner: any layer, frozen or not.
    """
    if isinstance(owner, nn.ParameterDict | nn.ParameterList):
        return False
    kinds = type(owner).__mro__[is_parametrized(owner) :]
    return kinds[0].__module__.partition(".")[0] == "torch" or any(map(_is_host, kinds))


def _is_host(kind: type) -> bool:
    """Whether a class is a layer of PyG or DGL; the base class of users' own layers is none."""
    package = kind.__module__.partition(".")[0]
    return package in ("torch_geometric", "dgl") and kind.__name__ != "MessagePassing"
