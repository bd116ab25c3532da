"""JSON schemas as files: what other programs read to know our documents and recipes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invdesflow.errors import ConfigurationError

__all__ = ["write_schemas"]


def write_schemas(schemas: Mapping[str, Mapping[str, Any]], folder: Path, *, check: bool) -> None:
    """Write one file per schema, or compare with the files that are there.

    Raises
    ------
    ConfigurationError
        If `check` finds a file that is missing or differs.
    """
    different = []
    for name, schema in schemas.items():
        file = folder / f"{name}.json"
        text = json.dumps(schema, indent=1, sort_keys=True) + "\n"
        if not check:
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            different.append(str(file))
    if different:
        raise ConfigurationError(
            f"The exported schemas are not current: {', '.join(different)}.", "Write them again with: make generated."
        )
