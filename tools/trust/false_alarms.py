"""How the guard takes pictures and films that show nothing it should stop: every score is a false alarm in the making.

    python tools/trust/false_alarms.py [--every N] FILE.tar | PICTURE | VIDEO | FACESET ...

Looks at every picture of a tar, every N-th frame of a video, and every face of a faceset (a folder of a production).
Prints, per argument, how many pictures, milliseconds per look, the highest score of each exposed class, the highest
certainties with their names, and what would be refused.
"""

import argparse
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from doublecast.faceset import FaceStore
from doublecast.trust.guard import EXPOSED, HIT, STILL, WATCH, judge, scores
from doublecast.video import Reader, Take


def pictures(path: Path, every: int) -> Iterator[tuple[str, np.ndarray]]:
    if path.suffix == ".tar":
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.name.endswith((".jpg", ".png")) else None
                if file is not None:
                    picture = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR_RGB)
                    yield member.name, np.asarray(picture, np.uint8)
    elif path.is_dir():
        store = FaceStore(path)
        for face in store.each(store.table().id, crops=True):
            yield f"{path.parent.name} face {face.id}", face.crop.pixels
    else:
        kind = "pictures" if path.suffix in (".jpg", ".png") else "video"
        with Reader(Take("take", (path,), kind)) as reader:
            for frame in reader:
                if frame.index % every == 0:
                    yield f"{path.name} frame {frame.index}", frame.pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", nargs="+", type=Path)
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    count, spent, highest, judged = 0, 0.0, np.zeros(18), []
    for path in options.path:
        for name, pixels in pictures(path, options.every):
            begin = time.perf_counter()
            what, suspicion, certainty = judge(pixels)
            spent += time.perf_counter() - begin
            judged.append((certainty, suspicion, name, what))
            if suspicion >= WATCH:
                highest = np.maximum(highest, scores(pixels))
            count += 1
            if count % 500 == 0:
                print(count, flush=True)
    print(f"{count} pictures, {1000 * spent / max(count, 1):.1f} ms each")
    print("suspicious:", sum(suspicion >= WATCH for _, suspicion, _, _ in judged))
    for number, what in EXPOSED.items():
        print(f"  {what:18} highest score of the network among those {highest[number]:.2f}")
    for certainty, suspicion, name, what in sorted(judged, reverse=True)[:10]:
        print(f"  certainty {certainty:.2f} (score {suspicion:.2f}) {what} in {name}")
    hits, stills = (sum(certainty >= least for certainty, *_ in judged) for least in (HIT, STILL))
    print(f"hits in a film, of which it takes two: {hits}; refused as pictures: {stills}")


if __name__ == "__main__":
    main()
