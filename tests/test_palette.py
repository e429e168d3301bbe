"""The figures' colours, measured: told apart with every kind of colour vision, seen on the card."""

import itertools
import re

import numpy as np
import pytest

from helpers import figures

# What somebody sees who lacks one kind of cone, in linear RGB: Machado, Oliveira and Fernandes,
# "A physiologically-based model for simulation of color vision deficiency", 2009, severity 1.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])

APART = 15  # CIELAB distance; about 2 is just noticeable side by side, thin lines need far more
CONTRAST = 3  # what WCAG 2.2 asks of the parts of a graphic (1.4.11)
CARD = re.search("background-color:(#[0-9a-f]{6})", figures._CARD)[1]  # type: ignore[index]


def linear(colour):
    """Return a colour such as "#0072B2" as red, green and blue amounts of light."""
    value = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def cielab(light):
    """Return amounts of light in CIELAB, where distances are about as large as they look."""
    relative = XYZ @ np.clip(light, 0, 1) / XYZ.sum(axis=1)
    small = relative * (29 / 6) ** 2 / 3 + 4 / 29
    x, y, z = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), small)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def closest(colours, vision):
    """Return the smallest distance of two colours for that vision, and which two they are."""
    seen = {colour: cielab(np.array(VISIONS[vision]) @ linear(colour)) for colour in colours}
    pairs = itertools.combinations(colours, 2)
    return min((float(np.linalg.norm(seen[a] - seen[b])), a, b) for a, b in pairs)


def contrast(one, other):
    """Return the contrast of two colours as WCAG defines it, 1 to 21."""
    darker, lighter = sorted(XYZ[1] @ linear(colour) for colour in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("vision", VISIONS)
def test_no_two_colours_look_alike(vision):
    distance, one, other = closest(figures.COLOURS, vision)
    assert distance >= APART, f"{one} and {other} are {distance:.1f} apart with {vision}"


@pytest.mark.parametrize("colour", figures.COLOURS)
def test_each_colour_stands_out_on_the_card(colour):
    assert contrast(colour, CARD) >= CONTRAST


def test_the_text_of_the_card_is_readable():
    text = re.search("[^-]color:(#[0-9a-f]{6})", figures._CARD)
    assert text
    assert contrast(text[1], CARD) >= 7


def test_the_measures_are_those_of_the_books():
    assert cielab(linear("#FFFFFF")) == pytest.approx([100, 0, 0], abs=0.01)
    assert cielab(linear("#FF0000")) == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.01)
    grey = linear("#777777")
    for matrix in VISIONS.values():  # nobody sees a hue in grey
        assert np.array(matrix) @ grey == pytest.approx(grey, rel=1e-5)


def test_a_palette_that_is_not_safe_fails():
    default = ["#1F77B4", "#FF7F0E", "#2CA02C", "#D62728", "#9467BD", "#8C564B"]  # matplotlib's
    assert closest(default, "normal")[0] > APART
    assert closest(default, "protanopia")[0] < APART / 2
    assert closest(default, "deuteranopia")[0] < APART / 2
    assert contrast("#56B4E9", CARD) < CONTRAST  # Okabe and Ito's sky blue
