"""A bundle as ESPHome's micro_wake_word loads it: a JSON manifest, version 2, beside an int8 streaming .tflite."""

from firmware_export.esphome.package import Report, export_esphome

__all__ = ["Report", "export_esphome"]
