"""When the series of interpolated meshes ends, and what is said if it ends too early."""

import pytest

from invdesflow.epw.coupling_jobs import _what_changes
from invdesflow.epw.outputs import MeshStep
from invdesflow.espresso.protocols import load_protocol

PROTOCOL = load_protocol(
    "moderate", {"tc_tolerance_relative": 0.05, "tc_tolerance_k": 0.5, "dos_tolerance_relative": 0.1}
)


def step(tc_k: float | None, dos_per_ev: float | None) -> MeshStep:
    return MeshStep(
        task_id="qe-1",
        k_mesh=(8, 8, 8),
        q_mesh=(4, 4, 4),
        lambda_=0.7,
        omega_log_mev=30.0,
        dos_per_ev=dos_per_ev,
        tc_k=tc_k,
    )


def test_one_mesh_tells_nothing() -> None:
    assert _what_changes([step(10.0, 0.5)], PROTOCOL)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([step(20.0, 0.9), step(10.0, 0.50), step(10.2, 0.51)], ""),
        ([step(None, 0.5), step(None, 0.5)], ""),
        ([step(10.0, 0.5), step(12.0, 0.5)], "Tc still changes with the interpolated mesh: 10, 12 K."),
        ([step(10.0, 0.5), step(None, 0.5)], "Tc still changes with the interpolated mesh: 10, none K."),
        (  # aluminium on 18^3 and 36^3 points: the coupling is that per state, and hides it
            [step(2.5, 0.51), step(2.4, 0.377)],
            "N(E_F) still changes with the interpolated mesh: 0.51, 0.377 states per eV and cell.",
        ),
        (  # a series that an older version began
            [step(10.0, None), step(10.0, 0.5)],
            "N(E_F) still changes with the interpolated mesh: unknown, 0.5 states per eV and cell.",
        ),
        (
            [step(10.0, 0.5), step(12.0, 0.7)],
            "Tc still changes with the interpolated mesh: 10, 12 K. "
            "N(E_F) still changes with the interpolated mesh: 0.5, 0.7 states per eV and cell.",
        ),
    ],
)
def test_the_last_two_meshes_have_to_agree_in_tc_and_in_the_density_of_states(steps: list[MeshStep], said: str) -> None:
    assert _what_changes(steps, PROTOCOL) == said
