"""Protocols: how accurately an electron-phonon calculation is done, by name (`protocols.yaml`)."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from invdesflow.errors import ConfigurationError
from invdesflow.settings import one_line

__all__ = ["CutoffHint", "Protocol", "load_protocol", "protocol_names"]

Positive = Annotated[float, Field(gt=0)]
Smearing = Literal["methfessel-paxton", "marzari-vanderbilt", "fermi-dirac", "gaussian"]
CutoffHint = Literal["none", "low", "normal", "high"]

_LABELS = {"name", "description"}
_EFFORTS = {"max_atoms", "max_relaxations", "max_corrections"}
_CHECKS = {"cutoff_hint"}
_HINTS: tuple[str, ...] = get_args(CutoffHint)


class Protocol(BaseModel):
    """Every numerical setting of the chain from a structure to its Tc.

    Names without a unit are Quantum ESPRESSO's or EPW's own keywords and have their units. Spacings are in 1/Angstrom,
    with the factor 2 pi.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    description: str

    max_atoms: int = Field(ge=1, description="largest primitive cell that is begun")

    ecutwfc_ry: Positive = Field(description="kinetic energy cutoff of the wavefunctions (Ry)")
    ecutrho_ry: Positive = Field(description="cutoff of density and potential (Ry); 4 x ecutwfc_ry is exact here")
    cutoff_hint: CutoffHint = Field(
        description="cutoff recommended for the pseudopotentials that ecutwfc_ry must reach; none allows any"
    )
    smearing: Smearing = Field(description="smearing of the occupations")
    degauss_ry: Positive = Field(description="its width (Ry)")
    conv_thr: Positive = Field(description="self-consistency of pw.x (Ry per cell)")
    tr2_ph: Positive = Field(description="self-consistency of ph.x")

    relax: bool = Field(description="relax cell and atoms first")
    max_relaxations: int = Field(ge=1, description="vc-relax runs until the final scf has the wanted pressure")
    pressure_tolerance_gpa: Positive = Field(description="deviation from the wanted pressure, with a fresh basis (GPa)")
    etot_conv_thr: Positive = Field(description="energy convergence of a relaxation (Ry)")
    forc_conv_thr: Positive = Field(description="force convergence of a relaxation (Ry/bohr)")

    k_spacing: Positive = Field(description="k-mesh of the self-consistent density (1/A)")
    q_spacing: Positive = Field(description="q-mesh of the phonons (1/A)")
    wannier_k_multiple: int = Field(ge=1, description="k-mesh of the Wannier functions over the q-mesh")
    fine_q_spacings: tuple[Positive, ...] = Field(min_length=1, description="interpolated q-meshes, ever finer (1/A)")
    fine_k_multiple: int = Field(ge=1, description="interpolated k-mesh over the interpolated q-mesh")
    tc_tolerance_relative: Positive = Field(lt=1, description="change of Tc between fine meshes that counts as none")
    tc_tolerance_k: Positive = Field(description="the same in K; the larger of the two holds")
    dos_tolerance_relative: Positive = Field(
        lt=1, description="change of N(E_F) between fine meshes that counts as none"
    )
    path_spacing: Positive = Field(description="points along the band path (1/A)")
    dos_spacing: Positive = Field(description="k- and q-meshes of densities of states (1/A)")

    stability_threshold_cm1: Positive = Field(
        description="imaginary frequency, after the acoustic sum rule, from which a crystal is unstable (cm-1)"
    )

    extra_bands: int = Field(ge=0, description="bands above the occupied ones in the nscf run")
    extra_bands_per_atom: int = Field(ge=0, description="and as many more per atom")
    wannier_num_iter: int = Field(ge=0, description="steps of the minimisation of the spread")
    wannier_dis_num_iter: int = Field(ge=1, description="steps of the disentanglement")
    wannier_tolerance_mev: Positive = Field(description="rms deviation of Wannier bands from DFT bands (meV)")
    wannier_window_ev: Positive = Field(description="where they are compared: this far from the Fermi level (eV)")

    degaussw_ev: Positive = Field(description="smearing of the electrons in EPW (eV)")
    degaussq_mev: Positive = Field(description="smearing of the phonons in EPW (meV)")
    fsthick_ev: Positive = Field(description="states that EPW takes: this far from the Fermi level (eV)")
    nqstep: int = Field(ge=50, description="points of alpha2F")
    wscut_multiple: float = Field(ge=3, description="Matsubara cutoff over the highest phonon frequency")
    mu_stars: tuple[Annotated[float, Field(ge=0, le=0.3)], ...] = Field(
        min_length=1, description="Coulomb pseudopotentials, rising; EPW runs with the first"
    )
    npade: int = Field(ge=1, le=100, description="share of the Matsubara points for the Pade approximants (%)")
    nsiter: int = Field(ge=1, description="steps of the Eliashberg equations")
    conv_thr_iaxis: Positive = Field(description="relative convergence of the gap")
    path_couplings: bool = Field(description="find lambda of every phonon along the path, for the figures")
    anisotropic: bool = Field(description="solve the anisotropic Eliashberg equations too")
    temperature_fractions: tuple[Positive, ...] = Field(
        min_length=1, description="temperatures of the Eliashberg equations, in units of the expected Tc, rising"
    )

    max_corrections: int = Field(ge=0, description="corrections by error handlers before a run has failed")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.ecutrho_ry < 4 * self.ecutwfc_ry:
            raise ValueError("ecutrho_ry must be at least 4 x ecutwfc_ry, which holds the square of a wavefunction")
        if self.fsthick_ev < 4 * self.degaussw_ev:
            raise ValueError("fsthick_ev must be at least 4 x degaussw_ev, or states that count are left out")
        if any(later >= earlier for earlier, later in pairwise(self.fine_q_spacings)):
            raise ValueError("fine_q_spacings must fall, so that the meshes become finer")
        if any(later <= earlier for earlier, later in pairwise(self.temperature_fractions)):
            raise ValueError("temperature_fractions must rise")
        if any(later <= earlier for earlier, later in pairwise(self.mu_stars)):
            raise ValueError("mu_stars must rise")
        return self

    def values(self) -> dict[str, Any]:
        """Return what the answer depends on: no labels, no limits of effort, nothing that is only checked."""
        return self.model_dump(exclude=_LABELS | _EFFORTS | _CHECKS)

    def changed(self) -> dict[str, Any]:
        """Return the settings that are not those of the protocol of this name, a lower hint for the cutoff included."""
        as_shipped = load_protocol(self.name)
        changed = {name: value for name, value in self.values().items() if value != getattr(as_shipped, name)}
        if _HINTS.index(self.cutoff_hint) < _HINTS.index(as_shipped.cutoff_hint):
            changed["cutoff_hint"] = self.cutoff_hint
        return changed

    def tc_converged(self, tc_k: float, previous_tc_k: float) -> bool:
        """Tell whether Tc (K) on two successive fine meshes is the same within the tolerance."""
        return abs(tc_k - previous_tc_k) <= max(self.tc_tolerance_relative * tc_k, self.tc_tolerance_k)

    def dos_converged(self, dos_per_ev: float, previous_dos_per_ev: float) -> bool:
        """Tell whether N(E_F) on two successive fine meshes is the same within the tolerance.

        EPW divides the coupling by N(E_F), so that lambda and Tc may stay the same while it is wrong.
        """
        return abs(dos_per_ev - previous_dos_per_ev) <= self.dos_tolerance_relative * dos_per_ev


