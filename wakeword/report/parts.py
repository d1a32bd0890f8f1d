"""What the pages are made of: a template in the look that they share, and tables."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from string import Template


def filled(name: str, **fields: str) -> str:
    """The page of that file's name, its $fields replaced by HTML that is ready."""
    folder = resources.files("wakeword.report")
    look = folder.joinpath("look.css").read_text("utf-8")
    return Template(folder.joinpath(name).read_text("utf-8")).substitute(look=look, **fields)


def table(head: Iterable[tuple[str, str]], rows: Iterable[Iterable[tuple[str, str]]]) -> str:
    """Cells are (ready HTML, CSS class). Without rows there is no table."""
    top = "".join(f'<th class="{kind}">{text}</th>' for text, kind in head)
    body = "".join("<tr>" + "".join(f'<td class="{kind}">{cell}</td>' for cell, kind in row) + "</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{top}</tr></thead>' if top else ''}<tbody>{body}</tbody></table>" if body else ""
