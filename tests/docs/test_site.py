"""The site builds without a warning, in the way of docs/conf.py but without the outputs of the notebooks."""

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from chromium import BROWSER, look

import decnp

ROOT = Path(__file__).parents[2]
PUBLIC = [f"decnp.{name}" for name in (
    "equations layers losses optim profiles autoencoder clustering dec metrics "
    "restarts choosing training.checkpoint training.records training.diagnostics training.estimator inference persistence export "
    "plotting report exceptions gradcheck gradcheck.naive kernels datasets io.tables baselines experiments").split()]

pytestmark = pytest.mark.slow  # Sphinx takes 15 s


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "-E", "-c", "docs", "-d", folder / "cache", "-D", "nb_execution_mode=off",
         ".", folder / "html"], cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (build.returncode, build.stdout, build.stderr) == (0, "", "")
    return folder / "html"


def pages(site):
    return {path.resolve(): path.read_text() for path in sorted(site.rglob("*.html")) if path.parent.name != "_static"}


def test_every_link_within_the_site_leads_to_a_page_and_an_anchor(site):
    written = pages(site)
    anchors = {path: set(re.findall(r'\bid="([^"]*)"', html)) for path, html in written.items()}
    broken = []
    for path, html in written.items():
        for link in re.findall(r'<(?:a|img|link|script)\b[^>]*?\b(?:href|src)="([^"]*)"', html):
            link = unescape(link)
            if re.match(r"(https?|data|mailto):|//", link):
                continue
            target, _, anchor = link.partition("#")
            file = (path.parent / unquote(target.partition("?")[0])).resolve() if target else path
            if not file.is_file() or (anchor and file.suffix == ".html" and unquote(anchor) not in anchors[file]):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert not broken, "\n".join(sorted(set(broken))[:40])


def test_no_page_needs_the_network(site):
    for path, html in pages(site).items():
        needed = re.findall(r'<(?:script|img|iframe)\b[^>]*\bsrc="(https?:[^"]*)"', html)
        needed += re.findall(r'<link\b[^>]*\brel="(?:stylesheet|preload|icon)"[^>]*\bhref="(https?:[^"]*)"', html)
        assert not needed, (path, needed)


def test_the_reference_has_the_public_modules_and_every_exported_name(site):
    found = {path.stem for path in (site / "docs" / "api" / "generated").glob("*.html")}
    assert found == set(PUBLIC)
    front = (site / "docs" / "api" / "index.html").read_text()
    for name in set(decnp.__all__) - {"__version__"}:
        assert f">{name}<" in front, name
    equations = (site / "docs" / "api" / "generated" / "decnp.equations.html").read_text()
    assert "array-like of shape (n, d)" in equations and "Differs from the paper" in equations


def test_formulas_are_mathml_and_answers_are_folded(site):
    theory = (site / "docs" / "theory.html").read_text()
    assert theory.count("<math") > 40 and [f'number">({n})' in theory for n in range(1, 11)] == [True] * 10
    notebook = (site / "notebooks" / "01_equations.html").read_text()
    assert "<summary>Answer</summary>" in notebook and "Show the answer" in notebook


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
@pytest.mark.parametrize("page", ["docs/theory", "notebooks/01_equations"])
def test_a_browser_shows_it_without_a_message(site, page):
    views, console = look(site / f"{page}.html", 1280, 400)
    assert not [line for line in console if "[PST]" not in line]  # the theme reports its color mode
    for view in views:
        assert all(view["images"]) and view["too_wide"] <= 0
