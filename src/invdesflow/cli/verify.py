"""`invdesflow verify`: the electron-phonon coupling of one crystal from first principles."""

from typing import TYPE_CHECKING, Annotated

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table, say
from invdesflow.cli.pairs import pairs_of, settings_of

if TYPE_CHECKING:
    from invdesflow.epw.documents import ElectronPhononDocument

_TC_COLUMNS = {"mu_star": "mu*", "method": "method", "tc_k": "Tc (K)", "reason": "remark"}


def add_commands(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command()(verify)


def verify(
    subject: Annotated[
        str, typer.Argument(help="Candidate, known superconductor (identifier or formula), or structure file")
    ],
    protocol: Annotated[str, typer.Option(help="precise, paper, moderate, fast or smoke")] = "moderate",
    family: Annotated[
        str, typer.Option(help="Family of pseudopotentials, or a folder of UPF files")
    ] = "pseudodojo-pbe-standard",
    pseudo: Annotated[
        list[str] | None, typer.Option(help="ELEMENT=FILE, where a folder has several for one element; repeatable")
    ] = None,
    pressure: Annotated[
        float | None,
        typer.Option(help="Pressure (GPa); by default that of the Tc of a known superconductor, 0 for anything else"),
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="SETTING=VALUE, to change one of the protocol's; repeatable")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Steps at a time; by default as many as cores allow")] = None,
    again: Annotated[bool, typer.Option("--again", help="Put the result together again although there is one")] = False,
    json: JsonFlag = False,
) -> None:
    """Calculate phonons, coupling and Tc with Quantum ESPRESSO and EPW; the same command continues after a stop."""
    from invdesflow.campaigns.subjects import find_subject
    from invdesflow.campaigns.verifying import verify as calculate
    from invdesflow.database import Database
    from invdesflow.espresso.calculation import Calculation

    calculation = Calculation.of(
        protocol,
        family,
        files=pairs_of(pseudo or [], "--pseudo", "Al=Al.upf"),
        pressure_gpa=pressure or 0.0,
        overrides=settings_of(setting or []),
    )
    with Database() as database:
        settings = database.settings
        found = find_subject(database, subject, pressure or 0.0)
        if pressure is None and found.tc_pressure_gpa:
            say(f"{subject} is known to superconduct at {found.tc_pressure_gpa:g} GPa; --pressure takes another.")
            calculation = calculation.model_copy(update={"pressure_gpa": found.tc_pressure_gpa})
        document = calculate(
            database,
            found,
            calculation,
            workers=jobs or max(1, settings.workers // settings.espresso_ranks),
            again=again,
            report=say,
        )
    if json:
        print_json([document.model_dump(mode="json")])
    else:
        print_coupling(document)


def print_coupling(document: "ElectronPhononDocument") -> None:
    """Print what an electron-phonon calculation found."""
    conditions = f"at {document.pressure_gpa:g} GPa, protocol {document.protocol_label}"
    say(f"{document.reduced_formula} {conditions}: {document.status}")
    if document.reason:
        say(document.reason)
    if document.cutoff_note:
        say(document.cutoff_note)
    if document.lambda_ is not None:
        say(
            f"lambda = {document.lambda_:.3f}, omega_log = {document.omega_log_mev:.2f} meV, "
            f"omega_2 = {document.omega_2_mev:.2f} meV, N(E_F) = {document.dos_per_ev:.3f} states/eV/cell"
        )
    if document.critical_temperatures:
        rows = [tc.model_dump() | {"tc_k": _digits(tc.tc_k)} for tc in document.critical_temperatures]
        print_table(rows, _TC_COLUMNS)
    for gap in document.gaps:
        say(
            f"T = {gap.temperature_k:.3g} K: "
            + (gap.reason if gap.gap_mean_mev is None else f"gap {gap.gap_min_mev:.3g} to {gap.gap_max_mev:.3g} meV")
        )
    say(f"{document.elph_id}, {document.core_hours or 0.0:.3g} core-hours")


def _digits(tc_k: float | None) -> str | None:
    return None if tc_k is None else f"{tc_k:.3g}"
