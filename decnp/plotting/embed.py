"""Figures embedded in an HTML page, as SVG or as PNG."""

from __future__ import annotations

import base64
import io
from typing import Any

import matplotlib
from matplotlib.axes import Axes

__all__ = ["data_uri"]

DPI = 144  # sharp on a projector and on a high-resolution screen


def data_uri(ax: Axes) -> str:
    """Return the figure of ``ax`` as a ``data:`` URI of the smaller of SVG and PNG. Equal figures give equal URIs."""
    kinds = {}
    figure: Any = ax.figure
    with matplotlib.rc_context({"svg.hashsalt": "decnp"}):  # else the ids inside an SVG are random
        for mime, kind, without in (("svg+xml", "svg", {"Date": None}), ("png", "png", {"Software": None})):
            file = io.BytesIO()
            figure.savefig(file, format=kind, dpi=DPI, metadata=without)
            kinds[mime] = file.getvalue()
    mime, content = min(kinds.items(), key=lambda kind: len(kind[1]))
    return f"data:image/{mime};base64,{base64.b64encode(content).decode()}"
