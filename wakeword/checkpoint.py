"""Where training stands, in one safetensors file: written whole or not at all, read without a pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from wakeword.errors import DataError
from wakeword.files import write_bytes


def save(path: Path, groups: dict[str, dict[str, torch.Tensor]], facts: dict[str, Any]) -> None:
    """Writes named groups of tensors and JSON-able facts; an older checkpoint stays until the new one is complete.

    Raises FileError if the file cannot be written.
    """
    flat = {
        f"{group}/{name}": t.detach().clone().contiguous() for group, ts in groups.items() for name, t in ts.items()
    }
    write_bytes(path, safetensors.torch.save(flat, metadata={"facts": json.dumps(facts)}))


def load(path: Path) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, Any]]:
    """The groups and facts that `save` wrote. Raises DataError if the file is damaged."""
    groups: dict[str, dict[str, torch.Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["facts"])
            for key in file.keys():  # noqa: SIM118 - safe_open has keys() but is no mapping
                group, name = key.split("/", 1)
                groups.setdefault(group, {})[name] = file.get_tensor(key)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: damaged checkpoint ({error}): delete it to start again") from None
    return groups, facts


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Adam's moments and step counts as named tensors."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(value) for i, values in state.items() for name, value in values.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Puts back what `optimizer_tensors` took out."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
