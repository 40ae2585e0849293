"""The pictures of the documentation, drawn from gslt itself.

    python docs/draw.py [FOLDER]

A layer of 16 inputs and 12 outputs is frozen and searched for a random regression, so small that
every weight can be seen; the over-smoothing of an untrained PyG GCN is measured on the embedded
graph. Default folder: docs/images.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.nn import GCN

import gslt
from gslt import diagnostics
from gslt.freezing import LOCKED, PRUNED, SEARCHED, split_ratio
from gslt.masking import frozen_weights
from gslt.masking.parametrization import random_weight
from gslt.random import Stream
from gslt.report.colours import BAND, COLOURS
from gslt.report.figures import Canvas, canvas, panel_title, save_figure

OUTPUTS, INPUTS = 12, 16
#: Colours of a weight that is pruned, locked, removed and kept by the search.
STATES = {"pruned": "#222222", "locked": COLOURS[1], "removed": BAND, "kept": COLOURS[0]}


def searched_layer() -> Any:
    """The frozen weight of a layer after ten updates on random data."""
    layer = torch.nn.Linear(INPUTS, OUTPUTS, bias=False)
    gslt.freeze(layer, gslt.FreezeConfig(sparsity=0.5, freezing_ratio=0.4))
    draw = Stream(0, "draw", "docs")
    x = torch.from_numpy(draw.normal(64 * INPUTS)).float().view(64, INPUTS)
    y = torch.from_numpy(draw.normal(64 * OUTPUTS)).float().view(64, OUTPUTS)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.01)
    for _ in range(10):
        optimizer.zero_grad()
        (layer(x) - y).square().mean().backward()
        optimizer.step()
    return frozen_weights(layer)[0]


def states(frozen: Any) -> dict[str, np.ndarray]:
    """Which weights are in which of the states of ``STATES``, as truth values."""
    pattern = frozen.regenerated()[1].numpy()
    kept = np.zeros(len(pattern), dtype=bool)
    kept[pattern == SEARCHED] = frozen.mask().numpy() != 0
    return {
        "pruned": pattern == PRUNED,
        "locked": pattern == LOCKED,
        "removed": (pattern == SEARCHED) & ~kept,
        "kept": kept,
    }


def draw_ticket(path: Path) -> None:
    """Random weights, pattern, what the search kept, effective weights."""
    frozen = searched_layer()
    where = states(frozen)
    weight = random_weight(torch.Size((OUTPUTS, INPUTS)), INPUTS, "skc", 0, "weight").numpy()
    kept = where["locked"] | where["kept"]
    made = canvas(
        [["random", "pattern", "mask", "ticket"]],
        "A ticket: a seed, and which of the searched weights are kept",
        f"A layer of {INPUTS} inputs (columns) and {OUTPUTS} outputs (rows), searched on random "
        "data. Freezing ratio 0.4: a fifth is pruned, a fifth locked. Sparsity 0.5.",
        width=3.0,
        height=2.6,
    )
    signs = {1.0: "#E69F00", -1.0: "#56B4E9", 0.0: "#FFFFFF"}
    patterned = {name: where[name] for name in ("pruned", "locked")}
    searched = {"searched": where["removed"] | where["kept"]}
    of_sign = {"positive": weight > 0, "negative": weight < 0}
    left = {name: found & kept for name, found in of_sign.items()}
    colours = {**STATES, "searched": "#FFFFFF", "positive": signs[1.0], "negative": signs[-1.0]}
    squares(made, "random", "1. random weights, from a seed", of_sign, colours)
    squares(made, "pattern", "2. frozen before the search", {**patterned, **searched}, colours)
    squares(made, "mask", "3. the search decides the rest", where, colours)
    squares(made, "ticket", "4. the ticket: weights that are left", left, colours)
    save_figure(made.figure, path)


def squares(
    made: Canvas, key: str, title: str, where: dict[str, np.ndarray], colours: dict[str, str]
) -> None:
    """A panel of squares, one a weight, and the words for their colours below it."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    axes = made.panels[key]
    image = np.ones((OUTPUTS * INPUTS, 3))
    for name, found in where.items():
        image[found] = to_rgb(colours[name])
    axes.imshow(image.reshape(OUTPUTS, INPUTS, 3), interpolation="nearest")
    axes.set_xticks(np.arange(INPUTS + 1) - 0.5, [])
    axes.set_yticks(np.arange(OUTPUTS + 1) - 0.5, [])
    axes.tick_params(length=0)
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(False)
    axes.spines[["top", "right"]].set_visible(True)
    for spine in axes.spines.values():
        spine.set_color("#DDDDDD")
    panel_title(axes, title, size=9)
    words = [
        Patch(facecolor=colours[name], edgecolor="#999999", label=f"{name} {found.sum()}")
        for name, found in where.items()
    ]
    axes.legend(
        handles=words,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.02),
        ncols=2,
        fontsize=7.5,
        frameon=False,
        handlelength=1,
    )


