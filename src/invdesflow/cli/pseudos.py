"""`invdesflow pseudos`: the pseudopotentials of Quantum ESPRESSO."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table, say
from invdesflow.errors import ConfigurationError, EspressoError

app = typer.Typer(help="Pseudopotentials: install, list and check families of them.", no_args_is_help=True)

LIST_COLUMNS = {
    "family": "family",
    "installed": "installed",
    "elements": "elements",
    "licence": "licence",
    "folder": "where",
}
CHECK_COLUMNS = {
    "family": "family",
    "file": "file",
    "element": "element",
    "functional": "functional",
    "kind": "type",
    "relativistic": "relativistic",
    "problem": "problem",
}


@app.command()
def install(
    families: Annotated[list[str] | None, typer.Argument(help="Known families, as `pseudos list` has them")] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="Folder, archive or web address of UPF files; by default PyPI")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of a family of your own, with --from")] = None,
) -> None:
    """Install families of pseudopotentials, each file known by its SHA-256, or files of your own."""
    from invdesflow.espresso.pseudopotential_install import install_known, install_own

    if bool(families) == (name is not None):
        raise ConfigurationError(
            "Say what to install: known families, or --from and --name for files of your own.",
            "`invdesflow pseudos list` names the known ones.",
        )
    if name is not None and source is None:
        raise ConfigurationError(f"Where does the family {name} come from?", "Give a folder or an address with --from.")
    if name is not None and source is not None:
        installed = {name: install_own(name, source)}
    else:
        installed = install_known(families or [], source)
    for family, folder in installed.items():
        say(f"{family} is installed: {len(_elements(folder))} elements in {folder}.")


@app.command("list")
def list_families(json: JsonFlag = False) -> None:
    """List the known and the installed families, with their elements and where they are."""
    from invdesflow.espresso.pseudopotential_families import installed_families, known_families

    known, installed = known_families(), installed_families()
    rows = [
        {
            "family": name,
            "description": known[name].description if name in known else None,
            "installed": name in installed,
            "elements": _elements(installed[name]) if name in installed else None,
            "licence": known[name].licence if name in known else None,
            "citation": known[name].citation if name in known else None,
            "folder": str(installed[name]) if name in installed else None,
        }
        for name in dict.fromkeys([*known, *installed])
    ]
    if json:
        print_json(rows)
    else:
        print_table(rows, LIST_COLUMNS)


@app.command()
def check(
    families: Annotated[
        list[str] | None, typer.Argument(help="Families or folders of UPF files; by default all that are installed")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Check every file: SHA-256, whether it can be read, and whether it suits an electron-phonon calculation."""
    from invdesflow.espresso.pseudopotential_check import check_family
    from invdesflow.espresso.pseudopotential_families import installed_families, pseudopotential_root

    names = families or list(installed_families())
    if not names:
        raise EspressoError(
            f"No pseudopotentials are installed in {pseudopotential_root()}.",
            "Run: invdesflow pseudos install pseudodojo-pbe-standard",
        )
    reports = [report for name in names for report in check_family(name)]
    wrong = [report for report in reports if report.problem]
    if json:
        print_json(map(asdict, reports))
    elif wrong:
        print_table(list(map(asdict, wrong)), CHECK_COLUMNS)
    if wrong:
        raise EspressoError(f"{len(wrong)} of {len(reports)} pseudopotential files cannot be used.")
    say(f"{len(reports)} pseudopotential files are as they should be.")


def _elements(folder: Path) -> list[str]:
    from invdesflow.espresso.pseudopotential_families import element_of_file, upf_files

    return sorted({element for path in upf_files(folder) if (element := element_of_file(path.name))})
