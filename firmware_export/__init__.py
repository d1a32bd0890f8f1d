"""From a bundle to code for a device. `layers` reads a bundle, `device` writes C; neither needs torch."""

from firmware_export.layers import Conv1d, Dense, Gru, Layers, State, read_layers

__all__ = ["Conv1d", "Dense", "Gru", "Layers", "State", "read_layers"]
