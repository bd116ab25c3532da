"""Options and files that several commands of `invdesflow potential` share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from invdesflow.learning.potential.committee import Committee
    from invdesflow.learning.potential.frames import Frame
    from invdesflow.relaxation.potentials import Potential

__all__ = ["HeldOutOption", "OnlyOption", "TheoryOption", "load_committee", "named_potential", "read_labels"]

HeldOutOption = Annotated[
    list[str] | None, typer.Option("--hold-out", help="Composition that is not trained on but measured on; repeatable")
]
OnlyOption = Annotated[list[str] | None, typer.Option(help="Composition that is measured on; repeatable")]
TheoryOption = Annotated[str | None, typer.Option(help="Take labels only whose theory has these words")]


def read_labels(paths: list[Path] | None, theory: str | None) -> "list[Frame]":
    """Read labelled crystals from files; without files those of the database."""
    from invdesflow.database import Database
    from invdesflow.learning.potential.espresso_frames import stored_frames
    from invdesflow.learning.potential.frame_files import read_frames

    if paths:
        found = [frame for path in paths for frame in read_frames(path)]
    else:
        with Database() as database:
            found = list(stored_frames(database))
    return [frame for frame in found if theory is None or theory in frame.theory]


def load_committee(models: list[Path]) -> "Committee":
    """Load the members of a committee."""
    from invdesflow.learning.potential.committee import Committee
    from invdesflow.relaxation.potentials import find_potential

    return Committee.of([find_potential("DeePMD", str(path)) for path in models])


def named_potential(name: str) -> "Potential":
    """Find a potential by the name of its program or the path of a DPA model."""
    from invdesflow.relaxation.potentials import find_potential

    kind, model = ("DeePMD", name) if name.endswith(".pth") else (name, None)
    return find_potential(kind, model)  # type: ignore[arg-type] # it says so if there is no such kind
