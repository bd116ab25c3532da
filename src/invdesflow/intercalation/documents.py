"""What intercalation studies store: a host, its crystals with guests, and what the guests changed."""

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from invdesflow.database.documents import Document, content_hash
from invdesflow.epw.documents import Method
from invdesflow.intercalation.coupling_windows import AtomCoupling, CouplingWindow
from invdesflow.intercalation.mode_matching import FollowedMode
from invdesflow.relaxation.documents import PotentialReference
from invdesflow.relaxation.relaxation import RelaxationSettings

__all__ = [
    "BondChange",
    "Compared",
    "CouplingChange",
    "CrystalSources",
    "EnergyChange",
    "IntercalationStudyDocument",
    "Pair",
    "PairComparison",
    "PhononChange",
    "PredictionChange",
    "StabilityChange",
    "StructureChange",
    "TcChange",
    "study_id",
]

_CONFIG = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
_NO_SUPERCONDUCTORS = {
    "dynamically_unstable": "dynamically unstable",
    "insulating": "insulating",
    "magnetic": "magnetic",
}
"""Answers of first principles after which there is no Tc to compare."""


class Pair(BaseModel):
    """A host and one crystal made of it by putting guest atoms into its voids."""

    model_config = _CONFIG

    host_id: str = Field(description="candidate_id of the host")
    guest_id: str = Field(description="candidate_id of the crystal with guests")
    guests: dict[str, int] = Field(min_length=1, description="element -> guest atoms in the cell that was filled")
    sites: list[str] = Field(min_length=1, description="Wyckoff positions that guests took, such as 4b")
    filling: float = Field(gt=0, le=1, description="share of these positions that is taken")


class Compared(BaseModel):
    """One quantity of the host and of the crystal with guests."""

    model_config = _CONFIG

    host: float | None
    guest: float | None
    difference: float | None = Field(description="guest - host; none where one is missing")
    reason: str = Field(description="why one is missing; empty where both are there")

    @model_validator(mode="after")
    def _missing_says_why(self) -> Self:
        incomplete = self.host is None or self.guest is None
        if incomplete != bool(self.reason) or incomplete != (self.difference is None):
            raise ValueError("what is missing needs a reason, and has no difference")
        return self

    @classmethod
    def of(cls, host: float | None, guest: float | None, reason: str = "") -> Self:
        """Compare two values; `reason` is why one of them may be missing."""
        if host is None or guest is None:
            return cls(host=host, guest=guest, difference=None, reason=reason or "not computed")
        return cls(host=host, guest=guest, difference=guest - host, reason="")

    @classmethod
    def missing(cls, reason: str) -> Self:
        """Say why there is nothing to compare."""
        return cls.of(None, None, reason)

    @property
    def percent(self) -> float | None:
        """Difference in percent of the host's value; none where that makes no sense."""
        return None if self.difference is None or not self.host else 100.0 * self.difference / self.host


class BondChange(BaseModel):
    """One kind of bond to nearest neighbours in the host, and how long it is among guests."""

    model_config = _CONFIG

    elements: tuple[str, str] = Field(description="in alphabetical order")
    host_a: float = Field(description="length in the host (A)")
    guest_a: float = Field(description="mean length of the same bonds among guests (A)")
    guest_shortest_a: float
    guest_longest_a: float

    @property
    def name(self) -> str:
        """The bond as it is written, such as Cu-H."""
        return "-".join(self.elements)


class StructureChange(BaseModel):
    """What guests do to the shape of the host, relaxed with the potential."""

    model_config = _CONFIG

    volume_a3: Compared = Field(description="volume for each primitive cell of the host (A^3)")
    lattice_constant_a: Compared = Field(description="of the host's conventional cell, where both are cubic (A)")
    bonds: list[BondChange] = Field(description="the shortest ones of the host first")
    bonds_reason: str = Field(description="why there are none; empty where there are")

    @classmethod
    def missing(cls, reason: str) -> Self:
        """Say why there is nothing to compare."""
        nothing = Compared.missing(reason)
        return cls(volume_a3=nothing, lattice_constant_a=nothing, bonds=[], bonds_reason=reason)


class EnergyChange(BaseModel):
    """Energies from the potential; enthalpies under pressure."""

    model_config = _CONFIG

    formation_ev_per_atom: Compared = Field(description="relative to the lowest crystals of the elements (eV/atom)")
    intercalation_ev: float | None = Field(
        description="to bring a guest atom from the crystal of its element into the host (eV for each guest atom)"
    )
    intercalation_reason: str = Field(description="why there is none; empty where there is one")

    @classmethod
    def missing(cls, reason: str) -> Self:
        """Say why there is nothing to compare."""
        return cls(formation_ev_per_atom=Compared.missing(reason), intercalation_ev=None, intercalation_reason=reason)


