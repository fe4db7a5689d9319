"""The README's Python is run, and its links lead somewhere."""

import re
from pathlib import Path

import equation_table
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.filterwarnings("error::decnp.TrainingWarning")
def test_python_blocks_run_and_print_what_their_comments_say(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert blocks
    for block in blocks:
        exec(block, {})
        printed = capsys.readouterr().out.strip().split("\n")[-1]
        promised = re.search(r"  # (.*)$", block.strip().split("\n")[-1]).group(1)
        if re.fullmatch(r"0\.\d+", promised):
            # Another machine or number of threads rounds otherwise, and training amplifies that as another seed would.
            assert abs(float(printed) - float(promised)) < 0.1
        else:
            assert printed == promised


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert link.startswith("http") or (ROOT / link).exists(), link


def test_ci_finds_the_test_command():
    block = re.search(r"<!-- the test command -->\n```sh\n(.*?)\n```", README, re.S)
    assert "pytest" in block.group(1)


def test_the_table_of_equations_is_what_a_run_gives():
    words, errors = equation_table.split(equation_table.table())
    written, written_errors = equation_table.split(equation_table.in_readme())
    assert words == written, "run python tests/equation_table.py"
    for fresh, error in zip(errors, written_errors, strict=True):
        assert fresh <= max(100 * error, 1e-14)  # roundings: another machine adds up in another order
