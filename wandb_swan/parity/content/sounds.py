"""Sounds, sample by sample."""

from __future__ import annotations

import importlib
import wave
from pathlib import Path
from typing import Any

from ...swan import limits
from .verdict import BROKEN_SOURCE, BROKEN_STORED, SAME_BYTES, Verdict, counted, over_limit, same_bytes

_QUANTUM = 1.5 / 32768
"""What is no PCM has 16 bits in SwanLab: libsndfile rounds or cuts, by one step at most (1.2)."""
_BLOCK = 1 << 16
_ROOM = limits.MEDIA_BYTES - (64 << 10)
"""What a sound that was cut fills at least, in bytes."""


def sound(source: Path, stored: Path) -> Verdict:
    """A sound: a WAV file as it is, up to 10 MB of it; any other format as a WAV of its samples, up to 10 MB."""
    if same_bytes(source, stored):
        return SAME_BYTES
    with source.open("rb") as file:
        head = file.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        found = _waves(source, stored, cut=over_limit(source))
        if found is not None:
            return found
    return _samples(source, stored)


def _waves(source: Path, stored: Path, *, cut: bool) -> Verdict | None:
    """Two WAV files of whole numbers; None if the source is another WAV file."""
    try:
        ours = wave.open(str(source), "rb")  # noqa: SIM115
    except (wave.Error, EOFError):
        return None
    with ours:
        try:
            theirs = wave.open(str(stored), "rb")  # noqa: SIM115
        except (wave.Error, EOFError):
            return BROKEN_STORED
        with theirs:
            return _compare_waves(ours, theirs, cut=cut)


def _compare_waves(ours: Any, theirs: Any, *, cut: bool) -> Verdict:
    for what, one, other in (
        ("samples a second", ours.getframerate(), theirs.getframerate()),
        ("channels", ours.getnchannels(), theirs.getnchannels()),
        ("bytes a sample", ours.getsampwidth(), theirs.getsampwidth()),
    ):
        if one != other:
            return counted(what, one, other)
    frame = ours.getsampwidth() * ours.getnchannels()
    whole, kept = ours.getnframes(), theirs.getnframes()
    if kept != whole and not (cut and kept < whole and kept * frame >= _ROOM):
        return counted("samples", whole, kept)
    at = 0
    while at < kept:
        one, other = ours.readframes(min(_BLOCK, kept - at)), theirs.readframes(min(_BLOCK, kept - at))
        if one != other:
            place = next(
                (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
            )
            number = place // frame
            values = [part[number * frame : (number + 1) * frame].hex() for part in (one, other)]
            return Verdict(False, f"sample {at + number}: {values[0]} in wandb, {values[1] or 'none'} in SwanLab")
        if not one:
            return BROKEN_SOURCE
        at += len(one) // frame
    return Verdict(True, "same samples" if kept == whole else f"same samples, the first {kept} of {whole}")


def _samples(source: Path, stored: Path) -> Verdict:
    """Sounds of any format that soundfile decodes, within what 16 bits can tell."""
    try:
        soundfile: Any = importlib.import_module("soundfile")
    except ImportError as error:
        return Verdict(None, f"{error.name or 'soundfile'} is not installed")
    except OSError:
        return Verdict(None, "soundfile does not find its library")
    failures = (soundfile.SoundFileError, RuntimeError, ValueError, TypeError)
    try:
        ours = soundfile.SoundFile(str(source))
    except failures:
        return Verdict(None, "soundfile cannot decode the source file")
    with ours:
        try:
            theirs = soundfile.SoundFile(str(stored))
        except failures:
            return BROKEN_STORED
        with theirs:
            return _compare_samples(ours, theirs, failures, cut=stored.stat().st_size >= _ROOM)


def _compare_samples(ours: Any, theirs: Any, failures: tuple[type[Exception], ...], *, cut: bool) -> Verdict:
    if ours.samplerate != theirs.samplerate:
        return counted("samples a second", ours.samplerate, theirs.samplerate)
    if ours.channels != theirs.channels:
        return counted("channels", ours.channels, theirs.channels)
    at = 0
    while True:
        try:
            one = memoryview(ours.buffer_read(_BLOCK, dtype="float64")).cast("B").cast("d")
        except failures:
            return BROKEN_SOURCE
        try:
            other = memoryview(theirs.buffer_read(_BLOCK, dtype="float64")).cast("B").cast("d")
        except failures:
            return BROKEN_STORED
        for place, (mine, its) in enumerate(zip(one, other, strict=False)):
            if not abs(max(-1.0, min(mine, 1.0)) - its) <= _QUANTUM:  # NaN is far from everything
                number = at + place // ours.channels
                return Verdict(False, f"sample {number}: {mine:.5f} in wandb, {its:.5f} in SwanLab")
        if len(one) != len(other):
            if cut and len(other) < len(one):
                return Verdict(True, f"same samples, the first {theirs.frames} of {ours.frames}")
            return counted("samples", ours.frames, theirs.frames)
        if not one:
            return Verdict(True, f"same samples, in {theirs.subtype.replace('_', ' ')}")
        at += len(one) // ours.channels