class StabilityChange(BaseModel):
    """How far both are above the hull of everything that was relaxed with the potential."""

    model_config = _CONFIG

    above_hull_ev_per_atom: Compared = Field(description="enthalpy above the hull when it was screened (eV/atom)")
    missing_systems: list[str] = Field(
        description="chemical systems without a competitor on the hull of either: the true values may be higher"
    )

    @classmethod
    def missing(cls, reason: str) -> Self:
        """Say why there is nothing to compare."""
        return cls(above_hull_ev_per_atom=Compared.missing(reason), missing_systems=[])


class PredictionChange(BaseModel):
    """What the screening models predict for both."""

    model_config = _CONFIG

    tc_k: Compared = Field(description="predicted Tc (K)")
    tc_std_k: Compared = Field(description="its standard deviation (K)")
    lambda_: Compared
    omega_log_mev: Compared

    @classmethod
    def missing(cls, reason: str) -> Self:
        """Say why there is nothing to compare."""
        nothing = Compared.missing(reason)
        return cls(tc_k=nothing, tc_std_k=nothing, lambda_=nothing, omega_log_mev=nothing)


class PhononChange(BaseModel):
    """What guests do to the phonons at Gamma."""

    model_config = _CONFIG

    host_status: str | None = Field(description="verdict on the stability at all wave vectors; none: not known")
    guest_status: str | None
    network_element: str = Field(description="element of the network, such as H")
    mean_thz: Compared = Field(description="mean of the optical modes that are mostly motions of the network (THz)")
    softest_thz: Compared = Field(description="the lowest of them; negative where imaginary (THz)")
    breathing: FollowedMode | None = Field(description="the Eg mode of the host and what becomes of it")
    breathing_reason: str = Field(description="why there is none; empty where there is one")
    modes: list[FollowedMode] = Field(description="every optical mode of the host, the lowest first")

    @classmethod
    def missing(
        cls, reason: str, network_element: str, host_status: str | None = None, guest_status: str | None = None
    ) -> Self:
        """Say why there is nothing to compare."""
        nothing = Compared.missing(reason)
        return cls(
            host_status=host_status,
            guest_status=guest_status,
            network_element=network_element,
            mean_thz=nothing,
            softest_thz=nothing,
            breathing=None,
            breathing_reason=reason,
            modes=[],
        )


class TcChange(BaseModel):
    """Tc of both by one method at one mu*."""

    model_config = _CONFIG

    method: Method
    mu_star: float
    tc_k: Compared


class CouplingChange(BaseModel):
    """What guests do to the coupling, from first principles at equal settings."""

    model_config = _CONFIG

    protocol: str | None = Field(description="of both calculations; none where there are none at equal settings")
    host_status: str | None = Field(description="of the host's calculation; none where there is none")
    guest_status: str | None
    doubts: list[str] = Field(default_factory=list, description="why a calculation is said not to be converged")
    lambda_: Compared
    omega_log_mev: Compared
    dos_per_ev: Compared = Field(description="N(E_F) for each cell of the host, both spins (1/eV)")
    bands_at_fermi: Compared = Field(description="bands that cross the Fermi level along the path, of one host cell")
    tc: list[TcChange] = Field(description="by every method that both have")
    tc_reason: str = Field(description="why there is none; empty where there are")
    host_windows: list[CouplingWindow] = Field(description="lambda between the gaps of the phonons")
    guest_windows: list[CouplingWindow]
    host_atoms: list[AtomCoupling] = Field(description="lambda by atoms of the cell, as they share the phonons")
    guest_atoms: list[AtomCoupling]
    split_reason: str = Field(description="why lambda is not split; empty where it is")

    @classmethod
    def missing(cls, reason: str, host_status: str | None = None, guest_status: str | None = None) -> Self:
        """Say why there is nothing to compare."""
        nothing = Compared.missing(reason)
        return cls(
            protocol=None,
            host_status=host_status,
            guest_status=guest_status,
            lambda_=nothing,
            omega_log_mev=nothing,
            dos_per_ev=nothing,
            bands_at_fermi=nothing,
            tc=[],
            tc_reason=reason,
            host_windows=[],
            guest_windows=[],
            host_atoms=[],
            guest_atoms=[],
            split_reason=reason,
        )

    def tc_k(self, method: Method) -> Compared | None:
        """Return Tc by one method at the smallest mu*; none where it was not asked for."""
        found = [change for change in self.tc if change.method == method]
        return min(found, key=lambda change: change.mu_star).tc_k if found else None


