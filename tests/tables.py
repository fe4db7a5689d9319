"""A raw table for tests: missing cells, words, three units."""

import numpy as np
import pandas as pd
from conftest import blobs

N = 90
"""Number of rows."""


def penguins(n=N):
    """A table like palmerpenguins: numbers in three units, missing cells, three columns of words, a constant."""
    rng = np.random.default_rng(3)
    X, species = blobs(n, 3, spread=0.3), np.arange(n) % 3
    frame = pd.DataFrame({
        "species": np.array(["Adelie", "Chinstrap", "Gentoo"])[species],
        "island": np.array(["Biscoe", "Dream", "Torgersen"])[rng.integers(3, size=n)],
        "bill": (X[:, 0] + 40).round(1), "flipper": (10 * X[:, 1] + 200).round(), "mass": (500 * X[:, 2] + 4000).round(),
        "sex": np.array(["male", "female"])[rng.integers(2, size=n)], "year": 2007})
    frame.loc[3, ["bill", "flipper", "mass"]] = np.nan
    frame.loc[[3, 8, 47], "sex"] = np.nan
    return frame
