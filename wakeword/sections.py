"""The sections of a configuration: frozen models, one per concern, strict about names and types.

What a number means to a user is said in `configs/default.toml`; here stand its type and its range.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _pair(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _within(low: float, high: float) -> AfterValidator:
    def check(value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError(f"a range is [low, high], got {list(value)}")
        if value[0] < low or value[1] > high:
            raise ValueError(f"got {list(value)}, expected two numbers from {low:g} to {high:g}")
        return value

    return AfterValidator(check)


Range = Annotated[tuple[float, float], BeforeValidator(_pair), Field(description="[low, high], both included")]
Seconds = Annotated[Range, _within(0.01, 60)]
Decibels = Annotated[Range, _within(-120, 120)]
Counts = Annotated[tuple[int, int], BeforeValidator(_pair), _within(0, 1000)]
Units = Annotated[int, Field(ge=1, le=4096)]
Choices = Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], BeforeValidator(_pair), Field(max_length=10)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """A part of the configuration: immutable, strict about names and types, and finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class AudioConfig(Section):
    sample_rate_hz: int = Field(ge=4000, le=192000)
    example_s: float = Field(gt=0.1, le=600.0)


class SpectrogramConfig(Section):
    """Power spectral density, one value per DFT bin (the seed system's features)."""

    kind: Literal["spectrogram"]
    window_samples: int = Field(ge=8, le=65536)
    hop_samples: int = Field(ge=1)

    @property
    def bins(self) -> int:
        return self.window_samples // 2 + 1


class LogMelConfig(Section):
    """Log-mel energies relative to a running mean of themselves, so that gain cancels."""

    kind: Literal["log_mel"]
    window_samples: int = Field(ge=8, le=65536)
    hop_samples: int = Field(ge=1)
    fft_samples: int = Field(ge=8, le=65536, multiple_of=2)
    mel_bins: int = Field(ge=1, le=256)
    low_hz: float = Field(ge=0.0)
    high_hz: float = Field(gt=0.0)
    norm_time_constant_s: float = Field(gt=0.0, description="of the running mean that each energy is divided by")
    norm_floor_dbfs: float = Field(le=0.0, description="level below which a band counts as silent")
    norm_range_db: float = Field(gt=0.0, description="how far below the running mean differences still count")
    mask_db: float | None = Field(None, le=0.0, description="level of the white noise that hides what lies below it")

    @property
    def bins(self) -> int:
        return self.mel_bins

    @model_validator(mode="after")
    def _window_fits(self) -> LogMelConfig:
        if self.fft_samples < self.window_samples:
            raise ValueError(f"fft_samples {self.fft_samples} is shorter than window_samples {self.window_samples}")
        if self.low_hz >= self.high_hz:
            raise ValueError(f"low_hz {self.low_hz} is not below high_hz {self.high_hz}")
        return self


class MicroConfig(Section):
    """The fixed-point front end of microWakeWord; none of its numbers can be chosen."""

    kind: Literal["micro"]

    @property
    def window_samples(self) -> int:
        return 480

    @property
    def hop_samples(self) -> int:
        return 160

    @property
    def bins(self) -> int:
        return 40


FeatureConfig = Annotated[SpectrogramConfig | LogMelConfig | MicroConfig, Field(discriminator="kind")]


class ModelConfig(Section):
    """Conv1D, then GRUs, then a sigmoid per label at every step. Uni-directional."""

    conv_filters: Units
    conv_kernel: int = Field(ge=1)
    conv_stride: int = Field(ge=1)
    gru_units: Annotated[tuple[Units, ...], BeforeValidator(_pair)] = Field(min_length=1, max_length=4)
    members: int = Field(1, ge=1, le=8, description="last GRUs side by side, whose logits are averaged: an ensemble")
    spotter: bool = Field(False, description="weighs in how well the backbone hears the phrase's phones in their order")
    spotter_units: Annotated[tuple[Units, ...], BeforeValidator(_pair)] = Field(
        (), max_length=4, description="of its own GRUs, where the backbone has others than gru_units"
    )
    dropout: float = Field(ge=0.0, lt=1.0)

    @property
    def spotter_grus(self) -> list[tuple[int, int]]:
        """Inputs and units of each GRU of the spotter, which hears what the last layer does."""
        below = (self.conv_filters, *self.gru_units)[-2]
        return list(pairwise((below, *(self.spotter_units or self.gru_units[-1:]))))

    @property
    def grus(self) -> list[tuple[int, int]]:
        """Inputs and units of each GRU, in the order of their weights: the members of the last layer come last."""
        *lower, last = pairwise((self.conv_filters, *self.gru_units))
        return [*lower, *[last] * self.members]

    @property
    def head_inputs(self) -> int:
        return self.gru_units[-1] * self.members

    @model_validator(mode="after")
    def _kernel_covers_stride(self) -> ModelConfig:
        if self.conv_kernel < self.conv_stride:
            raise ValueError(f"conv_kernel {self.conv_kernel} is shorter than conv_stride {self.conv_stride}")
        return self


