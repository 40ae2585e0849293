"""Several runs side by side: their arms, tables and figures."""
