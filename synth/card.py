"""README.md of a dataset: what is in it, of whom, and what may be done with it. Its head is what Hugging Face reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_STATED = "not stated"


def data_card(description: Mapping[str, Any], totals: Mapping[str, Mapping[str, int]], sample_rate_hz: int) -> str:
    """The card's text. `totals` has, of each split, examples, samples, activates, negatives, shards and bytes."""
    shards = description["shards"]
    return "\n".join(
        [
            *_head(totals, shards["codec"]),
            f"# {', '.join(description['clips']['phrases'])}: synthesized examples",
            "",
            f"Mono, {sample_rate_hz} Hz, {shards['codec']}. Made by `wakeword synth`; every number that was drawn is "
            "in the JSON beside each example, and dataset.json has the whole configuration.",
            "",
            *_table(
                ["split", "examples", "hours", "words", "other sounds", "shards", "MB"], _rows(totals, sample_rate_hz)
            ),
            "",
            "## Sources",
            "",
            "A group is a speaker or a session (a sub-folder), or a file where there are none; none is on both sides.",
            "",
            *_table(["split", "kind", "source", "licence", "files", "groups", "hours"], _sources(description)),
            "",
            *_licences(description),
        ]
    )


def _head(totals: Mapping[str, Mapping[str, int]], codec: str) -> list[str]:
    """The audio's column is bytes: declared as audio, `datasets` would not even read a row without torchcodec."""
    columns = {"__key__": "string", "__url__": "string", codec: "binary", "json": "json"}
    lines = ["---", "task_categories: [audio-classification]", "dataset_info:", "  features:"]
    lines += [f"  - {{name: {name}, dtype: {kind}}}" for name, kind in columns.items()]
    lines += ["configs:", "- config_name: default", "  data_files:"]
    for split in totals:
        lines += [f"  - split: {split}", f'    path: "{split}-*.tar"']
    return [*lines, "---", ""]


def _rows(totals: Mapping[str, Mapping[str, int]], rate: int) -> list[list[str]]:
    return [
        [split, f"{n['examples']:,}", f"{n['samples'] / rate / 3600:.2f}", f"{n['activates']:,}", f"{n['negatives']:,}",
         f"{n['shards']:,}", f"{n['bytes'] / 1e6:,.1f}"]
        for split, n in totals.items()
    ]  # fmt: skip


def _sources(description: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for share in description["sources"]:
        source = share["source"] or {"name": NOT_STATED, "licence": NOT_STATED, "url": ""}
        name = f"[{source['name']}]({source['url']})" if source["url"] else source["name"]
        figures = [f"{share['files']:,}", f"{share['groups']:,}", f"{share['hours']:.2f}"]
        rows.append([share["split"], share["kind"], name, source["licence"], *figures])
    return rows


def _licences(description: Mapping[str, Any]) -> list[str]:
    silent = [share for share in description["sources"] if share["source"] is None]
    stated = sorted({share["source"]["licence"] for share in description["sources"] if share["source"]})
    lines = [f"Licences: {'; '.join(stated) or NOT_STATED}."]
    if silent:
        files = sum(share["files"] for share in silent)
        lines.append(f"Of {files:,} files nobody said a licence: put a source.toml (name, licence, url) beside them.")
    return [*lines, ""]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
