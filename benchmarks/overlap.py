"""Whether a random network has one ticket or many: searches from several draws of scores.

    python benchmarks/overlap.py [--json FILE]

Every source network is searched from three draws of the scores. Tickets of one network are compared
weight by weight, beside what they would share by chance, at the best validation epoch and at the
last; each with the mask that its search began with; with the ticket of a search that differs by a
thousandth of the learning rate alone, which shows what rounding does; and with the ticket of
another seed, which has other random weights.

Whether what differs matters is told by what two tickets share, filled up to the size of the first
in every layer: with weights that one of the two keeps, with any others, and a random mask besides.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from itertools import combinations
from typing import Any

import common
import torch
from common import Values
from tqdm import tqdm

import gslt
from gslt.config import SearchConfig
from gslt.ticket.overlaps import Overlap, TicketOverlap, overlap

#: Data set and what departs from the first setting: each changes one thing.
SETTINGS: dict[str, tuple[str, Values]] = {
    "Cora": ("cora", {}),
    "twice as wide": ("cora", {"hidden_channels": 128}),
    "four times as long": ("cora", {"epochs": 400}),
    "sparsity 0.8": ("cora", {"sparsity": 0.8}),
    "uniform weights": ("cora", {"weight_init": "ku"}),
    "GCN": ("cora", {"architecture": "gcn"}),
    "Citeseer": ("citeseer", {}),
    "Debian": ("debian", {"epochs": 40, "lr": 0.05}),
    "Debian, three times as long": ("debian", {"epochs": 120, "lr": 0.05}),
    "Debian, ten times as long": ("debian", {"epochs": 400, "lr": 0.05}),
}
FIRST = SearchConfig(hidden_channels=64, num_layers=3, epochs=100, lr=0.01)
DRAWS = 3


class Tickets:
    """A probe that takes the tickets of the first scores and of the last."""

    def __init__(self, data: Any) -> None:
        self.content = data.content_hash
        self.start: gslt.Ticket | None = None
        self.last: gslt.Ticket | None = None

    def begin(self, seed: int, done: int, epochs: int) -> None:
        """A search begins."""

    def __call__(
        self, seed: int, epoch: int, epochs: int, model: Any, inputs: Any, best_epoch: int
    ) -> None:
        """An epoch ended."""
        if epoch == 0:
            self.start = gslt.Ticket.of(model, content_hash=self.content)
        elif epoch == epochs:
            self.last = gslt.Ticket.of(model, content_hash=self.content)

    def end(self, seed: int, best_epoch: int, epochs: int, model: Any, inputs: Any) -> None:
        """A search ended."""


def figures(found: list[TicketOverlap]) -> Values:
    """Mean, least and largest Jaccard index of pairs, and by chance; the same of the layers."""

    def of(rows: list[Overlap]) -> Values:
        indices = [row.jaccard for row in rows]
        return {
            "jaccard": statistics.fmean(indices),
            "least": min(indices),
            "most": max(indices),
            "chance": statistics.fmean(row.chance_jaccard for row in rows),
            "shared": statistics.fmean(row.contained for row in rows),
            "shared_by_chance": statistics.fmean(row.chance / min(row.kept) for row in rows),
        }

    layers = {name: of([each.layers[name] for each in found]) for name in found[0].layers}
    return {"pairs": len(found), **of([each.whole for each in found]), "layers": layers}


def filled(first: gslt.Ticket, second: gslt.Ticket, pool: str, seed: int) -> gslt.Ticket:
    """What both tickets of a dense source keep, filled up with as many weights as the first has.

    Args:
        first: a ticket.
        second: of the same source.
        pool: where the others come from: ``"either"`` ticket, the ``"rest"`` of all weights, or
            ``"random"``, for a mask that holds nothing of the two.
        seed: of the choice.
    """
    masks = {}
    for number, (name, mine) in enumerate(first.masks.items()):
        theirs = second.masks[name]
        core = torch.zeros_like(mine) if pool == "random" else mine & theirs
        others = (mine ^ theirs if pool == "either" else ~core).nonzero().flatten()
        generator = torch.Generator().manual_seed(1000 * seed + number)
        order = torch.randperm(len(others), generator=generator)
        chosen = others[order[: int(mine.sum()) - int(core.sum())]]
        masks[name] = core.index_fill(0, chosen, True)
    return replace(first, masks=masks)


POOLS = ("either", "rest", "random")


def accuracies(data: Any, pairs: list[tuple[gslt.Ticket, gslt.Ticket]]) -> Values:
    """Mean test accuracy of tickets, and of what two share, filled up."""
    found: Values = {
        "tickets": statistics.fmean(
            gslt.evaluate(ticket.model(), data)["test"] for pair in pairs for ticket in pair
        )
    }
    for pool in POOLS:
        each = [
            gslt.evaluate(filled(*pair, pool, seed).model(), data)["test"]
            for seed, pair in enumerate(pairs)
        ]
        found[pool] = statistics.fmean(each)
        found[f"{pool}_each"] = each
    return found


def measure(name: str, seeds: int, quick: bool) -> Values:
    """One row: every seed and draw of a setting."""
    place, changes = SETTINGS[name]
    config = replace(FIRST, **{**changes, **({"epochs": 4} if quick else {})})
    data = gslt.load_dataset(place)
    tickets: list[gslt.Ticket] = []
    best, last, again, began, scores = [], [], [], [], []
    for seed in range(seeds):
        of_seed = []
        for draw in range(DRAWS):
            each, taken = replace(config, seed=seed, score_draw=draw), Tickets(data)
            run = gslt.search(data, each, progress=False, probe=taken).runs[0]
            assert run.ticket is not None
            assert taken.start is not None
            assert taken.last is not None
            of_seed.append((run.ticket, taken.last))
            began.append(overlap(taken.start, run.ticket))
            scores.append(
                {
                    "seed": seed,
                    "draw": draw,
                    "best_epoch": run.best_epoch,
                    "test": run.test_accuracy,
                    "last_test": run.last_test_accuracy,
                    "last_train": run.last_train_accuracy,
                }
            )
        of_pairs = list(combinations(of_seed, 2))
        best += [(a[0], b[0]) for a, b in of_pairs]
        last += [(a[1], b[1]) for a, b in of_pairs]
        taken = Tickets(data)
        near = replace(config, seed=seed, lr=1.001 * config.lr)
        run = gslt.search(data, near, progress=False, probe=taken).runs[0]
        again.append((of_seed[0], (run.ticket, taken.last)))
        tickets.append(of_seed[0][0])
    others = [overlap(*pair) for pair in combinations(tickets, 2)]
    within = [
        statistics.variance(run["test"] for run in scores if run["seed"] == seed)
        for seed in range(seeds)
    ]
    return {
        "name": name,
        "data": common.describe(data),
        "changes": changes,
        "test": statistics.fmean(run["test"] for run in scores),
        "std_of_draws": statistics.fmean(within) ** 0.5,
        "draws": figures([overlap(*pair) for pair in best]),
        "draws_at_last_epoch": figures([overlap(*pair) for pair in last]),
        "rounding": figures([overlap(a[0], b[0]) for a, b in again]),
        "rounding_at_last_epoch": figures([overlap(a[1], b[1]) for a, b in again]),
        "filled": accuracies(data, best),
        "filled_at_last_epoch": accuracies(data, last),
        "start": figures(began),
        **({"other_seed": figures(others)} if others else {}),
        "runs": scores,
    }


def show(row: Values) -> str:
    """A row of the printed table."""
    cells = [f"{100 * row['test']:6.2f} ± {100 * row['std_of_draws']:.2f}"]
    for kind in ("draws", "draws_at_last_epoch", "rounding", "start", "other_seed"):
        found = row.get(kind)
        cells.append(
            f"{100 * found['shared']:.1f} ({100 * found['shared_by_chance']:.1f})" if found else "–"
        )
    for kind in ("filled", "filled_at_last_epoch"):
        cells.append(" ".join(f"{100 * row[kind][name]:.1f}" for name in ("tickets", *POOLS)))
    return f"{row['name']:<28}" + "".join(f"{cell:>21}" for cell in cells)


def main() -> None:
    """Measure every setting, print, save."""
    parser = common.options(__doc__, plot=False)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    seeds, names = args.seeds, list(SETTINGS)
    if args.quick:
        seeds, names = 1, ["Debian"]
    heads = (
        *("test, sd of draws", "other scores", "at last epoch", "lr x 1.001", "its own start"),
        *("other seed", "tickets, filled", "at last epoch"),
    )
    print("shared, % (by chance)       " + "".join(f"{head:>21}" for head in heads))
    rows = []
    for name in tqdm(names, disable=None):
        rows.append(measure(name, seeds, args.quick))
        print(show(rows[-1]), flush=True)
        config = {
            name: getattr(FIRST, name) for name in ("hidden_channels", "num_layers", "epochs")
        }
        common.save(args.json, rows=rows, first=config, seeds=seeds, draws=DRAWS, quick=args.quick)


if __name__ == "__main__":
    main()
