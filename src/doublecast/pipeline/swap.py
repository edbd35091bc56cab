"""The main job: two sides' takes in, labelled films and a report out; every finished stage is done once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from doublecast.disk import disk_errors, key_of
from doublecast.events import Listener, ignore
from doublecast.model.train import TrainConfig
from doublecast.pipeline.activity import working
from doublecast.pipeline.consent import require, state
from doublecast.pipeline.convert import convert_takes, promised, refuse_inputs
from doublecast.pipeline.curate import curate_side, warn_if_same, warn_if_small
from doublecast.pipeline.extract import extract_side
from doublecast.pipeline.report import write_report
from doublecast.pipeline.takes import outputs
from doublecast.pipeline.train import USUAL, train
from doublecast.production import RECORD, SIDES, Production
from doublecast.trust import Label, Signer, check_output
from doublecast.video import Take, find_takes

Takes: TypeAlias = str | Path | Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Swapped:
    """Where everything lies. films: one per take of the actor."""

    films: tuple[Path, ...]
    report: Path
    production: Path


def swap(
    actor: Takes,
    target: Takes,
    output: Path | str,
    *,
    minutes: float = 10.0,
    size: int | None = None,
    config: TrainConfig | None = None,
    work: Path | str | None = None,
    device: str = "auto",
    prior: bool = True,
    actor_face: int | None = None,
    target_face: int | None = None,
    label: Label | None = None,
    actor_consent: str | None = None,
    target_consent: str | None = None,
    overwrite: bool = False,
    signer: Signer | None = None,
    on_event: Listener = ignore,
) -> Swapped:
    """Replace the actor's face by the target's in every video of the actor.

    actor, target: files, folders or globs; all of one side show one person (others may be in shot). output: see
    `convert`. minutes: training time over all runs. size: of the network's picture of the face: 96, 128, 192 or 256,
    by default what fits the faces, see `train.fitting_size`. prior: start from the package's weights; False: from
    scratch. config: more options of training; replaces minutes, size and prior. work: production folder, by default
    beside the output.
    actor_face, target_face: number of the person on the contact sheet, where several are about equally present.
    label: see `convert`.
    actor_consent, target_consent: on what basis that person's face is used, BASIS or BASIS:DETAIL (see
    `trust.Basis.parse`), for example "self"; needed where the production has no record of it yet.

    Interrupted or killed, the same call goes on; with other options only what depends on them is done again: more
    minutes go on training, another size trains a model of its own, a changed take alone is extracted again.
    signer: of the films' credentials, by default this machine's own certificate.
    Raises InputError, NoFaceError, AmbiguousFaceError, OutputError, ProductionError, WeightsError, ModelError,
    ConsentError, RefusedError, KeysError.
    """
    output, label, signer = Path(output), label or Label(), signer or Signer.own()
    plan = config or TrainConfig(size=USUAL if size is None else size, minutes=minutes, device=device, prior=prior)  # type: ignore[arg-type]  # it checks
    if size is not None:
        config = plan
    actors, targets = find_takes(_listed(actor)), find_takes(_listed(target))
    refuse_inputs(outputs(actors, output), [*actors, *targets])
    folder = Path(work) if work is not None else default_work(output)
    if not (folder / RECORD).exists():
        for take, film in zip(actors, outputs(actors, output), strict=True):
            check_output(film, take, overwrite=overwrite)
    bases = [
        (side, require(folder, side, text, option=f"--{side}-consent"))
        for side, text in zip(SIDES, (actor_consent, target_consent), strict=True)
    ]
    with Production(folder) as job, working(job, "swap", on_event) as tell, disk_errors(folder):
        asked = key_of(
            "swap", [t.key() for t in actors], [t.key() for t in targets], actor_face, target_face,
            None if config is None else plan.size, plan.minutes, plan.steps, plan.seed, plan.prior, label.key,
        )  # fmt: skip
        _check_outputs(job, actors, output, asked, overwrite)
        for side, basis in bases:
            state(job, side, basis, tell)
        extract_side(job, "actor", actors, on_event=tell)
        extract_side(job, "target", targets, on_event=tell)
        curate_side(job, "actor", face=actor_face, on_event=tell)
        curate_side(job, "target", face=target_face, on_event=tell)
        warn_if_same(job, tell)
        warn_if_small(job, tell)
        train(job, config=config, minutes=minutes, device=device, prior=prior, on_event=tell)
        films = convert_takes(
            job, output, asked=asked, device=plan.device, label=label, overwrite=overwrite, signer=signer,
            on_event=tell,
        )  # fmt: skip
        report = write_report(job, films, label=label, on_event=tell)
        return Swapped(tuple(films), report, job.folder)


def default_work(output: Path) -> Path:
    """The production folder beside an output: film.mp4 -> film.production."""
    return output.absolute().with_suffix(".production")


def _listed(takes: Takes) -> list[str | Path]:
    return [takes] if isinstance(takes, str | Path) else list(takes)


def _check_outputs(job: Production, takes: Sequence[Take], output: Path, asked: str, overwrite: bool) -> None:
    """Refuse an existing output before hours of work, unless this very job made it."""
    for take, film in zip(takes, outputs(takes, output), strict=True):
        if not promised(job, film, asked):
            check_output(film, take, overwrite=overwrite)
