"""Lint of the documents: links lead to files, and CI finds the test command. Nothing here runs the package."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    assert links
    for link in links:
        assert link.startswith("http") or (page.parent / link).exists(), link


def test_ci_finds_the_test_command():
    block = re.search(r"<!-- the test command -->\n```sh\n(.*?)\n```", README, re.S)
    assert "pytest" in block.group(1)
