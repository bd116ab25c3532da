"""`invdesflow intercalate`: put guests into hosts and see what that changes."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table, say
from invdesflow.cli.pairs import pairs_of, settings_of
from invdesflow.cli.report import ReportOption
from invdesflow.cli.submit import submit_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from invdesflow.campaigns.recipes import Recipe
    from invdesflow.intercalation.documents import Compared, IntercalationStudyDocument, StabilityChange

_COLUMNS = {
    "host": "host",
    "formula": "with guests",
    "sites": "sites",
    "volume": "volume (%)",
    "intercalation": "E intercalation (eV/guest)",
    "hull": "above hull (eV/atom)",
    "phonons": "phonons",
    "softening": "softest mode (THz)",
    "tc": "Tc (K)",
    "gain": "gain (K)",
    "source": "from",
}


def add_commands(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command()(intercalate)


def intercalate(
    hosts: Annotated[
        list[str] | None, typer.Argument(help="Hosts: candidates, known superconductors (formula or identifier), files")
    ] = None,
    guests: Annotated[str | None, typer.Option(help="Elements, such as Ga,Li; by default all that fit")] = None,
    prototype: Annotated[str | None, typer.Option(help="A whole family of hosts, such as A2BH6")] = None,
    elements: Annotated[
        list[str] | None, typer.Option(help="ROLE=ELEMENTS of the prototype, such as A=Li,Na,K; repeatable")
    ] = None,
    fraction: Annotated[
        list[float] | None, typer.Option(min=0.0, max=1.0, help="Share of the voids that is filled; repeatable")
    ] = None,
    voids: Annotated[int, typer.Option(min=1, help="Voids that are tried, one after the other, largest first")] = 1,
    by_energy: Annotated[
        bool, typer.Option("--by-energy", help="Try those voids first in which a guest has the lowest energy")
    ] = False,
    by_charge: Annotated[
        bool,
        typer.Option("--by-charge", help="Voids are minima of the electron density; runs pw.x for each host"),
    ] = False,
    cells: Annotated[int, typer.Option(min=1, help="Largest supercell of a partial filling, in cells of the host")] = 1,
    orderings: Annotated[int, typer.Option(min=1, help="Most symmetry-distinct orderings of one filling")] = 50,
    most: Annotated[int, typer.Option(min=1, help="Crystals with guests at most")] = 100,
    potential: Annotated[str, typer.Option(help="CHGNet, SevenNet or DeePMD")] = "CHGNet",
    model: Annotated[str | None, typer.Option(help="Weights of the potential: a name or a path")] = None,
    pressure: Annotated[
        float | None,
        typer.Option(help="Pressure (GPa); by default that of the Tc of hosts that are known superconductors"),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Calculate the best pairs with Quantum ESPRESSO and EPW")
    ] = False,
    verified: Annotated[int, typer.Option(min=1, help="Pairs that are calculated with --verify")] = 1,
    protocol: Annotated[
        str, typer.Option(help="Of Quantum ESPRESSO: precise, paper, moderate, fast or smoke")
    ] = "moderate",
    family: Annotated[
        str, typer.Option(help="Of Quantum ESPRESSO: family of pseudopotentials, or a folder of UPF files")
    ] = "pseudodojo-pbe-standard",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Of Quantum ESPRESSO: SETTING=VALUE of the protocol; repeatable"),
    ] = None,
    submit: Annotated[
        bool, typer.Option("--submit", help="Put the study on the FireWorks launchpad instead of running it here")
    ] = False,
    campaign: Annotated[str | None, typer.Option(help="Name of the campaign; by default made of the hosts")] = None,
    report_path: ReportOption = None,
    json: JsonFlag = False,
) -> None:
    """Put guest atoms into the voids of hosts: volume, energy, phonons and Tc before and after; then the report."""
    from invdesflow.campaigns.recipes import Recipe, checked_maker
    from invdesflow.errors import ConfigurationError

    if not hosts and prototype is None:
        raise ConfigurationError("There is no host.", "Name one, or a whole family with --prototype.")
    pressure_gpa = _pressure_of(hosts or []) if pressure is None else pressure
    overrides = settings_of(setting or [])
    parameters = {
        "study": {
            "intercalate": {
                "hosts": {
                    "names": [_absolute(host) for host in hosts or []],
                    "prototype": prototype,
                    "elements": _elements(elements or []),
                },
                "guests": _symbols(guests),
                "fractions": fraction or [1.0],
                "n_voids": voids,
                "charge": {"protocol": protocol, "family": family, "overrides": overrides} if by_charge else None,
                "refine": {"potential": potential, "model": model} if by_energy else None,
                "orderings": {"max_cells": cells, "max_orderings": orderings},
                "most": most,
            },
            "relax": {"potential": potential, "model": model, "settings": {"pressure_gpa": pressure_gpa}},
            "phonons": {"potential": potential, "model": model, "most": None},
        },
        "verify": {
            "protocol": protocol,
            "family": family,
            "pressure_gpa": pressure_gpa,
            "overrides": overrides,
        }
        if verify
        else None,
        "most": verified,
    }
    name = campaign or campaign_name(hosts, prototype, parameters)
    recipe = Recipe(name, checked_maker("IntercalationCampaignMaker", parameters))
    if submit:
        submit_recipe(recipe, json=json)
    else:
        _run(recipe, report_path, json)


def _run(recipe: "Recipe", report_path: Path | None, json: bool) -> None:
    """Run the unfinished round of a recipe here, or its next one; print its studies and write the report."""
    from invdesflow.campaigns.local import run_campaign
    from invdesflow.campaigns.study_report import account_of_guests, default_report, studies_of, write_study_report
    from invdesflow.database import Database

    with Database() as database:
        number = run_campaign(database, recipe)
        studies = studies_of(database, recipe.campaign, number)
        account = account_of_guests(database, recipe.campaign, number)
        written = write_study_report(database, studies, report_path or default_report(database, recipe.campaign))
    if json:
        print_json(study.model_dump(mode="json") for study in studies)
        return
    print_table(_rows(studies), _COLUMNS)
    say(account)
    for warning in dict.fromkeys(warning for study in studies for warning in study.warnings):
        say(warning)
    say(f"Report: {written}")


def _pressure_of(hosts: list[str]) -> float:
    """Return the pressure (GPa) at which hosts are known to superconduct; 0 for those of which nothing is known.

    Raises
    ------
    ConfigurationError
        If it is not the same for all of them.
    """
    from invdesflow.database import Database
    from invdesflow.errors import ConfigurationError, InvDesFlowError
    from invdesflow.relaxation.named_crystals import find_crystal

    found: dict[float, str] = {}
    with Database() as database:
        for host in hosts:
            try:
                found[find_crystal(database, host).tc_pressure_gpa or 0.0] = host
            except InvDesFlowError:  # the study tells what is wrong with it
                continue
    if len(found) > 1:
        told = ", ".join(f"{host} at {pressure:g} GPa" for pressure, host in sorted(found.items()))
        raise ConfigurationError(f"Hosts superconduct at different pressures: {told}.", "Choose one with --pressure.")
    [(pressure, host)] = found.items() or [(0.0, "")]
    if pressure:
        say(f"{host} is known to superconduct at {pressure:g} GPa; --pressure takes another.")
    return pressure


def _symbols(text: str | None) -> list[str] | None:
    return None if text is None else [symbol.strip() for symbol in text.split(",") if symbol.strip()]


def _elements(texts: list[str]) -> dict[str, list[str]]:
    found = pairs_of(texts, "--elements", "A=Li,Na")
    return {role: _symbols(symbols) or [] for role, symbols in found.items()}


def _absolute(host: str) -> str:
    """Return the full path of a file, so that the same recipe can go on from another folder."""
    path = Path(host)
    try:
        return str(path.resolve()) if path.is_file() else host
    except OSError:  # longer than any name of a file
        return host


def campaign_name(hosts: list[str] | None, prototype: str | None, parameters: "Mapping[str, Any]") -> str:
    """Name a campaign by its hosts, and by what tells it from others whose files have the same names."""
    from invdesflow.database.documents import content_hash

    names = [Path(host).stem for host in hosts or []] + ([prototype] if prototype else [])
    kept = re.sub(r"[^A-Za-z0-9._-]", "-", "-".join(names))
    return f"intercalation-{kept}"[:55] + content_hash("", parameters)[:9]


def _rows(studies: "Sequence[IntercalationStudyDocument]") -> list[dict[str, Any]]:
    """Return one row of the table for each pair, the largest gain of Tc first."""
    from invdesflow.intercalation.ranking import ranked_pairs

    return [
        {
            "host": study.host_formula,
            "formula": pair.formula,
            "sites": ", ".join(pair.pair.sites),
            "volume": _signed(pair.structure.volume_a3.percent, "+.1f"),
            "intercalation": _signed(pair.energy.intercalation_ev, "+.2f"),
            "hull": _hull(pair.stability),
            "phonons": f"{pair.phonons.host_status or '?'} -> {pair.phonons.guest_status or '?'}",
            "softening": _change(pair.phonons.softest_thz, ".1f"),
            "tc": _change(pair.tc_k, ".3g"),
            "gain": _signed(pair.tc_k.difference, "+.3g"),
            "source": pair.basis,
        }
        for study, pair in ranked_pairs(studies)
    ]


def _hull(stability: "StabilityChange") -> str | None:
    """Return the energy above the hull among guests, as a lower bound where the hull lacks competitors."""
    value = stability.above_hull_ev_per_atom.guest
    return None if value is None else f"{'>= ' if stability.missing_systems else ''}{value:.3f}"


def _signed(value: float | None, form: str) -> str | None:
    return None if value is None else f"{value:{form}}"


def _change(compared: "Compared", form: str) -> str:
    host, guest = (f"{value:{form}}" if value is not None else "?" for value in (compared.host, compared.guest))
    return f"{host} -> {guest}"
