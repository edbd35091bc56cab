"""Mutated films, pictures and sidecars into what `verify` reads: ``python tools/fuzz_verify.py [count] [seed]``.

Every file goes through the process that reads (credentials, decoding, label); every hundredth also through the search
for the invisible mark and the whole of `verify`. Prints counts of answers, crashes and refusals, the slowest answer and
the largest memory; exits 1 if a changed file was called unchanged, or `verify` itself failed.
"""

import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from trust_films import film, mutated, remux, signed_film, signed_picture  # noqa: E402 - the tests' helpers
from video_clips import make_clip  # noqa: E402

from doublecast.trust.credentials import sidecar  # noqa: E402
from doublecast.trust.sandbox import Sandbox  # noqa: E402
from doublecast.trust.verify import judge, verify  # noqa: E402

SECONDS = 30.0  #: that an answer may take


def sources(folder: Path) -> list[Path]:
    film(folder)
    remux(folder / "film.mp4", folder / "remuxed.mp4")
    signed_film(folder / "film.mp4", folder / "film.mov")
    found = [folder / "film.mp4", folder / "film.mov", folder / "remuxed.mp4", film(folder, "film.mkv")]
    found += [signed_picture(folder), sidecar(folder / "film.mkv")]
    return [*found, make_clip(folder / "old.avi", codec="mpeg4"), make_clip(folder / "old.webm", codec="libvpx-vp9")]


def memory(process: int | None) -> float:
    """The largest that a process has been, in megabytes; 0 where the system does not tell."""
    status = Path(f"/proc/{process}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM")), 0.0)


def main(count: int, seed: int) -> int:
    chance, answers, errors = random.Random(seed), Counter[str](), Counter[str]()
    slowest = largest = 0.0
    wrong = []
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as name, Sandbox() as sandbox:
        folder = Path(name)
        originals = {path: path.read_bytes() for path in sources(folder)}
        target = folder / "mutated"
        target.mkdir()
        for number in range(count):
            source = chance.choice(list(originals))
            for old in target.iterdir():
                old.unlink()
            path = target / source.name
            path.write_bytes(mutated(originals[source], chance))
            changed = path.read_bytes() != originals[source]
            if path.suffix == ".c2pa":
                path = path.with_suffix("")
                path.write_bytes(originals[folder / path.name])
            for request in ({"do": "credentials"}, {"do": "pictures", "said": None, "marks": False}):
                start = time.monotonic()
                answer = sandbox.ask({**request, "path": str(path)}, seconds=SECONDS)
                slowest = max(slowest, time.monotonic() - start)
                what = str(answer.get("error") or answer.get("state") or f"kind {answer.get('kind') or 'none'}")
                (errors if "error" in answer else answers)[what] += 1
                if answer.get("state") == "valid" and changed:
                    wrong.append(number)
            process = sandbox._process
            largest = max(largest, memory(process.pid if process is not None else None))
            if number % 100 == 0:
                start = time.monotonic()
                answers[f"verify: exit code {judge(verify(path))[0]}"] += 1
                slowest = max(slowest, time.monotonic() - start)
    print(f"{count} files, seed {seed}, {time.monotonic() - begin:.0f} s")
    for what, times in answers.most_common():
        print(f"{times:7}  {what}")
    for what, times in errors.most_common():
        print(f"{times:7}  broken off: {what}")
    print(f"slowest answer {slowest:.1f} s, largest memory {largest:.0f} MB, changed but called valid: {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:3]]
    sys.exit(main(*[*given, *(10_000, 1)[len(given) :]]))
