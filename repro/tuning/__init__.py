"""Tuning: search spaces, proposals, the search itself and the ledger of every trial."""
