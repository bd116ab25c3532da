"""`Calculation`: with what accuracy, which pseudopotentials and at which pressure a crystal is calculated."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pymatgen.core import Structure

from invdesflow.crystals.field import structure_to_dict
from invdesflow.database.documents import content_hash
from invdesflow.errors import ConfigurationError
from invdesflow.espresso.documents import PseudopotentialReference
from invdesflow.espresso.protocols import Protocol, load_protocol
from invdesflow.espresso.pseudopotentials import Pseudopotential, find_pseudopotentials
from invdesflow.settings import one_line

__all__ = ["Calculation", "pseudopotential_references"]


class Calculation(BaseModel):
    """What every step of a calculation shares."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    protocol: Protocol = Field(description="every numerical setting")
    family: str = Field(description="installed family of pseudopotentials, or a folder of UPF files")
    files: dict[str, str] = Field(default_factory=dict, description="element -> file, where a folder has several")
    pressure_gpa: float = Field(0.0, description="pressure at which the crystal is relaxed and calculated (GPa)")
    elph_id: str | None = Field(
        None, description="the electron_phonon document that this is a part of: where a failure is noted"
    )

    @classmethod
    def of(
        cls,
        protocol: str,
        family: str,
        *,
        files: Mapping[str, str] | None = None,
        pressure_gpa: float = 0.0,
        overrides: Mapping[str, Any] | None = None,
    ) -> Self:
        """Choose a protocol by its name.

        Raises
        ------
        ConfigurationError
            If the protocol, one of the values that override it, or the pressure cannot be used.
        """
        settings = load_protocol(protocol, overrides)
        try:
            return cls(protocol=settings, family=family, files=dict(files or {}), pressure_gpa=pressure_gpa)
        except ValidationError as error:
            raise ConfigurationError(f"This cannot be calculated: {one_line(error)}.") from None

    def pseudopotentials(self, structure: Structure) -> dict[str, Pseudopotential]:
        """Find the pseudopotential of every element.

        Raises
        ------
        EspressoError
            If one is missing, damaged, or not norm-conserving.
        """
        return find_pseudopotentials(self.family, {site.specie.symbol for site in structure}, self.files)

    def identifier(self, prefix: str, structure: Structure) -> str:
        """Identify the calculation of a crystal by its question, the content of the pseudopotentials included.

        Raises
        ------
        EspressoError
            As `pseudopotentials`.
        """
        crystal = structure_to_dict(structure)
        found = self.pseudopotentials(structure)
        return content_hash(
            prefix,
            {
                "lattice": crystal["lattice"]["matrix"],
                "sites": [[site["label"], *site["abc"]] for site in crystal["sites"]],
                "protocol": self.protocol.values(),
                "pseudopotentials": {element: upf.sha256 for element, upf in found.items()},
                "pressure_gpa": self.pressure_gpa,
            },
        )


def pseudopotential_references(
    pseudopotentials: Mapping[str, Pseudopotential],
) -> dict[str, PseudopotentialReference]:
    """Describe pseudopotentials as documents do."""
    return {
        element: PseudopotentialReference(file=upf.path.name, sha256=upf.sha256, functional=upf.functional)
        for element, upf in sorted(pseudopotentials.items())
    }
