"""The same tickets on PyG's own layers and on gslt's backends: parity, time and memory."""
