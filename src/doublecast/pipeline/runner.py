"""One job of the queue, done by the pipeline's functions. What is heavy is loaded here, when it is needed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doublecast.events import Listener
from doublecast.pipeline.options import Kind, checked, label_of


def run(folder: Path, kind: Kind, options: Mapping[str, Any], on_event: Listener) -> tuple[str, ...]:
    """Do a job in a production; returns the paths of what it made. Raises what the pipeline's functions raise."""
    plain = checked(kind, options)
    label = label_of(plain.pop("label", None))
    if kind == "swap":
        from doublecast.pipeline.swap import swap

        done = swap(**plain, work=folder, label=label, on_event=on_event)
        return (*map(str, done.films), str(done.report))
    if kind == "extract":
        from doublecast.pipeline.extract import extract

        extract(plain.pop("takes"), folder, **plain, on_event=on_event)
        return ()
    if kind == "curate":
        from doublecast.pipeline.curate import curate

        curate(folder, **plain, on_event=on_event)
        return ()
    if kind == "train":
        from doublecast.pipeline.train import train

        return (str(train(folder, **plain, on_event=on_event)),)
    return _convert(folder, plain, label, on_event)


def _convert(folder: Path, plain: dict[str, Any], label: Any, on_event: Listener) -> tuple[str, ...]:
    """Films, and the report of them."""
    from doublecast.pipeline.activity import working
    from doublecast.pipeline.convert import convert
    from doublecast.pipeline.report import write_report
    from doublecast.production import Production
    from doublecast.trust import Label

    label = label or Label()
    with Production(folder, create=False) as job, working(job, "convert", on_event) as tell:
        films = convert(job, plain.pop("output"), **plain, label=label, on_event=tell)
        report = write_report(job, films, label=label, on_event=tell)
    return (*map(str, films), str(report))
