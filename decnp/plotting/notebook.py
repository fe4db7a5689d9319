"""Pictures in a notebook, with an alternative text for readers who do not see them."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

__all__ = ["Picture"]

DPI = 160  # of the file: two pixels of it for one of the page
PAGE = 80  # pixels of the page per inch


def _figure_of(drawn: object) -> object:
    """Return the figure of ``drawn`` if it is an Axes, else ``drawn``."""
    while isinstance(drawn, Axes | SubFigure):
        drawn = drawn.figure
    return drawn


class Picture:
    """Picture that Jupyter shows when a cell ends in it. It is drawn once, when it is made.

    Parameters
    ----------
    drawn : matplotlib Axes or Figure
        Axes draw their whole figure. Make the figure with ``decnp.plotting.panels``: Jupyter shows figures of pyplot a
        second time.
    alt : str
        Alternative text: one or two sentences that say what the picture shows.

    Raises
    ------
    ValueError
        If ``drawn`` is neither, or ``alt`` is empty.

    Examples
    --------
    >>> from decnp.plotting import accuracy_curve
    >>> Picture(accuracy_curve([0, 1], [0.5, 0.6]), "The accuracy rises from 0.5 to 0.6 in one epoch.")
    The accuracy rises from 0.5 to 0.6 in one epoch.
    """

    def __init__(self, drawn: Axes | Figure, alt: str) -> None:
        figure = _figure_of(drawn)
        if not isinstance(figure, Figure):
            raise ValueError(f"drawn must be a matplotlib Axes or Figure; got {drawn!r}")
        if not isinstance(alt, str) or not alt.strip():
            raise ValueError(f"alt must say what the picture shows; got {alt!r}")
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=DPI)
        self.png, self.alt, self.width = file.getvalue(), alt, round(figure.get_figwidth() * PAGE)

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the picture for Jupyter: as HTML, since JupyterLab and nbconvert show the text of no other kind."""
        source = base64.b64encode(self.png).decode()
        html = f'<img alt="{escape(self.alt)}" width="{self.width}" src="data:image/png;base64,{source}">'
        return ({"text/html": html, "image/png": self.png, "text/plain": self.alt},
                {"image/png": {"alt": self.alt, "width": self.width}})