def draw_threshold(path: Path) -> None:
    """The scores of that layer, and where the threshold lies among them."""
    frozen = searched_layer()
    where = states(frozen)
    size = frozen.score().detach().abs().numpy()
    kept, locked = where["kept"][where["kept"] | where["removed"]], where["locked"].sum()
    made = canvas(
        [["scores"]],
        "The threshold: the largest scores are kept, as many as the ticket has room for",
        f"The {size.size} searched weights of the layer above. With the {locked} locked ones "
        f"{locked + kept.sum()} of {OUTPUTS * INPUTS} weights are kept, sparsity 0.5.",
        width=6.4,
        height=2.6,
    )
    axes = made.panels["scores"]
    threshold = (size[kept].min() + size[~kept].max()) / 2
    width = size.max() / 24
    low = np.arange(threshold, 0, -width)[::-1]
    edges = np.concatenate([low, np.arange(threshold + width, size.max() + width, width)])
    edges = np.concatenate([[max(0.0, edges[0] - width)], edges])
    axes.hist(size[~kept], bins=edges, color=STATES["removed"], label=f"removed {(~kept).sum()}")
    axes.hist(size[kept], bins=edges, color=STATES["kept"], label=f"kept {kept.sum()}")
    axes.axvline(threshold, color="#000000", linewidth=1)
    axes.set_xlabel("magnitude of the score")
    axes.set_ylabel("searched weights")
    axes.legend(frameon=False, fontsize=8)
    save_figure(made.figure, path)


def draw_window(path: Path) -> None:
    """The sparsities that a source holds, over its freezing ratio."""
    kinds = {"all locked": 0.0, "half and half": 0.5, "all pruned": 1.0}
    made = canvas(
        [list(kinds)],
        "The search window: the sparsities that a frozen source holds tickets of",
        "Shaded: from p to 1 − l. Dotted: its middle, where there are the most subsets. At an edge "
        "every searched weight is kept, or every one removed.",
        width=3.4,
        height=2.6,
        share=True,
    )
    frozen = np.linspace(0.0, 1.0, 51)
    for (name, share), colour in zip(kinds.items(), COLOURS, strict=False):
        axes = made.panels[name]
        ratios = np.array([split_ratio(round(float(ratio), 4), share) for ratio in frozen])
        low, high = ratios[:, 0], 1.0 - ratios[:, 1]
        axes.fill_between(frozen, low, high, color=colour, alpha=0.35, linewidth=0)
        axes.plot(frozen, (low + high) / 2, color=colour, linestyle=":")
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="freezing ratio F")
        panel_title(axes, name)
    made.panels["all locked"].set_ylabel("sparsity s of the ticket")
    save_figure(made.figure, path)


def draw_smoothing(path: Path) -> None:
    """Measures of an untrained PyG GCN after each of its layers."""
    torch.manual_seed(0)
    data = gslt.load_dataset("debian")
    model = GCN(data.num_features, 64, num_layers=16)
    shown = ("dirichlet_energy", "rayleigh_quotient", "collapse", "effective_rank")
    watch = diagnostics.probe(model, data, only=shown, steps=["layer"])
    with torch.no_grad(), watch as trace:
        model(data.x, data.edge_index)
    title = "An untrained GCN smooths: PyG's, 16 layers, 64 wide, on the Debian graph"
    save_figure(trace.plot(*shown, title=title), path)


PICTURES = {
    "ticket.png": draw_ticket,
    "threshold.png": draw_threshold,
    "window.png": draw_window,
    "over-smoothing.png": draw_smoothing,
}


def main() -> None:
    """Draw every picture."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images"
    for name, draw in PICTURES.items():
        draw(folder / name)


if __name__ == "__main__":
    main()
