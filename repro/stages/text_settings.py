"""One entry of the section ``text``, as the stages summarize, embed and relate read it."""

from __future__ import annotations

from repro.errors import ReproError
from repro.layout import Layout
from repro.params import Text, load_params


def text_settings(layout: Layout, name: str) -> Text:
    """Return ``text.<name>`` of params.yaml.

    Raises:
        ReproError: If there is no such entry.
    """
    texts = load_params(layout.params).text
    if name not in texts:
        raise ReproError(
            f"{layout.params}: {name!r} is not under `text` ({', '.join(texts) or 'nothing is'}): name its "
            "summarizer and embedder there, or run only the variant base."
        )
    return texts[name]