def protocol_names() -> tuple[str, ...]:
    """Name the protocols that ship with the project."""
    return tuple(_content()["protocols"])


def load_protocol(name: str, overrides: Mapping[str, Any] | None = None) -> Protocol:
    """Return a protocol, with some of its values changed.

    Parameters
    ----------
    name
        One of `protocol_names`.
    overrides
        Setting -> value.

    Raises
    ------
    ConfigurationError
        If the name or a setting is unknown, or a value cannot be used.
    """
    content, overrides = _content(), dict(overrides or {})
    if name not in content["protocols"]:
        raise ConfigurationError(f"There is no protocol {name!r}.", f"Use one of {', '.join(protocol_names())}.")
    known = sorted(set(Protocol.model_fields) - _LABELS)
    unknown = sorted(str(key) for key in overrides if key not in known)
    if unknown:
        raise ConfigurationError(f"A protocol has no {', '.join(unknown)}.", f"Its settings are {', '.join(known)}.")
    try:
        return Protocol(**content["common"] | content["protocols"][name] | overrides | {"name": name})
    except ValidationError as error:
        raise ConfigurationError(f"The protocol {name} cannot be changed like that: {one_line(error)}.") from error


@lru_cache(maxsize=1)
def _content() -> dict[str, Any]:
    text = files("invdesflow.espresso").joinpath("protocols.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content
