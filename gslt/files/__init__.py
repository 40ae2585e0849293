"""Reading and writing files: whole or not there, within limits, and only what gslt itself made.

``writing`` replaces single files, ``folder`` is the folder of a command's output with its manifest,
``reading`` and ``npz`` read what somebody else may have written, and ``container`` seals values and
tensors with a checksum.
"""

from __future__ import annotations

from gslt.files.folder import OutputFolder
from gslt.files.npz import npz_names, read_npz
from gslt.files.reading import (
    json_values,
    open_regular,
    parse,
    read_bytes,
    read_json,
    read_text,
    read_yaml,
    reading,
    yaml_values,
)
from gslt.files.writing import plain, replacing, write_json, write_npz, write_text

__all__ = [
    "OutputFolder",
    "json_values",
    "npz_names",
    "open_regular",
    "parse",
    "plain",
    "read_bytes",
    "read_json",
    "read_npz",
    "read_text",
    "read_yaml",
    "reading",
    "replacing",
    "write_json",
    "write_npz",
    "write_text",
    "yaml_values",
]
