"""Training schedules as data: ``paper`` is the schedule of the paper, ``fast`` suits two CPU cores.

A schedule is a frozen ``Profile``. To change a copy use ``dataclasses.replace``, or ``--set`` on the command line.
Most points where the authors' code departs from the paper's text are fields of ``Profile``; docs/departures.md lists all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from .utils.validation import check_number

__all__ = [
    "PAPER_MNIST", "Profile", "paper", "fast", "profile_for", "profile_of_both", "recorded_profile", "has_fixed_budget",
]

INITS = ("k-means", "neighbors")
"""Values of ``init`` that are strings."""


@dataclass(frozen=True)
class Profile:
    """Settings of one training schedule. An iteration is one minibatch step.

    The defaults are those of the ``paper`` profile: section 4.2 of the paper, or the authors' code where the two
    differ, except ``input_scale`` and ``autoencoder_rows``, which ``PAPER_MNIST`` sets to the values of the code. The
    docstring of a field gives both values, after "Text:" and "Code:".

    See Also
    --------
    paper : Schedule of the paper.
    fast : Default schedule.

    Notes
    -----
    Differs from the paper: field by field, where "Text:" or "Code:" is another value than that of the profile.

    Examples
    --------
    >>> from dataclasses import replace
    >>> replace(paper(70_000), update_interval=40).update_interval
    40
    """

    # the data
    input_scale: float | str | None = "unit"
    """Factor of x, after ``center``. "unit" is the factor that makes the mean of ||x||^2 / D equal to 1 (Text:
    "approximately 1"). None does not scale (Code, on MNIST: ``load_mnist`` returns pixels x 0.02, whose mean is 2.92)."""
    center: bool | str = False
    """Subtract the mean of each feature. "auto" does so for dense data whose mean row holds more than 80 % of the
    sum of squares; MNIST's holds 40 %. Sparse rows are then left alone. Text and Code: no."""
    autoencoder_rows: int | None = None
    """Train the autoencoder on this number of rows, counted from the first. None is all rows. Code: 60,000 of
    MNIST's 70,000."""

    # the autoencoder
    init_std: float | None = 0.01
    """Standard deviation of the normal distribution of the initial weights. None draws them uniformly from
    +-1/sqrt(fan-in)."""
    optimizer: str = "sgd"
    """"sgd" (with ``momentum``) or "adam"."""
    pretrain_iter: int = 50_000
    """Steps for each pair of layers. 0 skips the layer-wise phase."""
    finetune_iter: int = 100_000
    """Steps of end-to-end training."""
    short_finetune_iter: int | None = None
    """Largest number of steps of end-to-end training on sparse data (fewer than 10 % of the entries of x are not 0, as in
    tf-idf of text) and on data of fewer than 32 features. None sets no limit. Text and Code: no limit."""
    lr: float = 0.1
    """Learning rate at the start of each autoencoder phase."""
    lr_by_spectrum: bool = False
    """Divide ``lr`` by sqrt(s), where s is the share of sum ||x||^2 along the top singular direction of X. s is 0.4
    on MNIST and 0.05 on tf-idf text. Steep directions bound the stable rate, so a smaller s permits a larger rate.
    Text and Code: no."""
    lr_decay: str = "step"
    """"step" multiplies the rate by ``lr_factor`` after each ``lr_every`` steps. "cosine" lowers the rate to 0 at the
    end of the phase."""
    lr_every: int = 20_000
    """Steps between two reductions of the rate, for ``lr_decay="step"``."""
    lr_factor: float = 0.1
    """Factor of each reduction, for ``lr_decay="step"``."""
    lr_halvings: int = 0
    """Number of times that an autoencoder phase may restart at half the rate. A phase restarts if it diverges.
    End-to-end training also restarts if the network is dead after a quarter of the steps. Text and Code: no."""
    momentum: float = 0.9
    """Momentum of SGD after ``burn_in`` steps."""
    burn_in: int = 1000
    """Number of steps over which the momentum rises linearly from 0. Code: 1000. Text: not given (0)."""
    bias_lr: float = 2.0
    """Learning rate of the biases, as a multiple of ``lr``. Code: 2. Text: not given (1)."""
    dropout: float = 0.2
    """Fraction of units dropped in the layer-wise phase (Eqs. 6 and 8)."""
    dropout_on_input: bool = False
    """Drop raw inputs x too. Code: no. Text: yes (Eq. 6)."""
    dropout_on_code: bool = False
    """Drop units of the embedding z too. Code: no. Text: yes (Eq. 8)."""
    finetune_dropout: float = 0.0
    """Fraction of raw inputs dropped in end-to-end training. Text and Code: 0."""
    batch_size: int = 256
    """Rows in a minibatch, in the autoencoder phases and in the clustering phase."""
    shuffle: bool = False
    """Draw minibatches in random order. Code: no, in file order, from the start again after the last row. Text: not
    given."""

    # the clustering phase
    init: str = "k-means"
    """Start: "k-means" or "neighbors", as in ``DEC(init=...)``, which overrides it. Text and Code: k-means."""
    label_iter: int = 0
    """Number of steps at the start of the clustering phase with the labels of the start as the targets P: p_ij is 1 if j
    is the label of row i, else 0. Then P follows Eq. 3. The number is at most two thirds of ``max_iter``. A number
    above ``update_interval`` is rounded down to a multiple of ``update_interval``. A start that consists of centroids, such
    as "k-means", follows Eq. 3 at once. Text and Code: 0."""
    kl_lr: float = 0.01
    """Learning rate of the clustering phase, constant."""
    kl_momentum: float = 0.9
    """Momentum of SGD in the clustering phase."""
    kl_bias_lr: float = 2.0
    """Learning rate of the biases, as a multiple of ``kl_lr``. Code: 2. Text: not given (1)."""
    momentum_restart: bool = True
    """Set the velocity to 0 every ``update_interval`` steps, before the next step. Code: yes (each interval is a new solver
    process). Text: not given."""
    update_interval: int = 160
    """Steps between refreshes of P. Code: 160 on MNIST, 40 on STL-10, 20 on REUTERS. Text: 40 is near the optimum
    on all data sets."""
    max_iter: int = 100_000
    """Steps after which the clustering phase ends without convergence. Text and Code: no limit."""

    def __post_init__(self) -> None:
        """Raise ValueError, in one sentence, for the first invalid field."""
        if self.input_scale not in (None, "unit"):
            check_number("input_scale, if not None or 'unit',", self.input_scale, low=0, strict=True)
        if self.init_std is not None:
            check_number("init_std", self.init_std, low=0)
        for name, words in (("optimizer", ("sgd", "adam")), ("lr_decay", ("step", "cosine")), ("init", INITS)):
            if getattr(self, name) not in words:
                raise ValueError(f"{name} must be {' or '.join(map(repr, words))}; got {getattr(self, name)!r}")
        if not isinstance(self.center, bool) and self.center != "auto":
            raise ValueError(f"center must be True, False or 'auto'; got {self.center!r}")
        for name in ("lr_by_spectrum", "dropout_on_input", "dropout_on_code", "shuffle", "momentum_restart"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False; got {getattr(self, name)!r}")
        for name in ("pretrain_iter", "finetune_iter", "burn_in", "lr_halvings", "label_iter", "max_iter"):
            check_number(name, getattr(self, name), low=0, integer=True)
        for name in ("lr_every", "batch_size", "update_interval"):
            check_number(name, getattr(self, name), low=1, integer=True)
        for name, low in (("autoencoder_rows", 1), ("short_finetune_iter", 0)):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), low=low, integer=True)
        for name in ("lr", "lr_factor", "bias_lr", "kl_lr", "kl_bias_lr"):
            check_number(name, getattr(self, name), low=0)
        for name in ("dropout", "finetune_dropout", "momentum", "kl_momentum"):
            check_number(name, getattr(self, name), low=0, less_than=1)


