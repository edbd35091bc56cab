"""The one check: lint, formatting, types, tests. Run by `python3 bootstrap.py check` and by CI."""

import os
import subprocess
import sys
import time
from pathlib import Path

THREADS = {"OMP_NUM_THREADS": "1"}  #: of each test process, as there is one for every core
ROOT = Path(__file__).resolve().parents[1]
STEPS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("doublecast", "weights", "--fetch"),
    ("pytest", "-n", "auto"),
)


def main() -> int:
    for step in STEPS:
        print("==", *step, flush=True)
        start = time.monotonic()
        command, environment = [sys.executable, "-m", *step], {**os.environ, **THREADS}
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        verdict = "passed" if code == 0 else f"failed ({code})"
        print(f"== {step[0]}: {verdict} in {time.monotonic() - start:.0f} s", flush=True)
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
