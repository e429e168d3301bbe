"""What moves on the website without a kernel: the playground, and the notebooks' sliders."""

import ast
import html
import json
import re
from pathlib import Path
from typing import Any

from helpers import formats

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


# -- moving figures -------------------------------------------------------------------------------


def controls(source: str) -> dict[str, list[float]]:
    """Return the sliders of a cell: (min, max, step, initial) of each, as its code has them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "figures.slider":
            return {str(word.arg): list(ast.literal_eval(word.value)) for word in node.keywords}
    raise ValueError("a slider's cell calls figures.slider")


def given(cell_id: str) -> Any:
    """Return what a moving figure draws and does not compute: where the formats end."""
    if cell_id == "slider-limits":
        return [
            {
                "name": known.name,
                "precision": known.precision,
                "smallest": known.smallest_normal,
                "largest": known.max,
                "edges": [known.exp_last_nonzero, known.exp_last_normal, known.exp_last_finite],
            }
            for known in formats.COMPUTING.values()
        ]
    if cell_id == "slider-constants":
        float64 = formats.FORMATS["float64"]
        return {"low": float64.exp_last_nonzero, "high": float64.exp_last_finite}
    return None


def mark_moving(cell: Any) -> None:
    """Wrap the still of a slider's cell in what `moving.js` looks for."""
    facts = {"figure": cell.id, "controls": json.dumps(controls(cell.source))}
    facts["given"] = json.dumps(given(cell.id))
    attributes = " ".join(f'data-{name}="{html.escape(fact)}"' for name, fact in facts.items())
    for output in cell.outputs:
        if still := output.get("data", {}).get("text/html"):
            output.data["text/html"] = f'<div class="moving-figure" {attributes}>{still}</div>'


def load_moving(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Let the pages with a moving figure, and no others, load what moves it."""
    if 'class="moving-figure"' in context.get("body", ""):
        app.add_js_file("moving.js", loading_method="defer")
        app.add_css_file("moving.css")
