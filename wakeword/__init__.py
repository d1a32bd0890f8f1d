"""Your own wake word: train a small model, and listen for it anywhere.

>>> import wakeword
>>> ww = wakeword.load("models/hey_computer")     # doctest: +SKIP
>>> for detection in ww.feed(pcm):                # doctest: +SKIP
...     print(detection.phrase, detection.end_s, detection.score)
"""

from wakeword.detector import Detection
from wakeword.errors import WakewordError
from wakeword.stream import WakeWord, load

__version__ = "0.1.0"
__all__ = ["Detection", "WakeWord", "WakewordError", "__version__", "load"]
