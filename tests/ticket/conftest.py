import sys
from pathlib import Path

import pytest
from small_runs import TICKET

import gslt

# Its ``forging`` makes files.
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


@pytest.fixture(scope="module")
def result(blocks):
    """A search whose ticket holds pruned, locked and searched weights."""
    return gslt.search(blocks, TICKET, progress=False)
