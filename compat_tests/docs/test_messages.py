"""Every sentence that the package says has an entry in the documentation, and every entry is still said."""

from __future__ import annotations

import re
from pathlib import Path

from compat_tests.docs.messages import HOLE, messages, said_by, template
from wandb_swan.swan.sdk.capabilities import ALL

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("troubleshooting.md", "reference/verify.md")


def entries() -> dict[str, str]:
    """Template -> page, of every message that a table of the pages has in its first column."""
    found = {}
    for page in PAGES:
        for line in (DOCS / page).read_text("utf-8").splitlines():
            first = re.match(r"\| (.*?) \| ", line)
            for _, text in re.findall(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", first[1] if first else ""):
                found[template(re.sub(r"<[^<>]*>", HOLE, text))] = page
    return found


def test_every_message_has_an_entry() -> None:
    known = entries().keys() | {template(one.without) for one in ALL}  # a table that the page has from the source
    missing = [f"{place}: {text}" for text, (place, *_) in messages().items() if text not in known]
    assert not missing, "no entry in docs/troubleshooting.md:\n" + "\n".join(missing)


def test_every_entry_is_said() -> None:
    source = messages(words=1)
    assert len(messages()) > 500, "the collector no longer finds what is said"
    stale = [f"docs/{page}: {text}" for text, page in entries().items() if text not in source]
    assert not stale, "nothing says this any more:\n" + "\n".join(stale)


MODULE = '''
"""A docstring is not said to anybody."""
import re

@click.option("--map", help="The help of an option is no message.")
def f(n, why):
    log.warning("the log of the mirror is another thing")
    pattern = re.compile("a b c d e f")
    if why:
        raise WandbSwanError(f"no room for {n} files ({why}); " + "make some of it")
    told = "nothing is wrong with it {}".format(n)
    return told if n else f"it took {n:.1f} s and went well"
'''


def test_a_new_sentence_is_found_wherever_it_is_written() -> None:
    found = {text for text, _ in said_by(MODULE)}
    assert found == {
        "no room for <> files (<>)",
        "make some of it",
        "nothing is wrong with it <>",
        "it took <> s and went well",
    }
