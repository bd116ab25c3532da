"""What a reader must know before believing a number: recipe, models, coverage of the hull, what is only predicted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from invdesflow.database.campaign import CampaignDocument, RoundRecord
from invdesflow.database.summary import SummaryDocument
from invdesflow.plotting.ranking import passed
from invdesflow.screening.gates import Thresholds

__all__ = ["caveats", "duration", "facts", "flat_parameters", "recipe_thresholds"]

_DRAWN = {"tc_k", "e_above_hull_ev_per_atom"}


def facts(campaign: CampaignDocument, summaries: Sequence[SummaryDocument]) -> list[tuple[str, str]]:
    """Return name and value of what the head of the report states."""
    versions = sorted(campaign.provenance.versions.items())
    return [
        ("Campaign", f"{campaign.name} ({campaign.maker}, {campaign.campaign_id})"),
        ("Round", _round(campaign.rounds)),
        ("State of", f"{campaign.updated_at:%Y-%m-%d %H:%M} UTC"),
        ("Interatomic potential", _counted(s.potential for s in summaries)),
        ("Pressure", _counted(None if s.pressure_gpa is None else f"{s.pressure_gpa:g} GPa" for s in summaries)),
        ("Tc model", _counted(s.tc_model for s in summaries)),
        ("Hull", _hull_coverage(summaries)),
        ("Versions", ", ".join(f"{package} {version}" for package, version in versions) or "not recorded"),
    ]


def caveats(summaries: Sequence[SummaryDocument]) -> list[str]:
    """Say in sentences how far the numbers of these candidates can be trusted."""
    winners = passed(summaries)
    sentences = []
    if any(s.tc_k is not None for s in summaries):
        sentences.append(
            "Every Tc is predicted by a statistical model from structure and composition. None is computed from "
            "electron-phonon coupling or measured; ± is one standard deviation of the prediction."
        )
        outside = sum(s.in_domain is False for s in winners)
        sentences.append(
            f"{outside} of the {len(winners)} candidates that passed lie outside the training domain of the Tc model: "
            "there it extrapolates, and its uncertainty may be too small."
        )
    potentials = sorted({s.potential for s in summaries if s.potential is not None})
    if potentials:
        vibrating = sum(s.dynamical_stability is not None for s in winners)
        sentences.append(
            f"Structures, energies and phonons come from the interatomic potential {' and '.join(potentials)}, not "
            f"from density functional theory. Phonons were calculated for {vibrating} of the {len(winners)} winners."
        )
    if any(s.e_above_hull_ev_per_atom is not None for s in summaries):
        sentences.append(
            "The hull holds only what was relaxed in this database. A missing competing phase makes a candidate look "
            "more stable than it is; where the hull is incomplete, a whole chemical system within it had no competitor."
        )
    return sentences


def flat_parameters(maker: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the recipe's parameters with dotted names."""
    return [(".".join(path), _text(value)) for path, value in _leaves(maker, ())]


def recipe_thresholds(maker: Mapping[str, Any]) -> Thresholds | None:
    """Find the thresholds of the screening among the recipe's parameters; None where the recipe has none."""
    for name, value in maker.items():
        # Those that are drawn must be there; a campaign that was recorded before a gate was added lacks that one.
        if name == "thresholds" and isinstance(value, Mapping) and _DRAWN <= set(value) <= set(Thresholds.model_fields):
            return Thresholds.model_validate(value)
        if isinstance(value, Mapping) and (found := recipe_thresholds(value)) is not None:
            return found
    return None


def _round(rounds: Sequence[RoundRecord]) -> str:
    if not rounds:
        return "none has begun"
    last = rounds[-1]
    begun = f"{last.number}, {last.status}, begun {last.started_at:%Y-%m-%d %H:%M} UTC"
    if last.finished_at is None:
        return begun
    return f"{begun}, finished after {duration((last.finished_at - last.started_at).total_seconds())}"


def duration(seconds: float) -> str:
    """Write a time span in the unit that suits it."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _counted(values: Iterable[str | None]) -> str:
    counts = Counter(value for value in values if value is not None)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{value} ({count})" for value, count in counts.most_common()) or "none used yet"


def _hull_coverage(summaries: Sequence[SummaryDocument]) -> str:
    on_hull = [s for s in summaries if s.e_above_hull_ev_per_atom is not None]
    if not on_hull:
        return "no candidate was compared with it yet"
    complete = sum(s.hull_complete is True for s in on_hull)
    return f"every chemical system had a competitor for {complete} of {len(on_hull)} candidates"


def _leaves(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, str(name)))
        else:
            yield (*path, str(name)), value


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value)
    return "not set" if value is None else str(value)