def paper(n_samples: int) -> Profile:
    """Return the paper's schedule (DEC section 4.2): about 770 TFLOP for 784 features.

    Parameters
    ----------
    n_samples : int
        Number of rows to cluster. The schedule does not depend on it.

    Returns
    -------
    profile : Profile
        The defaults of ``Profile``.

    See Also
    --------
    fast : Default schedule, for two CPU cores.

    Examples
    --------
    >>> paper(70_000).lr, paper(70_000).finetune_iter
    (0.1, 100000)
    """
    return Profile()


def fast(n_samples: int) -> Profile:
    """Return the default schedule, which takes minutes on two CPU cores; its steps grow with ``n_samples``.

    - Autoencoder: end-to-end Adam from fan-in initialization, at a rate that falls along a cosine. A tenth of the inputs
      is dropped, and reconstructed. Minibatches have 128 rows.
    - The autoencoder trains for 50 epochs: at least 2000 steps, and at most 7656, which are 14 epochs of MNIST. It trains
      for 14 epochs where these are more steps.
    - On sparse data, such as text, and on data of fewer than 32 features, the autoencoder trains for 14 epochs, at least
      2000 steps. Longer training may lower the accuracy there.
    - The clustering phase starts from the neighbor graph of the embedding. The encoder learns the clusters of the graph in
      the first two thirds of the phase (``label_iter``), and follows Eq. 3 in the last third.
    - P is refreshed every 160 steps on MNIST, as in the paper, in proportion to the number of rows, and not more often
      than every 20 steps.
    - The clustering phase ends after 15 intervals between refreshes, at least 1200 steps.
    - The mean of each feature is subtracted from dense data if it dominates (``center="auto"``).

    Parameters
    ----------
    n_samples : int
        Number of rows to cluster.

    Returns
    -------
    profile : Profile
        The schedule.

    See Also
    --------
    paper : Schedule of the paper.

    Notes
    -----
    data/results/README.md describes the search that found these values.

    Examples
    --------
    >>> fast(70_000).finetune_iter, fast(70_000).update_interval
    (7656, 160)
    """
    epoch = n_samples / 128  # steps
    at_least = max(2000, 14 * epoch)
    update_interval = max(20, round(n_samples * 160 / 70_000))
    max_iter = max(1200, 15 * update_interval)
    return Profile(
        center="auto", init_std=None,
        pretrain_iter=0, finetune_iter=round(max(at_least, min(50 * epoch, 7656))), short_finetune_iter=round(at_least),
        optimizer="adam", lr=0.001, lr_decay="cosine", lr_halvings=5, bias_lr=1.0, finetune_dropout=0.1,
        batch_size=128, shuffle=True,
        init="neighbors", label_iter=max_iter * 2 // 3, update_interval=update_interval, max_iter=max_iter,
    )


