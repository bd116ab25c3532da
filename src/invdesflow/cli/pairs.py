"""Options of the form NAME=VALUE."""

from typing import Any

__all__ = ["pairs_of", "settings_of"]


def pairs_of(texts: list[str], option: str, example: str) -> dict[str, str]:
    """Read an option that is given once for every pair.

    Parameters
    ----------
    texts
        What the user wrote.
    option, example
        Name of the option, and how it looks, for the message.

    Raises
    ------
    ConfigurationError
        If a text is not of that form.
    """
    from invdesflow.errors import ConfigurationError

    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ConfigurationError(f"{option} {text} is not of the form NAME=VALUE.", f"Write it like {example}.")
        pairs[name.strip()] = value.strip()
    return pairs


def settings_of(texts: list[str]) -> dict[str, Any]:
    """Read the settings of a protocol that ``--set`` changes, with their values as YAML has them.

    Raises
    ------
    ConfigurationError
        If a text is not of the form NAME=VALUE.
    """
    import yaml

    return {name: yaml.safe_load(text) for name, text in pairs_of(texts, "--set", "ecutwfc_ry=60").items()}
