"""What the screening models say of a crystal: a value with its uncertainty, or the reason why there is none."""

from dataclasses import dataclass

__all__ = ["ClassPrediction", "FormationEnergyPrediction", "TcPrediction"]


@dataclass(frozen=True)
class TcPrediction:
    """Superconducting critical temperature of one crystal; all numbers are None where `reason` says why.

    Parameters
    ----------
    tc_k, tc_std_k
        Tc and the standard deviation of its error, K; of the baseline the half width of its 68 % interval.
    lambda_
        Electron-phonon coupling strength.
    omega_log_mev
        Logarithmic average phonon frequency, meV.
    domain_distance
        Distance to the training set; above 1 is outside.
    in_domain
        Whether the distance is at most 1 and the members of the ensemble agree.
    reason
        Why there is no prediction.
    disagreement
        Standard deviation of ln lambda among the members of the ensemble; None for a model that is not one.
    members_k
        Tc by each member (K); None for a model that is not an ensemble.
    """

    tc_k: float | None
    tc_std_k: float | None
    lambda_: float | None
    omega_log_mev: float | None
    domain_distance: float | None
    in_domain: bool
    reason: str | None = None
    disagreement: float | None = None
    members_k: tuple[float, ...] | None = None

    @classmethod
    def refused(cls, reason: str) -> "TcPrediction":
        """Return a prediction without numbers."""
        return cls(None, None, None, None, None, in_domain=False, reason=reason)


@dataclass(frozen=True)
class FormationEnergyPrediction:
    """Formation energy of one crystal; the numbers are None where `reason` says why.

    Parameters
    ----------
    energy_ev_per_atom
        Formation energy from the elements, eV/atom.
    std_ev_per_atom
        Half width of its 68 % interval, eV/atom.
    reason
        Why there is no prediction.
    """

    energy_ev_per_atom: float | None
    std_ev_per_atom: float | None
    reason: str | None = None


@dataclass(frozen=True)
class ClassPrediction:
    """Whether one crystal can be a phonon-mediated superconductor; the numbers are None where `reason` says why.

    Parameters
    ----------
    probability
        Calibrated probability of the class of superconductors, rather than of insulators, magnets and normal metals.
    std
        Standard deviation of the probability among the members of the ensemble.
    reason
        Why there is no prediction.
    """

    probability: float | None
    std: float | None
    reason: str | None = None
