"""An evaluation as files: `evaluation.json` for machines, `det.png` for papers, `index.html` for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wakeword.evaluation import Evaluation
from wakeword.files import write_bytes
from wakeword.report.page import render_page
from wakeword.report.plot import det_png, det_svg

JSON_NAME, PNG_NAME, PAGE_NAME = "evaluation.json", "det.png", "index.html"


def write_report(
    evaluation: Evaluation,
    folder: str | Path,
    about: dict[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Writes the three files into `folder` (made if absent) and returns the page's path.

    `about` says what was evaluated on what; it leads the JSON and ends the page. `provenance` is that of the bundle's
    card: the page shows what the model was trained on. Each file replaces an older one only
    when it is complete. Raises FileError if the folder cannot be written.
    """
    folder, about = Path(folder), about or {}
    page = render_page(evaluation, det_svg(evaluation), about, provenance)
    content = json.dumps({**about, **evaluation.to_dict()}, indent=1, allow_nan=False)
    write_bytes(folder / PNG_NAME, det_png(evaluation))
    write_bytes(folder / JSON_NAME, content.encode(errors="backslashreplace"))
    write_bytes(folder / PAGE_NAME, page.encode(errors="backslashreplace"))
    return folder / PAGE_NAME
