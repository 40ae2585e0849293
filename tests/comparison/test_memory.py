"""Peak memory: the meter, the process of its own, and what layers take."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gslt.comparison.graphs import block_model
from gslt.comparison.memory import Meter, measure_memory, save_graph
from gslt.comparison.routes import HOST
from gslt.config import SearchConfig
from gslt.data import NodeDataset
from gslt.errors import GsltError

Configure = Callable[..., SearchConfig]


@pytest.mark.skipif(not Meter.works(torch.device("cpu")), reason="this system tells no peak")
def test_the_meter_sees_a_peak_that_is_gone() -> None:
    meter = Meter(torch.device("cpu"))
    # Pages of their own: an allocator may have kept freed ones, which would be no new peak.
    with mmap.mmap(-1, 64 << 20) as held:
        for place in range(0, len(held), mmap.PAGESIZE):
            held[place] = 1
    assert 60e6 < meter.peak() < 90e6
    meter.zero()
    assert meter.peak() < 30e6


@pytest.mark.skipif(not Meter.works(torch.device("cpu")), reason="this system tells no peak")
def test_a_graph_that_was_described_is_handed_over_whole(
    blocks: NodeDataset, tmp_path: Path
) -> None:
    described = blocks.info()
    save_graph(blocks, tmp_path / "graph.pt")
    values = torch.load(tmp_path / "graph.pt", weights_only=False)
    assert NodeDataset(**values).info() == described


@pytest.mark.slow
def test_memory_of_the_layers(tmp_path: Path) -> None:
    """Per edge, a GIN layer makes E × width × 4 bytes of messages; a sparse product makes none."""
    dataset = block_model(8_000)
    save_graph(dataset, tmp_path / "graph.pt")
    config = SearchConfig(num_layers=2, hidden_channels=64, epochs=3)
    found = {
        name: measure_memory(name, tmp_path / "graph.pt", config) for name in (HOST, "gslt on PyG")
    }
    messages = 4 * 128 * dataset.num_edges
    host, ours = found[HOST]["layers"][0]["forward"], found["gslt on PyG"]["layers"][0]["forward"]
    assert 0.9 * messages < host < 3 * messages
    assert ours < messages / 4
    assert found["gslt on PyG"]["peak"] < found[HOST]["peak"]
    assert found[HOST]["held"] > 50e6


def test_a_process_that_dies_is_an_error(search_config: Configure, tmp_path: Path) -> None:
    (tmp_path / "graph.pt").write_bytes(b"no graph")
    with pytest.raises(GsltError, match="measures gslt on PyG ended with status 1: "):
        measure_memory("gslt on PyG", tmp_path / "graph.pt", search_config("gin"))
