"""Tables in Markdown, and means over seeds, for the pages that are made from raw results."""

import numpy as np


def rows(*lines) -> str:
    """Return a table in Markdown, from its header and its rows."""
    lines = [f"| {' | '.join(map(str, line))} |" for line in lines]
    return "\n".join([lines[0], "|" + "---|" * (lines[0].count("|") - 1), *lines[1:]]) + "\n"


def percent(value, std=None) -> str:
    """Return a fraction, and its standard deviation, in percent; nothing for None."""
    return "" if value is None else f"{100 * value:.2f}" + ("" if std is None else f" ± {100 * std:.2f}")


def over(values) -> str:
    """Return mean ± standard deviation, and the number of values in parentheses."""
    values = list(values)
    if not values:
        return ""
    mean = f"{np.mean(values):.2f}".replace("-0.00", "0.00")
    return mean + (f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "") + f" ({len(values)})"


def signed(values) -> str:
    """Return the text of ``over``, with the sign of the mean."""
    return ("+" if np.mean(values) >= 0.005 else "") + over(values)
