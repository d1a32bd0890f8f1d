"""HTML tables, from cells that are ready."""

from __future__ import annotations

from collections.abc import Iterable


def table(head: Iterable[tuple[str, str]], rows: Iterable[Iterable[tuple[str, str]]]) -> str:
    """Cells are (ready HTML, CSS class). Without rows there is no table."""
    top = "".join(f'<th class="{kind}">{text}</th>' for text, kind in head)
    body = "".join("<tr>" + "".join(f'<td class="{kind}">{cell}</td>' for cell, kind in row) + "</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{top}</tr></thead>' if top else ''}<tbody>{body}</tbody></table>" if body else ""
