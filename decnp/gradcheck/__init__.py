"""Checks of gradients: those of this package, and yours.

``complex_step``, ``central_difference`` and ``check_gradient`` take any scalar function of an array.
``check_against`` compares your own DEC with Eqs. 1-5 and names the first equation that is wrong.
``check_equations`` is the table that ``decnp gradcheck`` prints: every equation and every layer of this package
against every reference on the machine.

>>> import numpy as np
>>> from decnp.gradcheck import check_gradient
>>> bool(check_gradient(lambda x: np.sum(x**3), lambda x: 3 * x**2, [1.0, 2.0]))
True
"""

from .derivatives import GradientCheck, central_difference, check_gradient, complex_step
from .table import check_equations
from .your_code import Finding, Report, Verdict, check_against

__all__ = [
    "Finding", "GradientCheck", "Report", "Verdict", "central_difference", "check_against", "check_equations",
    "check_gradient", "complex_step",
]
