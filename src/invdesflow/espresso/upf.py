"""What a pseudopotential file in the Unified Pseudopotential Format (versions 1 and 2) says about itself."""

import re
from dataclasses import dataclass
from typing import Literal

from invdesflow.errors import EspressoError

__all__ = ["Relativistic", "UpfHeader", "parse_upf"]

Relativistic = Literal["non", "scalar", "full"]

_FUNCTIONALS = {
    ("PZ",): "LDA",
    ("SLA", "PZ", "NOGX", "NOGC"): "LDA",
    ("PW",): "LDA-PW",
    ("SLA", "PW", "NOGX", "NOGC"): "LDA-PW",
    ("SLA", "PW", "PBE", "PBE"): "PBE",
    ("SLA", "PW", "PBX", "PBC"): "PBE",
    ("PBESOL",): "PBEsol",
    ("SLA", "PW", "PSX", "PSC"): "PBEsol",
    ("SLA", "LYP", "B88", "BLYP"): "BLYP",
    ("SLA", "PW", "TPSS", "TPSS"): "TPSS",
    ("SLA", "PW", "RPB", "PBC"): "revPBE",
}
"""The short names of Quantum ESPRESSO and what they stand for (funct.f90); "LDA" is Perdew-Zunger there."""
_NUMBERS = re.compile(r"[-+.\deEdD\s]+")
_PROJECTOR = r"<PP_BETA\.(\d+)[^>]*>(.*?)</PP_BETA"


@dataclass(frozen=True, kw_only=True)
class UpfHeader:
    """The facts in the header of a pseudopotential file.

    Attributes
    ----------
    element
        Symbol.
    kind
        ``NC`` or ``SL`` (norm-conserving), ``US``, ``USPP`` (ultrasoft), ``PAW``, ``1/r`` (bare Coulomb).
    functional
        Exchange and correlation, one name for all spellings: ``PBE``, ``PBEsol``, ``LDA`` (Perdew-Zunger), ``LDA-PW``.
    relativistic
        How the core was treated.
    z_valence
        Valence electrons.
    core_correction
        Whether there is a nonlinear core correction.
    wavefunctions
        Label such as ``3S`` and angular momentum of each pseudo-atomic orbital (PP_PSWFC).
    wfc_cutoff_ry
        Suggested cutoff of the wavefunctions (Ry), if one is stated.
    lost_projectors
        Numbers of the projectors that are zero throughout: ONCVPSP wrote no more than two of a kind into UPF files
        until 2026 (github.com/oncvpsp/oncvpsp, pull request 29).
    """

    element: str
    kind: str
    functional: str
    relativistic: Relativistic
    z_valence: float
    core_correction: bool
    wavefunctions: tuple[tuple[str, int], ...]
    wfc_cutoff_ry: float | None
    lost_projectors: tuple[int, ...]

    @property
    def norm_conserving(self) -> bool:
        """Whether the pseudopotential conserves the norm, as EPW needs it."""
        return self.kind in ("NC", "SL")

    @property
    def has_pswfc(self) -> bool:
        """Whether there are pseudo-atomic orbitals."""
        return bool(self.wavefunctions)


def parse_upf(text: str, name: str) -> UpfHeader:
    """Read the header of a pseudopotential file and check that its data are whole.

    Parameters
    ----------
    text
        Content of the file.
    name
        What error messages call it.

    Raises
    ------
    EspressoError
        If the text is no UPF, or is cut off or damaged.
    """
    try:
        if re.search(r"<UPF version=[\"']2", text):
            header, mesh_size = _version_2(text)
        elif "<PP_HEADER>" in text:
            header, mesh_size = _version_1(text)
        else:
            raise EspressoError(f"{name} is no pseudopotential in UPF 1 or 2.", "Give a UPF file.")
        _check_data(text, mesh_size)
    except (LookupError, ValueError) as error:
        raise EspressoError(f"The pseudopotential {name} is damaged: {error}.", "Install it again.") from error
    return header


