"""A frozen weight: regenerated random weights ⊙ mask · scale, from the scores of the searched ones.

It is a parametrization of ``torch.nn.utils.parametrize``: what was the weight parameter of a layer
is the flat tensor of its scores, and ``layer.weight`` is the effective weight.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.profiler import record_function

from gslt.config import FreezeConfig
from gslt.errors import ConfigError, GsltWarning, warn
from gslt.freezing import FrozenCounts, freezing_pattern
from gslt.freezing.pattern import LOCKED, PRUNED, SEARCHED
from gslt.masking.supermask import Supermask, masked_weight, real_dtype
from gslt.nn.hooks import is_exported, is_traced, is_transformed
from gslt.random import Float64, Stream

#: Unit-fan-in draws; every one has variance 2 / fan_in after division by √fan_in.
INITS: dict[str, Callable[[Stream, int], Float64]] = {
    "ku": lambda stream, n: math.sqrt(6.0) * (2.0 * stream.uniform(n) - 1.0),
    "kn": lambda stream, n: math.sqrt(2.0) * stream.normal(n),
    "skc": lambda stream, n: math.sqrt(2.0) * stream.signs(n).astype(np.float64),
}


def random_weight(
    shape: torch.Size, fan_in: int, init: str, seed: int, name: str, role: str = "weight"
) -> Tensor:
    """Random weights of the stream ``(seed, name, role)``, float32, flat, in row-major order.

    KU: U(−b, b), b = √(6 / fan_in). KN: N(0, 2 / fan_in). SKC: ± √(2 / fan_in), each sign with
    probability ½ (He et al. 2015, arXiv 1502.01852; Ramanujan et al. 2020, arXiv 1911.13299).

    >>> random_weight(torch.Size((2, 2)), 8, "skc", seed=0, name="layers.0.nn.weight").tolist()
    [0.5, 0.5, 0.5, -0.5]

    Args:
        shape: shape of the weight, n entries.
        fan_in: inputs of one output unit.
        init: ``"ku"``, ``"kn"`` or ``"skc"``.
        seed: seed of the source network.
        name: qualified parameter name, which names the stream.
        role: what the numbers are for; scores take ``"score"``.

    Returns:
        float32 ``(n,)`` on the CPU.
    """
    values = INITS[init](Stream(seed, name, role), math.prod(shape)) / math.sqrt(fan_in)
    return torch.from_numpy(values.astype("float32"))


class EffectiveWeight(Tensor):
    """What ``layer.weight`` gives: a tensor of the layer's shape whose methods refuse to write.

    A write would go to a passing value and be lost in silence, as of ``layer.apply(init)`` or
    ``layer.weight.data.normal_()``. Lost are writes by functions: ``torch.clamp_(weight, …)``,
    ``torch._foreach_mul_``, ``out=weight``, and so ``torch.nn.init.eye_``, alone of
    ``torch.nn.init``. Whatever is computed from it is a plain tensor, ``detach()`` and ``clone()``
    too; what is written there does not reach the layer.

    Raises:
        ConfigError: for every method that works in place.
    """

    # Costs nothing per operation, as for torch's parameters; results are plain tensors. One in
    # Python would see functions as well, but cost a call each, and torch's transformers leave their
    # fast path for it, to other last bits.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @property
    def data(self) -> Tensor:
        """The same of any shape ``(…)`` without a gradient, which refuses too."""
        return self.detach().as_subclass(EffectiveWeight)

    @data.setter
    def data(self, value: Tensor) -> None:
        _refuse()

    def view_as(self, other: Tensor) -> Tensor:
        """As torch's; refuses too, since ``torch.nn.init.orthogonal_`` writes through it.

        Args:
            other: gives the shape, any ``(…)``.
        """
        return super().view_as(other).as_subclass(EffectiveWeight)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.as_subclass(Tensor).__reduce_ex__(protocol)  # type: ignore[no-untyped-call]

    def __deepcopy__(self, memo: Any) -> Any:
        return self.as_subclass(Tensor).__deepcopy__(memo)  # type: ignore[no-untyped-call]


def _refuse(*_: object, **__: object) -> NoReturn:
    raise ConfigError(
        "a frozen weight cannot be written: its value follows from the seed and the scores; change "
        "the scores (gslt.reset_scores), or build the layer without freezing"
    )


for _name in dir(Tensor):
    _in_place = _name.endswith("_") and not _name.startswith("_")
    if (_in_place and _name not in ("requires_grad_", "share_memory_")) or _name in (
        "__setitem__",
        *(f"__i{each}__" for each in ("add", "sub", "mul", "truediv", "floordiv", "pow", "mod")),
        *(f"__i{each}__" for each in ("and", "or", "xor", "lshift", "rshift", "div")),
    ):
        setattr(EffectiveWeight, _name, _refuse)


def _unrounded(value: Tensor, drawn: Tensor, narrow: torch.dtype) -> Tensor:
    """A value ``(n,)`` that was rounded to a narrower type, as it was drawn; what is zero stays."""
    same = (value != 0) & (drawn.to(narrow) == value.to(narrow))
    return torch.where(same, drawn, value)


#: Where the searched weights are: whole numbers.
PLACES = "searched_index"
#: What the seed regenerates of a frozen weight. These are no buffers: an average of a module's
#: buffers (``AveragedModel``) would be one of places, too, and of another source.
REGENERATED = ("searched_weight", PLACES, "locked_weight")


class FrozenWeight(nn.Module):
    """Parametrization: scores of the searched weights ``(m,)`` → effective weight of the layer.

    Args:
        name: qualified parameter name, which names the random streams.
        shape: shape of the weight.
        fan_in: inputs of one output unit.
        counts: how many weights are frozen.
        config: the frozen source network.
        pattern: which weights are frozen, int8 ``(n,)`` with these counts. Default: that of the
            counts and the seed.
    """

    searched_weight: Tensor
    """Random weights of the searched places, ``(m,)``."""
    searched_index: Tensor | None
    """Where they are in the flat weight, int64 ``(m,)``; None where every weight is searched."""
    locked_weight: Tensor | None
    """Random weights at locked places and zero elsewhere, ``(n,)``; None likewise."""

    def __init__(
        self,
        name: str,
        shape: torch.Size,
        fan_in: int,
        counts: FrozenCounts,
        config: FreezeConfig,
        pattern: npt.NDArray[np.int8] | None = None,
    ) -> None:
        super().__init__()
        self.name, self.shape, self.fan_in = name, shape, fan_in
        self.counts, self.config = counts, config
        self.supermask: Supermask | None = None
        self.index = -1
        # Which deep copy it is, 0 for none; a copy is numbered when it is first reset.
        self.number: int | None = 0
        self._copies = [0]
        weight = self._drawn()
        # Counts and seed do not tell a pattern that is given.
        self.pattern_sha256 = None if pattern is None else sha256(pattern.tobytes()).hexdigest()
        # What was drawn is drawn again; anything else a ticket stores, int8 ``(n,)``.
        self.given_pattern: Tensor | None = None
        if pattern is not None and config.draw == "exact" and not config.connected:
            self.given_pattern = torch.from_numpy(pattern.copy())
        if pattern is None:
            pattern = freezing_pattern(counts, config.seed, name)
        places = torch.from_numpy(pattern)
        dense = counts.searched == counts.total
        index = None if dense else (places == SEARCHED).nonzero().flatten()
        searched = weight if index is None else weight[index]
        locked = None if dense else torch.where(places == LOCKED, weight, 0.0)
        self.searched_weight, self.searched_index, self.locked_weight = searched, index, locked

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FrozenWeight:
        """As torch's, which moves and converts parameters and buffers alone."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        before = self.searched_weight.dtype
        for name in REGENERATED:
            if (value := getattr(self, name)) is not None:
                moved = fn(value)
                # Places stay whole numbers, whatever type the weights get.
                setattr(self, name, value.to(moved.device) if name == PLACES else moved)
        now = self.searched_weight.dtype
        if torch.promote_types(before, now) != before and torch.finfo(before).bits < 32:
            self._unround(before)
        return self

    def _drawn(self) -> Tensor:
        """Random weights of all places, ``(n,)``, float32."""
        config = self.config
        return random_weight(self.shape, self.fan_in, config.weight_init, config.seed, self.name)

    def _unround(self, narrow: torch.dtype) -> None:
        """Weights of the seed anew, where a narrower type has rounded them."""
        drawn = self._drawn().to(self.searched_weight)
        index = self.searched_index
        self.searched_weight = _unrounded(
            self.searched_weight, drawn if index is None else drawn[index], narrow
        )
        if self.locked_weight is not None:
            self.locked_weight = _unrounded(self.locked_weight, drawn, narrow)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        # They were buffers in what an older gslt pickled.
        for name in REGENERATED:
            if name in self._buffers:
                value = self._buffers[name]
                delattr(self, name)
                setattr(self, name, value)

    #: Locked places of an embedding's padding, int64, where the weight is zero; None without any.
    locked_padding: Tensor | None = None

    def keep_zero(self, row: int) -> None:
        """Make a row of the weight zero, whatever its scores: an embedding's padding.

        Args:
            row: of the weight's first dimension.
        """
        places = torch.arange(self.counts.total).view(self.shape)[row].flatten()
        if self.searched_index is None or self.locked_weight is None:
            self.searched_weight[places] = 0.0
        else:
            self.searched_weight[torch.isin(self.searched_index, places)] = 0.0
            self.locked_padding = places[self.locked_weight[places] != 0]
            self.locked_weight[places] = 0.0

    def mask(self) -> Tensor:
        """Which searched weights are kept now, boolean ``(m,)``."""
        supermask, index = self._place()
        return supermask.mask(index)

    def _place(self) -> tuple[Supermask, int]:
        """The supermask and the number there, which a copy of a part finds when first used."""
        assert self.supermask is not None
        _ = self.supermask.holders
        return self.supermask, self.index

    def train(self, mode: bool = True) -> FrozenWeight:
        """As torch's; what is evaluated is selected anew.

        Args:
            mode: False to evaluate.
        """
        if not mode and self.supermask is not None:
            self.supermask.forget()
        return super().train(mode)

    def score(self) -> Tensor:
        """The layer's score parameter, ``(m,)``."""
        supermask, index = self._place()
        return supermask.holders[index].original

    def regenerated(self) -> tuple[Tensor, Tensor]:
        """Random weights ``(n,)``, pruned ones set to zero, and the freezing pattern.

        Returns:
            The weights without scale, and int8 ``(n,)``: −1 pruned, +1 locked, 0 searched.
        """
        if self.locked_weight is None or self.searched_index is None:
            return self.searched_weight, torch.zeros_like(self.searched_weight, dtype=torch.int8)
        pattern = torch.where(self.locked_weight != 0, LOCKED, PRUNED).to(torch.int8)
        pattern[self.searched_index] = SEARCHED
        return self.locked_weight.index_put((self.searched_index,), self.searched_weight), pattern

    def kept(self) -> Tensor:
        """Which weights of the layer the present ticket keeps, boolean ``(n,)``, on the CPU.

        Those that are locked, and those of the searched ones that the mask keeps.
        """
        kept = self.regenerated()[1].cpu() == LOCKED
        if self.locked_padding is not None:
            kept[self.locked_padding.cpu()] = True
        index = self.searched_index
        places = torch.arange(self.counts.total) if index is None else index.cpu()
        kept[places] |= self.mask().cpu()
        return kept

    def initial_score(self, draw: int = 0) -> Tensor:
        """Scores before the search, ``(m,)``: the full layer's draw at the searched places.

        A deep copy has draws of its own: the first copy that asks is copy 1 of its original.

        Args:
            draw: which one; 0 is the seed's own.
        """
        if self.number is None:
            self._copies[0] += 1
            self.number = self._copies[0]
        config, role = self.config, f"score {draw}" if draw else "score"
        if self.number:
            role = f"score {draw} of copy {self.number}"
        score = random_weight(
            self.shape, self.fan_in, config.score_init, config.seed, self.name, role
        )
        return score if self.searched_index is None else score[self.searched_index.cpu()]

    def forward(self, score: Tensor) -> Tensor:
        """Effective weight for the given scores.

        Args:
            score: scores of the searched weights ``(m,)``. The mask follows from the scores that
                the supermask holds, the gradient goes to these.

        Returns:
            The weight in the layer's shape, see :func:`gslt.masking.masked_weight`.

        Raises:
            ConfigError: if torch exports the module; a record would keep this mask for ever.
        """
        if is_traced():
            self._break_record()
        with record_function("gslt::mask"):
            weight = masked_weight(
                score,
                self.searched_weight,
                self.mask(),
                self.scale(),
                self.locked_weight,
                self.searched_index,
                self.config.ranking,
            )
            weight = weight.view(self.shape)
            # Compilers and transforms follow plain tensors only.
            plain = torch.compiler.is_compiling() or is_transformed()
            return weight if plain else weight.as_subclass(EffectiveWeight)

    def _break_record(self) -> None:
        """End torch's graph here: an error where it wants the whole, and where it exports."""
        if torch.compiler.is_dynamo_compiling() and hasattr(torch.compiler, "is_exporting"):
            torch._dynamo.graph_break(self._unrecorded())
        elif is_exported():
            raise ConfigError(self._unrecorded())

    def _unrecorded(self) -> str:
        return (
            f"{self.name} is frozen: its mask follows from scores, which torch cannot record; call "
            "gslt.bake(module) first, which gives a plain module with the same weights"
        )

    def __prepare_scriptable__(self) -> NoReturn:
        """Refuse ``torch.jit.script``, which asks every module what it is to compile."""
        raise ConfigError(self._unrecorded())

    def scale(self) -> Tensor:
        """Present factor on the layer's weights, a scalar tensor ``()``: 1 or 1/√density."""
        weight = self.searched_weight
        if self.config.scale == "dynamic":
            supermask, index = self._place()
            density = supermask.density(index)
        else:
            target = 1.0 - self.config.sparsity if self.config.scale == "static" else 1.0
            # Filled, not copied, so that a GPU need not wait.
            density = torch.full((), target, device=weight.device, dtype=real_dtype(weight))
        # A layer without any kept weight is zero whatever its factor: keep the factor finite.
        return density.clamp(min=1.0 / max(self.counts.total, 1)).rsqrt().to(weight.dtype)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Initial scores at registration; afterwards ``layer.weight = …`` is refused.

        Args:
            weight: the parameter to be replaced; its type and device are taken over, not its value.

        Returns:
            Scores ``(m,)``.

        Raises:
            ConfigError: for an assignment.
        """
        if self.supermask is not None:
            raise ConfigError(
                f"{self.name} is frozen: its value follows from the seed and the scores, so it "
                "cannot be assigned; change the scores, or build the layer without freezing"
            )
        return self.initial_score().to(weight)

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenWeight:
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        # All copies count together.
        memo[id(self._copies)] = self._copies
        twin.__setstate__(copy.deepcopy(self.__dict__, memo))
        twin.number = None
        return twin

    def source(self) -> dict[str, Any]:
        """What the fixed part of the weight follows from, plain values."""
        c, config = self.counts, self.config
        names = ("seed", "weight_init", "sparsity", "scale", "threshold", "ranking")
        return {
            "name": self.name,
            "shape": list(self.shape),
            "fan_in": self.fan_in,
            "counts": [c.total, c.pruned, c.locked],
            **{name: getattr(config, name) for name in names},
            **({"pattern": self.pattern_sha256} if self.pattern_sha256 else {}),
        }

    def _group(self) -> list[Any] | None:
        """Whose scores the threshold follows from; None where it follows from the own ones."""
        if self.supermask is None or self.supermask.threshold == "layer":
            return None
        return self.supermask.group

    def get_extra_state(self) -> Tensor:
        """The source in the state of the module, JSON as uint8: scores mean nothing without it."""
        state = {**self.source(), "group": self._group()}
        return torch.frombuffer(bytearray(json.dumps(state).encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Any) -> None:
        """Refuse scores of another source, and warn where they shared another threshold.

        Args:
            state: of :meth:`get_extra_state`; those of an older gslt do not tell who shared it.

        Raises:
            ConfigError: naming what differs.
        """
        own = {"pattern": None, **self.source()}
        try:
            found = {"pattern": None, **json.loads(bytes(state.cpu().tolist()))}
            differing = [name for name, mine in own.items() if found[name] != mine]
            there = found.get("group") and [int(found["group"][0]), int(found["group"][1])]
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"the state of {self.name} is none that gslt wrote") from error
        if differing:
            words = ", ".join(f"{n} {found[n]} instead of {own[n]}" for n in differing)
            raise ConfigError(
                f"the state of {self.name} is of another source network ({words}); its scores mean "
                "nothing here: freeze with the same config, then load"
            )
        here = self._group()
        if here and there and here != found["group"]:
            # In the same words for every weight of the network, so that it is said once.
            warn(
                f"a state is loaded whose scores shared one threshold among {there[0]} weights of "
                f"{there[1]:,} entries, into a network that shares one among {here[0]} of "
                f"{here[1]:,}, or others: the same scores keep other weights here; freeze the same "
                "modules together, then load",
                GsltWarning,
            )

    def extra_repr(self) -> str:
        """Counts, as in ``print(model)``."""
        c = self.counts
        return f"{c.total} weights: {c.pruned} pruned, {c.locked} locked, {c.searched} searched"


def frozen_weights(module: nn.Module) -> list[FrozenWeight]:
    """The frozen weights of a module, in the order of its parameters."""
    return [m for m in module.modules() if isinstance(m, FrozenWeight)]


def forget_selections(module: nn.Module) -> None:
    """Have every mask of a module selected anew, so that no uncounted write escapes.

    Args:
        module: frozen, or something that holds frozen modules.
    """
    for weight in frozen_weights(module):
        assert weight.supermask is not None
        weight.supermask.forget()
