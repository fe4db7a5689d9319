"""Docstrings begin with a verb and mention each parameter; no text has figures of speech or archaic words."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

import decnp

ROOT = Path(decnp.__file__).parent

EXEMPT: list[str] = []
"""Files that still have to be revised. Remove a file from this list when its words are."""

WITH_SECTIONS = """
equations.py losses.py metrics.py clustering.py export.py kernels/equations.py kernels/optim.py
baselines/cliques.py baselines/ldmgi.py baselines/sec.py datasets/imbalanced.py datasets/mnist.py datasets/reuters.py
datasets/stl.py plotting/choosing.py plotting/clusters.py plotting/columns.py plotting/curves.py plotting/gradient.py
plotting/network.py
""".split()
"""Files in which each public function with parameters has a section for them. Elsewhere a sentence is enough."""

VERBS = set(
    "Accept Add Advance Alternate Append Apply Ask Begin Call Check Close Cluster Compare Compile Complete Compute Continue "
    "Convert Copy Count Delete Describe Display Download Draw Encode Exit Find Fit Format Handle Keep Limit List Load Lock Log "
    "Make Map Minimize Move Name Open Parse Plan Predict Print Raise Read Record Reconstruct Redirect Refuse Remove Replace "
    "Report Reset Resume Return Run Save Score Set Show Silence Sort Split Start Stop Store Take Test Train Transform Turn "
    "Update Validate Wait Warn Write Yield".split())
"""First words of the docstrings of functions. A new verb in the imperative may be added."""

NOUNS_IN_ED_OR_ING = {
    "Clustering", "Embedding", "Everything", "Finding", "Learning", "Seed", "String", "Training", "Warning", "Working"}
OTHER_PARTICIPLES = {"Drawn", "Found", "Given", "Kept", "Left", "Made", "Taken", "Told", "Written"}

PHRASES = [re.compile(phrase, re.IGNORECASE) for phrase in (
    r"\bso many\b", r"\blest\b", r"\bgo(es)? on\b", r"\bcame to rest\b", r"\bby lot\b", r"\bjudges?\b", r"\btheirs\b",
    r"\bnobody\b", r"\bin turns\b", r"\btold apart\b", r"\btells? (apart|more)\b", r"\bdoubts?\b", r"\bone's own\b",
    r"\bbut for\b", r"(^|[.:;!?] )(what|whose) [^.?]{0,80}\b(is|are|was|were)\b", r"\bis what\b", r"\bto be had\b",
    r"(?<!there )\b(is|are|was|were) no (?!longer\b|less\b|\w*(more|er)\b)", r"\bwhere [^.;,]{0,60}\b(do not|does not) fit\b",
    r"\bwhat it was\b", r"\bhold(s)? \w+ against\b",
    r"\b(hither|thither|whence|thereof|wherein|hereby)\b", r"\btaken unchecked\b", r"\bby hand\b",
)]
"""Figures of speech, inversions and archaic words."""

BRITISH = re.compile(r"colour|neighbour|labelled|\bcentre|centred|behaviour|(normal|standard|optim|minim)is(e|ing|ation)|\bgrey",
                     re.IGNORECASE)


def files():
    """Yield the Python files of the package that are not exempt."""
    for path in sorted(ROOT.rglob("*.py")):
        if path.relative_to(ROOT).as_posix() not in EXEMPT:
            yield path


FILES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in files()}


def docstrings(tree):
    """Yield (line, node, docstring) of the module, of each class and function, and of each attribute and constant."""
    for node in ast.walk(tree):
        body = node.body if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) else []
        for before, this in zip([None, *body], body):
            if isinstance(this, ast.Expr) and isinstance(this.value, ast.Constant) and isinstance(this.value.value, str):
                yield this.lineno, node if before is None else before, this.value.value


def sentences(path):
    """Yield (line, text) of each docstring, message and comment of a file, without code in backticks and doctests."""
    source = (ROOT / path).read_text()
    documented = {line for line, _, _ in docstrings(FILES[path])}
    for node in ast.walk(FILES[path]):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and (" " in node.value or node.lineno in documented):
            yield node.lineno, re.sub(r"``[^`]*``|^ *(>>>|\.\.\.).*$", "", node.value, flags=re.MULTILINE)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


def found(check):
    """Return the results of ``check(path)`` for all files, (line, text) each, as lines of a message."""
    return "\n".join(f"decnp/{path}:{line}: {' '.join(text.split())[:160]}" for path in FILES for line, text in check(path))


def bad_beginning(docstring):
    """Return True if a docstring begins with a question word, or with a participle."""
    first = re.match(r"\W*(\w+)", docstring)
    word = first.group(1) if first else ""
    return word in {"What", "Whether", "How", "Where", "Who", "Whose", *OTHER_PARTICIPLES} or (
        word.endswith(("ed", "ing")) and word[0].isupper() and word not in NOUNS_IN_ED_OR_ING)


def test_no_docstring_begins_with_a_question_or_a_participle():
    bad = found(lambda path: ((line, text) for line, _, text in docstrings(FILES[path]) if bad_beginning(text)))
    assert not bad, bad


def bad_verb(node, docstring):
    """Return True if the docstring of a function does not begin with a verb in the imperative. Properties may be nouns."""
    if not isinstance(node, ast.FunctionDef) or any("property" in ast.unparse(d) for d in node.decorator_list):
        return False
    return docstring.split()[0].rstrip(",") not in VERBS


def test_the_docstring_of_a_function_begins_with_a_verb():
    bad = found(lambda path: ((line, text) for line, node, text in docstrings(FILES[path]) if bad_verb(node, text)))
    assert not bad, bad


def bad_phrase(text):
    """Return the first phrase in ``text`` that is banned, or a British spelling, or None."""
    text = " ".join(text.split())
    match = next(filter(None, (phrase.search(text) for phrase in (*PHRASES, BRITISH))), None)
    return match and match.group()


def test_no_text_has_a_phrase_that_must_be_decoded():
    bad = found(lambda path: ((line, f"{phrase!r} in {text}") for line, text in sentences(path)
                              if (phrase := bad_phrase(text))))
    assert not bad, bad


def public_functions(path):
    """Yield (name, node, docstring) of the functions in ``__all__``, and of the methods of its classes."""
    names = {constant.value for node in FILES[path].body if isinstance(node, ast.Assign)
             and ast.unparse(node.targets[0]) == "__all__" for constant in ast.walk(node.value)
             if isinstance(constant, ast.Constant)}
    for node in FILES[path].body:
        if getattr(node, "name", None) not in names:
            continue
        if isinstance(node, ast.FunctionDef):
            yield node.name, node, ast.get_docstring(node)
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and (method.name == "__init__" or method.name[0] != "_"):
                    yield f"{node.name}.{method.name}", method, ast.get_docstring(
                        node if method.name == "__init__" else method)


def problems_of(function, docstring, sections=False):
    """Return a sentence for each parameter that a docstring does not mention, or whose default it does not give."""
    args = function.args
    positional = [*args.posonlyargs, *args.args]
    defaults = dict(zip([a.arg for a in reversed(positional)], reversed(args.defaults)))
    defaults |= {a.arg: d for a, d in zip(args.kwonlyargs, args.kw_defaults) if d is not None}
    problems = []
    section = re.search(r"Parameters\n-+\n(.*?)(\n\n|\Z)", docstring, re.DOTALL)
    names = [a.arg for a in (*positional, *args.kwonlyargs) if a.arg not in ("self", "cls")]
    if sections and names and not section:
        problems.append("there is no section of parameters")
    for name in names:
        if not re.search(rf"\b{name}\b", docstring):
            problems.append(f"{name} is not mentioned")
        if not section:
            continue
        entry = re.search(rf"^(\w+, )*{name}(, \w+)*( : (?P<type>.*))?$", section.group(1), re.MULTILINE)
        if not entry:
            problems.append(f"{name} has no entry")
        elif name in defaults and entry["type"] and "default=" not in entry["type"]:
            problems.append(f"{name} has no default")
    return problems


@pytest.mark.parametrize("path", FILES)
def test_a_public_docstring_has_each_parameter_and_its_default(path):
    if any(part[0] == "_" and part != "__init__.py" for part in path.split("/")) or path.startswith(("cli/", "experiments/")):
        return  # not for users
    problems = {name: problems for name, function, docstring in public_functions(path)
                if docstring and (problems := problems_of(function, docstring, path in WITH_SECTIONS))}
    assert not problems, problems


# ---------------------------------------------------------------- each check finds a planted sentence

@pytest.mark.parametrize("docstring", ["What is kept.", "Whether to do it.", "Written by fit.", "Leaving one out."])
def test_bad_beginnings_are_found(docstring):
    assert bad_beginning(docstring) and not bad_beginning("Seed of the sample.")


def test_a_noun_is_found_where_a_verb_must_be():
    noun, verb, prop = ast.parse('def f():\n  "The sum."\ndef g():\n  "Return it."\n@property\ndef h():\n  "The sum."').body
    assert [bad_verb(node, ast.get_docstring(node)) for node in (noun, verb, prop)] == [True, False, False]


@pytest.mark.parametrize("text", [
    "no more than so many rows", "it goes on with it", "a row\ndrawn by lot", "the colour of a cluster", "X is no matrix",
    "Rows. What it returns is a list", "ValueError where the shapes do not fit"])
def test_bad_phrases_are_found(text):
    assert bad_phrase(text) and not bad_phrase("There is no file; say what to do, and which rows it is no longer for.")


@pytest.mark.parametrize("docstring, problems", [
    ("Return a + b.", []), ("Return a.", ["b is not mentioned"]),
    ("Return a + b.\n\nParameters\n----------\na : int\n    One.\nb : int, default=1\n    Two.", []),
    ("Return a + b.\n\nParameters\n----------\na : int\n    One.", ["b has no entry"]),
    ("Return a + b.\n\nParameters\n----------\na : int\n    One.\nb : int\n    Two.", ["b has no default"])])
def test_missing_parameters_are_found(docstring, problems):
    assert problems_of(ast.parse("def f(a, b=1): pass").body[0], docstring) == problems


def test_a_missing_section_is_found():
    f = ast.parse("def f(a): pass").body[0]
    assert problems_of(f, "Return a.", sections=True) == ["there is no section of parameters"]
    assert problems_of(ast.parse("def f(): pass").body[0], "Return 1.", sections=True) == []
