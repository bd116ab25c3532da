"""What the calculation of a candidate is worth, before it is made."""

from collections.abc import Sequence

from invdesflow.database.database import Database
from invdesflow.learning.acquisition import AcquisitionSettings, choose
from invdesflow.learning.candidate_pool import collect_pool
from invdesflow.learning.jobs import AcquireMaker

__all__ = ["best_first", "log_worth"]


def log_worth(database: Database, candidate_ids: Sequence[str], mu_star: float) -> dict[str, float]:
    """Weigh candidates: ln(expected improvement of Tc (K) x probability of success / core-hours).

    The improvement is over the highest Tc that was calculated at this mu* so far.

    Parameters
    ----------
    database
        The database.
    candidate_ids
        Candidates.
    mu_star
        Coulomb pseudopotential of the predicted Tc.

    Returns
    -------
    dict
        Candidate -> worth, of those only of which the models said all that it needs.
    """
    limit = AcquireMaker().hull_limit_ev_per_atom
    pool = collect_pool(database, candidate_ids, limit, mu_star=mu_star, with_features=False).pool
    if pool is None:
        return {}
    settings = AcquisitionSettings(strategy="expected_improvement", batch=len(pool))
    choices = choose(pool, settings, _best_tc_k(database, mu_star))
    return {choice.name: choice.terms["log_score"] for choice in choices if "log_score" in choice.terms}


def best_first(database: Database, candidate_ids: Sequence[str], mu_star: float) -> list[str]:
    """Sort candidates by what they are worth (`log_worth`); the others come after them in the order given."""
    worth = log_worth(database, candidate_ids, mu_star)
    return sorted(candidate_ids, key=lambda candidate_id: -worth.get(candidate_id, float("-inf")))


def _best_tc_k(database: Database, mu_star: float) -> float:
    found = database.summary.values({"elph_mu_star": mu_star, "elph_tc_k": {"$ne": None}}, ["elph_tc_k"])
    return max((float(row["elph_tc_k"]) for row in found), default=0.0)
