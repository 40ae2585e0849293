"""What a probe measured: readings, their frame and their picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from gslt.diagnostics.laplacians import Laplacian
from gslt.diagnostics.smoothness import MEASURES
from gslt.diagnostics.steps import Reading, Step
from gslt.errors import ConfigError, listed
from gslt.settings import check_choice

if TYPE_CHECKING:
    from pandas import DataFrame

_NO_LAYER = (
    "no layer was measured: call the model within `with probe(model, graph) as trace:`, on as many "
    "nodes as the graph has, and name its layers by layers= if they are none of PyG, DGL or gslt"
)


@dataclass
class Trace:
    """What a probe measured, in the order of the computation."""

    laplacian: Laplacian
    """What the measures took."""
    propagation: str = ""
    """Classes of the model's layers, where the Laplacian was told by them; else empty."""
    model: str = ""
    """Class of the model."""
    readings: list[Reading] = field(default_factory=list)
    """Every measurement."""

    def layers(self, call: int = -1) -> list[Reading]:
        """The results of the layers in one call of the model, in order.

        Args:
            call: number of the call; default: the last that was measured.
        """
        return self._of(call, "layer")

    def _of(self, call: int | None, step: Step | None) -> list[Reading]:
        calls = sorted({reading.call for reading in self.readings})
        if step is not None:
            check_choice("step", step, get_args(Step))
        if calls and call is not None:
            if call not in calls and not -len(calls) <= call < 0:
                raise ConfigError(
                    "call must be the number of a call of the model that was measured, "
                    f"{listed([str(each) for each in calls])}, got {call}"
                )
            calls = [call if call >= 0 else calls[call]]
        return [r for r in self.readings if r.call in calls and step in (None, r.step)]

    def rows(self) -> list[dict[str, Any]]:
        """Every measurement as a flat row."""
        return [reading.as_dict() for reading in self.readings]

    def frame(self, *, call: int | None = -1, step: Step | None = "layer") -> DataFrame:
        """Layer × measure: a row per layer, and a column per measure of its name in ``MEASURES``.

        Args:
            call: number of the call of the model, from 0; default: the last that was measured;
                None: all.
            step: what is shown of each layer, such as ``"aggregation"``; default: its own result;
                None: every step.

        Returns:
            A frame with the number of the layer, from 1, as its index, and the columns ``call``,
            ``module``, ``step``, ``width``, ``laplacian`` and one per measure that was taken.

        Raises:
            ConfigError: if there is no such call, or no such step.
        """
        from pandas import DataFrame

        names = ["call", "layer", "module", "step", "width", "laplacian"]
        rows = [reading.as_dict() for reading in self._of(call, step)]
        return DataFrame(rows, columns=None if rows else names).set_index("layer")

    def plot(self, *measures: str, call: int = -1, title: str = "") -> Any:
        """Draw measures over the layers, a panel for each.

        Args:
            measures: names in ``MEASURES`` out of those that were taken; default: all that have a
                value somewhere.
            call: number of the call of the model, from 0; default: the last that was measured.
            title: default: the class of the model.

        Returns:
            A matplotlib figure; ``figure.savefig("layers.png")`` writes it.

        Raises:
            ConfigError: for a measure that was not taken or has no value, or if there is no layer
                or no such call.
        """
        # The pictures of all of gslt; a model that is only measured needs none of them.
        from gslt.report.colours import COLOURS
        from gslt.report.figures import Panel, panels_over
        from gslt.report.lines import Line

        found = self.frame(call=call)
        if found.empty:
            raise ConfigError(_NO_LAYER)
        taken = tuple(name for name in MEASURES if name in found)
        for name in measures:
            check_choice("a measure of this trace", name, taken)
        shown = [name for name in taken if np.isfinite(found[name].astype(float)).any()]
        if nothing := [name for name in measures if name not in shown]:
            raise ConfigError(
                f"{nothing[0]} has no value at any layer (it needs what is not there, such as "
                f"labels); those that have one: {listed(shown) or 'none'}"
            )
        panels = {}
        for name in dict.fromkeys(measures or shown):
            entry, values = MEASURES[name], found[name].astype(float)
            drawn = np.isfinite(values) & ((values > 0) | (not entry.log))
            line = Line(
                label="",
                colour=COLOURS[0],
                x=found.index.tolist(),
                y=values.where(drawn).tolist(),
                collapsed=found.index[(values == 0) & entry.log].tolist(),
            )
            panels[name] = Panel(title=entry.title, lines=[line], log=entry.log)
        gone = any(line.collapsed for panel in panels.values() for line in panel.lines)
        return panels_over(
            panels,
            "layer",
            title or f"{self.model or 'Model'}, layer by layer",
            self._caption(list(found["width"]), gone),
            _greyed(dict(zip(found.index, found["width"], strict=True))),
        )

    def _caption(self, widths: Sequence[int], gone: bool) -> str:
        """What the picture does not say by itself: Laplacian, other columns, what has no place."""
        told = f", that of {self.propagation}'s propagation" if self.propagation else ""
        said = f"Each layer's own result; {self.laplacian.replace('_', '-')} Laplacian{told}."
        if other := _other(widths):
            said += f" Grey: layers that are not {other} wide."
        return said + (" Hollow triangles: zero, which has no logarithm." if gone else "")


def _other(widths: Sequence[int]) -> int:
    """The width that most layers have, where not all have it; else 0."""
    usual = max(widths, key=widths.count)
    return usual if set(widths) != {usual} else 0


def _greyed(widths: Mapping[int, int]) -> Callable[[Any], None]:
    """What shades the layers of another width than most."""

    def finish(axes: Any) -> None:
        from gslt.report.colours import BASELINE

        low, high = min(widths) - 0.4, max(widths) + 0.4
        axes.set_xlim(low, high)
        usual = _other(list(widths.values()))
        for layer in (layer for layer, width in widths.items() if usual not in (0, width)):
            ends = max(low, layer - 0.5), min(high, layer + 0.5)
            axes.axvspan(*ends, color=BASELINE, alpha=0.06, linewidth=0)

    return finish
