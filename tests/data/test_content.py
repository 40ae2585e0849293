"""How data is known again."""

from __future__ import annotations

import dataclasses
import functools

import pytest
import torch

from gslt.data.content import (
    content_facts,
    data_differ,
    judge_facts,
    refuse_other_data,
    run_facts,
    runs_differ,
)
from gslt.data.dataset import NodeDataset
from gslt.errors import DataError, GsltWarning, RunError, TicketError


def of(x: float = 0.0, num_nodes: int = 4) -> NodeDataset:
    nodes = torch.arange(num_nodes)
    return NodeDataset(
        name="toy",
        x=torch.full((num_nodes, 1), x),
        edge_index=torch.tensor([[0, 1], [1, 0]]),
        y=nodes % 2,
        train_mask=nodes == 0,
        val_mask=nodes == 1,
        test_mask=nodes >= 2,
        num_classes=2,
    )


def test_facts_by_hand() -> None:
    data = of()
    assert content_facts(data) == {
        "content_hash": data.content_hash,
        "nodes": 4,
        "edges": 2,
        "features": 1,
        "classes": 2,
        "train": 1,
        "val": 1,
        "test": 2,
    }
    # What is kept is what every record says of its graph.
    assert content_facts(data).items() <= data.info().items()


def test_how_data_differ() -> None:
    one, other, larger = (content_facts(each) for each in (of(), of(1.0), of(num_nodes=5)))
    assert data_differ(one, dict(one)) == ""
    assert data_differ(one, other).startswith("content ")
    assert data_differ(one, larger).startswith("nodes 4 and 5, test 2 and 3 (content ")
    # Of an older gslt: no hash, and then nothing at all.
    before = {name: value for name, value in one.items() if name != "content_hash"}
    assert data_differ(before, other) == ""
    assert data_differ(before, larger) == "nodes 4 and 5, test 2 and 3"
    assert data_differ({}, one) == ""


def half(y_true: torch.Tensor, y_pred: torch.Tensor) -> float:
    return 0.5


def test_runs_differ_by_what_judges_them_too() -> None:
    plain, judged = (dataclasses.replace(of(), evaluator=each) for each in (None, half))
    name = f"{__name__}.half"
    assert run_facts(plain) == {**content_facts(plain), "metric": "accuracy"}
    assert run_facts(judged) == {**run_facts(plain), "evaluator": name}
    assert content_facts(judged) == content_facts(plain)
    assert runs_differ(run_facts(plain), run_facts(judged)) == f"judged by accuracy and {name}"
    assert runs_differ(plain.info(), run_facts(plain)) == ""
    assert runs_differ(judged.info(), run_facts(judged)) == ""
    # An older gslt kept no metric of a run.
    assert runs_differ(content_facts(plain), run_facts(judged)) == ""
    assert runs_differ({}, run_facts(judged)) == ""


def test_an_evaluator_without_a_name_of_its_own_is_not_known_again() -> None:
    weight = 0.5

    def closure(y_true: torch.Tensor, y_pred: torch.Tensor) -> float:
        return weight

    nameless = [lambda y_true, y_pred: 0.5, functools.partial(half), closure]
    for evaluator in nameless:
        data = dataclasses.replace(of(), evaluator=evaluator)
        with pytest.raises(DataError, match="a name that others may have too"):
            judge_facts(data)
        assert data.info()["evaluator"] == data.evaluator_name


def test_other_data_is_refused_unless_it_is_allowed() -> None:
    with pytest.raises(RunError, match=r"^it differs; look \(--allow_other_data goes on"):
        refuse_other_data("it differs", "look", allowed=False)
    with pytest.raises(TicketError):
        refuse_other_data("it differs", "look", allowed=False, error=TicketError)
    with pytest.warns(GsltWarning, match="^it differs$") as said:
        refuse_other_data("it differs", "look", allowed=True)
    assert said[0].filename == __file__
