"""Options of a run of two epochs."""

TINY = ["--epochs", "2", "--hidden_channels", "8", "--num_layers", "2"]
