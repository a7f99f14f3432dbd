"""Nothing of a media item goes without a word, and no file outside of the run's folder is read for one."""

from __future__ import annotations

import io
import json
import struct
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wandb_swan.parity.content import TableSoFar, Verdict, compare
from wandb_swan.stream.events import ChartDefined, MaskLabels
from wandb_swan.swan.files import RunFiles, UnusableError
from wandb_swan.swan.media.reader import MediaReader

PLACEHOLDER = "--x_x--0_0--"
"""pyecharts cuts it out of what it dumps, with the quotes around it."""
CUT = "a picture was cut to SwanLab's 10 MB"
SHALLOW = "a picture of {} bits a pixel is shown in 8"


class Run:
    """The files folder of a run whose media are read."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "run" / "files"
        self.files.mkdir(parents=True)
        self.outside = folder / "outside"
        self.outside.mkdir()
        self.lost: list[tuple[str, str]] = []
        self.reader = MediaReader(RunFiles(self.files))
        self.so_far = TableSoFar()
        self._stored = folder / "stored"
        self._stored.mkdir()

    def put(self, name: str, content: Any) -> None:
        file = self.files / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())

    def save(self, name: str, picture: Any, **options: Any) -> None:
        picture.save(self.files / name, **options)

    def read(self, kind: str, name: str = "", **more: Any) -> Any:
        (_, media), *beside = self.reader.read(("key",), self._value(kind, name, more), self._lose)
        self.beside = [media for _, media in beside]
        return media

    def content(self, media: Any) -> bytes:
        """What SwanLab stores."""
        item = media.transform(step=0, path=self._stored)
        return (self._stored / item.filename).read_bytes()

    def compare(self, media: Any, kind: str, name: str = "", **more: Any) -> Verdict:
        """What parity says of it."""
        item = media.transform(step=0, path=self._stored)
        column = {
            "audio-file": "audio",
            "image-file": "image",
            "object3D-file": "object3d",
            "molecule-file": "molecule",
        }
        told = column.get(kind, "html" if kind == "html-file" else "image" if kind == "video-file" else "echarts")
        whole = [self._stored / media.transform(step=0, path=self._stored).filename for media in self.beside]
        return compare(
            self._value(kind, name, more),
            self.files,
            self._stored / item.filename,
            told,
            charted=b'"_swanLab"' not in (self._stored / item.filename).read_bytes(),
            beside=whole[0] if whole else None,
            table=self.so_far,
            path=("key",),
            labels={},
        )

    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.lost]

    def _value(self, kind: str, name: str, more: dict[str, Any]) -> dict[str, Any]:
        return {"_type": kind, **({"path": name} if name else {}), **more}

    def _lose(self, reason: str, detail: str) -> None:
        self.lost.append((reason, detail))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def opened(media: Any) -> Any:
    return Image.open(io.BytesIO(media.buffer.getvalue()))


# -- files outside of the folder ---------------------------------------------------------------------------------------


def test_a_page_that_is_a_path_is_a_page(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = run.outside / "secret.html"
    secret.write_text("a secret")
    monkeypatch.chdir(run.outside)
    for text in (str(secret), "secret.html", "SECRET.HTML".lower(), "a\r\nb\n.html", "\ufeff<b>"):
        run.put("page.html", text.encode())
        media = run.read("html-file", "page.html", caption="c")
        assert run.content(media) == text.encode()
        assert media.caption == "c"
        assert run.compare(media, "html-file", "page.html").same
    assert not run.lost


def test_pictures_of_formats_that_start_programs_are_not_opened(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import EpsImagePlugin

    called: list[Any] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *given, **_: called.append(given))
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n%%EOF\n"
    run.put("a.png", eps)
    run.put("boxes.json", {"box_data": [{"position": {"minX": 0, "minY": 0, "maxX": 1, "maxY": 1}}]})
    run.save("good.png", Image.new("RGB", (8, 8)))
    for layers in ({}, {"boxes": {"p": {"path": "boxes.json"}}}):
        with pytest.raises(UnusableError, match="a picture of an unknown format: kept as a run file") as error:
            run.read("image-file", "a.png", **layers)
        assert error.value.keep == "a.png"
    run.read("image-file", "good.png", masks={"m": {"path": "a.png"}})
    assert run.reasons() == ["boxes or masks: the file is broken"]
    assert not called


def frames(count: int, size: tuple[int, int] = (16, 16)) -> list[Any]:
    return [Image.new("RGB", size, (index * 20 % 256, 0, 128)) for index in range(count)]


def video(folder: Path, name: str, *options: str) -> bytes:
    import subprocess

    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    file = folder / name
    subprocess.run([ffmpeg.get_ffmpeg_exe(), "-v", "error", *options, str(file)], check=True)
    return file.read_bytes()


TESTSRC = ("-f", "lavfi", "-i", "testsrc=d=1:s=64x48:r=10")


def test_ffmpeg_gets_videos_alone_and_not_their_names(run: Run) -> None:
    """A play list may name any file, and a name with %d is one of a row of pictures for ffmpeg."""
    pytest.importorskip("imageio_ffmpeg")
    secret = run.outside / "secret.png"
    Image.new("RGB", (64, 48), (255, 0, 0)).save(secret)
    for text in (f"#EXTM3U\n#EXTINF:1,\n{secret}\n", f"ffconcat version 1.0\nfile {secret}\n", secret.read_bytes()):
        run.put("list.mp4", text if isinstance(text, bytes) else text.encode())
        with pytest.raises(UnusableError, match="a format of videos that is not read: kept as a run file") as error:
            run.read("video-file", "list.mp4")
        assert error.value.keep == "list.mp4"
    for name in ("a.mp4", "a.webm", "a.avi", "a.mov", "a.mkv"):
        content = video(run.outside, name, *TESTSRC)
        run.put("x%d.png", content)
        if not (run.files / "x1.png").is_symlink():
            (run.files / "x1.png").symlink_to(secret)
        media = run.read("video-file", "x%d.png")
        assert opened(media).n_frames == 10, name
        _, green, _ = np.asarray(opened(media).convert("RGB")).reshape(-1, 3).mean(0)
        assert green > 50, "the test picture, not the secret one"
        assert run.compare(media, "video-file", "x%d.png") == (True, "same frames")


# -- videos ------------------------------------------------------------------------------------------------------------


def test_a_video_loses_its_sound_and_says_so(run: Run) -> None:
    tone = ("-f", "lavfi", "-i", "sine=d=1", "-shortest")
    run.put("a.mp4", video(run.outside, "a.mp4", *TESTSRC, *tone))
    run.read("video-file", "a.mp4")
    assert run.reasons() == ["SwanLab's videos have no sound"]


def test_a_video_keeps_its_speed(run: Run) -> None:
    for rate in (24, 30, 60):
        run.put("a.mp4", video(run.outside, f"{rate}.mp4", "-f", "lavfi", "-i", f"testsrc=d=3:s=64x48:r={rate}"))
        media = run.read("video-file", "a.mp4")
        gif, times = opened(media), []
        for index in range(gif.n_frames):
            gif.seek(index)
            times.append(gif.info["duration"])
        assert abs(sum(times) - 3000) <= 20, rate
        assert run.compare(media, "video-file", "a.mp4") == (True, "same frames")
    run.put("a.mp4", video(run.outside, "still.mp4", "-f", "lavfi", "-i", "color=c=red:s=64x64:d=4:r=30"))
    assert run.compare(run.read("video-file", "a.mp4"), "video-file", "a.mp4") == (True, "same frames")


# -- pictures ----------------------------------------------------------------------------------------------------------

RAMP = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000


def test_pictures_of_16_bits_stay_so(run: Run) -> None:
    run.save("big.tiff", Image.frombytes("I;16B", (8, 8), RAMP.byteswap().tobytes()))
    run.save("int.tiff", Image.fromarray(RAMP.astype(np.int32)))
    run.save("float.tiff", Image.fromarray(RAMP.astype(np.float32)))
    run.save("grey.tiff", Image.fromarray(RAMP.astype(np.int32) // 256))
    for name, wanted in (("big", RAMP), ("int", RAMP), ("float", RAMP), ("grey", RAMP // 256)):
        media = run.read("image-file", f"{name}.tiff")
        assert np.array_equal(np.asarray(opened(media)), wanted), name
        assert run.compare(media, "image-file", f"{name}.tiff") == (True, "same pixels")
    assert opened(run.read("image-file", "grey.tiff")).mode == "L", "as 16 bits it would be black"
    assert not run.lost


@pytest.mark.parametrize(
    "values",
    [
        RAMP.astype(np.int32) * 1000 - 7_000_000,
        RAMP.astype(np.float32) / 63000,
        -RAMP.astype(np.float32),
        RAMP.astype(np.float32) * 1e30,
    ],
    ids=["int", "0 to 1", "negative", "huge"],
)
def test_pictures_of_32_bits_are_scaled_to_8(run: Run, values: Any) -> None:
    run.save("deep.tiff", Image.fromarray(values))
    media = run.read("image-file", "deep.tiff")
    low, high = float(values.min()), float(values.max())
    wanted = (values.astype(float) - low) * 255 / (high - low)
    assert np.abs(np.asarray(opened(media).convert("L")) - wanted).max() <= 0.6
    assert run.reasons() == [SHALLOW.format(32)]
    assert run.compare(media, "image-file", "deep.tiff") == (True, "same pixels")
    clipped = io.BytesIO()
    Image.fromarray(values).convert("RGB").save(clipped, "PNG")
    media.buffer = clipped
    assert run.compare(media, "image-file", "deep.tiff").same is False


def test_numbers_that_are_none_do_not_spoil_a_picture(run: Run) -> None:
    values = RAMP.astype(np.float32) / 63000
    values[0, 0], values[0, 1], values[0, 2] = np.nan, np.inf, -np.inf
    run.save("deep.tiff", Image.fromarray(values))
    media = run.read("image-file", "deep.tiff")
    shown = np.asarray(opened(media).convert("L"))
    assert (shown[7, 7], shown[0, 1], shown[0, 2]) == (255, 255, 0)
    assert run.compare(media, "image-file", "deep.tiff") == (True, "same pixels")
    run.save("flat.tiff", Image.new("F", (8, 8), 0.5))
    media = run.read("image-file", "flat.tiff")
    assert run.compare(media, "image-file", "flat.tiff") == (True, "same pixels")
    assert run.reasons() == [SHALLOW.format(32)] * 2


def test_large_and_drawn_pictures_of_16_bits_are_not_white(run: Run) -> None:
    noise = np.random.default_rng(0).integers(0, 65536, (2400, 2400)).astype(np.uint16)
    run.save("deep.png", Image.fromarray(noise))
    media = run.read("image-file", "deep.png")
    assert abs(np.asarray(opened(media).convert("L")).mean() - 127.5) < 3
    assert run.reasons() == [SHALLOW.format(16), CUT]
    assert run.compare(media, "image-file", "deep.png").same
    run.lost.clear()
    run.save("small.png", Image.fromarray(RAMP))
    run.put("boxes.json", {"box_data": [{"position": {"minX": 0.5, "minY": 0.9, "maxX": 0.6, "maxY": 0.95}}]})
    layers = {"boxes": {"p": {"path": "boxes.json"}}}
    media = run.read("image-file", "small.png", **layers)
    assert np.asarray(opened(media).convert("L"))[33, 1] == RAMP[1, 0] >> 8
    assert run.reasons() == [SHALLOW.format(16)]
    assert run.compare(media, "image-file", "small.png", **layers) == (True, "same pixels, drawn again")


def test_large_pictures_of_32_bits(run: Run) -> None:
    noise = np.random.default_rng(0).integers(0, 65536, (3400, 3400))
    for values in (noise.astype(np.int32), noise.astype(np.float32) / 65536, noise.astype(np.int32) - 9000):
        run.save("deep.tiff", Image.fromarray(values), compression="tiff_lzw")
        media = run.read("image-file", "deep.tiff")
        assert media.file_type == "jpg"
        assert abs(np.asarray(opened(media).convert("L")).mean() - 127.5) < 3
        assert run.compare(media, "image-file", "deep.tiff").same
    assert run.reasons() == [SHALLOW.format(16), CUT, SHALLOW.format(32), CUT, SHALLOW.format(32), CUT]


def test_16_bits_a_channel_are_told(run: Run) -> None:
    """Pillow decodes them as 8."""
    pixels = np.arange(48, dtype="<u2") * 1300
    tags = [(256, 4, 1, 4), (257, 4, 1, 4), (258, 3, 3, 150), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 160),
            (277, 3, 1, 3), (278, 4, 1, 4), (279, 4, 1, 96), (284, 3, 1, 1)]  # fmt: skip
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = (head + bytes(4)).ljust(150, b"\0") + struct.pack("<HHH", 16, 16, 16)
    run.put("deep.tiff", head.ljust(160, b"\0") + pixels.tobytes())
    media = run.read("image-file", "deep.tiff")
    assert np.array_equal(np.asarray(opened(media)).ravel(), pixels >> 8)
    assert run.reasons() == ["a picture of 16 bits a channel is shown in 8"]


def test_the_way_up_stays(run: Run) -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = np.rot90(np.asarray(photo), -1)
    run.save("phone.webp", photo, lossless=True, exif=exif)
    media = run.read("image-file", "phone.webp")
    assert np.array_equal(np.asarray(opened(media)), turned)
    assert run.compare(media, "image-file", "phone.webp") == (True, "same pixels")
    run.save("phone.png", photo, exif=exif)
    assert run.content(run.read("image-file", "phone.png")) == (run.files / "phone.png").read_bytes()
    run.put("boxes.json", {"box_data": [{"position": {"minX": 0.9, "minY": 0.9, "maxX": 0.95, "maxY": 0.95}}]})
    mask = np.zeros((30, 20), dtype=np.uint8)
    mask[25:, 15:] = 1
    run.save("mask.png", Image.fromarray(mask))
    for layers in ({"boxes": {"p": {"path": "boxes.json"}}}, {"masks": {"m": {"path": "mask.png"}}}):
        media = run.read("image-file", "phone.png", **layers)
        shown, factor = np.asarray(opened(media)), opened(media).width // 20
        assert np.array_equal(shown[: 20 * factor : factor, : 10 * factor : factor], turned[:20, :10])
        assert run.compare(media, "image-file", "phone.png", **layers) == (True, "same pixels, drawn again")
    large = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1500, 3000, 3), dtype=np.uint8))
    run.save("large.jpg", large, quality=100, subsampling=0, exif=exif)
    assert (run.files / "large.jpg").stat().st_size > 10 << 20
    media = run.read("image-file", "large.jpg")
    assert opened(media).size == (1500, 3000)
    assert run.compare(media, "image-file", "large.jpg").same
    assert run.reasons() == [CUT]


def test_what_is_transparent_is_white_where_it_has_to_be_something(run: Run) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4200, 4200, 4), dtype=np.uint8)
    noise[:, :1000, 3], noise[:, 1000:, 3] = 0, 255
    run.save("clear.png", Image.fromarray(noise), compress_level=1)
    media = run.read("image-file", "clear.png")
    assert opened(media).width < 4200
    assert np.asarray(opened(media).convert("L"))[:, : opened(media).width // 5].min() > 240
    assert run.compare(media, "image-file", "clear.png").same
    run.save("small.png", Image.new("RGBA", (300, 300), (255, 0, 0, 0)))
    run.put("boxes.json", {"box_data": [{"position": {"minX": 0.9, "minY": 0.9, "maxX": 1, "maxY": 1}}]})
    media = run.read("image-file", "small.png", boxes={"p": {"path": "boxes.json"}})
    assert opened(media).getpixel((5, 5)) == (255, 255, 255)


def test_the_first_frame_of_a_drawn_animation_is_told(run: Run) -> None:
    first, *rest = frames(3)
    run.save("a.gif", first, save_all=True, append_images=rest)
    run.put("boxes.json", {"box_data": [{"position": {"minX": 0, "minY": 0, "maxX": 1, "maxY": 1}}]})
    run.read("image-file", "a.gif", boxes={"p": {"path": "boxes.json"}})
    assert run.reasons() == ["SwanLab shows the first frame of an animated picture"]


# -- boxes and masks ---------------------------------------------------------------------------------------------------

OF_NO_FORM = "boxes or masks of an unknown form are not drawn"


@pytest.mark.parametrize("odd", [[{"path": "boxes.json"}], 5, 0, "boxes.json", True, False])
@pytest.mark.parametrize("key", ["boxes", "masks"])
def test_boxes_and_masks_of_a_wrong_type(run: Run, key: str, odd: Any) -> None:
    run.save("a.png", Image.new("RGB", (8, 8)))
    media = run.read("image-file", "a.png", **{key: odd})
    assert run.content(media) == (run.files / "a.png").read_bytes()
    assert run.reasons() == [OF_NO_FORM]
    run.lost.clear()
    for nothing in (None, {}, []):
        run.read("image-file", "a.png", **{key: nothing})
    assert not run.lost


def test_boxes_that_cannot_be_drawn_are_counted(run: Run) -> None:
    run.save("a.png", Image.new("RGB", (8, 8)))
    good = {"position": {"minX": 0, "minY": 0, "maxX": 1, "maxY": 1}}
    odd = [
        "no box",
        {"position": [0, 0, 1, 1]},
        {"position": {"minX": 0.1, "minY": 0.1, "maxX": "x", "maxY": 1}},
        {"position": {"middle": [float("inf"), 1], "width": 1, "height": 1}},
        {"position": {}},
    ]
    run.put("boxes.json", {"box_data": [*odd, good]})
    run.read("image-file", "a.png", boxes={"p": {"path": "boxes.json"}})
    assert run.lost == [("boxes without a place are not drawn", "layer p: 1 of 6 drawn")]


def test_labels_are_written_whole(run: Run) -> None:
    run.save("a.png", Image.new("RGB", (300, 200)))

    def drawn(**box: Any) -> bytes:
        place = {"position": {"minX": 0.1, "minY": 0.3, "maxX": 0.9, "maxY": 0.9}}
        run.put("boxes.json", {"box_data": [{**place, **box}]})
        return bytes(run.read("image-file", "a.png", boxes={"p": {"path": "boxes.json"}}).buffer.getvalue())

    assert drawn(box_caption="two\nlines") == drawn(box_caption="two lines")
    assert drawn(scores={"sure": "very"}) != drawn(), "a score that is a text"
    assert drawn(box_caption="\ud800 x") == drawn(box_caption="\ufffd x")
    run.lost.clear()
    drawn(box_caption="a ~ \\ cat")
    assert not run.lost
    drawn(box_caption="猫 a")
    assert run.lost == [("letters of boxes or masks are not in the font", "layer p: 猫 a")]


def test_classes_of_masks(run: Run) -> None:
    """Those of a palette are its numbers; those above 255 are told."""
    run.save("a.png", Image.new("RGB", (300, 300)))
    classes = np.zeros((300, 300), dtype=np.uint8)
    classes[100:, 100:] = 2
    run.save("grey.png", Image.fromarray(classes))
    paletted = Image.fromarray(classes)
    paletted.putpalette([255, 255, 255, 0, 0, 0, 9, 99, 9])
    run.save("palette.png", paletted)
    run.save("deep.png", Image.fromarray(classes.astype(np.uint16)))
    shown = [run.read("image-file", "a.png", masks={"m": {"path": f"{name}.png"}}).buffer.getvalue()
             for name in ("grey", "palette", "deep")]  # fmt: skip
    assert shown[0] == shown[1] == shown[2]
    assert not run.lost
    classes16 = classes.astype(np.uint16)
    classes16[:50] = 300
    run.save("deep.png", Image.fromarray(classes16))
    run.read("image-file", "a.png", masks={"m": {"path": "deep.png"}})
    assert run.lost == [("classes of a mask above 255 are drawn as one", "layer m: up to 300")]


def test_the_background_of_a_mask_is_known_by_its_label(run: Run) -> None:
    run.save("a.png", Image.new("RGB", (300, 300)))
    run.save("m.png", Image.new("L", (300, 300)))
    run.reader.labels(MaskLabels(key="key", layer="m", labels={"0": "background"}))
    media = run.read("image-file", "a.png", masks={"m": {"path": "m.png"}})
    assert opened(media).getpixel((9, 9)) == (0, 0, 0)


# -- tables ------------------------------------------------------------------------------------------------------------


def test_rows_of_growing_tables_that_are_too_many_are_counted(run: Run) -> None:
    sizes = (150_000, 49_000, 2_000, 500)
    told = []
    start = 0
    for number, size in enumerate(sizes):
        name = f"{number}.json"
        run.put(name, {"columns": ["a"], "data": [[row] for row in range(start, start + size)]})
        start += size
        more = {"increment_num": number, "nrows": start}
        media = run.read("incremental-table-file", name, **more)
        told.append([*run.lost])
        run.lost.clear()
        found = run.compare(media, "incremental-table-file", name, **more)
        assert found.same, found
    reason = "a growing table was cut to 200,000 rows"
    assert told == [[], [], [(reason, "200000 of 201000 rows kept")], [(reason, "200000 of 201500 rows kept")]]
    rows = json.loads(run.content(media))["rowData"]
    assert len(rows) == 200_001 and rows[-1] == {"a": "… 1500 of 201500 rows are left out here"}


def test_rows_of_growing_tables_without_their_number(run: Run) -> None:
    for number in range(3):
        run.put("a.json", {"columns": ["a"], "data": [[number]] * 90_000})
        media = run.read("incremental-table-file", "a.json", increment_num=number)
        assert run.compare(media, "incremental-table-file", "a.json", increment_num=number).same
    assert run.lost == [("a growing table was cut to 200,000 rows", "200000 of 270000 rows kept")]


def test_rows_and_cells_that_have_no_place_are_counted(run: Run) -> None:
    run.put("a.json", {"columns": ["a", "b"], "data": [[1, 2], 5, {"a": 1}, [3], [4, 5, 6, 7]]})
    media = run.read("table-file", "a.json", nrows=5)
    assert json.loads(run.content(media))["rowData"] == [
        {"a": 1, "b": 2},
        {"a": 3, "b": None},
        {"a": 4, "b": 5},
        {"a": "… 2 of 5 rows are left out here", "b": None},
    ]
    assert run.lost == [
        ("rows of a table that are no lists are left out", "3 of 5 rows kept"),
        ("cells beyond the columns of a table are left out", "2 cells"),
    ]
    assert run.compare(media, "table-file", "a.json", nrows=5) == (True, "same cells in 3 of 5 rows")
    assert run.compare(run.read("table-file", "a.json"), "table-file", "a.json").same


@pytest.mark.parametrize(
    "text",
    [
        PLACEHOLDER,
        f'"{PLACEHOLDER}"',
        f"{PLACEHOLDER}x_x--0_0--",
        f"a {PLACEHOLDER}{PLACEHOLDER} b",
        "--x_x--0_0-",
        "\\",
    ],
)
def test_the_placeholder_of_pyecharts_is_a_text_like_any_other(run: Run, text: str) -> None:
    run.put("a.json", {"columns": [text, "b"], "data": [[text, 'say "x"'], [1, text], [{"k": text}, None]]})
    media = run.read("table-file", "a.json", caption=text)
    held = json.loads(run.content(media))
    assert held["colDefs"] == [{"field": text}, {"field": "b"}]
    assert [list(row.values()) for row in held["rowData"]] == [
        [text, 'say "x"'],
        [1, text],
        [json.dumps({"k": text}), None],
    ]
    assert run.compare(media, "table-file", "a.json") == (True, "same cells")
    for spec, fields in {
        "wandb/bar/v0": {"label": text, "value": "n"},
        "wandb/line/v0": {"x": "n", "y": "n", "stroke": text},
        "wandb/scatter/v0": {"x": text, "y": "n"},
        "wandb/confusion_matrix/v1": {"Actual": text, "Predicted": text, "nPredictions": "n"},
    }.items():
        run.put("c.json", {"columns": [text, "n"], "data": [[text, 1], ["b", 2.5]]})
        run.reader.chart(ChartDefined(key="chart", spec=spec, table_key="key", fields=fields, strings={"title": text}))
        media = run.read("table-file", "c.json")
        held = json.loads(run.content(media))
        assert held["title"][0]["text"] == text, spec
        assert (text in json.dumps(held["series"], ensure_ascii=False).replace('\\"', '"').replace("\\\\", "\\")
                or text in held["xAxis"][0].get("data", [text])), spec  # fmt: skip
        assert run.compare(media, "table-file", "c.json").same, spec
    held = chart(run, "wandb/histogram/v0", {"value": text}, [text], [[1], [2]])
    assert (held["dataset"]["source"][0], held["xAxis"][0]["name"]) == ([text], text)


# -- charts ------------------------------------------------------------------------------------------------------------


def chart(run: Run, spec: str, fields: dict[str, str], columns: list[str], rows: list[list[Any]], **more: Any) -> Any:
    run.put("c.json", {"columns": columns, "data": rows})
    run.reader.chart(ChartDefined(key="chart", spec=spec, table_key="key", fields=fields, strings={}))
    media = run.read("table-file", "c.json", **more)
    assert run.compare(media, "table-file", "c.json", **more).same
    return json.loads(run.content(media))


INFINITE = "a chart has no place for infinite numbers"
inf, nan = float("inf"), float("nan")


def test_infinities_of_charts_are_counted(run: Run) -> None:
    rows = [[1, inf], [2, -inf], [3, nan], [inf, 4], [5, None]]
    xy = {"x": "x", "y": "y"}
    for spec in ("wandb/line/v0", "wandb/scatter/v0"):
        held = chart(run, spec, xy, ["x", "y"], rows)
        assert held["series"][0]["data"] == [[1, None], [2, None], [3, None], [None, 4], [5, None]]
        assert run.lost == [(INFINITE, "3 numbers are gaps")]
        run.lost.clear()
    chart(run, "wandb/bar/v0", {"label": "l", "value": "v"}, ["l", "v"], [["a", inf], [inf, 2], ["c", nan]])
    assert run.lost == [(INFINITE, "1 numbers are gaps")]
    run.lost.clear()
    held = chart(run, "wandb/histogram/v0", {"value": "v"}, ["v"], [[1], [inf], [nan], [None], ["text"], [2]])
    assert sum(bar["value"] for bar in held["series"][0]["data"]) == 2
    assert run.lost == [(INFINITE, "1 numbers are gaps"), ("a histogram has no place for what is no number", "1 cells")]
    run.lost.clear()
    fields = {"Actual": "a", "Predicted": "p", "nPredictions": "n"}
    chart(run, "wandb/confusion_matrix/v1", fields, ["a", "p", "n"], [["x", "y", inf], ["y", "y", 2]])
    assert run.lost == [(INFINITE, "1 numbers are gaps")]
    run.lost.clear()
    run.read("histogram", values=[1, inf], bins=[0, 1, 2])
    assert run.lost == [(INFINITE, "1 numbers are gaps")]


def test_the_table_of_a_chart_that_does_not_show_all_of_it_is_shown_too(run: Run) -> None:
    chart(run, "wandb/line/v0", {"x": "x", "y": "y"}, ["x", "y", "z", "w"], [[1, 2, 3, 4]])
    (table,) = run.beside
    assert json.loads(run.content(table))["rowData"] == [{"x": 1, "y": 2, "z": 3, "w": 4}]
    assert run.lost == []
    chart(run, "wandb/line/v0", {"x": "x", "y": "y"}, ["x", "y"], [[1, 2], 7])
    assert run.lost == [("rows of a table that are no lists are left out", "1 of 2 rows kept")]


def test_a_chart_that_cannot_be_drawn_is_a_table(run: Run) -> None:
    run.put("c.json", {"columns": ["v"], "data": [[10**400], [1]]})
    run.reader.chart(
        ChartDefined(key="chart", spec="wandb/histogram/v0", table_key="key", fields={"value": "v"}, strings={})
    )
    held = json.loads(run.content(run.read("table-file", "c.json")))
    assert held["rowData"] == [{"v": 10**400}, {"v": 1}]
    assert run.reasons() == ["a chart that cannot be drawn: its table is shown"]


# -- sounds, shapes, molecules, pages ----------------------------------------------------------------------------------


def test_sounds_keep_their_bits_and_are_cut(run: Run) -> None:
    soundfile = pytest.importorskip("soundfile")
    samples = np.random.default_rng(0).integers(-(2**23), 2**23, (400, 2)).astype(np.int32) << 8
    for subtype, name, back in (("PCM_24", "a.flac", 24), ("PCM_16", "b.flac", 16), ("PCM_24", "c.aiff", 24)):
        soundfile.write(run.files / name, samples, 8000, subtype=subtype)
        media = run.read("audio-file", name)
        kept, rate = soundfile.read(io.BytesIO(media.buffer.getvalue()), dtype="int32")
        wanted, _ = soundfile.read(run.files / name, dtype="int32")
        assert (rate, media.sample_rate) == (8000, 8000)
        assert np.array_equal(kept, wanted)
        with wave.open(io.BytesIO(media.buffer.getvalue())) as sound:
            assert sound.getsampwidth() * 8 == back
        assert run.compare(media, "audio-file", name).same
    assert not run.lost
    soundfile.write(run.files / "long.flac", np.zeros(6_000_000, dtype=np.int16), 8000)
    media = run.read("audio-file", "long.flac")
    assert len(media.buffer.getvalue()) <= 10 << 20
    assert run.lost == [("a sound was cut to SwanLab's 10 MB", "655.3 of 750.0 seconds kept")]
    assert run.compare(media, "audio-file", "long.flac").same
    media.buffer = io.BytesIO(media.buffer.getvalue()[: 8 << 20])
    assert run.compare(media, "audio-file", "long.flac").same is False


def test_points_and_boxes_that_make_no_sense_cost_themselves(run: Run) -> None:
    corners = [[0, 0, 0], [1, 1, 1]]
    points = [5, [1, 2], [1, 2, 3], ["x", 2, 3], [1, 2, None], [4, 5, 6, 7], [7, 8, 9], [1, 2, float("nan")]]
    run.put("a.pts.json", {"points": points, "boxes": [{"corners": corners}, {"corners": 5}, "box"]})
    media = run.read("object3D-file", "a.pts.json")
    held = json.loads(run.content(media))
    assert [point[:3] for point in held["points"]] == [[1, 2, 3], [7, 8, 9]]
    assert len(held["boxes"]) == 1
    assert run.lost == [
        ("boxes without corners were left out of a point cloud", "1 of 3 kept"),
        ("points without a place were left out of a point cloud", "2 of 8 kept"),
    ]
    assert run.compare(media, "object3D-file", "a.pts.json") == (True, "same points")
    run.put("b.pts.json", {"points": [5, "x"]})
    with pytest.raises(UnusableError, match="the file is broken"):
        run.read("object3D-file", "b.pts.json")


def test_a_page_that_is_no_text_is_told(run: Run) -> None:
    run.put("page.html", "<b>Größe</b>".encode("latin-1"))
    media = run.read("html-file", "page.html")
    assert run.content(media).decode() == "<b>Gr\ufffd\ufffde</b>"
    assert run.reasons() == ["a page that is no valid UTF-8 has lost letters"]
    assert run.compare(media, "html-file", "page.html").same


def test_molecules_keep_hydrogen(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    chem: Any = pytest.importorskip("rdkit.Chem")
    from rdkit.Chem import AllChem

    ethanol = chem.AddHs(chem.MolFromSmiles("CCO"))
    AllChem.EmbedMolecule(ethanol, randomSeed=1)
    block = chem.MolToMolBlock(ethanol)
    sdf = f"{block}> <energy>\n-3.5\n\n$$$$\n{block}$$$$\n"
    for name, content in (("a.mol", block), ("a.sdf", sdf), ("a.sd", sdf)):
        run.put(name, content.encode())
        media = run.read("molecule-file", name, caption="c")
        assert media.caption == "c"
        assert run.compare(media, "molecule-file", name) == (True, "same atoms")
    reasons = ["SwanLab shows the first molecule of a file", "SwanLab's molecules have no data fields"]
    assert run.reasons() == reasons * 2
    for name in ("b.mol", "b.sdf"):
        for content in (b"", b"no molecule"):
            run.put(name, content)
            with pytest.raises(UnusableError, match="SwanLab cannot read this molecule: kept as a run file") as error:
                run.read("molecule-file", name)
            assert error.value.keep == name


def test_molecules_without_rdkit_are_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    run.put("a.mol", b"CCO")
    with pytest.raises(UnusableError, match="SwanLab cannot read this molecule") as error:
        run.read("molecule-file", "a.mol")
    assert error.value.keep == "a.mol"
