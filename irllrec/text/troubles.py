"""What can go wrong with an Ollama host, sorted by whose fault it is."""

from __future__ import annotations

from typing import Literal

from irllrec.errors import TextError

TroubleKind = Literal["refused", "dropped", "time-out", "server-error", "busy", "malformed"]


class HostTroubleError(TextError):
    """The host failed: the same request may succeed later or on another host.

    Attributes:
        kind: ``"refused"`` (no connection), ``"dropped"`` (lost half-way), ``"time-out"``,
            ``"server-error"`` (5xx), ``"busy"`` (503 or 429) or ``"malformed"`` (a body that is no reply).
        retry_after: Seconds the host asked to be left alone, or ``None``.
    """

    def __init__(self, sentence: str, *, kind: TroubleKind, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.kind: TroubleKind = kind
        self.retry_after = retry_after


class ModelMissingError(TextError):
    """The host answers but does not have the model."""


class RequestRefusedError(TextError):
    """The host will not take this request, now or later.

    Attributes:
        too_long: Whether the text does not fit into the model's context.
    """

    def __init__(self, sentence: str, *, too_long: bool = False) -> None:
        super().__init__(sentence)
        self.too_long = too_long


class HostsUnreachableError(TextError):
    """No host answers, or none has for longer than we wait; what was finished is kept."""
