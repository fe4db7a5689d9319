"""Records of a training run: the measurements at each refresh of P, the reports, and their history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Diagnosis", "History", "Record"]


class Diagnosis(NamedTuple):
    """Measurements at a refresh of P, without labels.

    Attributes
    ----------
    sizes : tuple of int
        Number of rows of each cluster, k numbers.
    kl_before : float or None
        KL(P || Q) in nats per row, for the P before this refresh; None at the first, unless P was one-hot.
    kl_after : float
        KL(P || Q) in nats per row, for the new P.
    confidence : float
        Mean over rows of max_j q_ij, from 1/k to 1.
    entropy : float
        Mean over rows of -sum_j q_ij ln q_ij, in nats, from 0 to ln k.
    nearest : pair of int
        Numbers of the two nearest centroids.
    distance : float
        Distance between the two nearest centroids.
    radius : float
        Root of the mean of ||z_i - mu_j||^2, where j is the cluster of row i.
    spread : float
        Root of the mean of ||z_i - mean z||^2.
    reconstruction : float
        Reconstruction loss, a mean over elements, halved, on 512 rows at most. The decoder is no
        longer trained.
    """

    sizes: tuple[int, ...]
    kl_before: float | None
    kl_after: float
    confidence: float
    entropy: float
    nearest: tuple[int, int]
    distance: float
    radius: float
    spread: float
    reconstruction: float


class Record(NamedTuple):
    """Report of a training loop: one for each refresh of P, and one for each interval of an autoencoder phase.

    While P is one-hot, from the labels of the start (``Profile.label_iter``), there are four to seven reports at equal
    distances.

    Attributes
    ----------
    phase : str
        "pretrain 1", ..., "finetune", the start ("k-means", "spherical k-means", "neighbors", "array" or
        "callable"), "cluster".
    iteration : int
        Steps taken in this phase; for a start from k-means, its iterations.
    n_iter : int
        Steps that the phase has; in "cluster" the largest number.
    loss : float
        Mean loss of the minibatches since the last report: reconstruction, or KL in nats per sample. For the start, the mean
        squared distance of a row from its centroid; for the first report of "cluster", KL over all rows.
    changed : float or None, default=None
        In "cluster": the fraction of labels that changed since the last refresh of P.
    diagnosis : Diagnosis or None, default=None
        In "cluster": the measurements at this refresh.

    See Also
    --------
    History : List of the records of a run.
    """

    phase: str
    iteration: int
    n_iter: int
    loss: float
    changed: float | None = None
    diagnosis: Diagnosis | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return all numbers by name.

        Returns
        -------
        numbers : dict
            Fields of the record, and of its diagnosis; None for each of these without a diagnosis.

        See Also
        --------
        from_dict : The inverse.
        """
        found = dict.fromkeys(Diagnosis._fields) if self.diagnosis is None else self.diagnosis._asdict()
        return {**{name: value for name, value in self._asdict().items() if name != "diagnosis"}, **found}

    @classmethod
    def from_dict(cls, numbers: Mapping[str, Any]) -> Record:
        """Return the record of numbers that ``as_dict`` returned.

        Parameters
        ----------
        numbers : mapping
            Numbers by name. They may have been stored as JSON.

        Returns
        -------
        record : Record
            The record.

        See Also
        --------
        as_dict : The inverse.

        Examples
        --------
        >>> record = Record("finetune", 1, 2, 0.5)
        >>> Record.from_dict(record.as_dict()) == record
        True
        """
        found: dict[str, Any] = {name: numbers.get(name) for name in Diagnosis._fields}
        diagnosis = None
        if found["sizes"] is not None:
            diagnosis = Diagnosis(**{**found, "sizes": tuple(found["sizes"]), "nearest": tuple(found["nearest"])})
        return cls(numbers["phase"], numbers["iteration"], numbers["n_iter"], numbers["loss"], numbers.get("changed"),
                   diagnosis)


Step = Record
"""Name of ``Record`` in version 0.1."""


class History(list[Record]):
    """Reports of a run: a list of ``Record``."""

    def to_frame(self) -> Any:
        """Return the reports as a pandas ``DataFrame``.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each report, and a column for each number of ``Record.as_dict``.

        Raises
        ------
        ImportError
            If pandas is not installed.

        Examples
        --------
        >>> History([Record("finetune", 1, 2, 0.5)]).to_frame()[["phase", "loss"]]
              phase  loss
        0  finetune   0.5
        """
        import pandas

        return pandas.DataFrame([record.as_dict() for record in self], columns=list(Record("", 0, 0, 0.0).as_dict()))

    def to_arrays(self) -> dict[str, Any]:
        """Return the reports as two arrays and two lists, for a checkpoint.

        Returns
        -------
        content : dict
            Arguments of ``from_arrays`` by name.

        See Also
        --------
        from_arrays : The inverse.
        """
        phases = list(dict.fromkeys(record.phase for record in self))
        numbers = [[phases.index(record.phase), *record[1:4], np.nan if record.changed is None else record.changed]
                   for record in self]
        found = [[*d.sizes, np.nan if d.kl_before is None else d.kl_before, *d[2:5], *d.nearest, *d[6:]]
                 for d in (record.diagnosis for record in self) if d is not None]
        return {"phases": phases, "numbers": np.array(numbers, np.float64).reshape(len(numbers), 5),
                "diagnosed": [i for i, record in enumerate(self) if record.diagnosis is not None],
                "diagnoses": np.array(found, np.float64).reshape(len(found), len(found[0]) if found else 0)}

    @classmethod
    def from_arrays(cls, phases: list[str], numbers: np.ndarray, diagnosed: list[int], diagnoses: np.ndarray) -> History:
        """Return the reports from the arrays and lists that ``to_arrays`` returned.

        Parameters
        ----------
        phases : list of str
            Names of the phases.
        numbers : ndarray of shape (n, 5)
            Phase, iteration, n_iter, loss and changed of each report.
        diagnosed : list of int
            Numbers of the reports with a diagnosis.
        diagnoses : ndarray of shape (m, k + 10)
            Numbers of the diagnoses.

        Returns
        -------
        history : History
            The reports.

        See Also
        --------
        to_arrays : The inverse.
        """
        history = cls(
            Record(phases[int(phase)], int(t), int(n), float(loss), None if np.isnan(changed) else float(changed))
            for phase, t, n, loss, changed in numbers)
        for i, row in zip(diagnosed, diagnoses.tolist(), strict=True):
            *sizes, before, after, confidence, entropy, a, b, distance, radius, spread, reconstruction = row
            history[i] = history[i]._replace(diagnosis=Diagnosis(
                tuple(map(int, sizes)), None if np.isnan(before) else before, after, confidence, entropy,
                (int(a), int(b)), distance, radius, spread, reconstruction))
        return history
