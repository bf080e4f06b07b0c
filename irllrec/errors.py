"""Errors a user can mend, each carrying one sentence that names the fix."""

from __future__ import annotations


class IrllrecError(Exception):
    """Base of every error that is the caller's to mend; its text is one full sentence."""


class DataError(IrllrecError):
    """An input file or an interaction table is not what it must be."""


class UnsafePickleError(DataError):
    """A pickle refers to something outside the allowed list; nothing of it was executed."""


class TextError(IrllrecError):
    """A text, a summary or an embedding is missing, malformed or has seen held-out data."""


class ConfigurationError(IrllrecError):
    """A name, a hyper-parameter or a combination of them is not allowed."""


class TrainingError(IrllrecError):
    """Training cannot go on: the loss or the scores are not finite, or a checkpoint is unusable."""


class EvaluationError(IrllrecError):
    """Scores or rankings cannot be evaluated: not finite, constant, or of the wrong shape."""
