"""What moves on the website without a kernel: the playground."""

import re
import shutil
from pathlib import Path
from typing import Any

PLAYGROUND = Path(__file__).resolve().parent / "playground"
# In a copy of the course there is no website to go back to.
NO_WAY_BACK = "<!-- the way back, on the website -->"
WAY_BACK = '<p><a href="../index.html">← The course</a></p>'
# Links of notebooks. As HTML: Sphinx would take a page that it has not made for a download.
LINK = re.compile(r"\[([^\]]+)\]\(\.\./book/(playground/index\.html[^)]*)\)")


def link_playground(source: str) -> str:
    """Let a text cell's links to the playground lead to the website's."""
    return LINK.sub(lambda m: f'<a href="../{m[2].replace("&", "&amp;")}">{m[1]}</a>', source)


def bring_playground(app: Any, exception: Exception | None) -> None:
    """Copy the playground, which is complete as it stands, into the website that was built."""
    if exception or app.builder.format != "html":
        return
    target = Path(app.outdir) / "playground"
    shutil.copytree(PLAYGROUND, target, dirs_exist_ok=True)
    text = (PLAYGROUND / "index.html").read_text(encoding="utf-8")
    (target / "index.html").write_text(text.replace(NO_WAY_BACK, WAY_BACK), encoding="utf-8")
