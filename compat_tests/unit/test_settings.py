"""Settings from the environment and from code: a wrong one is named with what is allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wandb_swan.exceptions import WandbSwanError
from wandb_swan.settings import SwanSettings, read_settings

WRONG = {
    "WANDB_SWAN": ("maybe", "0 or 1"),
    "WANDB_SWAN_MODE": ("on-line", "online (or cloud), local, offline, disabled"),
    "SWANLAB_MODE": ("nowhere", "online (or cloud), local, offline, disabled"),
    "WANDB_SWAN_WANDB_RUN": ("perhaps", "true or false"),
    "WANDB_SWAN_FINISH_TIMEOUT": ("-1", "a number of seconds, 0 or more"),
    "WANDB_SWAN_KEEP_JOURNAL": ("2", "true or false"),
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
