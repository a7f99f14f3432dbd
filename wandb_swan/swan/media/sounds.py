"""Sounds as WAV, the one format that SwanLab plays."""

from __future__ import annotations

import importlib
import io
import wave
from typing import TYPE_CHECKING, Any

from .. import limits
from ..files import UnusableError

if TYPE_CHECKING:
    from .item import Item

_EXACT = {"PCM_16": "int16", "PCM_24": "int32", "PCM_32": "int32", "FLOAT": "float32", "DOUBLE": "float64"}
"""What a WAV file keeps sample by sample -> how it is read. SwanLab itself makes 16 bits of everything."""


def is_wave(content: bytes) -> bool:
    return content[:4] == b"RIFF" and content[8:12] == b"WAVE"


def as_wave(content: bytes, item: Item) -> bytes:
    """A sound of any format that soundfile decodes.

    Raises:
        UnusableError: soundfile is not installed, or does not know the format.
    """
    try:
        soundfile: Any = importlib.import_module("soundfile")
        with soundfile.SoundFile(io.BytesIO(content)) as sound:
            kept = sound.subtype if sound.subtype in _EXACT else "PCM_16"
            samples, rate = sound.read(dtype=_EXACT.get(sound.subtype, "float64")), sound.samplerate
        encoded = io.BytesIO()
        soundfile.write(encoded, samples, rate, format="WAV", subtype=kept)
        return encoded.getvalue()
    except Exception as error:
        raise UnusableError(
            "a sound that cannot be made WAV: kept as a run file", str(error), keep=item.file
        ) from error


def cut(content: bytes, item: Item) -> bytes:
    """The first seconds of a WAV file, as many as fit.

    Raises:
        UnusableError: its samples are no whole numbers, which cannot be cut here.
    """
    try:
        with wave.open(io.BytesIO(content)) as source:
            params = source.getparams()
            frames = (limits.MEDIA_BYTES - 1000) // (params.sampwidth * params.nchannels)
            target = io.BytesIO()
            with wave.open(target, "wb") as writer:
                writer.setparams(params)
                writer.writeframes(source.readframes(frames))
    except (wave.Error, EOFError) as error:
        raise UnusableError("over SwanLab's 10 MB: kept as a run file", str(error), keep=item.file) from error
    seconds = (frames / params.framerate, params.nframes / params.framerate)
    item.lose("a sound was cut to SwanLab's 10 MB", "{:.1f} of {:.1f} seconds kept".format(*seconds))
    return target.getvalue()
