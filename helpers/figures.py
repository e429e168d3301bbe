"""The house style of the figures, the figure that a screen reader can read, and the slider.

A figure is an HTML `<figure>` with alternative text and a caption, on a light card, so that it
reads the same in a light theme, in a dark one, on a code host and aloud.
"""

import base64
import html
import io
import re
from collections.abc import Callable
from typing import Any

import ipywidgets
import matplotlib
import matplotlib.pyplot as plt

__all__ = ["COLOURS", "Figure", "slider", "use_house_style"]

# Okabe and Ito's palette, told apart with every common kind of colour vision, but for two: their
# orange and sky blue are too pale on a white card. tests/test_palette.py measures both. The blue
# and the vermilion come first, black last: axes and text use it.
COLOURS: tuple[str, ...] = (
    "#0072B2",  # blue
    "#D55E00",  # vermilion
    "#009E73",  # green
    "#CC79A7",  # pink
    "#8F4C00",  # brown
    "#4796F0",  # sky blue
    "#000000",  # black
)

_PIXELS_PER_INCH = 100  # as shown; stored at twice that for sharp screens
_CARD = (
    "background-color:#ffffff;color:#1a1a1a;border:1px solid #d0d0d0;"
    "padding:12px;margin:8px 0;max-width:800px"
)
_FILE_NAME = re.compile(r".+\.(png|svg|jpe?g|gif|webp|pdf)", re.IGNORECASE)


def use_house_style() -> None:
    """Set matplotlib up for the course: colours, sizes legible at half size, a light ground."""
    matplotlib.rcdefaults()
    plt.rcParams.update(
        {
            "figure.figsize": (7.5, 4.0),
            "figure.dpi": _PIXELS_PER_INCH,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "axes.facecolor": "white",
            "axes.prop_cycle": matplotlib.rcsetup.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlesize": 14,
            "axes.labelsize": 14,
            "grid.color": "#dddddd",
            "font.size": 13,
            "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
            "legend.fontsize": 12,
            "legend.frameon": False,
            "lines.linewidth": 2.5,
            "lines.markersize": 7,
            "xtick.labelsize": 12,
            "ytick.labelsize": 12,
            "image.cmap": "cividis",
            "svg.hashsalt": "softmax",
        }
    )


def _checked(text: str, role: str) -> str:
    text = " ".join(text.split())
    if len(text.split()) < 2 or _FILE_NAME.fullmatch(text):
        raise ValueError(f"{role} must say in words what the figure shows; got {text!r}")
    return text


def _png(fig: Any) -> bytes:
    """Render and close the figure, without the metadata that would differ between machines."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=2 * _PIXELS_PER_INCH, metadata={"Software": None})
    plt.close(fig)  # or the notebook would show it a second time, without its alt text
    return buffer.getvalue()


def _html(png: bytes, width: int, alt: str, caption: str | None) -> str:
    source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    image = f'<img alt="{html.escape(alt)}" src="{source}" width="{width}" style="max-width:100%">'
    figcaption = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f'<figure style="{_CARD}">{image}{figcaption}</figure>'


class Figure:
    """A finished matplotlib figure with its words: the last expression of a notebook cell.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        Drawn to its end. It is rendered and closed here.
    alt : str
        What someone sees who looks at the figure, for someone who cannot: the axes, the curves,
        what they do. Plain text.
    caption : str
        What the figure means: one or two sentences, shown below it.

    Raises
    ------
    TypeError
        If `alt` or `caption` is left out.
    ValueError
        If one of them is empty, a single word or a file name.

    Examples
    --------
    >>> fig, ax = plt.subplots()
    >>> Figure(fig, alt="An empty pair of axes.", caption="Nothing drawn yet.")
    An empty pair of axes.
    """

    def __init__(self, fig: Any, *, alt: str, caption: str) -> None:
        self.alt = _checked(alt, "alt")
        self.caption = _checked(caption, "caption")
        self.width = round(fig.get_figwidth() * _PIXELS_PER_INCH)
        self.png = _png(fig)

    def __repr__(self) -> str:
        return self.alt

    def _repr_html_(self) -> str:
        return _html(self.png, self.width, self.alt, self.caption)


class _Interactive(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A box of controls above a figure. Its plain text is words, its HTML the figure, standing."""

    def __init__(self, controls: list[Any], screen: Any) -> None:
        super().__init__([*controls, screen])
        names = ", ".join(control.description for control in controls)
        self._words = f"Interactive figure; move {names}."

    def __repr__(self) -> str:
        return self._words

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return {**super()._repr_mimebundle_(**kwargs), "text/html": self.children[-1].value}


def slider(draw: Callable[..., tuple[Any, str]], **controls: Any) -> ipywidgets.VBox:
    """Draw a figure anew whenever a slider moves: the last expression of a cell.

    Parameters
    ----------
    draw : callable
        `draw(**values)` returns a matplotlib figure and its alternative text.
    **controls : ipywidgets slider or (min, max, step, initial)
        One for each argument of `draw`. Four numbers make a slider named after the argument,
        of integers if all four are.

    Returns
    -------
    ipywidgets.VBox
        Where no kernel runs (on a code host, in print) the figure stands as it was first drawn; on
        the website it moves, by what `book/_static/moving.js` says of this cell.

    Raises
    ------
    ValueError
        If there is no control.
    """
    if not controls:
        raise ValueError("slider needs at least one control, for example beta=(0.0, 5.0, 0.1, 1.0)")
    sliders = {name: _control(name, control) for name, control in controls.items()}
    screen = ipywidgets.HTML()

    def redraw(_change: Any = None) -> None:
        fig, alt = draw(**{name: control.value for name, control in sliders.items()})
        width = round(fig.get_figwidth() * _PIXELS_PER_INCH)
        screen.value = _html(_png(fig), width, _checked(alt, "alt"), None)

    for control in sliders.values():
        control.observe(redraw, names="value")
    redraw()
    return _Interactive(list(sliders.values()), screen)


def _control(name: str, control: Any) -> Any:
    if not isinstance(control, tuple):
        return control
    low, high, step, initial = control
    whole = all(isinstance(number, int) for number in control)
    return (ipywidgets.IntSlider if whole else ipywidgets.FloatSlider)(
        min=low,
        max=high,
        step=step,
        value=initial,
        description=name,
        style={"description_width": "initial"},
        layout={"width": "min(100%, 500px)"},
    )
