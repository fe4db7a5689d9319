"""Parts that ``DEC`` and ``StackedAutoencoder`` share as scikit-learn estimators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import ClassifierTags

__all__ = ["NetworkMixin", "TrainingWarning"]


class TrainingWarning(ConvergenceWarning):
    """Warning of a training run whose end a user should look at; the message says why."""


class NetworkMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Mixin for dense and sparse X, float32 that stays float32, and no sample weights. Name it before other bases."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        if hasattr(self, "predict_proba"):  # scikit-learn's checks of sparse input read these tags
            tags.classifier_tags = ClassifierTags()
        return tags

    def _forget(self) -> None:
        """Delete the results of an earlier fit, so that a fit that is interrupted leaves no mixture of two runs."""
        for name in [name for name in vars(self) if name.endswith("_") and not name.endswith("_in_")]:
            delattr(self, name)

    @contextmanager
    def _columns_restored(self) -> Iterator[None]:
        """Restore the columns of an earlier fit if the block, the checks of a new one, raises."""
        before = {name: value for name, value in vars(self).items() if name.endswith("_in_")}
        try:
            yield
        except BaseException:
            for name in [name for name in vars(self) if name.endswith("_in_")]:
                delattr(self, name)
            vars(self).update(before)
            raise

    def _refuse(self, others: dict[str, Any], method: str = "fit") -> None:
        """Raise TypeError for arguments of ``method`` beside X and y."""
        if "sample_weight" in others:
            raise TypeError(f"{type(self).__name__} takes no sample_weight: every row counts once, in the "
                            "reconstruction loss as in Eqs. 2 and 3; give a row twice where it is to count twice")
        if others:
            raise TypeError(f"{type(self).__name__}.{method} takes X and y only; got {', '.join(others)}")
