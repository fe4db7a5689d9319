"""The equations and layers as plain loops; the tests and ``decnp gradcheck`` share them."""

from decnp.gradcheck.naive import *  # noqa: F403
