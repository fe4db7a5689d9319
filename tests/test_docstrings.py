"""Public names are documented to numpydoc's standard: its validation, fields of records, links and formulas."""

import ast
import importlib
import inspect
import textwrap
from dataclasses import is_dataclass
from enum import Enum

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import validate

CODES = set("GL03 GL05 GL06 GL07 GL08 GL09 GL10 SS01 SS02 SS03 SS04 SS05 SS06 PR01 PR02 PR03 PR04 PR05 PR06 PR07 PR08 PR09 "
            "PR10 RT01 RT03 RT04 RT05 YD01 SA02 SA03 SA04".split())
"""Errors of numpydoc that are not accepted. The others are: GL01 and GL02, the place of the quotes; ES01, SA01 and EX01,
sections that not every name needs; RT02, because results have names, as in NumPy's own docstrings."""

MODULES = """
decnp decnp.equations decnp.layers decnp.losses decnp.clustering decnp.autoencoder decnp.dec decnp.optim decnp.profiles
decnp.metrics decnp.inference decnp.persistence decnp.export decnp.restarts decnp.choosing decnp.baselines decnp.baselines.cliques
decnp.baselines.eigen decnp.baselines.ldmgi decnp.baselines.rotation decnp.baselines.sec decnp.datasets
decnp.datasets.digits decnp.datasets.hog decnp.datasets.imbalanced decnp.datasets.mnist decnp.datasets.registry
decnp.datasets.reuters decnp.datasets.stl decnp.experiments.reproduce decnp.gradcheck decnp.kernels decnp.plotting
decnp.plotting.notebook decnp.training.estimator decnp.training.records
""".split()
"""Modules whose ``__all__`` is public."""

SENTENCES = """
decnp.dec.DEC.fit decnp.dec.DEC.resume decnp.dec.DEC.iter_fit decnp.dec.DEC.steps decnp.dec.DEC.new_autoencoder
decnp.dec.DEC.transform decnp.dec.DEC.predict_proba decnp.dec.DEC.predict decnp.dec.DEC.fit_transform decnp.dec.DEC.save
decnp.dec.DEC.distances decnp.dec.DEC.score
decnp.autoencoder.StackedAutoencoder.from_layers decnp.autoencoder.StackedAutoencoder.fit
decnp.autoencoder.StackedAutoencoder.iter_fit decnp.autoencoder.StackedAutoencoder.steps
decnp.autoencoder.StackedAutoencoder.begin decnp.autoencoder.StackedAutoencoder.train
decnp.autoencoder.StackedAutoencoder.encode decnp.autoencoder.StackedAutoencoder.transform
decnp.autoencoder.StackedAutoencoder.decode decnp.autoencoder.StackedAutoencoder.inverse_transform
decnp.autoencoder.StackedAutoencoder.reconstruction_loss decnp.autoencoder.AutoencoderState.begin
decnp.autoencoder.check_autoencoder decnp.autoencoder.descend
decnp.layers.relu decnp.layers.relu_vjp decnp.layers.gaussian decnp.layers.fan_in_uniform decnp.layers.arrays_of
decnp.optim.constant decnp.optim.step_decay decnp.optim.cosine_decay decnp.optim.burn_in
decnp.optim.Optimizer.step decnp.optim.SGD.step decnp.optim.SGD.next_update
decnp.optim.Adam.step decnp.optim.Adam.next_update
""".split()
"""Functions whose parameters and result are described in sentences instead of sections, because their files have no room
for more lines (test_imports.py). test_words.py finds parameters that the sentences do not mention."""

TWINS = [
    *[(f"decnp.equations.{name}", f"decnp.kernels.equations.{name}") for name in (
        "soft_assignment", "kl_divergence", "target_distribution", "grad_z", "grad_mu", "loss_and_grads")],
    *[(f"decnp.optim.{name}", f"decnp.kernels.optim.{name}") for name in ("sgd_update", "adam_update")],
    ("decnp.equations.soft_assignment", "decnp.equations.target_distribution"),
    ("decnp.equations.grad_z", "decnp.equations.grad_mu"), ("decnp.layers.mlp", "decnp.layers.mlp_vjp"),
    ("decnp.losses.clustering_loss", "decnp.equations.loss_and_grads"),
    ("decnp.dec.DEC", "decnp.autoencoder.StackedAutoencoder"), ("decnp.dec.DEC", "decnp.restarts.fit_restarts"),
    ("decnp.restarts.fit_restarts", "decnp.choosing.choose_k"),
    ("decnp.baselines.ldmgi.LDMGI", "decnp.baselines.sec.SEC"), ("decnp.persistence.save", "decnp.persistence.load"),
    ("decnp.persistence.save", "decnp.inference.load_model"), ("decnp.profiles.fast", "decnp.profiles.paper"),
    ("decnp.gradcheck.derivatives.complex_step", "decnp.gradcheck.derivatives.central_difference"),
    ("decnp.gradcheck.gradients.check_gradient", "decnp.gradcheck.adjoint.dot_test"),
]
"""Pairs of names that refer to each other under "See Also"."""

