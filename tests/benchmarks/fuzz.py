"""By hand: the property tests of test_fuzz.py with new examples, for as long as you like.

    python tests/benchmarks/fuzz.py [--minutes 60] [--examples 2000] [-k models]

Each round runs them in one process with another seed. A failure ends it: pytest has printed the smallest file that it found.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run rounds until the time is over or a test fails, and print how many examples were tried."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--examples", type=int, default=2000, help="of each test in a round")
    parser.add_argument("-k", default="", metavar="WORD", help="only tests whose name has it")
    args = parser.parse_args()
    begin, rounds, status = time.monotonic(), 0, 0
    while status == 0 and time.monotonic() < begin + 60 * args.minutes:
        rounds += 1
        command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", "-k", args.k, "tests/test_fuzz.py"]
        environment = {**os.environ, "DECNP_FUZZ": str(args.examples), "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    print(f"{rounds} rounds of {args.examples} examples of each test, {(time.monotonic() - begin) / 60:.0f} minutes")
    return status


if __name__ == "__main__":
    sys.exit(main())
