"""What Debian's package index says: packages, and which of them names which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gslt.errors import DataError

_RELATIONS = ("Depends", "Pre-Depends", "Recommends", "Suggests")
_NAME_END = re.compile(r"[\s(:\[]")

Package = dict[str, str]


def read_packages(lines: Iterable[str]) -> list[Package]:
    """The stanzas of a package index as dictionaries, in order of the package names.

    Raises:
        DataError: if a stanza has no package name or no section, or two have the same name.
    """
    packages = sorted(_stanzas(lines), key=lambda package: package.get("Package", ""))
    for number, package in enumerate(packages):
        for field in ("Package", "Section"):
            if field not in package:
                raise DataError(
                    f"stanza {number} of the package index has no field {field!r}; "
                    "hand over the whole output of `apt-cache dumpavail`"
                )
        if number and packages[number - 1]["Package"] == package["Package"]:
            raise DataError(
                f"package {package['Package']!r} stands twice in the index; "
                "build from a machine with one architecture and one release"
            )
    return packages


def _stanzas(lines: Iterable[str]) -> Iterator[Package]:
    package: Package = {}
    field = ""
    for line in lines:
        text = line.rstrip("\n")
        if not text:
            if package:
                yield package
            package = {}
        elif text[0] in " \t":
            package[field] += text
        else:
            field, _, value = text.partition(":")
            package[field] = value.strip()
    if package:
        yield package


def _names(field: str) -> Iterator[str]:
    """Package names of a relation field, of each group its first alternative."""
    for group in field.split(","):
        first = group.split("|")[0].strip()
        if first:
            yield _NAME_END.split(first, maxsplit=1)[0]


def dependencies(packages: list[Package]) -> list[list[int]]:
    """For each package the sorted numbers of the packages that it names, itself left out.

    A name that is no package is virtual, and resolves when one Provides entry of the whole index
    declares it (so not when one package provides several versions of it).
    """
    number = {package["Package"]: i for i, package in enumerate(packages)}
    providers: dict[str, list[int]] = {}
    for i, package in enumerate(packages):
        for name in _names(package.get("Provides", "")):
            providers.setdefault(name, []).append(i)
    for name, found in providers.items():
        if len(found) == 1:
            number.setdefault(name, found[0])
    return [
        sorted(
            {
                number[name]
                for relation in _RELATIONS
                for name in _names(package.get(relation, ""))
                if name in number
            }
            - {i}
        )
        for i, package in enumerate(packages)
    ]
