"""What pw.x left in its outdir: whether it is complete, and whether it had enough bands."""

from pathlib import Path
from xml.etree.ElementTree import ParseError, iterparse

from invdesflow.espresso.input_files import read_namelists

__all__ = ["saved_state_failure", "saved_xml"]

_NEGLIGIBLE_OCCUPATION = 0.005  # of a band that holds 1
_SELF_CONSISTENT = {"scf", "relax", "vc-relax"}


def saved_xml(pw_input: Path) -> Path:
    """Locate the XML file that a run of pw.x in the folder of its input writes."""
    control = read_namelists(pw_input.read_text())["control"]
    folder: Path = pw_input.parent / control.get("outdir", ".") / f"{control.get('prefix', 'pwscf')}.save"
    return folder / "data-file-schema.xml"


def saved_state_failure(xml: Path) -> str | None:
    """Name what is wrong with the state that a finished run of pw.x saved.

    Returns
    -------
    str or None
        ``"incomplete"`` for a file that is missing or ends early, ``"highest_band_occupied"``, or None.
    """
    try:
        return "highest_band_occupied" if _highest_occupation(xml) > _NEGLIGIBLE_OCCUPATION else None
    except (OSError, ParseError):
        return "incomplete"


def _highest_occupation(xml: Path) -> float:
    calculation = occupations_kind = ""
    highest = 0.0
    for _, element in iterparse(xml):  # noqa: S314 (our own program wrote it)
        match element.tag:
            case "calculation":
                calculation = element.text or ""
            case "occupations_kind":
                occupations_kind = element.text or ""
            case "occupations" if "size" in element.attrib:
                highest = max(highest, abs(float((element.text or "nan").split()[-1])))
            case "ks_energies":
                element.clear()
    smeared = calculation in _SELF_CONSISTENT and occupations_kind in {"smearing", "tetrahedra"}
    return highest if smeared else 0.0
