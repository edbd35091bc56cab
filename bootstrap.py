#!/usr/bin/env python3
"""Set doublecast up in a virtual environment of its own, then run it. Needs Python 3.11 or newer and nothing else.

    python3 bootstrap.py demo     install, then make the demo film (about five minutes on two cores)
    python3 bootstrap.py check    install with the test tools, then run every check and test

PyTorch: on Linux a machine with an NVIDIA GPU gets the CUDA build from PyPI; a machine without one gets the CPU build,
which is some gigabytes smaller. A PyTorch that is already in the environment is left alone: on Windows with an NVIDIA
GPU put the CUDA build there first, with the command that pytorch.org gives.
"""

import argparse
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
CPU_TORCH = ["torch==2.13.0", "--extra-index-url", "https://download.pytorch.org/whl/cpu", "--retries", "1"]


def has_nvidia_gpu() -> bool:
    """Whether the NVIDIA driver answers."""
    tool = shutil.which("nvidia-smi")
    return tool is not None and subprocess.run([tool, "-L"], capture_output=True, check=False).returncode == 0


def prepare(folder: Path, *, extras: str) -> Path:
    """Create the environment, or complete it, and return its Python."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        print(f"Creating {folder}", flush=True)
        venv.create(folder, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    there = subprocess.run([str(python), "-c", "import torch"], capture_output=True, check=False).returncode == 0
    if not there and sys.platform in ("linux", "win32") and not has_nvidia_gpu():
        print("Installing PyTorch (CPU build)", flush=True)
        subprocess.run([*pip, *CPU_TORCH], check=True)
    print("Installing doublecast", flush=True)
    subprocess.run([*pip, "--editable", f"{ROOT}[{extras}]" if extras else str(ROOT)], check=True)
    return python


def main() -> int:
    """Run the command line."""
    if sys.version_info < (3, 11):  # noqa: UP036  # this file must run on an older Python to say so
        print(f"doublecast needs Python 3.11 or newer, this is {sys.version.split()[0]}: run it with a newer python3.")
        return 2
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("demo", "check"))
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="where to install (default: .venv)")
    options = parser.parse_args()
    try:
        python = prepare(options.venv, extras="test" if options.command == "check" else "")
    except subprocess.CalledProcessError as error:
        print(f"The installation failed: {' '.join(map(str, error.cmd[3:]))} (see above).")
        return 2
    if options.command == "check":
        run = [str(python), str(ROOT / "tools" / "check.py")]
    else:
        run = [str(python), "-m", "doublecast", "demo", "--overwrite"]
    try:
        return subprocess.run(run, check=False, cwd=ROOT).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
