"""Training schedules, as data: ``paper`` to the letter, ``fast`` for two CPU cores.

A profile is a frozen ``Profile``; change a copy with ``dataclasses.replace`` (or ``--set`` on the
command line). Every place where the authors' code departs from the paper's text is a switch here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Optional, Union

from .utils.validation import check_number

__all__ = ["PAPER_MNIST", "Profile", "paper", "fast", "profile_for", "profile_of_both", "has_fixed_budget"]


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
    lr_by_spectrum: bool = False
    """Divide ``lr`` by sqrt(s), s the share of sum ||x||^2 along its top direction: 0.4 on MNIST, 0.05 on tf-idf
    text. Steep directions bound the rate that is stable; data with none can take a larger one. Text and code: no."""
    lr_decay: str = "step"
    """"step": times ``lr_factor`` after each ``lr_every`` steps. "cosine": to 0 at the end of the phase."""
    lr_every: int = 20_000
    lr_factor: float = 0.1
    lr_halvings: int = 0
    """Where an autoencoder phase diverges, it starts again at half the rate, at most so many times; and so does
    end-to-end training where the network is dead after a quarter of it. Text and code: no."""
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
    batch_size: int = 256
    """Rows in a minibatch, in the clustering phase too."""
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

    def __post_init__(self) -> None:
        """Raises ValueError, in one sentence, for a value that a field can't have."""
        if self.input_scale not in (None, "unit"):
            check_number("input_scale, if not None or 'unit',", self.input_scale, low=0, above=True)
        if self.init_std is not None:
            check_number("init_std", self.init_std, low=0)
        for name, words in (("optimizer", ("sgd", "adam")), ("lr_decay", ("step", "cosine"))):
            if getattr(self, name) not in words:
                raise ValueError(f"{name} must be {' or '.join(map(repr, words))}; got {getattr(self, name)!r}")
        for name in ("center", "lr_by_spectrum", "dropout_on_input", "dropout_on_code", "shuffle", "momentum_restart"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False; got {getattr(self, name)!r}")
        for name in ("pretrain_iter", "finetune_iter", "burn_in", "lr_halvings", "max_iter"):
            check_number(name, getattr(self, name), low=0, whole=True)
        for name in ("lr_every", "batch_size", "update_interval"):
            check_number(name, getattr(self, name), low=1, whole=True)
        if self.autoencoder_rows is not None:
            check_number("autoencoder_rows", self.autoencoder_rows, low=1, whole=True)
        for name in ("lr", "lr_factor", "bias_lr", "kl_lr", "kl_bias_lr"):
            check_number(name, getattr(self, name), low=0)
        for name in ("dropout", "finetune_dropout", "momentum", "kl_momentum"):
            check_number(name, getattr(self, name), low=0, below=1)


def paper(n_samples: int) -> Profile:
    """The paper's schedule, the same for every data set: about 770 TFLOP for 784 features."""
    return Profile()


def fast(n_samples: int) -> Profile:
    """The default: minutes on two CPU cores, with a budget that follows the number of samples.

    End-to-end SGD from fan-in initialisation, at a high rate that falls along a cosine: 40 epochs, and at least 2000
    steps; minibatches of 256 rows, and of 128 where there are fewer than 20 of 256. P is refreshed every 0.585
    epochs, which is the paper's 160 steps on MNIST, and every 20 steps at least; the clustering phase ends after 30
    refreshes (1500 steps at least), where it moves few labels more. How it was found: data/results/README.md.
    """
    epoch = n_samples / 256
    update_interval = max(20, round(0.585 * epoch))
    return Profile(
        init_std=None, pretrain_iter=0, finetune_iter=max(2000, round(40 * epoch)),
        lr=0.65, lr_by_spectrum=True, lr_decay="cosine", lr_halvings=5, burn_in=500, bias_lr=1.0,
        batch_size=256 if epoch >= 20 else 128, shuffle=True,
        update_interval=update_interval, max_iter=max(1500, 30 * update_interval),
    )


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


PAPER_MNIST: dict[str, Any] = dict(input_scale=None, autoencoder_rows=60_000)
"""Fields of ``paper`` that differ on MNIST in the authors' code: pixels x 0.02 as they are, and an autoencoder trained
on the 60,000 training images."""


def profile_of_both(profile_for_rows: Callable[[int], Profile], n: int, n_rows: int) -> Profile:
    """Return the profile for ``n`` rows to cluster, with the autoencoder's steps of the profile for ``n_rows`` rows."""
    own = profile_for_rows(n_rows)
    return replace(profile_for_rows(n), pretrain_iter=own.pretrain_iter, finetune_iter=own.finetune_iter)


def has_fixed_budget(profile: Profile, n_samples: int) -> bool:
    """Return whether ``profile`` has the clustering budget of ``fast``, which plans to end there and not by ``tol``."""
    return profile.max_iter == fast(n_samples).max_iter
