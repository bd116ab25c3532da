"""`invdesflow eliashberg`: Tc from anyone's file of alpha2F."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table, say
from invdesflow.errors import ConfigurationError

if TYPE_CHECKING:
    from invdesflow.eliashberg.pairing import Pairing
    from invdesflow.eliashberg.reading import SpectrumFile
    from invdesflow.eliashberg.spectrum import Alpha2F

_MOMENTS = {
    "lambda": "lambda",
    "omega_log_mev": "omega_log (meV)",
    "omega_2_mev": "omega_2 (meV)",
    "omega_max_mev": "omega_max (meV)",
}
_METHODS = {
    "mcmillan": "McMillan",
    "allen_dynes": "Allen-Dynes",
    "sisso": "SISSO",
    "eliashberg": "Eliashberg",
    "spread": "over smearings",
}
_COLUMNS = {"mu_star": "mu*"} | _METHODS | {"gap_mev": "gap (meV)", "ratio": "2 gap / kTc"}
_CURVE_POINTS = 21


def add_commands(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("eliashberg")(eliashberg)


def eliashberg(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="alpha2F of EPW, matdyn.x or lambda.x, or two columns")],
    mu_star: Annotated[str, typer.Option(help="Coulomb pseudopotentials, with commas between them")] = "0.10,0.13,0.16",
    units: Annotated[str | None, typer.Option(help="Unit of two columns: meV, eV, THz, cm-1, Ha, Ry or K")] = None,
    smearing: Annotated[int, typer.Option(min=1, help="Which of the smearings in the file")] = 1,
    cutoff: Annotated[float, typer.Option(help="Matsubara cutoff in units of the highest phonon energy")] = 20.0,
    as_epw: Annotated[bool, typer.Option("--as-epw", help="Use mu* at the cutoff as it is, like muc of epw.x")] = False,
    figure: Annotated[
        Path | None, typer.Option(help="Draw alpha2F and Tc against mu* (.html, .png, .pdf, .svg)")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Find lambda, the phonon averages, Tc by every method and the gap, from a file of alpha2F."""
    from invdesflow.eliashberg.reading import read_spectra

    mu_stars = _parse_mu_stars(mu_star)
    if not (math.isfinite(cutoff) and cutoff > 0.0):
        raise ConfigurationError(f"--cutoff {cutoff:g} is not a positive number.", "Use one such as 20.")
    content = read_spectra(path, _parse_units(units))
    spectrum = content.spectrum(smearing)
    rows = [_row(content, _pairing(spectrum, value, cutoff, as_epw)) for value in mu_stars]
    moments = _moments(spectrum)
    if figure is not None:
        _draw(spectrum, max(mu_stars), cutoff, as_epw, figure)
    if json:
        print_json({"file": str(path), "format": content.format, "smearing": smearing} | moments | row for row in rows)
        return
    chosen = f", smearing {smearing} of {len(content.spectra)}" if len(content.spectra) > 1 else ""
    print_table([moments], _MOMENTS, f"{path}: {content.format}{chosen}")
    columns = {field: heading for field, heading in _COLUMNS.items() if field != "spread" or len(content.spectra) > 1}
    print_table([_cells(row) for row in rows], columns, "Tc in K")
    for row in rows:
        if row["reason"]:
            say(f"mu* = {row['mu_star']:g}: {row['reason']}")
    if figure is not None:
        say(f"Figure: {figure}")


def _pairing(spectrum: "Alpha2F", mu_star: float, cutoff: float, as_epw: bool) -> "Pairing":
    from invdesflow.eliashberg.pairing import Pairing

    if as_epw:
        return Pairing(spectrum, mu_star, cutoff * spectrum.omega_max_mev)
    return Pairing.allen_dynes(spectrum, mu_star, cutoff)


def _moments(spectrum: "Alpha2F") -> dict[str, float]:
    names = ("omega_log_mev", "omega_2_mev", "omega_max_mev")
    return {"lambda": spectrum.lambda_} | {name: getattr(spectrum, name) for name in names}


def _row(content: "SpectrumFile", pairing: "Pairing") -> dict[str, Any]:
    """Everything that depends on mu*, in the names of the JSON."""
    from invdesflow.eliashberg.estimates import gap_estimate, tc_estimates
    from invdesflow.eliashberg.sensitivity import smearing_spread

    estimates = tc_estimates(pairing)
    values = {(f"tc_{name}" if name.endswith("_k") else name): value for name, value in asdict(estimates).items()}
    values["mu_star_at_cutoff"] = pairing.mu_star_at(pairing.cutoff_mev)
    values |= asdict(gap_estimate(pairing, estimates.eliashberg_k))
    if len(content.spectra) > 1:
        spread = smearing_spread(content.spectra, pairing)
        values["tc_smearings_k"] = None if spread is None else asdict(spread)
    return values


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    cells = row | {name: row.get(f"tc_{name}_k") for name in _METHODS}
    if spread := row.get("tc_smearings_k"):
        cells["spread"] = f"{spread['lowest']:.4g} to {spread['highest']:.4g}"
    return cells


def _draw(spectrum: "Alpha2F", highest: float, cutoff: float, as_epw: bool, target: Path) -> None:
    from invdesflow.eliashberg.estimates import tc_estimates
    from invdesflow.plotting.alpha2f import eliashberg_figure
    from invdesflow.plotting.files import write_figure

    top = max(highest, 0.2)
    values = [top * step / (_CURVE_POINTS - 1) for step in range(_CURVE_POINTS)]
    curve = [tc_estimates(_pairing(spectrum, value, cutoff, as_epw)) for value in values]
    write_figure(eliashberg_figure(spectrum, curve), target)


def _parse_mu_stars(text: str) -> list[float]:
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        raise ConfigurationError(f"--mu-star {text!r} is not a list of numbers.", "Write it like 0.10,0.13.") from None
    if not all(math.isfinite(value) and value >= 0.0 for value in values):
        raise ConfigurationError(f"--mu-star {text} holds a value that is negative or not finite.", "Use 0 or more.")
    return values


def _parse_units(text: str | None) -> Any:
    from invdesflow.eliashberg.units import UNITS

    if text is None:
        return None
    unit = next((unit for unit in UNITS if unit.lower() == text.lower()), None)
    if unit is None:
        raise ConfigurationError(f"--units {text} is no unit of phonon energies.", f"Use one of {', '.join(UNITS)}.")
    return unit
