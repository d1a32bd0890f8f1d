"""What is trained in which way: changes to a configuration, by what there is to learn from and how long it may take."""

from __future__ import annotations

from wakeword.config import Config, override

QUICK = {  # of `train --quick` and `demo`: shorter examples, fewer of them, and no second look at hard ones
    "audio": {"example_s": 4.0},
    "train": {
        "max_steps": 600,
        "validation_examples": 300,
        "validate_every_steps": 100,
        "calibration_examples": 1500,
        "hard_negatives": 0.0,
        "target_fa_per_hour": 5.0,  # what so short a training can keep to
    },
}
OVERDRIVEN = {"clip_db": (0.0, 36.0), "clip_probability": 0.15}  # many people's microphones are turned up too far
TYPED = {  # a phrase that synthesizers say: what trains longer, or more of it, learns their voices by heart
    "model": {"members": 4, "spotter": True, "spotter_units": (192, 96)},  # the backbone's own upper layers
    "synth": OVERDRIVEN,
    "train": {
        "frozen_layers": 2,
        "half_weights": True,
        "max_steps": 50,
        "validate_every_steps": 25,
        "warmup_steps": 6,
        "learning_rate": 4e-3,
        "hard_negatives": 0.0,
    },
}
TAUGHT = {  # the same where a small network learns from a larger one: it may take longer, but not all of it may learn
    "synth": OVERDRIVEN,
    "train": {"frozen_layers": 1, "max_steps": 1600, "validate_every_steps": 400, "hard_negatives": 0.0},
}
WITH_TAKES = {  # besides, where people say it, too
    "train": {"max_steps": 300, "validate_every_steps": 75, "warmup_steps": 50, "learning_rate": 2e-3},
}
BRIEF = {  # what `enroll` has the time for
    "audio": {"example_s": 2.5},
    "model": {"members": 2, "dropout": 0.0},  # so few batches learn too little by heart
    "synth": {"codec_probability": 0.0},  # most of what rendering costs
    "train": {"batch_size": 24, "max_steps": 28, "warmup_steps": 6, "learning_rate": 4e-3},
}
BRIEF_EXAMPLES = 400  # no multiple of a batch, so that batches differ


def typed(config: Config, takes: bool = False) -> Config:
    """The configuration for a phrase that synthesizers say, and maybe people, if it has a backbone or a teacher."""
    if config.train.teacher:
        taught = override(config, **TAUGHT)
        return taught if config.train.backbone else override(taught, train={"frozen_layers": 0})
    if not config.train.backbone:
        return config
    config = override(config, **TYPED)
    return override(config, **WITH_TAKES) if takes else config


def briefly(config: Config) -> Config:
    """The configuration for a phrase that is learned in a moment."""
    return override(typed(config), **BRIEF)
