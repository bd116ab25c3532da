"""What guests change in the phonons at Gamma, from a potential or from first principles."""

from collections.abc import Collection

from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import IntercalationError
from invdesflow.espresso.parsers.matdyn import read_modes
from invdesflow.espresso.tasks import task_path
from invdesflow.intercalation.documents import Compared, PhononChange
from invdesflow.intercalation.gamma_modes import GammaModes
from invdesflow.intercalation.mode_matching import NetworkModes, breathing_mode, follow_modes
from invdesflow.intercalation.reasons import value_or_reason
from invdesflow.intercalation.site_mapping import SiteMapping

__all__ = ["calculated_modes", "compare_phonons"]

_STEP, _FILE = "phonon bands", "modes"


def compare_phonons(
    host: GammaModes,
    guest: GammaModes,
    guest_elements: Collection[str],
    network_element: str,
    statuses: tuple[str | None, str | None] = (None, None),
) -> PhononChange:
    """Compare the phonons at Gamma of a host and of a crystal with guests.

    Parameters
    ----------
    host, guest
        Phonons, from the same source with the same settings.
    guest_elements
        Elements that were put in.
    network_element
        Element whose motions count, such as H.
    statuses
        What is known of the stability of the two at all wave vectors.
    """
    modes, problem = value_or_reason(
        lambda: follow_modes(
            host, guest, SiteMapping.find(host.structure, guest.structure, guest_elements), network_element
        )
    )
    breathing, reason = (None, problem) if modes is None else value_or_reason(lambda: breathing_mode(modes))
    before, why_before = value_or_reason(lambda: NetworkModes.of(host, network_element))
    after, why_after = value_or_reason(lambda: NetworkModes.of(guest, network_element))
    if before is None or after is None:
        mean = softest = Compared.missing(why_before or why_after)
    else:
        mean = Compared.of(before.mean_thz, after.mean_thz)
        softest = Compared.of(before.softest_thz, after.softest_thz)
    return PhononChange(
        host_status=statuses[0],
        guest_status=statuses[1],
        network_element=network_element,
        mean_thz=mean,
        softest_thz=softest,
        breathing=breathing,
        breathing_reason=reason,
        modes=modes or [],
    )


def calculated_modes(document: ElectronPhononDocument) -> GammaModes:
    """Read the phonons at Gamma that an electron-phonon calculation left in its run folder.

    Raises
    ------
    IntercalationError
        If it has no phonons, or its folder is not on this machine.
    EspressoError
        If the file is damaged.
    """
    tasks = [step.task_id for step in document.cost if step.step == _STEP and step.used]
    if not tasks or document.relaxed_structure is None:
        raise IntercalationError(f"The calculation {document.elph_id} has no phonons.")
    path = task_path(tasks[-1]) / _FILE
    if not path.is_file():
        raise IntercalationError(
            f"The eigenvectors of {document.elph_id} are in the run folder {tasks[-1]}, which is not on this machine.",
            "Run the comparison where the folder is.",
        )
    return GammaModes.from_matdyn(document.relaxed_structure, read_modes(path))
