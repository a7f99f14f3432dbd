"""Whatever the stand-ins of both clouds assume is on docs/reliability.md, and told apart from what is known."""

from __future__ import annotations

from pathlib import Path

from compat_tests.tools import known_of_servers

PAGE = Path(__file__).parent.parent.parent / "docs" / "reliability.md"


def test_the_page_says_what_the_docstrings_say() -> None:
    text = PAGE.read_text("utf-8")
    assert known_of_servers.page(text) == text, "python -m compat_tests.tools.known_of_servers docs/reliability.md"
    for prefix in known_of_servers.CLOUDS.values():
        found = known_of_servers.said(prefix)
        assert found["Assumption"] and found["Maintainers"], prefix
        assert all(f"- {item}" in text for items in found.values() for item in items)
        assert all(any(c.isdigit() for c in item) for item in found["Maintainers"])  # the issue where they wrote it


def test_an_assumption_that_nobody_would_collect_is_found(tmp_path: Path) -> None:
    assert known_of_servers.unmarked() == []
    (tmp_path / "wandb_new.py").write_text(
        '"""A stand-in.\n\nAssumption: one,\nin two lines.\nDocumented: two.\n\nMore."""\nx = 1  # assumption: three\n'
        'def f():\n    """Assumptions: four."""\nx = 2\n"""Assumption: five."""\n'
    )
    found = known_of_servers.said("wandb", tmp_path)
    assert found["Assumption"] == ["One, in two lines.", "Five."] and found["Documented"] == ["Two."]
    assert [line.split(": ")[0] for line in known_of_servers.unmarked(tmp_path)] == ["wandb_new.py"] * 2
