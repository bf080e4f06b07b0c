"""Wanted cells: what names them, and which of them are possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from irllrec.fidelity import DEVIATIONS, as_released
from repro.cell_names import COMPONENTS, RESERVED, name_of, read_name_of
from repro.errors import ReproError
from repro.text_params import LONGEST_CELL_NAME
from repro.text_views import check_view, control_of

if TYPE_CHECKING:
    from repro.cell_params import Override
    from repro.params import Params

FIDELITIES = ("code", "paper")
PRECISIONS = ("exact", "fast")
ITM_FORMS = ("code", "reading")

TEXT_FREE = "base"

_DROPPABLE = {TEXT_FREE: (), "rlmrec-con": ("TEXT",), "rlmrec-gen": ("TEXT",), "irllrec": COMPONENTS}


@dataclass(frozen=True)
class CellRequest:
    """One wanted cell: a backbone under an objective on a data set, possibly varied.

    A variation starts from the plain cell of its objective, with that cell's settings.

    Attributes:
        dataset: Name under ``datasets``.
        backbone: Name under ``backbones``.
        objective: Name under ``objectives``.
        drop: Components left out.
        fidelity: ``code`` or ``paper``; None keeps the plain cell's.
        turned: Deviations turned the other way from what they are in that fidelity, "D-01" to "D-12".
        itm: Form of intent-text matching, ``code`` or ``reading``; None keeps the plain cell's.
        keep_coupled: Where translation alignment is dropped, keep it inside intent-text matching.
        precision: ``exact`` or ``fast``; None keeps the plain cell's.
        text: Another reading of the data set's texts, as :mod:`repro.text_views` has them.
        click_noise: Fake training interactions, per cent of the true ones, 1 to 100.
        text_noise: Users, and as large a share of items, with each other's text vectors, per cent.
        settings: Single settings changed to see what they do, names and values; once checked, the names
            bear their section: ``objective.itm_weight``.
    """

    dataset: str
    backbone: str
    objective: str
    drop: tuple[str, ...] = ()
    fidelity: str | None = None
    turned: tuple[str, ...] = ()
    itm: str | None = None
    keep_coupled: bool = False
    text: str | None = None
    precision: str | None = None
    click_noise: int | None = None
    text_noise: int | None = None
    settings: tuple[tuple[str, int | float], ...] = ()

    @property
    def variant(self) -> str:
        """The row's name in a table: the objective, how it is varied, then what was dropped."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return name_of(**{name: told[name] for name in told if name not in ("dataset", "backbone")})

    @property
    def key(self) -> str:
        """The cell's key in params.yaml and in the names of its stages."""
        return f"{self.dataset}-{self.backbone}-{self.variant}"

    @property
    def whole(self) -> CellRequest:
        """The same cell with every component and the data set's own text: what an ablation is compared with."""
        return replace(self, drop=(), keep_coupled=False, text=None)

    @property
    def clean(self) -> CellRequest:
        """The same cell trained on unpolluted interactions and text."""
        return replace(self, click_noise=None, text_noise=None)

    @property
    def plain(self) -> CellRequest:
        """The objective's own cell, of which this one is a variation."""
        return CellRequest(self.dataset, self.backbone, self.objective)


def named(params: Params, dataset: str, backbone: str, variant: str) -> CellRequest:
    """Return the request whose variant has this name, as :attr:`CellRequest.variant` writes it.

    A name that cannot be read so becomes the objective, which :func:`checked` then refuses.
    """
    return CellRequest(dataset, backbone, **read_name_of(variant, list(params.objectives)))


def checked(params: Params, request: CellRequest) -> CellRequest:
    """Return the request in its one proper form: what is so anyway is left out of it.

    Raises:
        ReproError: For a name that does not exist (listing those that do), an unknown or impossible
            component, or an objective that reads text on a data set without text.
    """
    _check_names(params, request)
    drop = _checked_drop(params, request)
    varied = replace(request, drop=drop, turned=_checked_turned(request))
    _check_text(params, varied)
    for value, known, what in (
        (varied.fidelity, FIDELITIES, "fidelity"),
        (varied.itm, ITM_FORMS, "form of ITM"),
        (varied.precision, PRECISIONS, "precision"),
    ):
        if value not in (None, *known):
            raise ReproError(f"There is no {what} {value!r}: choose {' or '.join(known)}.")
    _check_noise(varied)
    return _refuse_long_name(_without_what_holds_anyway(params, varied))


def _check_names(params: Params, request: CellRequest) -> None:
    known: dict[str, Sequence[str]] = {
        "data set": list(params.datasets),
        "backbone": list(params.backbones),
        "objective": list(params.objectives),
    }
    names = {"data set": request.dataset, "backbone": request.backbone, "objective": request.objective}
    for kind, name in names.items():
        if name not in known[kind]:
            fix = "; `repro data fetch` or `repro data import` adds one" if kind == "data set" else ""
            raise ReproError(
                f"There is no {kind} {name!r} in params.yaml: choose {_listed(known[kind])}{fix}."
            )
    if request.objective != TEXT_FREE and params.datasets[request.dataset].text is None:
        raise ReproError(
            f"{request.objective} reads text and the data set {request.dataset} has none: import it with "
            f"text or text vectors (`repro data import {request.dataset} --help`), or choose base."
        )
    known_to_fit = request.objective == TEXT_FREE or request.key in params.cells
    if not known_to_fit and is_simple(request.backbone):
        raise ReproError(
            f"{request.backbone} is a simple baseline without an embedding that {request.objective} could "
            "work on: choose the objective base, or another backbone."
        )
    if params.datasets[request.dataset].text is None and request.key not in params.cells:
        _refuse_backbone_without_its_text(request)
    if request.objective != "irllrec" and (request.itm or request.keep_coupled):
        raise ReproError(
            f"{request.objective} has no intent-text matching to choose a form of: use --objective irllrec."
        )


