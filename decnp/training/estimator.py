"""Parts that ``DEC`` and ``StackedAutoencoder`` share as scikit-learn estimators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import ClassifierTags
from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from ..io.recipe import Recipe
    from .records import Record

__all__ = ["NetworkMixin", "TrainingWarning", "split_estimator"]


class TrainingWarning(ConvergenceWarning):
    """Warning of a training run whose end a user should look at; the message says why."""


class NetworkMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Mixin for dense and sparse X, float32 that stays float32, and no sample weights. Name it before other bases."""

    verbose: int

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
        """Set the columns back to those of an earlier fit if the block, which checks the input of a new fit, raises."""
        before = {name: value for name, value in vars(self).items() if name.endswith("_in_")}
        try:
            yield
        except BaseException:
            for name in [name for name in vars(self) if name.endswith("_in_")]:
                delattr(self, name)
            self.__dict__.update(before)
            raise

    def _drain(self, records: Iterable[Record]) -> None:
        """Run the training that yields ``records``, and print each if ``verbose`` is set."""
        for record in records:
            if self.verbose:
                changed = "" if record.changed is None else f"  labels changed {record.changed:.2%}"
                print(f"{record.phase:>12}  {record.iteration:>7}/{record.n_iter}  loss {record.loss:.5f}{changed}",
                      flush=True)

    def _refuse(self, others: dict[str, Any], method: str = "fit") -> None:
        """Raise TypeError for arguments of ``method`` beside X and y."""
        if "sample_weight" in others:
            raise TypeError(f"{type(self).__name__} takes no sample_weight: every row counts once, in the "
                            "reconstruction loss as in Eqs. 2 and 3; give a row twice where it is to count twice")
        if others:
            raise TypeError(f"{type(self).__name__}.{method} takes X and y only; got {', '.join(others)}")


def split_estimator(estimator: Any) -> tuple[Any, Recipe | None, list[str]]:
    """Return the parts of a fitted ``DEC``, or of a fitted pipeline that ends in one.

    Parameters
    ----------
    estimator : DEC or Pipeline
        Fitted estimator.

    Returns
    -------
    dec : DEC
        The estimator, or the last step of the pipeline.
    recipe : Recipe or None
        Other steps of the pipeline, if there are any.
    left_out : list of str
        Columns that the pipeline takes and that the recipe does not need.

    Raises
    ------
    NotFittedError
        If ``dec`` is not fitted.
    ValueError
        For another estimator, and for steps that a recipe cannot keep.
    """
    in_pipeline = isinstance(getattr(estimator, "steps", None), list)
    last = estimator.steps[-1][1] if in_pipeline else estimator
    if not (isinstance(last, NetworkMixin) and isinstance(last, ClusterMixin)):  # as DEC, which cannot be imported here
        raise ValueError(f"the last step of a pipeline must be a DEC; got {type(last).__name__}" if in_pipeline else
                         "model must be a fitted DEC, a fitted Pipeline that ends in one, or a decnp.inference.Model; got "
                         f"{type(last).__name__}")
    check_is_fitted(last, "stop_reason_")
    if not in_pipeline:
        return last, None, []
    from .preparation import split_pipeline

    return split_pipeline(estimator)
