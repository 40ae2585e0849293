"""What two tickets have in common: by hand, by enumeration, and of tickets that were found."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import mutants
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom
from small_modules import mlp
from small_runs import TICKET
from torch import Tensor, nn

import gslt
from gslt.backends import get_backend
from gslt.errors import TicketError
from gslt.masking.initialise import initialise_training
from gslt.masking.parametrization import frozen_weights
from gslt.ticket.overlaps import Overlap, overlap, pairwise_overlaps


def layer(
    scores: Sequence[float], pattern: Sequence[int] | None = None, **source: float
) -> nn.Module:
    """A linear layer of 2 × 3 weights with these scores of the searched ones."""
    module = nn.Sequential(nn.Linear(3, 2, bias=False))
    config = gslt.FreezeConfig(**{"sparsity": 0.5, **source})  # type: ignore[arg-type]
    given = None if pattern is None else {"0.weight": torch.tensor(pattern)}
    gslt.freeze(module, config, pattern=given)
    with torch.no_grad():
        frozen_weights(module)[0].score().copy_(torch.tensor(scores))
    return module


def test_two_layers_by_hand() -> None:
    first, second = layer([9, 8, 7, 1, 2, 3]), layer([1, 8, 7, 9, 2, 3])
    found = overlap(first, second).whole
    # Weights 0, 1, 2 and 1, 2, 3: of four different ones two are in both.
    assert (found.total, found.kept, found.both, found.same_sign) == (6, (3, 3), 2, 2)
    assert (found.jaccard, found.contained, found.sign_agreement) == (0.5, 2 / 3, 1.0)
    # Three of six, and three of six: 1.5 by chance, which is 1.5 of 4.5.
    assert found.chance == 1.5
    assert found.chance_jaccard == pytest.approx(1 / 3)
    assert found.variance == pytest.approx(hypergeom(6, 3, 3).var())
    assert found.deviations == pytest.approx(0.5 / hypergeom(6, 3, 3).std())


def test_what_is_locked_in_both_is_there_by_chance_too() -> None:
    pattern = [1, 0, 0, 0, 0, -1]
    first, second = layer([4, 3, 2, 1], pattern), layer([4, 2, 1, 3], pattern)
    found = overlap(first, second).whole
    # Half of six are kept: the locked one and two of the four searched ones.
    assert (found.kept, found.both, found.chance) == ((3, 3), 2, 1 + 4 * 0.25)
    assert found.variance == pytest.approx(hypergeom(4, 2, 2).var())


PATTERN = st.lists(st.sampled_from([-1, 0, 0, 0, 1]), min_size=6, max_size=6)


@given(PATTERN, PATTERN, st.data())
def test_chance_is_the_mean_over_all_tickets(
    first: list[int], second: list[int], data: st.DataObject
) -> None:
    numbers, sources, alike = [], [], []
    for pattern in (first, second):
        searched = pattern.count(0)
        kept = data.draw(st.integers(0, searched))
        sparsity = 1 - (pattern.count(1) + kept) / 6
        if not searched:
            return
        module = layer(range(searched), pattern, sparsity=sparsity)
        places = [i for i, value in enumerate(pattern) if not value]
        locked = {i for i, value in enumerate(pattern) if value > 0}
        numbers.append(kept)
        sources.append(module)
        alike.append([locked | set(each) for each in itertools.combinations(places, kept)])
    found = overlap(*sources).whole
    counts = [len(a & b) for a, b in itertools.product(*alike)]
    assert found.chance == pytest.approx(np.mean(counts), abs=1e-12)
    assert found.variance == pytest.approx(np.var(counts), abs=1e-12)
    turned = overlap(*reversed(sources)).whole
    assert turned.kept == found.kept[::-1]
    assert (turned.both, turned.chance) == (found.both, pytest.approx(found.chance))


def test_figures_add_up_over_layers() -> None:
    one = Overlap(6, (3, 2), 2, 1.0, 0.25, 1)
    other = Overlap(10, (5, 4), 2, 2.0, 0.75, 2)
    both = Overlap.sum([one, other])
    assert both == Overlap(16, (8, 6), 4, 3.0, 1.0, 3)
    assert (both.jaccard, both.deviations) == (0.4, 1.0)
    assert (both.contained, both.sign_agreement) == (4 / 6, 0.75)


def test_tickets_that_keep_nothing_have_no_index() -> None:
    nothing = layer([1] * 6, sparsity=1.0)
    found = overlap(nothing, nothing)
    assert math.isnan(found.whole.jaccard)
    assert math.isnan(found.whole.sign_agreement)
    assert "–" in str(found)
    assert found.plot()


def masks_of(ticket: gslt.Ticket) -> dict[str, Tensor]:
    """What a ticket keeps, by the weights that its baked network has."""
    model = ticket.model(baked=True)
    return {name: w != 0 for name, w in model.named_parameters() if name in ticket.masks}


@pytest.fixture(scope="module")
def tickets(blocks: gslt.NodeDataset) -> list[gslt.Ticket]:
    """One seed, another draw of scores, a sparser one, and another seed."""
    configs = [
        TICKET,
        replace(TICKET, score_draw=1),
        replace(TICKET, sparsity=0.6),
        replace(TICKET, seed=4),
    ]
    return [gslt.search(blocks, config, progress=False).ticket for config in configs]


def test_tickets_have_in_common_what_their_networks_have(tickets: list[gslt.Ticket]) -> None:
    for first, second in itertools.combinations(tickets, 2):
        found, ours, theirs = overlap(first, second), masks_of(first), masks_of(second)
        assert list(found.layers) == list(first.masks)
        for name, each in found.layers.items():
            assert each.kept == (int(ours[name].sum()), int(theirs[name].sum()))
            assert each.both == int((ours[name] & theirs[name]).sum())


def test_a_ticket_and_itself(tickets: list[gslt.Ticket], tmp_path: Path) -> None:
    tickets[0].save(tmp_path / "t.safetensors")
    found = overlap(tickets[0], gslt.load_ticket(tmp_path / "t.safetensors"))
    assert all(each.jaccard == each.contained == 1.0 for each in found.layers.values())
    assert found.same_weights is True
    assert not found.note


def test_other_scores_at_first_find_another_ticket_of_the_same_weights(
    tickets: list[gslt.Ticket],
) -> None:
    found = overlap(*tickets[:2])
    assert found.same_weights is True
    assert found.whole.sign_agreement == 1.0
    assert found.whole.chance_jaccard - 0.1 < found.whole.jaccard < 1
    assert tickets[0].weights_checksum == tickets[1].weights_checksum


def test_of_another_seed_only_places_can_agree(tickets: list[gslt.Ticket]) -> None:
    found = overlap(tickets[0], tickets[3])
    assert found.same_weights is False
    assert 0.3 < found.whole.sign_agreement < 0.7
    assert abs(found.whole.deviations) < 5
    assert "the random weights differ" in str(found)


def test_the_frame_has_a_row_per_layer_and_one_of_all(tickets: list[gslt.Ticket]) -> None:
    found = overlap(tickets[0], tickets[2])
    frame = found.frame()
    assert list(frame.index) == [*tickets[0].masks, "all"]
    assert frame.loc["all"].to_dict() == found.whole.as_dict()
    assert frame["both"][:-1].sum() == frame["both"]["all"]
    lines = str(found).splitlines()
    assert len(lines) == 1 + len(frame)
    assert lines[-1].split()[1:4] == [f"{n:,}" for n in (480, *found.whole.kept)]
    axes = found.plot(title="two").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(frame.index)


def test_tickets_of_a_module_of_ones_own() -> None:
    modules = [mlp(), mlp()]
    for draw, module in enumerate(modules):
        gslt.freeze(module, gslt.FreezeConfig(freezing_ratio=0.3))
        gslt.reset_scores(module, draw)
    before = overlap(*modules)
    tickets = [gslt.Ticket.of(module) for module in modules]
    with pytest.raises(TicketError, match=r"call ticket\.restore\(module\), and give the module"):
        overlap(*tickets)
    again = [mlp(), mlp()]
    for ticket, module in zip(tickets, again, strict=True):
        ticket.restore(module)
    assert overlap(*again) == before
    assert before.same_weights is True
    assert list(before.layers) == ["0.weight", "3.weight"]


def test_trained_weights_under_a_mask(blocks: gslt.NodeDataset) -> None:
    config = gslt.TrainConfig(
        num_layers=3, hidden_channels=16, epochs=6, seed=3, mask_sparsity=0.8, weight_init="skc"
    )
    weak = gslt.train(blocks, config, progress=False).ticket
    assert weak is not None
    strong = gslt.search(blocks, TICKET, progress=False).ticket
    found = overlap(strong, weak)
    assert found.same_weights is None
    assert found.note.startswith("there are trained weights: unless both began with the same")
    assert found.whole.kept == (288, 96)
    # A mask leaves no choice of its own: by chance every place is as likely.
    each = found.layers["layers.1.nn.weight"]
    assert each.chance == pytest.approx(each.kept[0] * each.kept[1] / each.total)
    untrained = gslt.GNN(8, 3, config, get_backend("pyg"))
    initialise_training(untrained, config, 3)
    assert overlap(weak, untrained).whole.jaccard == 1.0


def test_weights_that_were_rounded_are_the_same(tickets: list[gslt.Ticket]) -> None:
    model = tickets[0].model()
    for dtype in (torch.float64, torch.bfloat16, torch.half):
        found = overlap(model, copy.deepcopy(model).to(dtype))
        assert found.same_weights is True
        assert found.whole.jaccard == found.whole.sign_agreement == 1.0
    compiled = torch.compile(model, backend="eager")
    assert overlap(nn.DataParallel(model), compiled) == overlap(model, model)


def test_other_networks_are_refused(tickets: list[gslt.Ticket]) -> None:
    with pytest.raises(
        TicketError, match=r"weights: 0\.weight \(8×6 and 2×3\), 3\.weight \(3×8 and none\);"
    ):
        overlap(mlp_frozen(), layer([1] * 6))
    with pytest.raises(TicketError, match="Linear is not frozen, so it holds no ticket"):
        overlap(tickets[0], nn.Linear(2, 2))
    parts = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    for seed, each in enumerate(parts):
        gslt.freeze(each, gslt.FreezeConfig(seed=seed))
    with pytest.raises(TicketError, match="the layers were frozen one by one"):
        overlap(parts, parts)
    with pytest.raises(TicketError, match="not SimpleNamespace; give its ticket"):
        overlap(SimpleNamespace(ticket=tickets[0]), tickets[0])  # type: ignore[arg-type]
    with pytest.raises(TicketError, match=r"^a and b: the tickets are of networks with other"):
        pairwise_overlaps({"a": mlp_frozen(), "b": layer([1] * 6)})
    with pytest.raises(TicketError, match="takes tickets and modules, not str"):
        overlap("ticket.safetensors", tickets[0])  # type: ignore[arg-type]


def test_every_kind_of_ticket() -> None:
    for kind, content in mutants.tickets():
        ticket = gslt.Ticket.from_bytes(content)
        if ticket.architecture is None and ticket.construction is None:
            with pytest.raises(TicketError, match="a module of your own"):
                overlap(ticket, ticket)
            continue
        found, kept = overlap(ticket, ticket), ticket.kept_by_layer
        assert {n: (each.both, each.total) for n, each in found.layers.items()} == kept, kind
        assert all(each.kept == (each.both, each.both) for each in found.layers.values())
        assert found.same_weights is (None if ticket.is_weak else True), kind


def mlp_frozen() -> nn.Module:
    module = mlp()
    gslt.freeze(module, gslt.FreezeConfig())
    return module