def _version_2(text: str) -> tuple[UpfHeader, int]:
    # Not by an XML parser: many files in circulation have bare < and & in their comments.
    attributes = _attributes(_required(r"<PP_HEADER\s(.*?)/?>", text, "header"))
    orbitals = [_attributes(match) for match in re.findall(r"<PP_CHI\.\d+\s(.*?)>", text, re.DOTALL)]
    if len(orbitals) != int(attributes["number_of_wfc"]):
        raise ValueError(f"it has {len(orbitals)} of {attributes['number_of_wfc']} orbitals")
    _required("</UPF>", text, "end", group=0)
    header = UpfHeader(
        element=attributes["element"].strip().capitalize(),
        kind=attributes["pseudo_type"].strip(),
        functional=_functional(attributes["functional"]),
        relativistic=_relativistic(attributes["relativistic"]),
        z_valence=float(attributes["z_valence"]),
        core_correction=_is_true(attributes["core_correction"]),
        wavefunctions=tuple((orbital["label"].strip().upper(), int(orbital["l"])) for orbital in orbitals),
        wfc_cutoff_ry=_cutoff(attributes.get("wfc_cutoff", "0")),
        lost_projectors=tuple(
            int(number)
            for number, values in re.findall(_PROJECTOR, text, re.DOTALL)
            if not any(map(float, values.split()))
        ),
    )
    return header, int(attributes["mesh_size"])


def _version_1(text: str) -> tuple[UpfHeader, int]:
    lines = [line.split() for line in _required(r"<PP_HEADER>\s*(.*?)</PP_HEADER>", text, "header").split("\n")]
    # The first version is defined by the order of its lines.
    _, element, kind, correction, functional, z_valence, _, cutoffs, _, points, counts, _, *orbitals = lines
    orbitals = orbitals[: int(counts[0])]
    info = _required(r"<PP_INFO>(.*?)</PP_INFO>", text, "description")
    treatment = _required(r"(\w+)-Relativistic", info, "relativistic treatment")
    words = functional[: functional.index("Exchange-Correlation")]
    header = UpfHeader(
        element=element[0].capitalize(),
        kind=kind[0],
        functional=_functional(" ".join(words[:4])),
        relativistic=_relativistic(treatment),
        z_valence=float(z_valence[0]),
        core_correction=_is_true(correction[0]),
        wavefunctions=tuple((orbital[0].upper(), int(orbital[1])) for orbital in orbitals),
        wfc_cutoff_ry=_cutoff(cutoffs[0]),
        lost_projectors=(),
    )
    return header, int(points[0])


def _check_data(text: str, mesh_size: int) -> None:
    """Raise ValueError if the radial functions that every pseudopotential has are not there in full."""
    for section in ("PP_R", "PP_RHOATOM"):
        numbers = _required(rf"<{section}[\s>].*?</{section}>", text, section, group=0)
        numbers = numbers[numbers.index(">") + 1 : numbers.rindex("<")]
        if not _NUMBERS.fullmatch(numbers):
            raise ValueError(f"{section} holds what is no number")
        if len(numbers.split()) != mesh_size:
            raise ValueError(f"{section} has {len(numbers.split())} of {mesh_size} numbers")


def _required(pattern: str, text: str, what: str, group: int = 1) -> str:
    match = re.search(pattern, text, re.DOTALL)
    if match is None:
        raise LookupError(f"its {what} is missing or cut off")
    return match.group(group)


def _attributes(text: str) -> dict[str, str]:
    return {name: value for name, _, value in re.findall(r"(\w+)\s*=\s*([\"'])(.*?)\2", text, re.DOTALL)}


def _functional(text: str) -> str:
    words = tuple(re.findall(r"[A-Z0-9]+", text.upper()))
    return _FUNCTIONALS.get(words, "-".join(words))


def _cutoff(text: str) -> float | None:
    cutoff = float(text)
    return cutoff if cutoff > 0 else None


def _is_true(text: str) -> bool:
    return text.strip().lower().strip(".").startswith("t")


def _relativistic(text: str) -> Relativistic:
    match text.strip().lower()[:1]:
        case "f":
            return "full"
        case "s":
            return "scalar"
    return "non"
