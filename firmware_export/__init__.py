"""From a bundle to code for a device. `layers` reads a bundle into plain arrays, without torch; `device` does the rest."""

from firmware_export.layers import Conv1d, Dense, Gru, Layers, State, read_layers

__all__ = ["Conv1d", "Dense", "Gru", "Layers", "State", "read_layers"]
