"""The fault harness: kills and other faults on scratch copies, and whether a re-run ends in the same bytes.

``python -m tests.faults --kills 200 --seed 1`` runs it all and writes the table in docs/reliability.md.
"""
