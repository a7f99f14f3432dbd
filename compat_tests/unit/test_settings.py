"""Settings from the environment and from code: a wrong one is named with what is allowed."""

from __future__ import annotations

import inspect
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wandb_swan
from wandb_swan.commands.run import run
from wandb_swan.exceptions import WandbSwanError
from wandb_swan.settings import SwanSettings, read_settings
from wandb_swan.switches import unknown_variables

WRONG = {
    "WANDB_SWAN": ("maybe", "0 or 1"),
    "WANDB_SWAN_MODE": ("on-line", "online (or cloud), local, offline, disabled"),
    "SWANLAB_MODE": ("nowhere", "online (or cloud), local, offline, disabled"),
    "WANDB_SWAN_WANDB_RUN": ("perhaps", "true or false"),
    "WANDB_SWAN_FINISH_TIMEOUT": ("-1", "a number of seconds, 0 or more"),
    "WANDB_SWAN_KEEP_JOURNAL": ("2", "true or false"),
    "WANDB_SWAN_KEEP_WANDB": ("never", "true or false"),
    "WANDB_SWAN_MIRROR": ("there", "auto, here, relay"),
}


@pytest.mark.parametrize("variable", WRONG)
def test_a_wrong_variable_is_named_with_its_value_and_what_is_allowed(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, allowed = WRONG[variable]
    monkeypatch.setenv(variable, value)
    with pytest.raises(WandbSwanError) as caught:
        read_settings()
    assert str(caught.value) == f"{variable}={value!r} is not allowed; use {allowed}"


@given(st.text(max_size=10))
def test_any_mode_is_a_mode_or_a_message(text: str) -> None:
    try:
        mode = read_settings(mode=text).mode
    except WandbSwanError as error:
        assert str(error).startswith("mode=") and "online (or cloud)" in str(error)
    else:
        assert mode in {"online", "local", "offline", "disabled"}


def test_empty_variables_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in WRONG:
        monkeypatch.setenv(variable, "")
    assert read_settings() == SwanSettings()


VARIABLES = {
    name: getattr(info.validation_alias, "choices", [info.validation_alias])[0]
    for name, info in SwanSettings.model_fields.items()
}


def test_every_switch_is_known_everywhere() -> None:
    """The variable is in the README; an option or an argument of the same switch has the same name."""
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    for name, variable in VARIABLES.items():
        assert variable == ("WANDB_SWAN" if name == "enabled" else f"WANDB_SWAN_{name.upper()}")
        assert variable in readme, f"{variable} is not in the README"
    options = {parameter.name for parameter in run.params if isinstance(parameter, click.Option)}
    assert options <= set(VARIABLES), "an option of `wandb-swan run` that is no switch"
    assert set(VARIABLES) - options == {"enabled", "keep_journal", "plotly_inline", "keep_original"}
    stub = (Path(wandb_swan.__file__).with_suffix(".pyi")).read_text("utf-8")
    ours = [p for p in inspect.signature(wandb_swan.init).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for argument in ours[-7:]:
        assert argument.name.removeprefix("swanlab_") in VARIABLES
        assert f"    {argument.name}: " in stub and f"{argument.name}: " in str(wandb_swan.init.__doc__)
        assert f"`{argument.name}`" in readme


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("WANDB_SWAN_MOD", "WANDB_SWAN_MODE"),
        ("WANDB_SWAN_MODES", "WANDB_SWAN_MODE"),
        ("WANDB_SWANLAB_MODE", "WANDB_SWAN_MODE"),
        ("WANDB_SAWN_MODE", "WANDB_SWAN_MODE"),
        ("WANDB_SWANN", "WANDB_SWAN"),
        ("WANDB_SWAN_LOGDIR", "WANDB_SWAN_LOG_DIR"),
        ("WANDB_SWAN_KEEP_JOURNALS", "WANDB_SWAN_KEEP_JOURNAL"),
        ("WANDB_SWAN_WANDBRUN", "WANDB_SWAN_WANDB_RUN"),
        ("WANDB_SWAN_TIMEOUT", "WANDB_SWAN_FINISH_TIMEOUT"),
        ("WANDB_SWAN_COLOUR", None),
        ("WANDB_SWAN_ENABLE_EVERYTHING", None),
    ],
)
def test_a_variable_that_is_no_switch_is_named(variable: str, meant: str | None) -> None:
    (told,) = unknown_variables({variable: "1"})
    assert told.startswith(f"{variable} is no switch; ") and ("did you mean" in told) == (meant is not None)
    assert meant is None or told.endswith(f"did you mean {meant}?")


def test_other_variables_are_not_ours() -> None:
    known = {*VARIABLES.values(), "wandb_swan_mode", "WANDB_SWAN_RETRY_PAUSE", "SWANLAB_MODE"}
    theirs = {"WANDB_MODE", "WANDB_RUN_GROUP", "WANDB_DIR", "WANDB_PROJECT", "WINDOWID", "PATH", "WANDB_API_KEY"}
    assert unknown_variables(dict.fromkeys(known | theirs, "1")) == []
