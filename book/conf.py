"""Sphinx settings of the course's website: `make book` builds it from the stored outputs.

Nothing is executed, and nothing on a page asks another host: fonts, search and MathJax are in it.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # for `tools`, which `material` calls
sys.path.insert(0, str(Path(__file__).parent))

import exercise_pages
import folds
import landing
import live
import material
from myst_nb.sphinx_ import HideCodeCellNode

material.bring_notebooks()
material.bring_mathjax()

project = "Softmax and its stable computation"
author = "The course's contributors"
copyright = f"{author}. Text and figures CC BY 4.0, code BSD 3-Clause"
language = "en"

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_design",
]
exclude_patterns = ["_build"]

# Notebooks: as stored.  A slider's widget needs a running kernel: its still is shown, and moves.
nb_execution_mode = "off"
nb_merge_streams = True
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]

# Markdown: as JupyterLab reads it, with its names for headings ("Which-axis?").
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath", "substitution"]
myst_heading_anchors = 4
myst_heading_slug_func = "material.heading_anchor"
myst_substitutions = {
    "bibliography": material.bibliography(),
    "exercises": material.exercises(),
    "mistakes": material.mistakes(),
    "plans": material.plans(),
    "ways": material.ways(),
}

# The reference: the docstrings, with `names` as code.
default_role = "code"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more
numpydoc_show_class_members = False

mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}  # the menu would load what is not here

html_theme = "sphinx_book_theme"
html_title = "Softmax"
html_context = {"default_mode": "auto"}  # light or dark, as the system has it
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_js_files = [("course.js", {"defer": "defer"})]
templates_path = ["_templates"]
html_copy_source = True
html_show_sourcelink = False
html_theme_options = {
    "collapse_navbar": True,  # the exercises' pages are many
    "home_page_in_toc": True,
    "navbar_persistent": [],  # one search field, in the sidebar
    "show_toc_level": 2,
    "use_fullscreen_button": False,
}
# Built where a repository is known, as on GitHub: buttons to report an error, and to open a
# notebook on Binder or Colab. Links only; nothing is loaded from there.
if repository := os.environ.get("GITHUB_REPOSITORY"):
    html_theme_options |= {
        "repository_url": f"https://github.com/{repository}",
        "repository_branch": os.environ.get("GITHUB_REF_NAME", "main"),
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
            "notebook_interface": "jupyterlab",
        },
    }


def setup(app):
    """Read docstrings as they are meant, and let folds hold what they say they hold."""
    app.connect("autodoc-process-docstring", material.keep_formulas, priority=900)
    app.connect("build-finished", live.bring_playground)
    app.connect("html-page-context", live.load_moving)
    app.connect("doctree-resolved", folds.gather)
    for name, directive in exercise_pages.DIRECTIVES.items():
        app.add_directive(name, directive)
    app.add_directive("landing", landing.Landing)
    app.add_node(HideCodeCellNode, override=True, html=(folds.visit, folds.depart))
