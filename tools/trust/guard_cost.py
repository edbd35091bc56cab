"""What the guard costs in a whole job: looks, milliseconds and shares of the stages' time.

    python tools/trust/guard_cost.py ACTOR TARGET WORK [--minutes N]

Runs `swap` on two takes with N minutes of training in the folder WORK, on a new production.
"""

import argparse
import time
from pathlib import Path

from doublecast.pipeline.swap import swap
from doublecast.production import Production
from doublecast.trust.guard import Guard


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("actor", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    guards: list[Guard] = []
    make = Guard.__init__

    def noted(self: Guard, *arguments: object, **named: object) -> None:
        guards.append(self)
        make(self, *arguments, **named)

    Guard.__init__ = noted
    begin = time.perf_counter()
    basis = "research:measurement of the guard's cost"
    job = options.work / "job"
    swap(
        options.actor, options.target, options.work / "film.mp4", minutes=options.minutes, work=job,
        actor_consent=basis, target_consent=basis,
    )  # fmt: skip
    whole = time.perf_counter() - begin
    for guard in guards:
        each = 1000 * guard.seconds / max(guard.looks, 1)
        print(f"{guard._files[0].name:40} {guard.looks:5} looks {guard.seconds:7.2f} s {each:6.1f} ms each")
    with Production(job, create=False, lock=False) as made:
        stages = {name: stage.seconds for name, stage in made.record.stages.items() if not name.startswith("guard ")}
    for name, seconds in stages.items():
        print(f"{name:40} {seconds:8.2f} s")
    looked = sum(guard.seconds for guard in guards)
    longer = whole + max(0.0, 600 - 60 * options.minutes)
    print(f"guard {looked:.2f} s: {looked / whole:.1%} of this job, {looked / longer:.1%} with 10 minutes of training")


if __name__ == "__main__":
    main()
