"""The gates of the screening: pure functions from a predicted value to a decision with its reason."""

import math

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "GateResult",
    "Thresholds",
    "classifier_gate",
    "domain_gate",
    "duplicate_gate",
    "formation_energy_gate",
    "hull_gate",
    "passes",
    "tc_gate",
]


class Thresholds(BaseModel):
    """What a candidate must meet; a threshold of None closes its gate for nobody."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    superconductor_probability: float | None = Field(
        0.2, ge=0, le=1, description="smallest probability of the class of superconductors"
    )
    formation_energy_ev_per_atom: float | None = Field(0.0, description="largest formation energy, eV/atom")
    e_above_hull_ev_per_atom: float | None = Field(0.2, ge=0, description="largest energy above the hull, eV/atom")
    tc_k: float | None = Field(5.0, ge=0, description="smallest predicted Tc, K")


class GateResult(BaseModel):
    """One gate's decision about one candidate."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    gate: str
    value: float | None = Field(description="what was compared; none if it could not be computed")
    uncertainty: float | None = Field(None, ge=0, description="one standard deviation, in the same unit")
    unit: str
    threshold: float
    passed: bool
    rejecting: bool = Field(True, description="false: a flag for the reader that rejects nothing")
    reason: str | None = Field(None, description="why it failed")


def classifier_gate(
    value: float | None, threshold: float, uncertainty: float | None = None, missing_reason: str | None = None
) -> GateResult:
    """Pass a probability of the class of superconductors that is at least the threshold."""
    result = _at_least("classifier", value, threshold, "", missing_reason)
    return result.model_copy(update={"uncertainty": uncertainty})


def formation_energy_gate(
    value: float | None, threshold: float, uncertainty: float | None = None, missing_reason: str | None = None
) -> GateResult:
    """Pass a formation energy (eV/atom) that is at most the threshold."""
    result = _at_most("formation_energy", value, threshold, "eV/atom", missing_reason)
    return result.model_copy(update={"uncertainty": uncertainty})


def hull_gate(value: float | None, threshold: float, missing_reason: str | None = None) -> GateResult:
    """Pass an energy above the convex hull (eV/atom) that is at most the threshold."""
    return _at_most("e_above_hull", value, threshold, "eV/atom", missing_reason)


def tc_gate(
    value: float | None, threshold: float, uncertainty: float | None = None, missing_reason: str | None = None
) -> GateResult:
    """Pass a predicted Tc (K) that is at least the threshold."""
    result = _at_least("tc", value, threshold, "K", missing_reason)
    return result.model_copy(update={"uncertainty": uncertainty})


def domain_gate(domain_distance: float | None, missing_reason: str | None = None) -> GateResult:
    """Flag a candidate outside the training domain of the Tc model (distance above 1); it is not rejected for that."""
    result = _at_most("training_domain", domain_distance, 1.0, "", missing_reason)
    return result.model_copy(update={"rejecting": False})


def duplicate_gate(match: str) -> GateResult:
    """Refuse a candidate that relaxed into a crystal that is there already, such as ``cand-1f2e of candidates``."""
    return GateResult(gate="duplicate", value=1.0, unit="", threshold=0.0, passed=False, reason=f"relaxes into {match}")


def passes(gates: list[GateResult]) -> bool:
    """Tell whether every rejecting gate was passed; a candidate that met no gate at all does not pass."""
    rejecting = [gate.passed for gate in gates if gate.rejecting]
    return bool(rejecting) and all(rejecting)


def _missing(gate: str, threshold: float, unit: str, reason: str | None) -> GateResult:
    return GateResult(
        gate=gate, value=None, unit=unit, threshold=threshold, passed=False, reason=reason or f"{gate} is not known"
    )


def _at_least(gate: str, value: float | None, threshold: float, unit: str, missing_reason: str | None) -> GateResult:
    if value is None or not math.isfinite(value):
        return _missing(gate, threshold, unit, missing_reason)
    passed = value >= threshold
    reason = None if passed else f"{gate} of {value:.2f} {unit}".rstrip() + f" is below {threshold:g}"
    return GateResult(gate=gate, value=value, unit=unit, threshold=threshold, passed=passed, reason=reason)


def _at_most(gate: str, value: float | None, threshold: float, unit: str, missing_reason: str | None) -> GateResult:
    if value is None or not math.isfinite(value):
        return _missing(gate, threshold, unit, missing_reason)
    passed = value <= threshold
    reason = None if passed else f"{gate} of {value:.3f} {unit}".rstrip() + f" is above {threshold:g}"
    return GateResult(gate=gate, value=value, unit=unit, threshold=threshold, passed=passed, reason=reason)
