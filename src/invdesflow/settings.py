"""Settings: ``INVDESFLOW_*`` variables and ``~/.invdesflow.yaml``, unknown keys refused."""

import os
import stat
from functools import lru_cache
from pathlib import Path
from typing import Any

import platformdirs
import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from invdesflow.errors import ConfigurationError

__all__ = ["SETTINGS_FILE_VARIABLE", "Settings", "default_file", "get_settings", "one_line", "refuse_exposed"]

SETTINGS_FILE_VARIABLE = "INVDESFLOW_SETTINGS_FILE"
_PREFIX = "INVDESFLOW_"
_SECRET_SETTINGS = {"mongodb_uri", "mongodb_password"}


def default_file(name: str) -> Path:
    """Locate a recipe or store file that ships with the project, such as ``stores/local.yaml``.

    Raises
    ------
    ConfigurationError
        If the project ships no such file.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_defaults", package.parents[1]):  # an installed wheel, a source checkout
        if (folder / name).is_file():
            return folder / name
    raise ConfigurationError(f"InvDesFlow ships no file {name!r}.", "Give the path of an existing file.")


def _settings_file() -> Path:
    return Path(os.environ.get(SETTINGS_FILE_VARIABLE, "~/.invdesflow.yaml")).expanduser()


def _cpu_count() -> int:
    return len(os.sched_getaffinity(0))


class Settings(BaseSettings):
    """What differs between machines and users; recipes hold what differs between campaigns."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True
    )

    stores: Path = Field(
        default_factory=lambda: default_file("stores/local.yaml"), description="store file: where documents live"
    )
    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("invdesflow"),
        description="folder of the local database, run directories and reports",
    )
    workers: int = Field(default_factory=_cpu_count, ge=1, description="worker processes of a batched job")
    job_modules: str = Field(
        "", description="packages and modules of your own, separated by commas, whose makers and jobs may be run, too"
    )
    query_time_limit_s: float = Field(
        30.0, gt=0, allow_inf_nan=False, description="time limit that the server puts on one query"
    )
    espresso_bin: Path | None = Field(None, description="folder of pw.x, ph.x, epw.x; by default the PATH is searched")
    espresso_launcher: str = Field(
        "", description="what starts a program in parallel, such as 'mpirun -np {ranks}' or 'srun -n {ranks}'"
    )
    espresso_ranks: int = Field(1, ge=1, description="MPI ranks of one Quantum ESPRESSO run")
    espresso_pools: int = Field(1, ge=1, description="pools of k-points of pw.x and ph.x; EPW takes one for each rank")
    espresso_prelude: str = Field("", description="shell lines run before each program, such as 'module load qe/7.4'")
    espresso_dir: Path | None = Field(
        None, description="folder of the run directories of Quantum ESPRESSO; by default espresso in the data folder"
    )
    espresso_end_time: int | None = Field(
        None,
        ge=0,
        description="when pw.x and ph.x must have stopped (s since 1970); set by a cluster's jobs",
    )
    pseudo_dir: Path | None = Field(
        None, description="folder of installed pseudopotentials; by default pseudopotentials in the data folder"
    )
    mongodb_uri: SecretStr | None = Field(None, description="URI of the MongoDB server of stores/mongodb.yaml")
    mongodb_database: str = Field("invdesflow", description="database on that server")
    mongodb_username: str | None = Field(None, description="user on that server, unless the URI names one")
    mongodb_password: SecretStr | None = Field(None, description="password of that user")
    mongodb_auth_source: str | None = Field(None, description="database that holds the user")
    mongodb_tls: bool | None = Field(None, description="connect with TLS")
    mongodb_tls_ca_file: Path | None = Field(None, description="certificate authority of the server")

    @field_validator("stores", "data_dir", "mongodb_tls_ca_file", "espresso_bin", "espresso_dir", "pseudo_dir")
    @classmethod
    def _is_absolute(cls, path: Path | None) -> Path | None:
        # Worker processes and the server run in other directories.
        return None if path is None else path.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take explicit values first, then the environment, then the settings file."""
        path = _settings_file()
        file_settings = YamlConfigSettingsSource(settings_cls, yaml_file=path)
        if _SECRET_SETTINGS & file_settings.yaml_data.keys():
            refuse_exposed(path)
        return init_settings, env_settings, file_settings


def refuse_exposed(path: Path) -> None:
    """Refuse a file with credentials that others on this machine can read or change.

    Raises
    ------
    ConfigurationError
        If the group or others have any right on the file.
    """
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(
            f"{path} holds a password and others on this machine may read it.", f"Run: chmod 600 {path}"
        )


def one_line(error: ValidationError) -> str:
    """Say in one line what pydantic found wrong, without echoing values, which may be secret."""
    parts = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(step) for step in detail["loc"])
        message = detail["msg"].removeprefix("Value error, ")
        message = "is not a known key" if detail["type"] == "extra_forbidden" else message[:1].lower() + message[1:]
        parts.append(f"{place}: {message}" if place else message)
    return "; ".join(parts)


def _refuse_unknown_variables() -> None:
    known = {_PREFIX + name.upper() for name in Settings.model_fields} | {SETTINGS_FILE_VARIABLE}
    unknown = sorted(name for name in os.environ if name.upper().startswith(_PREFIX) and name.upper() not in known)
    if unknown:
        raise ConfigurationError(
            f"The environment sets {', '.join(unknown)}, which InvDesFlow does not know.",
            f"Unset it, or use one of {', '.join(sorted(known))}.",
        )


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read the settings of this process, once.

    Raises
    ------
    ConfigurationError
        If a variable or a key of the settings file is unknown or has a wrong value, or the file is no YAML mapping.
    """
    _refuse_unknown_variables()
    path = _settings_file()
    if SETTINGS_FILE_VARIABLE in os.environ and not path.is_file():
        raise ConfigurationError(
            f"The settings file {path} does not exist.", f"Create it, or unset {SETTINGS_FILE_VARIABLE}."
        )
    # No error keeps its cause: pydantic and YAML quote the text that they could not read, and it may be a password.
    try:
        values: dict[str, Any] = {}
        return Settings(**values)
    except ValidationError as error:
        raise ConfigurationError(
            f"The settings are wrong: {one_line(error)}.", f"Correct {path} or the {_PREFIX}* variables."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, TypeError, ValueError):
        raise ConfigurationError(
            f"{path} cannot be read as settings.", "Write it as a YAML mapping of setting: value."
        ) from None
