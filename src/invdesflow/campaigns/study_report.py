"""The report of intercalation studies, made from the database."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invdesflow.campaigns.rounds import get_campaign
from invdesflow.database import Database
from invdesflow.database.arrays import unpack_arrays
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import CampaignError
from invdesflow.intercalation.documents import CrystalSources, IntercalationStudyDocument
from invdesflow.intercalation.jobs import IntercalateMaker
from invdesflow.plotting.files import write_figure
from invdesflow.plotting.intercalation_page import study_figures, study_page
from invdesflow.plotting.intercalation_pairs import Calculated, PhononBands
from invdesflow.plotting.report import write_report
from invdesflow.screening.phonon_documents import PhononDocument

__all__ = ["account_of_guests", "default_report", "studies_of", "write_study_figures", "write_study_report"]


def studies_of(
    database: Database, campaign: str, campaign_round: int | None = None
) -> list[IntercalationStudyDocument]:
    """Return the studies of a campaign, or of one of its rounds.

    Raises
    ------
    CampaignError
        If there is no such campaign, or it has no study.
    """
    get_campaign(database, campaign)
    criteria: dict[str, Any] = {"provenance.campaign": campaign}
    if campaign_round is not None:
        criteria["provenance.campaign_round"] = campaign_round
    studies = list(database.collection(IntercalationStudyDocument).find(criteria, sort=[("host_formula", 1)]))
    if not studies:
        raise CampaignError(
            f"The campaign {campaign!r} has no intercalation study.",
            "No host and guest could be relaxed; see its report.",
        )
    return studies


def account_of_guests(database: Database, campaign: str, campaign_round: int) -> str:
    """Say how many pairs a round made, and which guests it refused and why."""
    stages = get_campaign(database, campaign).rounds[campaign_round].stages
    made = next(stage for stage in stages if stage.stage == IntercalateMaker.name)
    return f"Made {made.note}."


def default_report(database: Database, campaign: str) -> Path:
    """Return where the report goes if nobody says."""
    return database.settings.data_dir / "reports" / f"{campaign}.html"


def write_study_report(database: Database, studies: Sequence[IntercalationStudyDocument], path: Path) -> Path:
    """Write studies as one HTML file; return its path.

    Raises
    ------
    ConfigurationError
        If the file cannot be written.
    """
    write_report(path, study_page(studies, _calculations(database, studies), _bands(database, studies)))
    return path


def write_study_figures(
    database: Database, studies: Sequence[IntercalationStudyDocument], folder: Path, suffix: str = ".png"
) -> list[Path]:
    """Write every figure of studies into a folder; return the files.

    Parameters
    ----------
    database
        Where the calculations from first principles are.
    studies
        The studies.
    folder
        Where to.
    suffix
        .png, .pdf, .svg or .html.

    Raises
    ------
    ConfigurationError
        If a file cannot be written, or pictures need a package that is not installed.
    """
    written = []
    figures = study_figures(studies, _calculations(database, studies), _bands(database, studies))
    for name, figure in figures.items():
        path = folder / f"{name}{suffix}"
        write_figure(figure, path)
        written.append(path)
    return written


def _calculations(database: Database, studies: Sequence[IntercalationStudyDocument]) -> dict[str, Calculated]:
    """Return the finished calculations that studies compared, with their arrays."""
    wanted = {source.elph_id for source in _sources(studies) if source.elph_id is not None}
    found = database.collection(ElectronPhononDocument).find_in("elph_id", sorted(wanted))
    return {
        document.elph_id: (document, unpack_arrays(database.blobs.get(document.arrays)))
        for document in found
        if document.arrays is not None
    }


def _bands(database: Database, studies: Sequence[IntercalationStudyDocument]) -> dict[str, PhononBands]:
    """Return the phonons with the potential of the crystals that studies compared."""
    wanted = {source.phonon_id for source in _sources(studies) if source.phonon_id is not None}
    found = database.collection(PhononDocument).find_in("phonon_id", sorted(wanted))
    return {
        document.phonon_id: (document.primitive, unpack_arrays(database.blobs.get(document.arrays)))
        for document in found
        if document.arrays is not None and document.primitive is not None
    }


def _sources(studies: Sequence[IntercalationStudyDocument]) -> list[CrystalSources]:
    return [source for study in studies for pair in study.pairs for source in (pair.host, pair.guest)]
