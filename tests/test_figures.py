"""What every figure owes its reader: words, one picture, the same bytes each time."""

import re
import subprocess
import sys

import ipywidgets
import matplotlib.pyplot as plt
import pytest

from helpers import figures

ALT = "A line from 0 to 1."
CAPTION = "It rises."


def a_figure():
    figures.use_house_style()
    fig, ax = plt.subplots()
    ax.plot([0, 1], [0, 1])
    return fig


def test_words_are_required():
    with pytest.raises(TypeError, match="caption"):
        figures.Figure(a_figure(), alt=ALT)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="alt"):
        figures.Figure(a_figure(), caption=CAPTION)  # type: ignore[call-arg]


@pytest.mark.parametrize("text", ["", "  \n ", "plot", "image.PNG", "my plot.svg"])
def test_words_must_be_words(text):
    for words in ({"alt": text, "caption": CAPTION}, {"alt": ALT, "caption": text}):
        with pytest.raises(ValueError, match="must say in words"):
            figures.Figure(a_figure(), **words)


def test_html_holds_the_picture_and_its_words():
    figure = figures.Figure(a_figure(), alt='Is 0 < 1, "really"?', caption="A & B")
    page = figure._repr_html_()
    assert re.fullmatch(
        r'<figure style="[^"]*"><img alt="Is 0 &lt; 1, &quot;really&quot;\?" '
        r'src="data:image/png;base64,[A-Za-z0-9+/=]+" width="750" style="max-width:100%">'
        r"<figcaption>A &amp; B</figcaption></figure>",
        page,
    )
    assert "background-color:#ffffff" in page  # on a dark theme, too
    assert repr(figure) == 'Is 0 < 1, "really"?'
    assert figure.png.startswith(b"\x89PNG")


def test_words_may_be_wrapped_in_the_source():
    figure = figures.Figure(a_figure(), alt="A line\n   from 0 to 1.", caption=CAPTION)
    assert figure.alt == ALT


def test_same_bytes_each_time_and_no_date():
    first, second = (figures.Figure(a_figure(), alt=ALT, caption=CAPTION).png for _ in range(2))
    assert first == second
    assert b"tEXt" not in first
    assert b"tIME" not in first


def test_figures_are_closed():
    plt.close("all")
    figures.Figure(a_figure(), alt=ALT, caption=CAPTION)
    figures.slider(lambda k: (a_figure(), ALT), k=(0, 3, 1, 1))
    assert plt.get_fignums() == []


def test_house_style_is_light_and_large_enough_to_halve():
    figures.use_house_style()
    assert plt.rcParams["figure.facecolor"] == "white"
    sizes = ("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")
    assert min(size for name, size in plt.rcParams.items() if name in sizes) >= 12
    assert len(set(figures.COLOURS)) == len(figures.COLOURS) >= 6


def test_slider_draws_anew():
    seen = []

    def draw(k, level):
        seen.append((k, level))
        return a_figure(), f"A line, k is {k}."

    widget = figures.slider(draw, k=(0, 3, 1, 1), level=ipywidgets.FloatSlider(value=0.5))
    *controls, screen = widget.children
    assert isinstance(controls[0], ipywidgets.IntSlider)
    assert seen == [(1, 0.5)]
    assert 'alt="A line, k is 1."' in screen.value
    controls[0].value = 2
    assert seen == [(1, 0.5), (2, 0.5)]
    assert 'alt="A line, k is 2."' in screen.value
    assert isinstance(figures.slider(lambda t: (a_figure(), ALT), t=(0, 1, 0.1, 0)).children[0],
                      ipywidgets.FloatSlider)  # fmt: skip


def test_slider_says_what_it_is_without_an_address():
    first, second = (figures.slider(lambda k: (a_figure(), ALT), k=(0, 3, 1, 1)) for _ in range(2))
    assert repr(first) == repr(second) == "Interactive figure; move k."


def test_slider_needs_a_control_and_words():
    with pytest.raises(ValueError, match="at least one control"):
        figures.slider(lambda: (a_figure(), ALT))
    with pytest.raises(ValueError, match="must say in words"):
        figures.slider(lambda k: (a_figure(), ""), k=(0, 3, 1, 1))


@pytest.mark.parametrize(
    "statement",
    [
        "import helpers",
        "from helpers import check, hint, progress, solution",
        "from helpers import kernels; kernels.softmax([1.0, 2.0])",
        "from helpers import figures, formats, gradients, oracle",
    ],
)
def test_importing_the_helpers_leaves_torch_alone(statement):
    code = f"import sys; {statement}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_helpers_has_no_other_names():
    import helpers

    assert helpers.__all__ == ["check", "hint", "progress", "published_values", "solution"]
    with pytest.raises(AttributeError, match="no attribute 'softmax'"):
        _ = helpers.softmax