class LabelConfig(Section):
    label_steps: int = Field(ge=1, description="output steps after the END of an activate that belong to it")
    late_steps: int = Field(0, ge=0, description="the first of them, which the loss leaves out: time to be sure")
    ignore_steps: int = Field(ge=0, description="output steps just before the END that the loss leaves out")

    @model_validator(mode="after")
    def _labels_something(self) -> LabelConfig:
        if self.late_steps >= self.label_steps:
            raise ValueError(
                f"late_steps {self.late_steps} leave none of label_steps {self.label_steps} to be labelled"
            )
        return self


class DetectorConfig(Section):
    threshold: float = Field(gt=0.0, lt=1.0)
    smoothing_steps: int = Field(ge=1, le=10000)
    patience_steps: int = Field(1, ge=1, le=10000, description="successive steps over the threshold that it takes")
    refractory_steps: int = Field(ge=0)
    rearm_ratio: float | None = Field(None, gt=0.0, le=1.0, description="fires again below rearm_ratio * threshold")


class SynthConfig(Section):
    """What is overlaid on what. Ranges are drawn from uniformly, but for `snr_skew`; the manifest holds every draw."""

    seed: int = Field(ge=0)
    examples: int = Field(ge=1, description="examples that `wakeword synth` writes")
    validation_fraction: float = Field(gt=0.0, lt=1.0)
    grid_ms: float = Field(gt=0.0, le=10000.0)
    activates: Counts
    negatives: Counts
    negative_s: Seconds = Field(description="longer negatives are cut to a random stretch of this length")
    near_miss_probability: Probability = Field(description="share of the other negatives that are near misses")
    partial_probability: Probability = Field(description="share of negatives made of a torn or scrambled activate")
    partial_share: Annotated[Range, _within(0, 1)] = Field(description="how much of the activate such a piece is")
    reversed_probability: Probability = Field(description="share of the other negatives that are played backwards")
    scrambled_probability: Probability = Field(description="share of them whose parts are put in another order")
    min_take_s: float = Field(gt=0.0, le=60.0)
    background_dbfs: Decibels
    background_absent: Probability = Field(description="share of examples on digital silence")
    snr_db: Decibels = Field(description="active speech level over the background's RMS level")
    snr_skew: float = Field(1.0, ge=0.1, le=10.0, description="1: uniform; 2: half in the lowest quarter of snr_db")
    gain_db: Decibels = Field(description="of the finished example; peaks are kept below full scale")
    example_dbfs: float | None = Field(None, ge=-120.0, le=0.0, description="RMS the finished example is brought to")
    speed: Annotated[Range, _within(0.1, 10)]
    speed_probability: Probability
    vocal_tract: Annotated[Range, _within(0.5, 2)] = Field(description="formants times this, at the same pitch")
    vocal_tract_probability: Probability
    filter_db: Decibels = Field(description="gain of each of three equaliser bands")
    filter_probability: Probability
    band_low_hz: Annotated[Range, _within(1, 1000)] = Field(description="lower edge of a narrow channel")
    band_high_hz: Annotated[Range, _within(1000, 96000)] = Field(description="its upper edge")
    band_probability: Probability
    codec_probability: Probability = Field(description="share of activates and negatives coded and decoded again")
    rt60_s: Seconds
    room_probability: Probability
    touching_probability: Probability = Field(description="share of events that come right before or after another")
    clip_db: Decibels = Field(description="how far the peaks of a clipped example would be above full scale")
    clip_probability: Probability = Field(description="share of examples that are clipped")


class TrainConfig(Section):
    seed: int = Field(ge=0)
    batch_size: int = Field(ge=1)
    max_steps: int = Field(ge=1)
    max_minutes: float | None = Field(default=None, gt=0.0)
    learning_rate: float = Field(gt=0.0)
    warmup_steps: int = Field(ge=0)
    weight_decay: float = Field(ge=0.0)
    positive_weight: float = Field(gt=0.0)
    hard_negatives: Probability = Field(description="share of the draws of negatives that go by hardness")
    gradient_clip: float = Field(gt=0.0)
    ema_decay: float = Field(ge=0.0, lt=1.0)
    validate_every_steps: int = Field(ge=1)
    validation_examples: int = Field(ge=1)
    calibration_examples: int = Field(ge=1, description="held-out examples on which the threshold is chosen at the end")
    smoothing_choices: Choices = Field((), description="smoothing_steps that calibration may choose instead")
    patience_choices: Choices = Field((), description="patience_steps that it may choose instead")
    patience: int = Field(ge=1, description="validations without progress before training stops")
    target_fa_per_hour: float = Field(gt=0.0)
    backbone: bool = Field(False, description="begin with the packaged backbone's weights")
    frozen_layers: int = Field(0, ge=0, description="the convolution and the first GRUs that keep what they began with")
    half_weights: bool = Field(False, description="the bundle's weights are rounded to float16: half the size")
    carried: Probability = Field(0.0, description="share of examples that begin with the state that another ended with")
    teacher: str = Field("", description="configuration of the model that a typed phrase's network learns from")
    int8_weights: bool = Field(False, description="trained and judged with its weights rounded to int8, a scale a row")
