"""Which graph a network is measured on, and what it is called."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gslt.data.catalogue import known_entry


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which graph: arguments of :func:`gslt.load_dataset`."""

    name: str
    root: str | None = None
    split: int = 0

    @property
    def is_path(self) -> bool:
        """Whether there is a file or a folder of this name, and no known data set."""
        known = known_entry(self.name) is not None
        return not known and bool(self.name.strip()) and os.path.exists(self._path)

    @property
    def where(self) -> str:
        """The one spelling of a known name, the whole path of a file; else the name itself."""
        entry = known_entry(self.name)
        if entry is not None:
            return entry.name
        return str(self._path.resolve()) if self.is_path else self.name

    @property
    def graph(self) -> str:
        """What the graph calls itself: its known name, or the last part of its path."""
        last = self._path.stem if self._path.suffix == ".npz" else self._path.name
        entry = known_entry(self.name) or known_entry(last)
        return entry.name if entry else last or self.name

    @property
    def _path(self) -> Path:
        return Path(os.path.expanduser(self.name))
