"""Your own wake word: train a small model, and listen for it anywhere.

>>> import wakeword
>>> ww = wakeword.load("models/hey_computer")     # doctest: +SKIP
>>> for detection in ww.feed(pcm):                # doctest: +SKIP
...     print(detection.phrase, detection.end_s, detection.score)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wakeword.detector import Detection
    from wakeword.errors import WakewordError
    from wakeword.stream import WakeWord, load

__version__ = "0.1.0"
__all__ = ["Detection", "WakeWord", "WakewordError", "__version__", "load"]

_HOMES = {"Detection": "detector", "WakeWord": "stream", "WakewordError": "errors", "load": "stream"}


def __getattr__(name: str) -> Any:
    """Loads a public name from its module when it is first asked for: `wakeword --help` needs no onnxruntime."""
    if name not in _HOMES:
        raise AttributeError(f"module 'wakeword' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"wakeword.{_HOMES[name]}"), name)
