"""`wakeword info`: every number of a configuration or a bundle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer


def command(
    config_or_bundle: Annotated[str, typer.Argument(help="A bundle folder, a .toml file or a configuration's name.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Print every given and derived number of a configuration or a bundle."""
    from wakeword.info import numbers

    found = numbers(config_or_bundle)
    if as_json:
        import json

        typer.echo(json.dumps(found))
    else:
        _print_table(config_or_bundle, found)


def _print_table(title: str, found: dict[str, Any]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("number", "value", title=escape(title), box=SIMPLE, title_justify="left")
    given = found.pop("config")
    for name, value in _flat(found):
        table.add_row(name, escape(_shown(value)))
    table.add_section()
    for name, value in _flat(given):
        table.add_row(name, escape(_shown(value)))
    Console().print(table)


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value)
    return "-" if value is None else str(value)
