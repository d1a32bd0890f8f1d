"""PortAudio, which records and plays: loaded when a device is first asked for, since loading it starts it."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from wakeword.errors import AudioError


def portaudio() -> Any:
    """The sounddevice module. Raises AudioError if the library that it wraps is missing."""
    is_running = "sounddevice" in sys.modules
    try:
        import sounddevice
    except OSError as error:
        raise AudioError(f"microphone: {error}; expected PortAudio (Debian: apt install libportaudio2)") from None
    if not is_running:
        _unload_plugins()
    return sounddevice


def restart_portaudio() -> None:
    """So that it lists the devices anew, which it does only when it starts. Raises AudioError if it does not start."""
    sd = portaudio()
    sd.stop()  # a chime still playing: its stream must not outlive PortAudio
    try:
        sd._terminate()
        sd._initialize()
    except sd.PortAudioError as error:
        raise AudioError(f"microphone: PortAudio does not restart: {error}") from None
    _unload_plugins()


def _unload_plugins() -> None:
    """Gives back what PortAudio's start has left behind: 12 MB where ALSA has all its plugins.

    It opens every one of them to see what it can do, and ALSA keeps them, a video codec and an SVG renderer among their
    libraries, until its configuration is freed. What is in use stays, and the next stream reads the configuration anew.
    """
    if sys.platform != "linux":
        return
    try:
        alsa = ctypes.CDLL("libasound.so.2")
    except OSError:
        return  # a PortAudio that was built without ALSA
    alsa.snd_config_update_free_global()
