"""Configuration of the documentation site: python -m sphinx -W -c docs . docs/_build/html

The source folder is the repository itself, so that a relative link works in a clone and on the site alike. Notebooks are
executed once and kept in docs/_build/jupyter_cache; -D nb_execution_mode=off shows them without their outputs, in seconds.
"""

import os
import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx import addnodes
from sphinx.ext import autosummary

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = str(ROOT)  # of the notebooks' kernels

import decnp  # noqa: E402

# ---------------------------------------------------------------- what

project = "decnp"
author = "the authors of decnp"
project_copyright = author
version = release = decnp.__version__
templates_path = [str(ROOT / "docs" / "templates")]  # autosummary takes a relative path from the source folder
root_doc = "docs/index"
include_patterns = ["docs/**", "notebooks/*.ipynb", "notebooks/README.md", "data/results/README.md", "data/results/PAPER.md",
                    "data/results/conformance.md", "data/results/real-files.md", "CHANGELOG.md"]
exclude_patterns = [".*", "decnp*", "tests", "dist", "build", "docs/_build", "docs/templates", "runs"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode", "numpydoc"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"kernels\.fused_step\..*")]  # not public

# ---------------------------------------------------------------- pages and notebooks

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "docs" / "_build" / "jupyter_cache")
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_code_prompt_show = "Show the answer"
nb_code_prompt_hide = "Hide the answer"

# ---------------------------------------------------------------- the API reference

autosummary_generate = True
autosummary.WELL_KNOWN_ABBREVIATIONS += ("Eq.", "Eqs.")  # not the end of a summary
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections have them
numpydoc_show_class_members = False

# ---------------------------------------------------------------- looks

html_theme = "pydata_sphinx_theme"
html_title = f"decnp {release}"
html_math_renderer = "mathml"
html_context = {"default_mode": "auto"}
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["formulas.css"]
html_extra_path = ["front"]  # the index.html of the site's root
html_theme_options = {
    "show_toc_level": 2, "navigation_with_keys": False, "header_links_before_dropdown": 8}


# ---------------------------------------------------------------- mathematics

def mathml(latex, block):
    """Return LaTeX as MathML, which browsers show without a script. LaTeX that docutils does not know is an error."""
    latex = re.sub(r"\\tag\{.*?\}", "", latex).replace(r"\dots", r"\ldots")
    latex = re.sub(r"(\\[td]?frac)(\d)(\d)", r"\1{\2}{\3}", latex)
    markup = tex2mathml(latex, as_block=block)
    markup = re.sub(r'<mo[^>]*>([‖{}])</mo>', r'<mo stretchy="false">\1</mo>', markup)
    return re.sub(r"<mi>(log|exp)</mi>", r'<mo form="prefix" lspace="0.17em" rspace="0.17em">\1</mo>', markup)


def visit_math(self, node):
    self.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def visit_math_block(self, node):
    tag = re.search(r"\\tag\{(.*?)\}", node.astext())
    number = f'<span class="number">({tag[1]})</span>' if tag else ""
    self.body.append(f'<div class="formula">{mathml(node.astext(), block=True)}{number}</div>')
    raise nodes.SkipNode


# ---------------------------------------------------------------- references

def find_twin(app, env, node, contnode):
    """Resolve names relative to decnp, such as kernels.grad_z in "See Also"."""
    if node.get("refdomain") == "py" and not node["reftarget"].startswith("decnp."):
        domain = env.get_domain("py")
        return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", f"decnp.{node['reftarget']}", node, contnode)
    return None


def link_to_source(app, doctree, docname):
    """Let links to modules of decnp lead to their highlighted source instead of a download."""
    for node in list(doctree.findall(addnodes.download_reference)):
        path = os.path.normpath(os.path.join(os.path.dirname(docname), node["reftarget"]))
        module = path.removesuffix(".py").replace(os.sep, ".").removesuffix(".__init__")
        if getattr(app.env, "_viewcode_modules", {}).get(module):
            link = app.builder.get_relative_uri(docname, "_modules/" + module.replace(".", "/"))
            node.replace_self(nodes.reference("", "", *node.children, internal=True, refuri=link))


def skip_member(app, what, name, obj, skip, options):
    """Leave out what scikit-learn adds to every estimator."""
    return True if re.fullmatch(r"set_\w+_request|get_metadata_routing", name) else None


def setup(app):
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.connect("missing-reference", find_twin)
    app.connect("doctree-resolved", link_to_source)
    app.connect("autodoc-skip-member", skip_member)
