"""The funnel of one round: how many crystals entered every stage, how many left it, and why the others did not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go
from markupsafe import escape

from invdesflow.database.campaign import RoundRecord
from invdesflow.database.stages import StageRecord
from invdesflow.plotting.style import BLUE, GREY, TEMPLATE

__all__ = ["FunnelRow", "funnel_figure", "funnel_rows"]

_SOURCES = {"generate": "proposed by diffusion", "substitute": "proposed by substitution"}
_OUTCOMES = dict.fromkeys(_SOURCES, "valid and new") | {
    "gates": "valid and new",
    "relax": "relaxed",
    "screen": "passed screening",
    "phonons": "dynamically stable",
    "verify": "verified",
}
_REASONS = {"tc": "predicted Tc", "e_above_hull": "energy above the hull"}
_PASSED, _LOST, _ADDED = "#c3d5e6", "#ecd9c6", "#dde3e9"


@dataclass(frozen=True)
class FunnelRow:
    """One stage of the funnel, its losses by reason.

    Attributes
    ----------
    losses
        Reason and number, most frequent first. They and `passed` add up to `entered` unless `overlapping`.
    overlapping
        More rejections than rejected crystals were recorded: a crystal that failed several gates counts in each.
    """

    stage: str
    entered: int
    passed: int
    losses: tuple[tuple[str, int], ...]
    overlapping: bool
    reused: int
    seconds: float
    note: str | None

    @property
    def outcome(self) -> str:
        """What a crystal is that passed the stage."""
        return _OUTCOMES.get(self.stage, f"passed {self.stage}")

    @property
    def branches(self) -> list[tuple[str, int]]:
        """What the crystals that did not pass are drawn as: they and `passed` always add up to `entered`."""
        return [("rejected", self.entered - self.passed)] if self.overlapping else list(self.losses)


def funnel_rows(campaign_round: RoundRecord) -> list[FunnelRow]:
    """Bring the stages of a round into the form of the figure and of the table of reasons."""
    return [_row(stage) for stage in campaign_round.stages]


def _row(stage: StageRecord) -> FunnelRow:
    counts = [(_REASONS.get(name, name.replace("_", " ")), count) for name, count in stage.rejected.items() if count]
    losses = sorted(counts, key=lambda loss: (-loss[1], loss[0]))
    unexplained = stage.entered - stage.passed - sum(count for _, count in losses)
    if unexplained > 0:
        losses.append(("no result recorded", unexplained))
    return FunnelRow(
        stage=stage.stage,
        entered=stage.entered,
        passed=stage.passed,
        losses=tuple(losses),
        overlapping=unexplained < 0,
        reused=stage.reused,
        seconds=stage.seconds,
        note=stage.note,
    )


def funnel_figure(rows: Sequence[FunnelRow]) -> go.Figure:
    """Draw the stages as a flow from left to right, every reason of rejection as a branch.

    The sources of the round begin side by side; what they propose goes on together.

    Parameters
    ----------
    rows
        Stages in the order in which they ran; at least one that something entered.

    Returns
    -------
    plotly.graph_objects.Figure
        A Sankey diagram; widths are numbers of crystals.
    """
    flow = _Flow()
    sources = [row for row in rows if row.stage in _SOURCES] or rows[:1]
    node = _propose(flow, sources)
    carried = sum(row.passed for row in sources)
    for row in rows[len(sources) :]:
        source, losses = node, row.branches
        if row.entered > carried:
            added = row.entered - carried
            flow.link(flow.node("from earlier rounds", added, GREY), source, added, _ADDED)
        elif row.entered < carried:
            losses.append(("not taken further", carried - row.entered))
        node = flow.node(row.outcome, row.passed, BLUE)
        flow.link(source, node, row.passed, _PASSED)
        for reason, count in losses:
            flow.link(source, flow.node(reason, count, GREY), count, _LOST)
        carried = row.passed
    return flow.figure()


def _propose(flow: "_Flow", sources: Sequence[FunnelRow]) -> int:
    """Draw the sources, each with what refused its crystals; return the node of all that were accepted."""
    begins = [flow.node(_SOURCES.get(row.stage, "proposed"), row.entered, BLUE) for row in sources]
    accepted = flow.node(sources[0].outcome, sum(row.passed for row in sources), BLUE)
    lost: Counter[str] = Counter()
    for row in sources:
        lost.update(dict(row.branches))
    ends = {reason: flow.node(reason, count, GREY) for reason, count in lost.most_common()}
    for begin, row in zip(begins, sources, strict=True):
        flow.link(begin, accepted, row.passed, _PASSED)
        for reason, count in row.branches:
            flow.link(begin, ends[reason], count, _LOST)
    return accepted


@dataclass
class _Flow:
    """Nodes and links of the Sankey diagram while it is put together."""

    labels: list[str] = field(default_factory=list)
    colours: list[str] = field(default_factory=list)
    links: list[tuple[int, int, int, str]] = field(default_factory=list)

    def node(self, label: str, count: int, colour: str) -> int:
        """Add a node and return its index."""
        self.labels.append(f"{escape(label)}  <b>{count}</b>")
        self.colours.append(colour)
        return len(self.labels) - 1

    def link(self, source: int, target: int, count: int, colour: str) -> None:
        """Let `count` crystals flow between two nodes."""
        self.links.append((source, target, count, colour))

    def figure(self) -> go.Figure:
        """Lay the diagram out; aligned to the left, plotly keeps every loss in the column of its stage."""
        sources, targets, values, colours = zip(*self.links, strict=True)
        sankey = go.Sankey(
            node={
                "label": self.labels,
                "color": self.colours,
                "align": "left",
                "thickness": 14,
                "pad": 16,
                "line": {"width": 0},
                "hovertemplate": "%{label}<extra></extra>",
            },
            link={
                "source": sources,
                "target": targets,
                "value": values,
                "color": colours,
                "hovertemplate": "%{value:d} crystals: %{target.label}<extra></extra>",
            },
        )
        margin = {"l": 10, "r": 10, "t": 15, "b": 15}
        return go.Figure(sankey, layout={"template": TEMPLATE, "height": 400, "margin": margin})