ESTIMATORS = ["decnp.dec.DEC", "decnp.autoencoder.StackedAutoencoder", "decnp.baselines.ldmgi.LDMGI",
              "decnp.baselines.sec.SEC"]


def object_of(name):
    """Return the object with this dotted name; ImportError or AttributeError if there is none."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise ImportError(name)


def home_of(found):
    """Return the dotted name under which a class or function is defined."""
    return f"{found.__module__}.{found.__qualname__}"


def public_names():
    """Yield the dotted name of each public class and function of ``decnp``, and of the methods of these classes."""
    for module in map(importlib.import_module, MODULES):
        for found in (getattr(module, name) for name in module.__all__):
            if not (inspect.isclass(found) or inspect.isroutine(found)) or found.__module__.split(".")[0] != "decnp":
                continue
            yield home_of(found)
            for name, member in vars(found).items() if inspect.isclass(found) else ():
                if name[0] != "_" and (inspect.isfunction(member) or isinstance(member, (property, classmethod))):
                    yield f"{home_of(found)}.{name}"


NAMES = list(dict.fromkeys([*public_names(), "decnp.training.checkpoint.Checkpoint"]))


def is_record(found):
    """Return True for a class whose fields are documented one by one, not as parameters of a constructor."""
    return inspect.isclass(found) and (
        is_dataclass(found) or issubclass(found, (Enum, list)) or hasattr(found, "_fields") or getattr(found, "_is_protocol", False))


def errors_of(name):
    """Return the errors of numpydoc's validation that are not accepted."""
    off = {"PR01", "RT01", "YD01"} if name in SENTENCES else {"PR01"} if is_record(object_of(name)) else set()
    return [f"{code}: {text}" for code, text in validate(name)["errors"] if code in CODES - off]


def fields_without_words(cls):
    """Return the fields of a record that have no docstring of their own and that its docstring does not mention."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body
    fields = []
    for this, after in zip(body, [*body[1:], None]):
        if isinstance(this, ast.AnnAssign):
            name = this.target.id
            documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if not documented and f" {name} " not in " ".join(cls.__doc__.replace("``", " ").replace(",", " ").split()):
                fields.append(name)
    return fields


def references_of(found):
    """Return the names under "See Also" of a docstring."""
    return [name for names, _ in get_doc_object(found)["See Also"] for name, _ in names]


def resolved(reference, name):
    """Return the object to which a reference in the docstring of ``name`` leads, or None."""
    parts = name.split(".")
    for end in range(len(parts), -1, -1):
        try:
            return object_of(".".join([*parts[:end], reference]))
        except (ImportError, AttributeError):
            continue
    return None


# ---------------------------------------------------------------- the rules

def test_numpydoc_finds_no_error():
    errors = [f"{name}: {error}" for name in NAMES for error in errors_of(name)]
    assert not errors, "\n".join(errors)


def test_each_field_of_a_record_is_documented():
    lost = {name: fields for name in NAMES if is_record(object_of(name)) and (fields := fields_without_words(object_of(name)))}
    assert not lost, lost


def test_references_lead_somewhere():
    lost = [f"{name} refers to {reference}" for name in NAMES for reference in references_of(object_of(name))
            if resolved(reference, name) is None]
    assert not lost, "\n".join(lost)


@pytest.mark.parametrize("one, other", [*TWINS, *[pair[::-1] for pair in TWINS]])
def test_twins_refer_to_each_other(one, other):
    assert object_of(other) in [resolved(reference, one) for reference in references_of(object_of(one))]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_notes_of_an_estimator_have_its_formula_and_departures(name):
    notes = "\n".join(get_doc_object(object_of(name))["Notes"])
    assert ".. math::" in notes and "Differs from the" in notes


def test_sentences_are_allowed_only_where_they_are_used():
    assert set(SENTENCES) <= set(NAMES)
    assert not [name for name in SENTENCES if not {"PR01", "RT01", "YD01"} & {code for code, _ in validate(name)["errors"]}]


# ---------------------------------------------------------------- each rule finds a planted mistake

def undocumented(a, b):
    """Return a.

    Parameters
    ----------
    a : int
        The result.
    """
    return a


class Fields:
    """Record with first and a second field."""

    first: int
    second: int
    third: int
    """Number."""


def lonely():
    """Return 0.

    See Also
    --------
    lonlier : Another.
    resolved : A function.
    """
    return 0


def test_a_missing_parameter_and_result_are_found():
    found = errors_of(f"{__name__}.undocumented")
    assert [error[:4] for error in found] == ["PR01", "RT01"]


def test_a_field_without_words_is_found():
    assert fields_without_words(Fields) == []
    Fields.__doc__ = "Record."
    assert fields_without_words(Fields) == ["first", "second"]


def test_a_reference_to_nothing_is_found():
    assert [resolved(reference, f"{__name__}.lonely") for reference in references_of(lonely)] == [None, resolved]
