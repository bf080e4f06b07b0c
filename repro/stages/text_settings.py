"""The text settings of a data set, as the stages summarize and embed read them."""

from __future__ import annotations

from repro.errors import ReproError
from repro.layout import Layout
from repro.params import Text, load_params


def text_settings(layout: Layout, name: str) -> Text:
    """Return ``text.<name>`` of params.yaml.

    Raises:
        ReproError: If the data set is unknown or has no text settings.
    """
    datasets = load_params(layout.params).datasets
    if name not in datasets:
        known = ", ".join(datasets) or "none"
        raise ReproError(f"{layout.params}: {name!r} is not under `datasets`; there are {known}.")
    settings = datasets[name].text
    if settings is None:
        raise ReproError(
            f"{layout.params}: {name!r} is not under `text`: name its summarizer and embedder there, "
            "or run only the variant base."
        )
    return settings
