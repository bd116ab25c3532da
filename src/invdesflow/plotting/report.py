"""The report of a campaign: one HTML file that needs neither network nor database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go
from pymatgen.core import Structure

from invdesflow.crystals.symmetry import conventional
from invdesflow.database.campaign import CampaignDocument, RoundRecord
from invdesflow.database.summary import SummaryDocument
from invdesflow.errors import StructureError
from invdesflow.plotting.chemical_space import element_shares, periodic_table_figure, space_group_figure
from invdesflow.plotting.facts import caveats, facts, flat_parameters, recipe_thresholds
from invdesflow.plotting.files import replace_file
from invdesflow.plotting.funnel import funnel_figure, funnel_rows
from invdesflow.plotting.origins import NEAR_HULL_EV_PER_ATOM, origin_figure, origin_rows, yield_figure
from invdesflow.plotting.pages import render_page
from invdesflow.plotting.ranking import passed, top_candidates
from invdesflow.plotting.structures import structure_figure
from invdesflow.plotting.tc_vs_hull import drawable, tc_vs_hull_figure

__all__ = ["campaign_report", "write_report"]


def campaign_report(
    campaign: CampaignDocument,
    summaries: Sequence[SummaryDocument],
    structures: Mapping[str, Structure],
    *,
    top: int = 12,
) -> str:
    """Describe a campaign in one self-contained HTML page.

    Parameters
    ----------
    campaign
        The campaign; the funnel is that of its last round.
    summaries
        Its candidates, of all rounds.
    structures
        ``candidate_id`` -> crystal, for those of `invdesflow.plotting.ranking.top_candidates`; where one is missing,
        the report says so.
    top
        Number of candidates in the table and among the drawn crystals.

    Returns
    -------
    str
        HTML of `invdesflow.plotting.pages.render_page`.
    """
    last_round = campaign.rounds[-1] if campaign.rounds else None
    cards = _cards(top_candidates(summaries, top), structures)
    figures = _overview(last_round, summaries) | {
        f"structure-{card.rank}": structure_figure(card.cell) for card in cards if card.cell is not None
    }
    return render_page(
        "report.html.j2",
        figures,
        campaign=campaign,
        last_round=last_round,
        facts=facts(campaign, summaries),
        caveats=caveats(summaries),
        parameters=flat_parameters(last_round.maker) if last_round else [],
        funnel=funnel_rows(last_round) if last_round else [],
        summaries=summaries,
        passed=passed(summaries),
        cards=cards,
        origins=origin_rows(summaries),
        near_hull_ev_per_atom=NEAR_HULL_EV_PER_ATOM,
        undrawn=len(summaries) - len(drawable(summaries)),
    )


def write_report(path: Path, html: str) -> None:
    """Write a report so that the file is complete or absent.

    Raises
    ------
    ConfigurationError
        If the path cannot be written.
    """
    replace_file(path, html.encode())


@dataclass(frozen=True)
class _Card:
    """A top candidate and the cell that is drawn of it, or why none is."""

    rank: int
    summary: SummaryDocument
    cell: Structure | None
    problem: str | None


def _cards(best: Sequence[SummaryDocument], structures: Mapping[str, Structure]) -> list[_Card]:
    return [
        _Card(rank, summary, *_conventional(structures.get(summary.candidate_id)))
        for rank, summary in enumerate(best, start=1)
    ]


def _conventional(structure: Structure | None) -> tuple[Structure | None, str | None]:
    if structure is None:
        return None, "No structure was given to the report."
    try:
        return conventional(structure), None
    except StructureError as error:
        return None, error.problem


def _overview(last_round: RoundRecord | None, summaries: Sequence[SummaryDocument]) -> dict[str, go.Figure]:
    """Draw the figures that have data; a section without its figure says so in words."""
    figures = {}
    if last_round is not None and any(stage.entered for stage in last_round.stages):
        figures["funnel"] = funnel_figure(funnel_rows(last_round))
    if summaries:
        groups = {"elements-all": summaries, "elements-passed": passed(summaries)}
        full_scale = 100 * max(share for group in groups.values() for share in element_shares(group).values())
        figures |= {name: periodic_table_figure(group, full_scale) for name, group in groups.items() if group}
        figures["space-groups"] = space_group_figure(summaries)
    if drawable(summaries):
        thresholds = recipe_thresholds(last_round.maker) if last_round else None
        figures["tc-vs-hull"] = tc_vs_hull_figure(summaries, thresholds)
    origins = origin_rows(summaries)
    if origins:
        figures["yields"] = yield_figure(origins)
    if any(row.tc_k or row.hull_ev_per_atom for row in origins):
        figures["origins"] = origin_figure(origins)
    return figures
