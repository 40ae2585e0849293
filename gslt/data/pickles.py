"""Pickles read as data: nothing that they name is imported, called or built.

A pickle is a program for a small machine, and Python's own machine calls whatever the program asks
for. The one here knows the few operations that files of arrays are made of. A name is a value to
it, and must be one of :data:`NAMES`; a call of such a name is carried out by a function of this
module, which takes its arguments for what an array needs or refuses them. No operation takes more
memory than the bytes of the file that it comes from.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

#: The only names that a pickle may hold, and what each of them is here. NumPy and SciPy have moved
#: theirs; Python 2 had other names for its modules.
NAMES = {
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "numpy.core.multiarray _reconstruct": "reconstruct",
    "numpy._core.multiarray _reconstruct": "reconstruct",
    "numpy.core.numeric _frombuffer": "frombuffer",
    "numpy._core.numeric _frombuffer": "frombuffer",
    "scipy.sparse.csr csr_matrix": "csr_matrix",
    "scipy.sparse._csr csr_matrix": "csr_matrix",
    "scipy.sparse csr_matrix": "csr_matrix",
    "_codecs encode": "encode",
    "collections defaultdict": "defaultdict",
    "builtins bytes": "bytes",
    "__builtin__ bytes": "bytes",
    "builtins list": "list",
    "__builtin__ list": "list",
}
#: Number types of arrays, as NumPy's pickles call them.
_TYPES = frozenset(["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
_MARK = object()


@dataclass(frozen=True)
class _Name:
    """A name that may be called."""

    of: str


@dataclass
class _Type:
    """The number type of an array; the byte order follows in a step of its own."""

    code: str
    order: str = "="

    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


@dataclass
class _Array:
    """An array whose content follows in a step of its own."""

    content: npt.NDArray[Any] | None = None


@dataclass
class SparseMatrix:
    """A matrix in compressed sparse rows, as it was stored: nothing of it is checked."""

    parts: dict[Hashable, Any] = field(default_factory=dict)
    """``data``, ``indices``, ``indptr`` and ``_shape``, among others."""


def unpickle(data: bytes) -> Any:
    """The value of a pickle that holds arrays, sparse matrices, numbers, texts and containers.

    >>> import pickle
    >>> unpickle(pickle.dumps({0: [1, 2], 1: np.arange(2)}))
    {0: [1, 2], 1: array([0, 1])}
    >>> unpickle(pickle.dumps(len))
    Traceback (most recent call last):
    ValueError: it asks for 'builtins len', which no array needs and which could run code

    Args:
        data: the content of a file, of any protocol; texts of Python 2 are taken for latin-1.

    Returns:
        Plain values; the value itself, or values of a dict or :class:`SparseMatrix`, may be arrays,
        which are views of the data.

    Raises:
        ValueError: if it asks for anything else, or is damaged.
    """
    machine = _Machine(data)
    for operation, argument, place in pickletools.genops(data):
        assert place is not None
        try:
            act = _OPERATIONS[operation.name]
        except KeyError:
            raise ValueError(
                f"it holds the operation {operation.name}, which no array needs and which could "
                "run code"
            ) from None
        act(machine, argument)
        if operation.name == "STOP" and place + 1 != len(data):
            raise ValueError(f"it goes on after its end, by {len(data) - place - 1} bytes")
    return _finished(machine.result)


class _Machine:
    """The stack and the memory that a pickle works with."""

    def __init__(self, data: bytes) -> None:
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}
        self.left = len(data)
        self.result: Any = None

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise ValueError("it takes a value that is not there")
        return self.stack.pop()

    def top(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise ValueError("it takes a value that is not there")
        return self.stack[-1]

    def pop_to_mark(self) -> list[Any]:
        values = []
        while self.stack and self.stack[-1] is not _MARK:
            values.append(self.stack.pop())
        if not self.stack:
            raise ValueError("it takes a value that is not there")
        self.stack.pop()
        return values[::-1]

    def recall(self, number: int) -> None:
        if number not in self.memory:
            raise ValueError("it recalls a value that is not there")
        self.stack.append(self.memory[number])

    def bytes_of(self, value: Any) -> bytes | bytearray:
        """Bytes, of which Python 2 and old protocols make text: never more than the file has."""
        if isinstance(value, bytes | bytearray):
            return value
        if not isinstance(value, str):
            raise ValueError(f"the content of an array is a {type(value).__name__}")
        self.left -= len(value)
        if self.left < 0:
            raise ValueError("it makes more bytes than it has")
        return value.encode("latin-1")


# Operations that hold, move and group values


def _push(machine: _Machine, value: Any) -> None:
    machine.stack.append(value)


def _constant(value: Any) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(value)


def _nothing(machine: _Machine, _: Any) -> None:
    pass


def _stop(machine: _Machine, _: Any) -> None:
    machine.result = machine.pop()
    if machine.stack:
        raise ValueError("it ends with values that it does not use")


def _drop(machine: _Machine, _: Any) -> None:
    machine.pop()


def _drop_to_mark(machine: _Machine, _: Any) -> None:
    machine.pop_to_mark()


def _remember(machine: _Machine, number: int) -> None:
    if not 0 <= number < 2**32:
        raise ValueError("it keeps a value under too large a number")
    machine.memory[number] = machine.top()


def _memoize(machine: _Machine, _: Any) -> None:
    machine.memory[len(machine.memory)] = machine.top()


def _group(kind: Callable[[list[Any]], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(kind(machine.pop_to_mark()))


def _tuple_of(number: int) -> Callable[[_Machine, Any], None]:
    def act(machine: _Machine, _: Any) -> None:
        values = [machine.pop() for _ in range(number)]
        machine.stack.append(tuple(values[::-1]))

    return act


def _append(machine: _Machine, values: list[Any]) -> None:
    target = machine.top()
    if not isinstance(target, list):
        raise ValueError(f"it adds to a {type(target).__name__} as to a list")
    target.extend(values)


def _set(machine: _Machine, values: list[Any]) -> None:
    target = machine.top()
    if not isinstance(target, dict):
        raise ValueError(f"it adds to a {type(target).__name__} as to a dict")
    target.update(_pairs(values))


def _pairs(values: list[Any]) -> dict[Hashable, Any]:
    keys, contents = values[::2], values[1::2]
    for key in keys:
        # The hash of nested tuples takes time without end, and so do large numbers of equal hash.
        if not (isinstance(key, str) or (type(key) is int and abs(key) < 2**32)):
            raise ValueError(f"the key of a dict is a {type(key).__name__}, or too large a number")
    return dict(zip(keys, contents, strict=True))


# Operations that name, call and fill


def _name(machine: _Machine, text: str) -> None:
    if text not in NAMES:
        raise ValueError(
            f"it asks for {text[:100]!r}, which no array needs and which could run code"
        )
    machine.stack.append(_Name(NAMES[text]))


def _stack_name(machine: _Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
        raise ValueError("it asks for a name that is no text")
    _name(machine, f"{module} {name}")


def _call(machine: _Machine, _: Any) -> None:
    arguments, function = machine.pop(), machine.pop()
    if not (isinstance(function, _Name) and isinstance(arguments, tuple)):
        raise ValueError(f"it calls a {type(function).__name__}")
    if function.of not in _CALLS:
        raise ValueError(f"it calls {function.of}, which no array needs")
    machine.stack.append(_CALLS[function.of](machine, arguments))


def _make(machine: _Machine, _: Any) -> None:
    arguments, kind = machine.pop(), machine.pop()
    if kind != _Name("csr_matrix") or arguments != ():
        raise ValueError("it makes an object that is no sparse matrix")
    machine.stack.append(SparseMatrix())


def _fill(machine: _Machine, _: Any) -> None:
    state, target = machine.pop(), machine.top()
    if isinstance(target, _Type):
        _fill_type(target, state)
    elif isinstance(target, _Array):
        _fill_array(machine, target, state)
    elif isinstance(target, SparseMatrix) and isinstance(state, dict):
        target.parts = state
    else:
        raise ValueError(f"it gives a {type(target).__name__} a state")


def _call_encode(machine: _Machine, arguments: tuple[Any, ...]) -> bytes | bytearray:
    if not (len(arguments) == 2 and arguments[1] in ("latin1", "latin-1")):
        raise ValueError("it encodes a text, and not as latin-1")
    return machine.bytes_of(arguments[0])


def _call_bytes(machine: _Machine, arguments: tuple[Any, ...]) -> bytes:
    # What old protocols write for no bytes at all.
    if arguments != ():
        raise ValueError("it makes bytes of something")
    return b""


def _call_defaultdict(machine: _Machine, arguments: tuple[Any, ...]) -> dict[Hashable, Any]:
    if arguments not in ((), (_Name("list"),)):
        raise ValueError("it makes a dict with a default that is no empty list")
    return {}


def _call_type(machine: _Machine, arguments: tuple[Any, ...]) -> _Type:
    if not (arguments and isinstance(arguments[0], str) and arguments[0] in _TYPES):
        raise ValueError("an array is not of numbers")
    return _Type(arguments[0])


def _fill_type(target: _Type, state: Any) -> None:
    if not (isinstance(state, tuple) and len(state) >= 2 and state[1] in ("<", ">", "=", "|")):
        raise ValueError("the number type of an array has no byte order")
    target.order = state[1]


def _call_reconstruct(machine: _Machine, arguments: tuple[Any, ...]) -> _Array:
    if not (len(arguments) == 3 and arguments[:2] == (_Name("ndarray"), (0,))):
        raise ValueError("it makes an object that is no array")
    return _Array()


def _fill_array(machine: _Machine, target: _Array, state: Any) -> None:
    if not (isinstance(state, tuple) and len(state) == 5):
        raise ValueError("the state of an array has not five parts")
    _, shape, kind, by_column, content = state
    target.content = _array(machine, content, kind, shape, "F" if by_column is True else "C")


def _call_frombuffer(machine: _Machine, arguments: tuple[Any, ...]) -> _Array:
    if len(arguments) != 4:
        raise ValueError("the state of an array has not four parts")
    content, kind, shape, order = arguments
    return _Array(_array(machine, content, kind, shape, "F" if order == "F" else "C"))


def _array(machine: _Machine, content: Any, kind: Any, shape: Any, order: Any) -> npt.NDArray[Any]:
    """An array over the bytes of the file: its shape must be just as large as they are."""
    if not isinstance(kind, _Type):
        raise ValueError("an array is not of numbers")
    if not (isinstance(shape, tuple) and all(type(n) is int and 0 <= n < 2**48 for n in shape)):
        raise ValueError("the shape of an array is not made of sizes")
    data, dtype = machine.bytes_of(content), kind.numpy()
    wanted = math.prod(shape) * dtype.itemsize
    if len(shape) > 2 or wanted != len(data):
        raise ValueError(
            f"an array has {len(shape)} dimensions and {len(data)} bytes, and needs at most two "
            f"and {wanted:,}"
        )
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def _finished(value: Any) -> Any:
    """A value with arrays in the place of their stand-ins, in it or one container deep.

    No deeper: containers may hold one another many times over.
    """
    if isinstance(value, SparseMatrix):
        return SparseMatrix({key: _content(each) for key, each in value.parts.items()})
    if isinstance(value, dict):
        return {key: _content(each) for key, each in value.items()}
    return _content(value)


def _content(value: Any) -> Any:
    if not isinstance(value, _Array):
        return value
    if value.content is None:
        raise ValueError("an array has no content")
    return value.content


_CALLS: dict[str, Callable[[_Machine, tuple[Any, ...]], Any]] = {
    "bytes": _call_bytes,
    "encode": _call_encode,
    "defaultdict": _call_defaultdict,
    "dtype": _call_type,
    "reconstruct": _call_reconstruct,
    "frombuffer": _call_frombuffer,
}
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_STRINGS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
_TEXTS = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BYTEARRAY8")
#: What is done at each operation of a pickle, with its argument.
_OPERATIONS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys([*_NUMBERS, *_STRINGS, *_TEXTS], _push),
    "PROTO": _nothing,
    "FRAME": _nothing,
    "STOP": _stop,
    "NONE": _constant(None),
    "NEWTRUE": _constant(True),
    "NEWFALSE": _constant(False),
    "EMPTY_TUPLE": _constant(()),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "MARK": _constant(_MARK),
    "POP": _drop,
    "POP_MARK": _drop_to_mark,
    "TUPLE": _group(tuple),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "LIST": _group(list),
    "DICT": _group(_pairs),
    "APPEND": lambda machine, _: _append(machine, [machine.pop()]),
    "APPENDS": lambda machine, _: _append(machine, machine.pop_to_mark()),
    "SETITEM": lambda machine, _: _set(machine, [machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, _: _set(machine, machine.pop_to_mark()),
    "PUT": _remember,
    "BINPUT": _remember,
    "LONG_BINPUT": _remember,
    "MEMOIZE": _memoize,
    "GET": _Machine.recall,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "GLOBAL": _name,
    "STACK_GLOBAL": _stack_name,
    "REDUCE": _call,
    "NEWOBJ": _make,
    "BUILD": _fill,
}
