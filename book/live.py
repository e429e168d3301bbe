"""What moves on the website without a kernel: the playground."""

import re
from pathlib import Path
from typing import Any

PLAYGROUND = Path(__file__).resolve().parent.parent / "notebooks" / "playground.html"
# In a copy of the course there is no website to go back to.
NO_WAY_BACK = "<!-- the way back, on the website -->"
WAY_BACK = '<p><a href="../index.html">← The course</a></p>'
# Links of notebooks. As HTML: Sphinx would take a page that it has not made for a download.
LINK = re.compile(r"\[([^\]]+)\]\((playground\.html[^)]*)\)")


def link_playground(source: str) -> str:
    """Return a text cell with its links to the playground as HTML."""
    return LINK.sub(lambda m: f'<a href="{m[2].replace("&", "&amp;")}">{m[1]}</a>', source)


def bring_playground(app: Any, exception: Exception | None) -> None:
    """Put the playground, which is complete as it stands, beside the notebooks' pages."""
    if exception is None and app.builder.format == "html":
        text = PLAYGROUND.read_text(encoding="utf-8").replace(NO_WAY_BACK, WAY_BACK)
        (Path(app.outdir) / "notebooks" / PLAYGROUND.name).write_text(text, encoding="utf-8")
