"""Makes labelled audio: activates and negatives overlaid on backgrounds. Knows nothing of models.

From a folder of recordings to examples, in reading order: `recordings` (find, trim, check), `bank` (decode once),
`splits` (set speakers aside), `recipe` (draw everything), `render` (audio and labels), `build` (many of them).
"""

from synth.build import Clips, open_clips, stream
from synth.dataset import write_dataset
from synth.shards import write_shards

__all__ = ["Clips", "open_clips", "stream", "write_dataset", "write_shards"]
