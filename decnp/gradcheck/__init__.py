"""Check gradients: ours, and yours.

``complex_step``, ``central_difference`` and ``check_gradient`` take any scalar function of an array.
``check_against`` holds somebody's own DEC against Eqs. 1-5 here and names the first equation that is wrong.
``check_equations`` is the table that ``decnp gradcheck`` prints: every equation and every layer of this package
before every judge on the machine.

>>> import numpy as np
>>> from decnp.gradcheck import check_gradient
>>> bool(check_gradient(lambda x: np.sum(x**3), lambda x: 3 * x**2, [1.0, 2.0]))
True
"""

from .against import Report, check_against
from .derivatives import GradientCheck, central_difference, check_gradient, complex_step
from .table import check_equations

__all__ = [
    "GradientCheck", "Report", "central_difference", "check_against", "check_equations", "check_gradient",
    "complex_step",
]
