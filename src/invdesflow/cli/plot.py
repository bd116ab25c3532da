"""`invdesflow plot`: the figures of an electron-phonon calculation."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from invdesflow.cli.output import say

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from invdesflow.database import Database
    from invdesflow.epw.documents import ElectronPhononDocument

What = Literal["page", "bands", "phonons", "alpha2f", "gap", "tc", "convergence"]


def add_commands(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command()(plot)


def plot(
    identifier: Annotated[
        str, typer.Argument(metavar="ID", help="Calculation (elph-...) or candidate, or its first characters")
    ],
    what: Annotated[What, typer.Option(help="One figure, or the page with all of them")] = "page",
    output: Annotated[
        Path | None,
        typer.Option(help="File to write: .html, and for a figure .png, .pdf or .svg; by default in the data folder"),
    ] = None,
) -> None:
    """Draw bands, phonons, alpha2F, gap, Tc and convergence of an electron-phonon calculation."""
    from invdesflow.database import Database

    with Database(read_only=True) as database:
        document = find_calculation(database, identifier)
        arrays = read_arrays(database, document)
        reports = database.settings.data_dir / "reports"
    name = document.elph_id if what == "page" else f"{document.elph_id}-{what}"
    target = output or reports / f"{name}.html"
    _write(document, arrays, what, target)
    say(f"{'Page' if what == 'page' else 'Figure'}: {target}")


def find_calculation(database: "Database", identifier: str) -> "ElectronPhononDocument":
    """Return the calculation that is meant.

    Parameters
    ----------
    database
        Where to look.
    identifier
        Its own identifier or that of its candidate, or the first characters of either.

    Raises
    ------
    ConfigurationError
        If there is none, or more than one.
    """
    from invdesflow.epw.documents import ElectronPhononDocument
    from invdesflow.errors import ConfigurationError
    from invdesflow.generation.documents import CandidateDocument

    collection = database.collection(ElectronPhononDocument)
    candidate = None
    own = collection.unique_key(identifier)
    if own is None:
        candidate = database.collection(CandidateDocument).unique_key(identifier)
        if candidate is None:
            raise ConfigurationError(
                f"No calculation and no candidate is called {identifier!r}.", "List candidates with: invdesflow query."
            )
    criteria = {"elph_id": own} if candidate is None else {"candidate_id": candidate}
    found = list(collection.find(criteria, sort=[("updated_at", 1)]))
    if not found:
        raise ConfigurationError(
            f"The candidate {candidate} has no electron-phonon calculation.",
            f"Begin one with: invdesflow verify {candidate}.",
        )
    if len(found) > 1:
        names = ", ".join(f"{document.elph_id} ({document.protocol}, {document.status})" for document in found)
        raise ConfigurationError(f"The candidate {candidate} has {len(found)} calculations.", f"Name one of: {names}.")
    return found[0]


def read_arrays(database: "Database", document: "ElectronPhononDocument") -> "dict[str, NDArray[Any]]":
    """Return the arrays of a calculation; none where it did not come to any."""
    from invdesflow.database.arrays import unpack_arrays

    return {} if document.arrays is None else unpack_arrays(database.blobs.get(document.arrays))


def _write(document: "ElectronPhononDocument", arrays: "Mapping[str, NDArray[Any]]", what: What, target: Path) -> None:
    from invdesflow.errors import ConfigurationError
    from invdesflow.plotting.electron_phonon_figures import electron_phonon_figure
    from invdesflow.plotting.electron_phonon_page import electron_phonon_page
    from invdesflow.plotting.files import write_figure
    from invdesflow.plotting.report import write_report

    if what != "page":
        write_figure(electron_phonon_figure(document, arrays, what), target)
    elif target.suffix.lower() == ".html":
        write_report(target, electron_phonon_page(document, arrays))
    else:
        raise ConfigurationError(
            f"The page cannot be written as {target.name}.", "Give a name in .html, or choose a figure with --what."
        )