def profile_for(profile: str | Profile, n_samples: int) -> Profile:
    """Return the profile named "paper" or "fast" for ``n_samples`` rows; return a ``Profile`` unchanged.

    Parameters
    ----------
    profile : {"fast", "paper"} or Profile
        Name of a profile, or a profile.
    n_samples : int
        Number of rows to cluster.

    Returns
    -------
    profile : Profile
        The schedule.

    Raises
    ------
    ValueError
        If ``profile`` is anything else.

    See Also
    --------
    fast, paper : The two named profiles.
    """
    if isinstance(profile, Profile):
        return profile
    if profile in ("paper", "fast"):
        return {"paper": paper, "fast": fast}[profile](n_samples)
    raise ValueError(f"profile must be 'paper', 'fast' or a decnp.Profile; got {profile!r}")


PAPER_MNIST: dict[str, Any] = dict(input_scale=None, autoencoder_rows=60_000)
"""Fields of ``paper`` that the authors' code sets differently on MNIST. The pixels x 0.02 are not scaled again, and the
autoencoder trains on the 60,000 training images."""


def profile_of_both(profile_for_rows: Callable[[int], Profile], n: int, n_rows: int) -> Profile:
    """Return the profile for ``n`` rows to cluster, with the autoencoder steps of the profile for ``n_rows`` rows.

    Parameters
    ----------
    profile_for_rows : callable
        Function of a number of rows that returns a ``Profile``, such as ``fast``.
    n : int
        Number of rows to cluster.
    n_rows : int
        Number of rows that train the autoencoder.

    Returns
    -------
    profile : Profile
        The schedule of both.
    """
    own = profile_for_rows(n_rows)
    return replace(profile_for_rows(n), pretrain_iter=own.pretrain_iter, finetune_iter=own.finetune_iter,
                   short_finetune_iter=own.short_finetune_iter)


def recorded_profile(profile: Profile, shift: Any) -> dict[str, Any]:
    """Return the fields of ``profile`` for a record, with True or False for ``center="auto"``.

    Parameters
    ----------
    profile : Profile
        Schedule of a run.
    shift : ndarray of shape (D,) or float
        ``shift_`` of the fitted autoencoder: an array if the mean was subtracted, else a number.

    Returns
    -------
    fields : dict
        Value of each field by name.
    """
    return {**asdict(profile), "center": np.ndim(shift) > 0}


def has_fixed_budget(profile: Profile, n_samples: int) -> bool:
    """Return True if ``profile`` has the ``max_iter`` of ``fast`` for ``n_samples`` rows.

    The clustering phase of ``fast`` is planned to end after ``max_iter`` steps, not by ``tol``.

    Parameters
    ----------
    profile : Profile
        Schedule of a run.
    n_samples : int
        Number of rows to cluster.

    Returns
    -------
    fixed : bool
        True if the number of steps is planned.
    """
    return profile.max_iter == fast(n_samples).max_iter
