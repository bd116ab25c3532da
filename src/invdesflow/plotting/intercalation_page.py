"""The page of intercalation studies: one HTML file that needs neither network nor database."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import plotly.graph_objects as go
from markupsafe import Markup

from invdesflow.intercalation.documents import IntercalationStudyDocument, PairComparison
from invdesflow.intercalation.published import PublishedCrystal, published_crystal
from invdesflow.intercalation.ranking import ranked_pairs
from invdesflow.plotting.intercalation_map import guest_name, host_guest_map
from invdesflow.plotting.intercalation_modes import gamma_modes_figure
from invdesflow.plotting.intercalation_pairs import (
    Calculated,
    PhononBands,
    bands_side_by_side,
    coupling_split_figure,
    side_by_side,
)
from invdesflow.plotting.intercalation_table import Missing, Row, missing_values, study_rows
from invdesflow.plotting.pages import render_page

__all__ = ["study_figures", "study_page"]

_COLUMNS = 6
_WHOSE = ("host", "guest")
_NO_CALCULATIONS: Mapping[str, Calculated] = {}
_NO_BANDS: Mapping[str, PhononBands] = {}


def study_page(
    studies: Sequence[IntercalationStudyDocument],
    calculations: Mapping[str, Calculated] = _NO_CALCULATIONS,
    bands: Mapping[str, PhononBands] = _NO_BANDS,
    *,
    top: int = 6,
) -> str:
    """Describe studies in one self-contained HTML page.

    Parameters
    ----------
    studies
        At least one; of one potential, or the ranking compares what cannot be compared, and the page says so.
    calculations
        ``elph_id`` -> calculation and its arrays, for the figures from first principles.
    bands
        ``phonon_id`` -> crystal and its phonons with the potential.
    top
        Pairs of every host that get figures of their own.

    Returns
    -------
    str
        HTML of `invdesflow.plotting.pages.render_page`.
    """
    figures = study_figures(studies, calculations, bands, top=top)
    for figure in figures.values():
        figure.update_layout(width=None)  # as wide as the page lets it be
    pairs = ranked_pairs(studies)
    known = [pair for _, pair in pairs if pair.tc_k.difference is not None]
    return render_page(
        "intercalation.html.j2",
        figures,
        studies=studies,
        pairs=pairs,
        known=known,
        verified=[pair for _, pair in pairs if pair.verified],
        refuted=[pair for _, pair in pairs if pair.verdict],
        gaining=[pair for pair in known if (pair.tc_k.difference or 0.0) > 0.0],
        cards=[card for number, study in enumerate(studies) for card in [_card(number, study, top)]],
        warnings=list(dict.fromkeys(warning for study in studies for warning in study.warnings)),
        doubts=list(dict.fromkeys(doubt for _, pair in pairs for doubt in pair.coupling.doubts)),
        potentials=sorted({f"{study.potential.kind} {study.potential.model}" for study in studies}),
        guest_name=guest_name,
        groupby=_by_group,
    )


def study_figures(
    studies: Sequence[IntercalationStudyDocument],
    calculations: Mapping[str, Calculated] = _NO_CALCULATIONS,
    bands: Mapping[str, PhononBands] = _NO_BANDS,
    *,
    top: int = 6,
) -> dict[str, go.Figure]:
    """Draw every figure that the studies have data for.

    Parameters
    ----------
    studies, calculations, bands, top
        As for `study_page`.

    Returns
    -------
    dict
        ``map``; and for pair p of study s ``modes-s-p`` (phonons at Gamma with the potential),
        ``calculated-modes-s-p``, ``split-s-p``, and ``bands`` (with the potential), ``phonons``, ``alpha2f``
        and ``gap`` with ``-host-s-p`` and ``-guest-s-p``.
    """
    figures = {"map": host_guest_map(studies)}
    for number, study in enumerate(studies):
        for rank, pair in enumerate(study.pairs[:top]):
            for name, figure in _pair_figures(study, pair, calculations, bands):
                figures[f"{name}-{number}-{rank}"] = figure
    return figures


@dataclass(frozen=True)
class _Card:
    """A study, its table in pieces of a few columns, and what is missing."""

    number: int
    study: IntercalationStudyDocument
    tables: list[tuple[list[PairComparison], list[Row]]]
    shown: list[PairComparison]
    missing: list[Missing]
    published: list[PublishedCrystal]


def _card(number: int, study: IntercalationStudyDocument, top: int) -> _Card:
    columns = [study.pairs[start : start + _COLUMNS] for start in range(0, len(study.pairs), _COLUMNS)]
    known = [published_crystal(study.host_formula, study.host_space_group_number)]
    known += [published_crystal(pair.formula, pair.space_group_number) for pair in study.pairs]
    return _Card(
        number,
        study,
        [(pairs, study_rows(study, pairs)) for pairs in columns],
        study.pairs[:top],
        missing_values(study.pairs),
        [crystal for crystal in known if crystal is not None],
    )


def _pair_figures(
    study: IntercalationStudyDocument,
    pair: PairComparison,
    calculations: Mapping[str, Calculated],
    bands: Mapping[str, PhononBands],
) -> Iterator[tuple[str, go.Figure]]:
    names = study.host_formula, pair.formula
    if pair.phonons.modes:
        yield "modes", gamma_modes_figure(pair.phonons, *names)
    if pair.coupling_phonons.modes:
        yield "calculated-modes", gamma_modes_figure(pair.coupling_phonons, *names)
    if pair.coupling.host_windows:
        yield "split", coupling_split_figure(pair.coupling, *names)
    known = [bands.get(one.phonon_id or "") for one in (pair.host, pair.guest)]
    if known[0] is not None and known[1] is not None:
        for whose, figure in zip(_WHOSE, bands_side_by_side(known[0], known[1]), strict=True):
            if figure is not None:
                yield f"bands-{whose}", figure
    host, guest = (calculations.get(one.elph_id or "") for one in (pair.host, pair.guest))
    if host is not None and guest is not None:
        for kind, drawn in side_by_side(host, guest).items():
            for whose, figure in zip(_WHOSE, drawn, strict=True):
                if figure is not None:
                    yield f"{kind}-{whose}", figure


def _by_group(rows: Sequence[Row]) -> list[tuple[Markup, list[Row]]]:
    return [(Markup(group), list(members)) for group, members in groupby(rows, key=lambda row: row.group)]  # noqa: S704
