"""Lint of the documents: links lead to files and headings, the README is short, and CI finds the test command.

Nothing here runs the package.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "notebooks" / "README.md",
         ROOT / "data" / "results" / "README.md", ROOT / "data" / "results" / "PAPER.md"]


def without_code(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def headings(path):
    """Return the anchors of the headings of a Markdown file, as GitHub and MyST make them."""
    titles = re.findall(r"^#+ (.*)$", without_code(path.read_text()), re.M)
    titles = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in titles]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page):
    links = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text()))
    for link in links:
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in headings(target), link
        elif anchor:
            assert int(anchor.removeprefix("L")) <= len(target.read_text().splitlines()), link
    assert links or page.stem in ("guide", "checkpoints", "data_and_baselines")


def test_the_readme_is_short_and_has_a_picture():
    assert README.count("\n") <= 120
    [(alt, name)] = re.findall(r"!\[([^]]*)\]\(([^)]*)\)", README)
    assert len(alt) > 100 and (ROOT / name).stat().st_size < 100_000


def test_no_figures_of_speech():
    for page in PAGES:
        text = without_code(page.read_text())
        for phrase in ("judge", "taken up again", "at work", "says of itself", "told apart"):
            assert not re.search(rf"\b{phrase}", text, re.I), (page.name, phrase)


def test_ci_finds_the_test_command():
    block = re.search(r"<!-- the test command -->\n```sh\n(.*?)\n```", README, re.S)
    assert "pytest" in block.group(1)
