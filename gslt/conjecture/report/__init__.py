"""The report of the test: one HTML page, ``verdict.json``, tables and pictures."""
