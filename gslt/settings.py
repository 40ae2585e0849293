"""What every config is: settings given by name, checked by their types, built from values."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterable
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from typing_extensions import Self

from gslt.errors import ConfigError, nearest


class Settings:
    """What every config is: a dataclass whose settings are given by their names.

    >>> from gslt.config import FreezeConfig
    >>> FreezeConfig(sparcity=0.3)
    Traceback (most recent call last):
    gslt.errors.ConfigError: FreezeConfig has no setting 'sparcity' (did you mean sparsity?)

    Raises:
        ConfigError: for a name that it does not have, or a value without one.
    """

    def __new__(cls, *unnamed: Any, **named: Any) -> Self:
        """Refuses what the constructor of a dataclass would with a TypeError."""
        known = list(cls.__dataclass_fields__)  # type: ignore[attr-defined]
        if unnamed:
            raise ConfigError(
                f"{cls.__name__} takes its settings by name, such as "
                f"{known[0]}={shortened(unnamed[0])}"
            )
        for name in named:
            if name not in known:
                hint = nearest(name, known) or f"; it has {', '.join(known)}"
                raise ConfigError(f"{cls.__name__} has no setting {name!r}{hint}")
        return super().__new__(cls)


C = TypeVar("C")


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Refuse a value that is not among the choices.

    Args:
        name: of the setting, for the message.
        value: what was given.
        choices: what is possible.

    Raises:
        ConfigError: naming the choices.
    """
    if value not in choices:
        listed, near = ", ".join(map(str, choices)), nearest(value, choices)
        raise ConfigError(f"{name} must be one of {listed}, got {shortened(value)}{near}")


def check_choices(name: str, values: Iterable[object], choices: tuple[object, ...]) -> None:
    """Refuse values that are not all among the choices.

    Args:
        name: of the setting, for the message.
        values: what was given.
        choices: what is possible.

    Raises:
        ConfigError: naming the choices, or for a text in the place of several.
    """
    if isinstance(values, str):
        raise ConfigError(f"{name} takes several names, got the text {values!r}; give a list")
    for value in values:
        check_choice(name, value, choices)


def check_values(config: Any) -> None:
    """Refuse a field whose value does not fit its annotation.

    Args:
        config: any dataclass; only fields of ``bool``, ``int``, ``float``, ``str``, ``None``,
            unions of these, and ``Literal`` are checked. An integer is a float, a bool is no
            number, and no number is infinite or NaN.

    Raises:
        ConfigError: naming the field and what it may be.
    """
    for name, kind, choices, accepted in _rules(type(config)):  # type: ignore[arg-type]
        value = getattr(config, name)
        if choices:
            check_choice(name, value, choices)
        elif accepted and not _fits(value, accepted):
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"{name} must be a finite number, got {value}")
            raise ConfigError(f"{name} must be of type {kind}, got {shortened(value)}")


@lru_cache(maxsize=64)
def _rules(config: type) -> list[tuple[str, str, tuple[object, ...], tuple[type, ...]]]:
    """Name, type in words, choices and accepted types of every field; none of either: anything."""
    rules = []
    # Annotations are text in a module that postpones their evaluation.
    hints = get_type_hints(config)
    for field in dataclasses.fields(config):
        hint = hints[field.name]
        kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        known = all(kind in _PLAIN for kind in kinds)
        accepted = tuple(each for kind in kinds for each in _PLAIN[kind]) if known else ()
        choices = get_args(hint) if get_origin(hint) is Literal else ()
        words = hint.__name__ if isinstance(hint, type) else str(hint)
        rules.append((field.name, words, choices, accepted))
    return rules


#: What a value of each annotated type may be; YAML and JSON write some floats as integers.
_PLAIN: dict[Any, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (float, int),
    str: (str,),
    NoneType: (NoneType,),
}


def _fits(value: object, accepted: tuple[type, ...]) -> bool:
    if isinstance(value, bool) or not isinstance(value, float | int):
        return type(value) in accepted or (isinstance(value, str) and str in accepted)
    # No setting is larger, and a number of thousands of digits could not even be shown.
    largest = sys.float_info.max if float in accepted else 2**64
    return isinstance(value, accepted) and abs(value) <= largest


def shortened(value: object) -> str:
    """A value as an error shows it, whatever it is.

    >>> shortened("a" * 1000)[-9:]
    'aaaaaaa …'

    Args:
        value: any; what is longer than 200 characters is cut off.
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Of a number of thousands of digits, or without end.
        text = f"a very large {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:200]} …"


def part(kind: type[C], config: object) -> C:
    """The fields of one config class out of a wider config, such as a ``SearchConfig``.

    >>> from gslt.config import FreezeConfig, SearchConfig
    >>> part(FreezeConfig, SearchConfig(seed=3)).seed
    3

    Args:
        kind: the config class to make.
        config: has every field of ``kind``, and maybe more.
    """
    names = (field.name for field in dataclasses.fields(kind))  # type: ignore[arg-type]
    return kind(**{name: getattr(config, name) for name in names})


def build(kind: type[C], values: dict[str, Any]) -> C:
    """A config from stored values.

    Args:
        kind: the config class to make.
        values: by field name; a field that is missing takes its default.

    Raises:
        ConfigError: naming fields that the class does not have, or that are missing, or what is
            wrong with a value.
    """
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    if unknown := sorted(map(str, set(values) - {field.name for field in fields})):
        near = nearest(unknown[0], [field.name for field in fields])
        listed = shortened(", ".join(unknown))[1:-1]
        raise ConfigError(f"{kind.__name__} has no field {listed}{near}")
    needed = [
        field.name
        for field in fields
        if field.default is field.default_factory is dataclasses.MISSING and field.init
    ]
    if missing := [name for name in needed if name not in values]:
        raise ConfigError(f"{kind.__name__} needs the field {', '.join(missing)}")
    return kind(**values)
