"""axe-core, the checker of web accessibility, on a page that a browser shows.

The Python package only brings the script: nothing is fetched when the tests run.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

# What no page of ours can mend: a rule, the elements it may be broken on, and whose they are.
THEIRS = {
    (
        "color-contrast",
        ".jp-InputPrompt, .jp-OutputPrompt",
    ): "JupyterLab's pale In [1]: and Out[1]:",
    (
        "link-in-text-block",
        ".jp-RenderedMarkdown a",
    ): "JupyterLab underlines a link under the mouse",
}

# The colours in which JupyterLab's export and the website print code are theirs, too; to measure
# each of them would take most of the time.
CODE = ".highlight"

RUN = """async ([root, code, theirs, onlyContrast]) => {
    const asked = {
        resultTypes: ["violations"],
        elementRef: true,
        preload: false,  // it would fetch every style sheet again
    };
    const contrast = {type: "rule", values: ["color-contrast"]};
    const within = {include: [root || "html"], exclude: [code]};
    const found = [await axe.run(within, {...asked, runOnly: contrast})];
    if (!onlyContrast) {
        const rest = {...asked, rules: {"color-contrast": {enabled: false}}};
        found.push(await axe.run(root || document, rest));
    }
    return found.flatMap(run => run.violations).flatMap(rule => rule.nodes.map(node => ({
        rule: rule.id,
        impact: rule.impact,
        html: node.html.slice(0, 200),
        why: node.failureSummary,
        theirs: theirs.findIndex(([id, selector]) =>
            id === rule.id && node.element && node.element.closest(selector)),
    })));
}"""


def findings(
    page: Any, root: str = "", only_contrast: bool = False
) -> tuple[list[str], set[tuple[str, str]]]:
    """Run every rule of axe-core.

    Parameters
    ----------
    page : playwright.sync_api.Page
        What is shown.
    root : str
        A selector: only what is inside it. By default, the whole page.
    only_contrast : bool
        Ask about colours alone: enough for the dark theme of what was asked everything in light.

    Returns
    -------
    ours : list of str
        What is wrong and ours, a line for each element, whatever its impact.
    theirs : set of (rule, selector)
        Which entries of `THEIRS` were met.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(script().read_text(encoding="utf-8"))
    known = list(THEIRS)
    found = page.evaluate(RUN, [root, CODE, known, only_contrast])
    ours = [
        f"{node['impact']} {node['rule']}: {node['html']}: {node['why']}"
        for node in found
        if node["theirs"] < 0
    ]
    return ours, {known[node["theirs"]] for node in found if node["theirs"] >= 0}


def script() -> Path:
    """Return where axe-core lies."""
    package = importlib.util.find_spec("axe_playwright_python")
    assert package is not None, "pip install -r requirements-test.txt -c constraints.txt"
    assert package.origin is not None
    return Path(package.origin).with_name("axe.min.js")
