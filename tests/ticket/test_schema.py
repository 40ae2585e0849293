"""Tickets that contradict themselves."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import gslt
from gslt.config import FreezeConfig
from gslt.freezing import FrozenCounts
from gslt.ticket.schema import Architecture, StoredTicket, check_ticket, expect_count


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"results": {"test": float("nan")}}, "'test' is no finite number"),
        ({"split": -1}, "a count is -1"),
        ({"weights_checksum": "00"}, "no SHA-256"),
        ({"masks": {}}, "wrong architecture"),
        ({"source": FrozenCounts(0, 0, 0)}, "no weight"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(result, tmp_path, change, message):
    path = tmp_path / "t.safetensors"
    with pytest.raises(gslt.TicketError, match=f"cannot be written: .*{message}"):
        dataclasses.replace(result.ticket, **change).save(path)
    assert not path.exists()


def stored(**changes: object) -> StoredTicket:
    """A ticket of four weights in a module of one's own, half of them kept."""
    mask = torch.tensor([True, False, True, False])
    whole = StoredTicket(FreezeConfig(sparsity=0.5), {"a": mask}, FrozenCounts(4, 0, 0), "0" * 64)
    return dataclasses.replace(whole, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": FrozenCounts(4, 1, 0)}, "wrong counts of the source"),
        ({"masks": {"a": torch.ones(4, dtype=torch.bool)}}, r"wrong kept weights: \[4\]"),
        ({"masks": {"a": torch.tensor([True, True])}}, "wrong searched weights: 2"),
        ({"results": {"test": True}}, "'test' is no finite number"),
        ({"results": None}, "results are no object"),
        ({"dataset": None}, "data set is called None"),
        ({"dataset": "\ud800"}, "surrogates"),
        ({"split": 1.0}, "a count is 1.0"),
        ({"weights_checksum": "F" * 64}, "no SHA-256"),
    ],
)
def test_contradictions_by_hand(changes: dict[str, object], message: str) -> None:
    check_ticket(stored())
    with pytest.raises(ValueError, match=message):
        check_ticket(stored(**changes))


def test_a_count_is_a_whole_number_of_things() -> None:
    expect_count(0)
    for value in (-1, 1.0, True, "1", None):
        with pytest.raises(ValueError, match="a count is"):
            expect_count(value)


def test_a_network_has_inputs_and_classes() -> None:
    for width in (0, -1, 2.0, True):
        with pytest.raises(gslt.ConfigError, match="at least one input and class"):
            Architecture(gslt.ModelConfig(), 3, width)  # type: ignore[arg-type]
