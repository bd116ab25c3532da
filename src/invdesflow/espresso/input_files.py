"""Reading, checking and correcting input files: namelists by f90nml, and the cards behind them as they stand."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import f90nml

from invdesflow.errors import EspressoError

__all__ = ["Namelists", "patch_input", "read_namelists", "replace_cards", "split_cards", "validate_pw_input"]

Namelists = Mapping[str, Mapping[str, Any]]

_NAMELIST = re.compile(r"^[ \t]*&\w+.*?/[ \t]*$", re.MULTILINE | re.DOTALL)
_CARD = re.compile(
    r"^\s*(ATOMIC_SPECIES|ATOMIC_POSITIONS|K_POINTS|ADDITIONAL_K_POINTS|CELL_PARAMETERS|CONSTRAINTS|OCCUPATIONS"
    r"|ATOMIC_VELOCITIES|ATOMIC_FORCES|SOLVENTS|HUBBARD)\b",
    re.MULTILINE | re.IGNORECASE,
)
_NEEDED_NAMELISTS = ("control", "system", "electrons")
_NEEDED_CARDS = ("ATOMIC_SPECIES", "ATOMIC_POSITIONS", "K_POINTS")


def read_namelists(text: str) -> f90nml.Namelist:
    """Read the namelists of an input file.

    Raises
    ------
    EspressoError
        If they are no namelists.
    """
    try:
        found = f90nml.reads(_parts(text)[1])
    except Exception as error:  # the parser raises whatever the damage leads to
        raise EspressoError(
            f"The namelists of the input cannot be read: {error}.", "Correct the input file."
        ) from error
    repeated = [name for name, times in Counter(list(found)).items() if times > 1]
    if repeated:
        raise EspressoError(f"The input has the namelist &{repeated[0]} more than once.", "Keep one of them.")
    return found


def split_cards(text: str) -> dict[str, str]:
    """Split the cards of a pw.x input by their names, each with its own first line."""
    cards = _parts(text)[2]
    starts = [match.start() for match in _CARD.finditer(cards)]
    ends = [*starts[1:], len(cards)]
    pieces = [cards[start:end].strip("\n") for start, end in zip(starts, ends, strict=False)]
    return {piece.split()[0].upper(): piece for piece in pieces}


def patch_input(path: Path, changes: Namelists) -> list[str]:
    """Change variables of the namelists in a file, and leave its title and its cards as they are.

    Parameters
    ----------
    path
        Input file, which is replaced in one step.
    changes
        New values by namelist and variable; None removes a variable.

    Returns
    -------
    list of str
        One line for each variable that had another value, for the record of a run.
    """
    title, _, cards = _parts(text := path.read_text())
    namelists = read_namelists(text)
    actions = []
    for group, variables in changes.items():
        for name, value in variables.items():
            before = namelists.get(group, {}).get(name)
            if before == value:
                continue
            actions.append(f"{name}: {before} -> {value}")
            if value is None:
                del namelists[group][name]
            else:
                namelists.setdefault(group, f90nml.Namelist())[name] = value
    if actions:
        _replace(path, f"{title}{namelists}\n{cards}")
    return actions


def replace_cards(path: Path, cards: Mapping[str, str]) -> None:
    """Replace cards of a pw.x input, which it has already, by others of the same names."""
    title, namelists, _ = _parts(text := path.read_text())
    merged = split_cards(text) | {name: card.strip("\n") for name, card in cards.items()}
    _replace(path, f"{title}{namelists}" + "".join(f"{card}\n" for card in merged.values()))


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(text)
    draft.replace(path)


def _parts(text: str) -> tuple[str, str, str]:
    found = list(_NAMELIST.finditer(text))
    if not found:
        return text, "", ""
    start, end = found[0].start(), found[-1].end()
    return text[:start], text[start:end] + "\n", text[end:].lstrip("\n")


def validate_pw_input(text: str) -> None:
    """Refuse an input that pw.x would misunderstand.

    Without K_POINTS pw.x runs to the end, says JOB DONE and returns 0, with numbers of the Gamma point.

    Raises
    ------
    EspressoError
        If a namelist or a card is missing or repeated, or numbers of atoms and species do not agree.
    """
    namelists, cards = read_namelists(text), split_cards(text)
    missing = [f"&{name}" for name in _NEEDED_NAMELISTS if name not in namelists]
    missing += [card for card in _NEEDED_CARDS if card not in cards]
    system = namelists.get("system", {})
    if system.get("ibrav") == 0 and "CELL_PARAMETERS" not in cards:
        missing.append("CELL_PARAMETERS")
    if missing:
        raise EspressoError(f"The input of pw.x has no {', '.join(missing)}.", "Add it.")
    for variable, card in (("nat", "ATOMIC_POSITIONS"), ("ntyp", "ATOMIC_SPECIES")):
        lines = [line for line in cards[card].splitlines()[1:] if line.strip() and line.lstrip()[0] not in "!#"]
        if system.get(variable) != len(lines):
            raise EspressoError(
                f"The input of pw.x says {variable} = {system.get(variable)}, but {card} has {len(lines)} lines.",
                "Make them agree.",
            )