class CrystalSources(BaseModel):
    """The documents that say what is known of one crystal."""

    model_config = _CONFIG

    candidate_id: str
    relaxation_id: str | None = None
    phonon_id: str | None = None
    screening_id: str | None = None
    elph_id: str | None = None


class PairComparison(BaseModel):
    """What one choice of guests changes."""

    model_config = _CONFIG

    pair: Pair
    formula: str = Field(description="reduced formula of the crystal with guests")
    space_group_number: int | None = Field(description="after the relaxation; none if none was found")
    host_cells: int | None = Field(description="cells of the host in the primitive cell; none if not recognised")
    host: CrystalSources = Field(description="what was compared")
    guest: CrystalSources
    structure: StructureChange
    energy: EnergyChange
    stability: StabilityChange = Field(default_factory=lambda: StabilityChange.missing("not asked for"))
    prediction: PredictionChange
    phonons: PhononChange = Field(description="with the potential")
    coupling: CouplingChange
    coupling_phonons: PhononChange = Field(description="of the electron-phonon calculations")

    @property
    def verdict(self) -> str:
        """What first principles found after which there is no gain of Tc; empty where they found no such thing."""
        states = (("host ", self.coupling.host_status), ("", self.coupling.guest_status))
        return ", ".join(
            f"{whose}{_NO_SUPERCONDUCTORS[state]}" for whose, state in states if state in _NO_SUPERCONDUCTORS
        )

    @property
    def tc_k(self) -> Compared:
        """Tc that stands for all: from first principles, else predicted; none after a verdict of first principles."""
        if self.verdict:
            return Compared.missing(f"from first principles: {self.verdict}")
        for method in ("anisotropic_epw", "migdal_eliashberg"):
            found = self.coupling.tc_k(method)
            if found is not None and found.difference is not None:
                return found
        return self.prediction.tc_k

    @property
    def verified(self) -> bool:
        """Whether that Tc, or that there is none, comes from first principles."""
        return self.tc_k is not self.prediction.tc_k

    @property
    def basis(self) -> str:
        """Name what that Tc, or that there is none, rests on."""
        if self.verdict:
            return f"first principles: {self.verdict}"
        if not self.verified:
            return "predicted"
        unsettled = "not_converged" in (self.coupling.host_status, self.coupling.guest_status)
        return "first principles, not converged" if unsettled else "first principles"


def study_id(host_id: str, potential: PotentialReference, settings: RelaxationSettings) -> str:
    """Identify a study by its question: the host, the weights of the potential, the conditions of the relaxation."""
    return content_hash("study", {"host": host_id, "potential": potential.digest, "settings": settings.model_dump()})


class IntercalationStudyDocument(Document):
    """One host with all guests that were tried in it, with one potential under one pressure.

    It is one document for each host, because all its pairs share the host's values and are ranked against each other; a
    new guest adds a pair, and a calculation from first principles fills in what a pair did not know.
    """

    collection: ClassVar[str] = "intercalation_studies"
    key: ClassVar[str] = "study_id"

    study_id: str = Field(description="hash of host, potential and settings of the relaxation")
    host_id: str = Field(description="candidate_id of the host")
    host_formula: str = Field(description="reduced formula, for example K2CuH6")
    host_space_group_number: int | None = Field(description="after the relaxation; none if none was found")
    potential: PotentialReference
    relaxation_settings: RelaxationSettings
    pressure_gpa: float
    network_element: str = Field(description="element whose motions are followed, by default the host's lightest")
    window_boundaries_mev: tuple[float, ...] | None = Field(
        None, description="where lambda is parted (meV); none: in the gaps of the phonons, of each crystal its own"
    )
    pairs: list[PairComparison] = Field(min_length=1, description="the largest gain of Tc first, unknown ones last")
    warnings: list[str] = Field(default_factory=list, description="what is known to be wrong with these numbers")
    arrays: str | None = Field(None, description="SHA-256 of the phonons at Gamma in GridFS, by relaxation_id")

    @property
    def guest_elements(self) -> list[str]:
        """All elements that were put in."""
        return sorted({element for pair in self.pairs for element in pair.pair.guests})
