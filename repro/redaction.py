"""Secrets that must not be shown or logged: passwords in addresses, signed queries, tokens of the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

SHOWN = "***"

_USER = re.compile(r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#\s'\"]*@")
_QUERY = re.compile(
    r"(?P<name>[?&;][^=&;#\s'\"]*(?:token|key|secret|sig|signature|passw|credential|auth)[^=&;#\s'\"]*=)"
    r"[^&;#\s'\"]+",
    re.IGNORECASE,
)
_HEADER = re.compile(r"(?P<name>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{6,}")
_NAMES = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_?KEY|CREDENTIALS?)$", re.IGNORECASE
)
_SHORTEST = 6
"""Characters of a value that is taken for a secret; shorter ones would blacken ordinary words."""


def without_secrets(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return ``text`` with every secret in it replaced by ``***``.

    A secret is the part before ``@`` in an address, the value of a query field such as ``token`` or
    ``X-Amz-Signature``, what follows ``Bearer`` or ``Basic``, and the value of an environment variable whose
    name ends in TOKEN, SECRET, PASSWORD, API_KEY, ACCESS_KEY or CREDENTIALS.

    Args:
        text: A sentence, an address or a whole log.
        environment: Where tokens may stand; this process's own by default.
    """
    variables = os.environ if environment is None else environment
    values = {value for name, value in variables.items() if _NAMES.search(name) and len(value) >= _SHORTEST}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, SHOWN)
    text = _USER.sub(rf"\g<scheme>{SHOWN}@", text)
    text = _QUERY.sub(rf"\g<name>{SHOWN}", text)
    return _HEADER.sub(rf"\g<name>{SHOWN}", text)
