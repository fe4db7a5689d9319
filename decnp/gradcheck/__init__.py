"""Checks of gradients: those of this package, and yours.

``complex_step``, ``central_difference`` and ``check_gradient`` take any function of an array. ``dot_test`` checks a
backward pass by one scalar product on each side.
``check_against`` compares your own DEC with Eqs. 1-5 and names the first equation that is wrong. ``check_step`` compares
a whole training step: the loss, and the gradients of every weight of the encoder and of the centroids.
``check_equations`` is the table that ``decnp gradcheck`` prints: every equation and every layer of this package
against every reference on the machine.

>>> import numpy as np
>>> from decnp.gradcheck import check_gradient
>>> bool(check_gradient(lambda x: np.sum(x**3), lambda x: 3 * x**2, [1.0, 2.0]))
True
"""

from .adjoint import DotTest, dot_test
from .derivatives import central_difference, complex_step
from .gradients import GradientCheck, check_gradient
from .step import StepFinding, StepReport, check_step
from .table import check_equations
from .your_code import Finding, Report, Verdict, check_against

__all__ = [
    "DotTest", "Finding", "GradientCheck", "Report", "StepFinding", "StepReport", "Verdict", "central_difference",
    "check_against", "check_equations", "check_gradient", "check_step", "complex_step", "dot_test",
]