def is_simple(backbone: str) -> bool:
    """Return whether a backbone is a simple baseline, which goes with ``base`` only; imports torch."""
    from irllrec.recommender import is_simple as found

    return found(backbone)


def _refuse_backbone_without_its_text(request: CellRequest) -> None:
    read = _read_by(request)
    if not read:
        return
    what = "a knowledge graph" if "knowledge" in read else "text"
    raise ReproError(
        f"{request.backbone} reads {what} and the data set {request.dataset} has no text: import it with "
        f"texts (`repro data import {request.dataset} --help`), or choose another backbone."
    )


def _checked_drop(params: Params, request: CellRequest) -> tuple[str, ...]:
    drop = tuple(name.upper() for name in request.drop)
    allowed = _DROPPABLE.get(request.objective, ())
    for name in drop:
        if name not in COMPONENTS:
            raise ReproError(f"There is no component {name!r} to drop: choose {_listed(COMPONENTS)}.")
        if name not in allowed:
            what = f"only {_listed(allowed)}" if allowed else "no component"
            raise ReproError(f"{request.objective} has {what} to drop, not {name}: use --objective irllrec.")
    return tuple(name for name in COMPONENTS if name in drop)


def _check_text(params: Params, request: CellRequest) -> None:
    if request.dataset not in params.text or not (request.text or "COT" in request.drop):
        return
    if request.objective == TEXT_FREE and not _read_by(request):
        raise ReproError(
            f"{request.backbone} under base reads no text, so --text {request.text} changes nothing: name an "
            "objective that reads text."
        )
    check_view(params, request.dataset, request.drop, request.text)
    if request.text and RESERVED.search(f"-{request.text}"):
        raise ReproError(
            f"The text {request.text!r} has a name that cannot be part of a cell's: rename text."
            f"{request.dataset}-{request.text} without no, at, clicks, textnoise and coupled."
        )


def _check_noise(request: CellRequest) -> None:
    for what, percent in (("click noise", request.click_noise), ("text noise", request.text_noise)):
        if percent is not None and not 1 <= percent <= 100:
            raise ReproError(f"{percent} % {what} is impossible: give a whole share from 1 to 100.")
    control = control_of(request.drop, request.text)
    if request.text_noise and control:
        raise ReproError(
            f"Text noise on {control} text changes nothing that could be measured: leave one of them out."
        )


def _refuse_long_name(request: CellRequest) -> CellRequest:
    if len(request.key) > LONGEST_CELL_NAME:
        raise ReproError(
            f"The cell would be called {request.key}, which is longer than {LONGEST_CELL_NAME} characters: "
            "vary less at once."
        )
    return request


def _read_by(request: CellRequest) -> frozenset[str]:
    """Return what a cell reads beside the interactions; imports torch."""
    from irllrec.recommender import inputs_of

    return inputs_of(request.backbone, request.objective)


def _checked_turned(request: CellRequest) -> tuple[str, ...]:
    turned = sorted({name.upper() for name in request.turned})
    for name in turned:
        if name not in DEVIATIONS:
            raise ReproError(
                f"There is no deviation {name!r} to turn: choose from {DEVIATIONS[0]} to {DEVIATIONS[-1]}."
            )
    return tuple(turned)


def _without_what_holds_anyway(params: Params, request: CellRequest) -> CellRequest:
    """Leave out what the plain cell has anyway, so that one model has one name."""
    from repro.cell_params import Override

    plain = params.cells.get(request.plain.key)
    override = plain.override if plain else Override()
    usual = override.fidelity or params.fidelity
    fidelity = request.fidelity if request.fidelity != usual else None
    settings = {**params.objectives[request.objective], **override.objective}
    itm = request.itm if request.itm != _itm_form(settings, fidelity or usual, override, request) else None
    coupled = (
        request.keep_coupled and bool({"IA", "TRAN"} & set(request.drop)) and not settings.get("keep_coupled")
    )
    precision = request.precision if request.precision != (override.precision or params.precision) else None
    reads_text = "text" in _read_by(request) if precision or request.text_noise or request.settings else False
    followed = override.model_copy(
        update={"fidelity": fidelity or usual, "turned": tuple(set(override.turned) ^ set(request.turned))}
    )
    return replace(
        request,
        fidelity=fidelity,
        itm=itm,
        keep_coupled=coupled,
        precision=precision if reads_text else None,  # `fast` shortens nothing else
        text_noise=request.text_noise if reads_text else None,
        settings=_checked_settings(params, request, followed, reads_text) if request.settings else (),
    )


def _checked_settings(
    params: Params, request: CellRequest, followed: Override, reads_text: bool
) -> tuple[tuple[str, int | float], ...]:
    from repro.hyperparameters import checked_changes

    place = (request.dataset, request.backbone, request.objective)
    return checked_changes(params, *place, request.settings, override=followed, reads_text=reads_text)


def _itm_form(settings: Mapping[str, Any], fidelity: Any, override: Override, request: CellRequest) -> str:
    """Return the form of intent-text matching that the request would have without asking for one."""
    form = settings.get("itm", "auto")
    if form != "auto":
        return str(form)
    followed = as_released(fidelity, frozenset(set(override.turned) ^ set(request.turned)))
    return "code" if "D-04" in followed else "reading"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "(none)"
