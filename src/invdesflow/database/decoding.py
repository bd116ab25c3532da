"""What plain data may be decoded into: an allow-list in front of monty's decoder.

jobflow keeps jobs and their outputs as plain data, in which ``@module`` with ``@class`` or ``@callable`` names what a
mapping becomes. Monty's decoder imports and returns whatever is named, so that who can write to the database could
have any function called. Here everything is looked at before that decoder sees it, and what is not listed is refused.
"""

import re
from collections.abc import Mapping
from enum import Enum
from importlib import import_module
from inspect import getattr_static
from typing import Any

from jobflow import Maker
from monty.json import MontyDecoder
from pydantic import BaseModel

from invdesflow.errors import DatabaseError
from invdesflow.settings import get_settings

__all__ = ["decode", "refuse_code"]

_CLASSES = frozenset(
    {
        ("datetime", "datetime"),
        ("jobflow.core.flow", "Flow"),
        ("jobflow.core.flow", "JobOrder"),
        ("jobflow.core.job", "Job"),
        ("jobflow.core.job", "JobConfig"),
        ("jobflow.core.job", "Response"),
        ("jobflow.core.reference", "OnMissing"),
        ("jobflow.core.reference", "OutputReference"),
        ("jobflow.core.schemas", "JobStoreDocument"),
        ("numpy", "array"),
        ("pathlib", "Path"),
        ("pathlib", "PosixPath"),
        ("pymatgen.core.composition", "Composition"),
        ("pymatgen.core.lattice", "Lattice"),
        ("pymatgen.core.periodic_table", "Element"),
        ("pymatgen.core.sites", "PeriodicSite"),
        ("pymatgen.core.structure", "Structure"),
    }
)
_STORE_INPUTS = ("jobflow.core.job", "store_inputs")  # it stands where a job was replaced by a flow
_NAME = re.compile(r"[A-Za-z_]\w*")
_DATA_CLASSES = (Maker, BaseModel, Enum)


def decode(data: object) -> Any:
    """Decode plain data as monty does, after `refuse_code` has let it through.

    Raises
    ------
    DatabaseError
        If something in it names a class or a function that is not on the allow-list.
    """
    refuse_code(data)
    return MontyDecoder().process_decoded(data)


def refuse_code(data: object) -> None:
    """Refuse data in which anything, however deep, would be decoded into what is not on the allow-list.

    Allowed are the classes of jobflow, pymatgen and numpy that our jobs pass on; makers, document models and
    enumerations that InvDesFlow, or a module of the setting ``job_modules``, defines; and their functions that are
    declared as jobs.

    Raises
    ------
    DatabaseError
        If something else is named.
    """
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            _check(value)
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)


def _check(data: Mapping[Any, Any]) -> None:
    module, class_name, function = (data.get(f"@{part}") for part in ("module", "class", "callable"))
    if class_name and not _is_class(module, class_name):  # jobflow notes the class of a blob that has none as ""
        raise _refusal(module, class_name)
    if function and not _is_job(module, function, data.get("@bound")):
        raise _refusal(module, function)


def _refusal(module: object, name: object) -> DatabaseError:
    named = f"{module}.{name}"
    return DatabaseError(
        f"Data from the database or the queue asks for {named[:100]!r}, which is not decoded.",
        "Find out who wrote it. Makers of your own need their module in the setting job_modules.",
    )


def _is_class(module: object, name: object) -> bool:
    if not (isinstance(module, str) and isinstance(name, str)):
        return False
    return (module, name) in _CLASSES or _class_of_ours(module, name) is not None


def _class_of_ours(module: object, name: object) -> type | None:
    """Return a class that holds data, if a module of ours defines it: what a module merely imports is not its own."""
    found = _attribute(module, name)
    if isinstance(found, type) and issubclass(found, _DATA_CLASSES) and found.__module__ == module:
        return found
    return None


def _is_job(module: object, name: object, owner: object) -> bool:
    """Tell whether a function is declared as a job: one of a module, or a method of a maker or of its class."""
    if not isinstance(name, str):
        return False
    if (module, name) == _STORE_INPUTS:
        return owner is None
    class_name, _, method = name.rpartition(".")
    if not class_name:
        original = getattr(_attribute(module, name), "original", None)
        return owner is None and original is not None and getattr(original, "__module__", None) == module
    if isinstance(owner, Mapping):  # the method may be inherited, so that the name begins with that of another class
        module, owner_name = owner.get("@module"), owner.get("@class")
    else:
        owner_name = class_name if owner is None else None
    maker = _class_of_ours(module, owner_name)
    if maker is None or not issubclass(maker, Maker) or not (_NAME.fullmatch(class_name) and _NAME.fullmatch(method)):
        return False
    return hasattr(getattr_static(maker, method, None), "original")


def _attribute(module: object, name: object) -> object | None:
    """Return what a module of ours calls by a plain name: with a dot one could reach the modules that it imports."""
    if not (isinstance(module, str) and isinstance(name, str) and _NAME.fullmatch(name) and _is_ours(module)):
        return None
    try:
        return getattr(import_module(module), name, None)
    except ImportError:
        return None


def _is_ours(module: str) -> bool:
    packages = {"invdesflow", *get_settings().job_modules.replace(",", " ").split()}
    named = all(map(_NAME.fullmatch, module.split(".")))
    return named and any(module == package or module.startswith(f"{package}.") for package in packages)
