"""What the typed configs share: checks of single values, and the part of a wider config."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar

from gslt.errors import ConfigError

C = TypeVar("C")


def check_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Refuse a value that is not among the choices.

    Raises:
        ConfigError: naming the choices.
    """
    choices = list(choices)
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(map(str, choices))}, got {value!r}")


def part(kind: type[C], config: object) -> C:
    """The fields of one config class out of a wider config, such as a ``SearchConfig``."""
    names = (field.name for field in dataclasses.fields(kind))  # type: ignore[arg-type]
    return kind(**{name: getattr(config, name) for name in names})


def build(kind: type[C], values: dict[str, Any]) -> C:
    """A config from stored values.

    Raises:
        ConfigError: naming fields that the class does not have.
    """
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - known):
        raise ConfigError(f"{kind.__name__} has no field {', '.join(unknown)}")
    return kind(**values)
