"""The switches as a pydantic settings model, made of their table, `switches`; the training process needs none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from pydantic import AliasChoices, BeforeValidator, Field, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from .switches import TABLE, Switches, allowed, given, variables


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True)

    @property
    def journals(self) -> Path:
        """The folder of the journals."""
        return Switches.journals.__get__(self)  # type: ignore[no-any-return]


def _field(name: str, kind: Any) -> tuple[Any, Any]:
    switch = TABLE[name]
    default = switch.default
    read = allowed(name).read
    validator = BeforeValidator(lambda value: default if value is default else read(value))
    info = Field(default=default, validation_alias=AliasChoices(*variables(name)), description=switch.metadata["means"])
    return Annotated[kind, validator], info


if TYPE_CHECKING:
    SwanSettings = Switches
else:
    SwanSettings = create_model(
        "SwanSettings",
        __base__=_Settings,
        __doc__=Switches.__doc__,
        **{name: _field(name, kind) for name, kind in get_type_hints(Switches).items()},
    )


def read_settings(**arguments: Any) -> Switches:
    """The settings from the environment, with what the code gave (`None` is not given) on top.

    Raises:
        WandbSwanError: a value is not allowed; the text names the variable or argument, the value and what is allowed.
    """
    return SwanSettings(**given(arguments))
