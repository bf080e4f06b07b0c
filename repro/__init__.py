"""The reproducibility harness around :mod:`irllrec`: pipeline stages, statistics, tables, commands."""
