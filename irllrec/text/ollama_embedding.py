"""Text vectors from an embedding model on Ollama hosts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from irllrec.errors import TextError
from irllrec.text.client import OllamaHost
from irllrec.text.dispatch import Dispatch
from irllrec.text.embeddings import FloatArray, normalise_rows
from irllrec.text.lanes import AskingLimits, digest_of_all, survey
from irllrec.text.store import ReplyStore
from irllrec.text.troubles import HostTroubleError, RequestRefusedError

BATCH_SIZE = 32
START_LENGTH = 60


@dataclass(frozen=True)
class Batch:
    """Texts that are embedded together.

    Attributes:
        key: Hash of the model's digest and the texts.
        places: Where each text stands among all texts.
        texts: The texts, none of them empty.
    """

    key: str
    places: tuple[int, ...]
    texts: tuple[str, ...]


async def embed_texts(
    texts: Sequence[str],
    hosts: Sequence[OllamaHost],
    store: ReplyStore,
    *,
    model: str,
    digest: str,
    batch_size: int = BATCH_SIZE,
    names: Sequence[str] | None = None,
    limits: AskingLimits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FloatArray:
    """Return one vector of length 1 a text; an empty text is a zero row and is not sent.

    Batches are stored one by one, so an interrupted embedding goes on where it stopped. The batch size
    belongs to the record of how vectors were made: models round differently in batches of another size.

    Args:
        texts: Shape (node,).
        hosts: The machines to ask; needed only where a batch is not in the store yet.
        store: Where batches are kept.
        model: Name of the embedding model.
        digest: Its digest, see :func:`irllrec.text.lanes.check_hosts`.
        batch_size: Texts in one request.
        names: What each text is, for the sentences, for example ``"profile of user 'A1'"``.
        limits: How hard hosts are worked and how long they are waited for.
        progress: Called with texts done and texts in all after each batch.

    Returns:
        Shape (node, dim), float32; (node, 1) where every text is empty.

    Raises:
        HostsUnreachableError: If no host answers for too long.
        ModelMissingError: If a host lacks the model.
        TextError: If a text is too long for the model, or vectors are not finite, are zero or change
            their size.
    """
    batches = _batches(texts, digest, batch_size)
    work = _Work(store, names or [f"text {place}" for place in range(len(texts))], model, digest)
    pending = []
    for batch in batches:
        stored = store.vectors(batch.key)
        if stored is None:
            pending.append(batch)
        else:
            work.keep(batch, stored)
    if progress is not None:
        work.tell = lambda: progress(len(work.rows), sum(len(batch.texts) for batch in batches))
        work.tell()
    if pending:
        chosen = limits or AskingLimits()
        found = await survey(hosts, model)
        present = digest_of_all(found, model)
        if present != digest:
            raise TextError(
                f"{found[0].host.url} has the model {model} with the digest {present}, not {digest}: "
                "run the stage embed again."
            )
        work.most_troubles = chosen.most_troubles
        dispatch: Dispatch[Batch] = Dispatch(found, model=model, digest=digest, limits=chosen)
        await dispatch.run(pending, work.perform, work.after_trouble)
    vectors = np.zeros((len(texts), work.size or 1), dtype=np.float32)
    for place, row in work.rows.items():
        vectors[place] = row
    return normalise_rows(vectors)


class _Work:
    """The rows that are there so far, and how a batch is embedded."""

    def __init__(self, store: ReplyStore, names: Sequence[str], model: str, digest: str) -> None:
        self.rows: dict[int, FloatArray] = {}
        self.size: int | None = None
        self.tell: Callable[[], None] = lambda: None
        self.most_troubles = 1
        self._store = store
        self._names = names
        self._model = model
        self._digest = digest
        self._troubles: dict[str, int] = {}

    async def perform(self, host: OllamaHost, batch: Batch) -> bool:
        """Embed one batch, store it and return that it is settled."""
        try:
            rows = await host.embed(self._model, batch.texts)
        except RequestRefusedError:
            rows = await self._one_by_one(host, batch)
        vectors = _matrix(rows)
        self._check(batch, vectors, host.url)
        self._store.add_vectors(batch.key, vectors, model=self._model, digest=self._digest, host=host.url)
        self.keep(batch, vectors)
        self.tell()
        return True

    def after_trouble(self, host: OllamaHost, batch: Batch, error: HostTroubleError) -> bool:
        """Raise if hosts failed at this batch so often that it must be the cause."""
        if error.kind in ("refused", "busy"):
            return False
        self._troubles[batch.key] = self._troubles.get(batch.key, 0) + 1
        if self._troubles[batch.key] >= self.most_troubles:
            raise TextError(
                f"Hosts failed {self.most_troubles} times at the {len(batch.texts)} texts from "
                f"{self._names[batch.places[0]]} on: look into the server's log. The last: {error}"
            )
        return False

    def keep(self, batch: Batch, vectors: npt.NDArray[np.float32]) -> None:
        """Take the vectors of a batch over into the rows."""
        self._check(batch, vectors, str(self._store.path))
        self.size = vectors.shape[1]
        self.rows.update(zip(batch.places, vectors, strict=True))

    async def _one_by_one(self, host: OllamaHost, batch: Batch) -> list[list[float]]:
        """Return the vectors of a batch that was refused as a whole, or name the text at fault.

        The server does not say which text it means, and some versions count a batch as one text.
        """
        rows = []
        for place, text in zip(batch.places, batch.texts, strict=True):
            try:
                rows += await host.embed(self._model, [text])
            except RequestRefusedError as error:
                raise TextError(
                    f"The {self._names[place]} ({len(text)} characters, {text[:START_LENGTH]!r}…) cannot be "
                    f"embedded: shorten it or use a model with a larger context than {self._model}. {error}"
                ) from None
        return rows

    def _check(self, batch: Batch, vectors: npt.NDArray[np.float32], source: str) -> None:
        if vectors.shape[1] != (self.size or vectors.shape[1]):
            raise TextError(
                f"{source} gave vectors of size {vectors.shape[1]} after others of size {self.size}: "
                f"run `ollama pull {self._model}` on every machine and embed again."
            )
        useless = np.flatnonzero(~np.isfinite(vectors).all(axis=1) | ~vectors.any(axis=1))
        if len(useless):
            place = batch.places[useless[0]]
            raise TextError(
                f"{source} gave a vector that is zero or not finite for the {self._names[place]}: "
                f"check that {self._model} is an embedding model that works on that machine."
            )


def _matrix(rows: Sequence[Sequence[float]]) -> npt.NDArray[np.float32]:
    """Return rows as float32; shorter ones are filled with NaN and numbers too large become infinite."""
    size = max(map(len, rows))
    with np.errstate(over="ignore"):
        return np.asarray([[*row, *[np.nan] * (size - len(row))] for row in rows], dtype=np.float32)


def _batches(texts: Sequence[str], digest: str, batch_size: int) -> list[Batch]:
    if batch_size < 1:
        raise TextError(f"The batch size is {batch_size}: it must be at least 1.")
    places = [place for place, text in enumerate(texts) if text.strip()]
    batches = []
    for start in range(0, len(places), batch_size):
        chosen = tuple(places[start : start + batch_size])
        sent = tuple(texts[place] for place in chosen)
        key = hashlib.sha256(json.dumps([digest, batch_size, sent]).encode("utf-8")).hexdigest()
        batches.append(Batch(key, chosen, sent))
    return batches
