"""The functions of other people's files, without the rest of the file, and the stand-ins that they run on.

A definition is cut out of its file with ``ast`` and executed by itself, so that the file's imports, its data set and
its GPU do not matter. The stand-ins are few lines each: ``keras.backend`` and ``tf`` over PyTorch, the base classes of
mxnet and chainer.
"""

from __future__ import annotations

import ast
import contextlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn


class Source:
    """One file of a peer. ``given`` are the names that its code finds in its imports, besides NumPy and PyTorch."""

    def __init__(self, path: Path, **given: Any):
        self.path = path
        text = path.read_text(errors="replace")
        if path.suffix == ".pyx":
            text = _without_types(text)
        try:
            self.tree = ast.parse(text)
        except SyntaxError:
            self.tree = _python_2(text)
        self.names = {"np": np, "torch": torch, "nn": nn, "F": nn.functional, "Parameter": nn.Parameter, **given}

    def find(self, name: str) -> Any:
        """Return the definition with a dotted name, such as ``Layer.forward``; the whole file for ""."""
        node: Any = self.tree
        for part in name.split(".") if name else ():
            node = next((child for child in ast.walk(node) if child is not node
                         and isinstance(child, (ast.FunctionDef, ast.ClassDef)) and child.name == part), None)
            if node is None:
                raise LookupError(f"no {name} in {self.path}")
        return node

    def take(self, *names: str) -> Any:
        """Return functions or classes; they see one another. A method comes as a function of ``self``."""
        scope = dict(self.names)
        for name in names:
            node = self.find(name)
            node.decorator_list = []
            exec(self._compiled([node]), scope)
        taken = [scope[name.split(".")[-1]] for name in names]
        return taken[0] if len(taken) == 1 else taken

    def lines(self, within: str, *variables: str, start: int = 0) -> Any:
        """Return the function of keywords that executes all assignments to ``variables`` in a function of the file.

        ``variables`` are left sides as written, such as ``q`` or ``self.q[:]``; the first ``start`` assignments are left
        out. The value is that of the last variable.
        """
        nodes = [node for node in ast.walk(self.find(within)) if isinstance(node, (ast.Assign, ast.AugAssign))
                 and {ast.unparse(t) for t in getattr(node, "targets", [getattr(node, "target", None)])} & {*variables}]
        nodes = sorted(nodes, key=lambda node: node.lineno)[start:]
        if not nodes:
            raise LookupError(f"no assignment to {variables} in {within} of {self.path}")

        code = self._compiled(nodes)

        def run(**given: Any) -> Any:
            scope = {**self.names, **given}
            exec(code, scope)
            return scope.get(variables[-1])

        return run

    def call(self, within: str, called: str) -> Any:
        """Return the function of keywords that makes the first call of ``called`` in a function of the file."""
        node = next(node for node in ast.walk(self.find(within))
                    if isinstance(node, ast.Call) and ast.unparse(node.func) == called)
        code = compile(ast.Expression(node), str(self.path), "eval")
        return lambda **given: eval(code, {**self.names, **given})

    def _compiled(self, nodes: list[ast.stmt]) -> Any:
        flags = __import__("__future__").annotations.compiler_flag
        module = ast.fix_missing_locations(_Rebound().visit(ast.Module(nodes, [])))
        return compile(module, str(self.path), "exec", flags)


class _Rebound(ast.NodeTransformer):
    """``q **= a`` as ``q = q ** a``, as it is in Keras; in PyTorch it would overwrite what the derivative needs."""

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        if not isinstance(node.target, ast.Name):
            return node
        value = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value)
        return ast.copy_location(ast.Assign([node.target], value), node)


def _python_2(text: str) -> ast.Module:
    """Parse Python 2, where print is a statement; what can't be parsed at the top level of the file is left out."""
    text = re.sub(r'^(\s*)print\b.*?("""|)$', r"\1pass\2", text, flags=re.MULTILINE)
    body = []
    for block in re.split(r"^(?=(?:def|class) )", text, flags=re.MULTILINE):
        with contextlib.suppress(SyntaxError):
            body += ast.parse(block).body
    return ast.Module(body, [])


def _without_types(text: str) -> str:
    """Return Cython as Python: no ``cdef``, no ``cimport``, no types of arguments."""
    text = re.sub(r"^(cimport|ctypedef) .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"^(\s*)cdef (?:np\.ndarray(?:\[.*?\])?|double|int) (\w+)$", r"\1\2 = None", text, flags=re.MULTILINE)
    text = re.sub(r"\bcdef (?:np\.ndarray(?:\[.*?\])?|double|int) ", "", text)
    return re.sub(r"(?<=[(,\s])(?:np\.ndarray|int|double) (?=\w+\s*[,=)])", "", text)


def bare(**attributes: Any) -> SimpleNamespace:
    """Return an object to stand for ``self``."""
    return SimpleNamespace(**attributes)


def same(x: Any, *_: Any, **__: Any) -> Any:
    """Return x: the encoder of a network whose embedded points are given."""
    return x


def _sum(x: torch.Tensor, axis: Any = None, keepdims: bool = False) -> torch.Tensor:
    return x.sum() if axis is None else x.sum(dim=axis, keepdim=keepdims)


def _mean(x: torch.Tensor, axis: Any = None) -> torch.Tensor:
    return x.mean() if axis is None else x.mean(dim=axis)


keras_backend = SimpleNamespace(
    sum=_sum, mean=_mean, square=torch.square, sqrt=torch.sqrt, transpose=torch.t, maximum=torch.maximum,
    minimum=torch.minimum, exp=torch.exp, expand_dims=lambda x, axis=-1: x.unsqueeze(axis),
)
tf = SimpleNamespace(
    reduce_sum=_sum, reduce_mean=_mean, square=torch.square, sqrt=torch.sqrt, abs=torch.abs, add=torch.add,
    log=torch.log, transpose=torch.t, expand_dims=lambda x, axis=-1: x.unsqueeze(axis),
    math=SimpleNamespace(square=torch.square), ones=lambda shape: torch.ones(shape, dtype=torch.float64),
    reshape=lambda x, shape: x.reshape(shape),
    matmul=lambda a, b, transpose_b=False: a @ (b.T if transpose_b else b),
)


def keras_kld(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Return the loss "kld" of Keras 3, as ``compile(loss="kld")`` makes it."""
    import keras

    return keras.losses.KLDivergence()(p, q)


class _Arrays:
    """NumPy with the ``vstack`` of its time, which took an iterator."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def vstack(rows: Any) -> np.ndarray:
        return np.vstack(list(rows))


chainer = {"chainer": SimpleNamespace(Function=object), "cuda": SimpleNamespace(get_array_module=lambda *_: _Arrays())}
