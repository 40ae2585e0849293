"""What users read of a command: its help, and what is wrong with what they typed."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from gslt.errors import listed, nearest
from gslt.settings import shortened

#: Options by what they are about, in the order of a help; others come first.
GROUPS: dict[str, tuple[str, ...]] = {
    "data": (
        *("dataset", "dataset_dir", "split", "x", "y", "features", "undirected", "fractions"),
        *("metric", "allow_other_data"),
    ),
    "model": (
        *("architecture", "num_layers", "hidden_channels", "batch_norm", "head", "dropout"),
        *("residual", "unit_gain", "pair_norm", "edges", "heads", "width"),
    ),
    "source network and freezing": (
        *(
            "freezing_ratio",
            "prune_share",
            "prune_ratio",
            "lock_ratio",
            "allocation",
            "place",
            "draw",
        ),
        *("connected", "weight_init", "scale"),
    ),
    "search": (
        *("sparsity", "sparsity_schedule", "sparsity_levels", "threshold", "ranking"),
        *("score_init", "score_draw", "l1"),
    ),
    "mask before training": (
        *("mask_sparsity", "mask", "rewire_every", "rewire_fraction", "rewire_until", "regrow"),
    ),
    "optimisation": (
        *("epochs", "patience", "lr", "lr_schedule", "optimizer", "momentum", "weight_decay"),
        *("train_lr", "batch_size", "augment", "runs", "seeds", "seed"),
    ),
    "where it is computed": (
        *("backend", "device", "precision", "executor", "workers", "address", "cpus_per_run"),
        *("gpus_per_run",),
    ),
    "settings, output and messages": (
        *("config", "print_config", "out", "resume", "checkpoint_seconds", "log", "probe_every"),
        *("quiet", "verbose", "json", "help"),
    ),
}
_GROUP = {name: title for title, names in GROUPS.items() for name in names}
#: A help of fewer options needs no groups by topic.
_MANY = 12
#: The longest choices that stand behind an option; longer ones are in its text.
_SHORT = 24
#: Placeholder and description of a value by its type.
_KINDS: dict[type, tuple[str, str]] = {
    bool: ("{true,false}", "true or false"),
    int: ("N", "a whole number"),
    float: ("X", "a number"),
    Path: ("PATH", "a path"),
    object: ("NAME", "a value"),
}
#: What restricted numbers are, beside their type.
_LEAST = {"PositiveInt": " above 0", "NonNegativeFloat": " of at least 0"}


# Errors


def sentence(message: str, parser: Any) -> str:
    """What argparse and jsonargparse say of a wrong word, as a sentence about the option.

    Args:
        message: theirs, in one line.
        parser: of the command.
    """
    message = " ".join(message.split())
    actions = {action.dest: action for action in parser._actions}
    if found := re.match(r'Parser key "([^"]*)"(?: element \d+)?:', message):
        action = actions.get(found[1].rpartition(".")[2])
        values = (re.search(pattern, message) for pattern in _VALUES)
        if action is not None and hint_of(action) is not None:
            return _wrong_value(action, next((value[1] for value in values if value), ""))
    if found := re.match(r"argument ([^:]*): expected .*", message):
        flag = found[1].split("/")[-1]
        kind = _words(hint_of(parser._option_string_actions.get(flag)))
        return f"{flag} needs {_number_of(parser._option_string_actions.get(flag))}{kind}"
    if found := re.match(_MISSING, message):
        names = [name.rpartition(".")[2] for name in (found[1] or found[2]).split(", ")]
        return f"{listed([_shown(actions[n]) if n in actions else n for n in names])} is missing"
    if found := re.match(r"[Uu]nrecognized arguments: (.*)", message):
        return f"there is no place for {shortened(found[1])}"
    if found := re.search(r"(?:Key|does not accept option) '([^']*)'", message):
        name = found[1].rpartition(".")[2]
        return f"there is no setting {name}{nearest(name, actions)}"
    if message.startswith("Unexpected config: "):
        return "there are no settings, lines such as epochs: 100"
    return re.sub(r'^Parser key "(\w+)": ', "", message).rstrip(". ")


#: What it says of options that are missing, in older versions one at a time.
_MISSING = r"the following arguments are required: (.*)|Option '([^']*)' is required"
#: Where jsonargparse shows the value that is wrong.
_VALUES = (
    r"Given value: (.*)$",
    r"Got value: (.*)$",
    r"invalid literal [^']*'(.*?)'",
    r"to float: '(.*?)'",
)


def _number_of(action: Any) -> str:
    count = count_of(action) if action is not None else 1
    return f"{count} values, each " if count > 1 else ""


def _wrong_value(action: Any, value: str) -> str:
    hint = hint_of(action)
    each = "every value of " if is_list(action) else ""
    value = value.strip("[]'\"") if each else value
    got = f", got {shortened(value)}" if value else ""
    near = nearest(value, choices_of(hint)) if value else ""
    return f"{each}{_shown(action)} must be {_words(hint)}{got}{near}"


def is_list(action: Any) -> bool:
    """Whether an option takes several values."""
    return action.nargs == "+" or count_of(action) > 1 or get_origin(hint_of(action)) is tuple


def count_of(action: Any) -> int:
    """How many values an option takes, where that is a number; else 1."""
    return action.nargs if isinstance(action.nargs, int) else 1


def children(parser: Any) -> dict[str, Any]:
    """The parsers of the commands of a parser, by name."""
    for action in parser._actions:
        if hasattr(action, "_name_parser_map"):
            return dict(action._name_parser_map)
    return {}


def _shown(action: Any) -> str:
    return action.option_strings[-1] if action.option_strings else str(_metavar(action))


def hint_of(action: Any) -> Any:
    """The type of an option, None for flags."""
    return getattr(action, "_typehint", None)


def _members(hint: Any) -> list[Any]:
    """The types that a hint allows, but for None; those of a tuple's places."""
    if get_origin(hint) is tuple:
        return _members(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [m for each in get_args(hint) if each is not NoneType for m in _members(each)]
    return [hint]


def choices_of(hint: Any) -> list[str]:
    """What a type has to choose from, if anything."""
    return [str(c) for m in _members(hint) if get_origin(m) is Literal for c in get_args(m)]


def _kind(member: Any) -> tuple[str, str]:
    kind = member if isinstance(member, type) else object
    return next(words for base, words in _KINDS.items() if issubclass(kind, base))


def _words(hint: Any) -> str:
    """What a value may be, in words."""
    said = []
    for member in _members(hint):
        if get_origin(member) is Literal:
            choices = [str(choice) for choice in get_args(member)]
            said.append(f"one of {', '.join(choices)}" if choices[1:] else choices[0])
            continue
        said.append(_kind(member)[1] + _LEAST.get(getattr(member, "__name__", ""), ""))
    return " or ".join(said)


# Help


class Formatter(argparse.HelpFormatter):
    """Options with short placeholders, and texts without markup."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **{"max_help_position": 28, **options})

    def _metavar_formatter(
        self, action: argparse.Action, default_metavar: str
    ) -> Callable[[int], tuple[str, ...]]:
        metavar = _metavar(action)
        return lambda size: metavar if isinstance(metavar, tuple) else (metavar,) * size

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if get_origin(hint_of(action)) is tuple or action.nargs == "+":
            return f"{_metavar(action)} ..."
        if "--print_config" in action.option_strings:
            return "[=skip_default]"
        return super()._format_args(action, default_metavar)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        return super()._format_action_invocation(action).replace(" [=", "[=")

    def _expand_help(self, action: argparse.Action) -> str:
        return _text(action)


def _metavar(action: Any) -> str | tuple[str, ...]:
    hint, given = hint_of(action), action.metavar
    if given is not None and not str(given).startswith(("{", "[")):
        return given  # type: ignore[no-any-return]
    if not action.option_strings:
        return str(action.dest)
    if choices := choices_of(hint):
        text = "{" + ",".join(choices) + "}"
        return text if len(text) <= _SHORT and not is_list(action) else "NAME"
    if hint is None:
        return "FILE"
    return _kind(_members(hint)[0])[0]


def _text(action: Any) -> str:
    """The text of an option: a sentence that begins with a capital, its choices and default."""
    if "--print_config" in action.option_strings:
        return "Print the settings as YAML, for --config, and end (=skip_default: unusual ones)"
    text, bracket, default = (action.help or "").replace("``", "").strip().partition(" [")
    if not default.endswith("]"):  # What is in brackets at the end is the default, in words.
        text, default = text + bracket + default, f"{_default(action)}]"
    if not isinstance(action, argparse._SubParsersAction._ChoicesPseudoAction):
        text = text[:1].upper() + text[1:]
    choices = choices_of(hint_of(action))
    listed = choices and _metavar(action) == "NAME" and not _names_all(text, choices)
    # One sentence needs no full stop, nor does what is followed by something in brackets.
    text = text.rstrip(".") if ". " not in text or listed or default != "]" else text
    text += f" ({', '.join(choices)})" if listed else ""
    return text if default == "]" else f"{text} [{default}"


def _names_all(text: str, choices: Iterable[str]) -> bool:
    return all(re.search(rf"\b{re.escape(choice)}\b", text) for choice in choices)


def _default(action: Any) -> str:
    value = action.default
    if value in (None, argparse.SUPPRESS, []) or not action.option_strings or action.nargs == 0:
        return ""
    if isinstance(value, tuple | list):
        return " ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def usage(parser: Any) -> str:
    """What follows the command: what must be there, and [options]."""
    if names := list(children(parser)):
        return f"{{{','.join(names)}}} ..." if len(names) <= 6 else "COMMAND [options]"
    words = [*(f"{_shown(action)} {_metavar(action)}" for action in parser.must), "[options]"]
    for action in (a for a in parser._actions if not a.option_strings):
        name = str(_metavar(action))
        words.append({"*": f"[{name} ...]", "+": f"{name} [{name} ...]"}.get(action.nargs, name))
    return " ".join(words)


def sections(parser: Any) -> Iterator[tuple[str, list[Any]]]:
    """Title and options of each group, none of them empty."""
    commands = [a for a in parser._actions if hasattr(a, "_name_parser_map")]
    for action in commands:
        yield "commands", action._choices_actions
    actions = [a for a in parser._actions if a not in commands and a.help != argparse.SUPPRESS]
    if positional := [a for a in actions if not a.option_strings]:
        yield "arguments", positional
    optional = [a for a in actions if a.option_strings]
    topics = list(GROUPS) if len(optional) >= _MANY else list(GROUPS)[-1:]
    title = {id(a): _GROUP.get(_option_name(a), "options") for a in optional}
    for topic in ("options", *topics):
        mine = [a for a in optional if _topic(title[id(a)], topics) == topic]
        names = GROUPS.get(topic, ())
        if mine := sorted(mine, key=lambda a: _place(_option_name(a), names)):
            yield topic, mine


def _option_name(action: Any) -> str:
    return str(action.option_strings[-1]).lstrip("-")


def _topic(title: str, topics: Sequence[str]) -> str:
    return title if title in topics else "options"


def _place(name: str, names: Sequence[str]) -> int:
    return names.index(name) if name in names else 0
