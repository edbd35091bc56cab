"""The looks of a production: who changes what, who wins, and what a film depends on."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pipeline_clips import environment
from typer.testing import CliRunner

from doublecast.cli import app
from doublecast.errors import DoublecastError, InputError, ProductionError
from doublecast.film.look import PLAIN, Look
from doublecast.pipeline.looks import FILE, MOST, Looks, Override, read_looks, reset, set_shot, set_usual
from doublecast.production import Production, TakeInput

WRITER = """
import sys
from doublecast.pipeline.looks import set_shot, set_usual
folder, name, take = sys.argv[1:]
for number in range(20):
    set_usual(folder, {name: number / 20})
    set_shot(folder, take, number, number + 1, {name: 0.5})
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    with Production(tmp_path / "job") as job:
        takes = [TakeInput(name, f"key-{name}", "video", (f"/takes/{name}.mp4",)) for name in ("a", "b")]
        job.set_inputs("actor", takes)
    return tmp_path / "job"


def ranges(looks: Looks, take: str = "key-a") -> list[tuple[int, int, float]]:
    return [(s.start, s.end, s.look.blend) for s in looks.shots if s.take == take]


def test_nobody_changed_anything(job: Path) -> None:
    looks = read_looks(job)
    assert looks == Looks(PLAIN, (), 0) and looks.key("key-a") == () and looks.look_at("key-a", 3) == Look()
    assert not (job / FILE).exists()


def test_the_usual_look_and_a_shot_of_its_own(job: Path) -> None:
    set_usual(job, {"grow": 0.05})
    set_usual(job, {"feather": 2})
    looks = set_shot(job, "key-a", 10, 20, {"blend": 0.5})
    assert looks == read_looks(job) and looks.revision == 3
    assert looks.usual == Look(grow=0.05, feather=2)
    assert looks.look_at("key-a", 10) == looks.look_at("key-a", 19) == Look(grow=0.05, feather=2, blend=0.5)
    assert looks.look_at("key-a", 9) == looks.look_at("key-a", 20) == looks.look_at("key-b", 15) == looks.usual
    again = set_shot(job, "key-a", 10, 20, {"colour": 0.5})  # somebody else, another value
    assert again.look_at("key-a", 12) == Look(grow=0.05, feather=2, blend=0.5, colour=0.5)
    assert set_usual(job, {"grow": 0.0}).look_at("key-a", 12).grow == 0.05, "a look of its own stays"
    assert reset(job) == Looks(PLAIN, (), 6) and read_looks(job).key("key-a") == ()


@pytest.mark.parametrize(
    ("start", "end", "blend", "left"),
    [
        (20, 30, 0.1, [(20, 30, 0.1)]),
        (0, 50, 0.1, [(0, 50, 0.1)]),
        (23, 26, 0.1, [(20, 23, 0.5), (23, 26, 0.1), (26, 30, 0.5)]),
        (10, 25, 0.1, [(10, 25, 0.1), (25, 30, 0.5)]),
        (25, MOST, 0.1, [(20, 25, 0.5), (25, MOST, 0.1)]),
        (30, 31, 0.1, [(20, 30, 0.5), (30, 31, 0.1)]),
        (10, 20, 0.1, [(10, 20, 0.1), (20, 30, 0.5)]),
        (20, 30, None, []),
        (0, MOST, None, []),
        (22, 24, None, [(20, 22, 0.5), (24, 30, 0.5)]),
        (0, 20, None, [(20, 30, 0.5)]),
    ],
)
def test_the_newest_holds_in_its_range(
    job: Path, start: int, end: int, blend: float | None, left: list[tuple[int, int, float]]
) -> None:
    set_shot(job, "key-b", 0, 100, {"blend": 0.7})
    set_shot(job, "key-a", 20, 30, {"blend": 0.5})
    looks = set_shot(job, "key-a", start, end, None if blend is None else {"blend": blend})
    assert ranges(looks) == ranges(read_looks(job)) == left
    assert ranges(looks, "key-b") == [(0, 100, 0.7)]


@pytest.mark.parametrize(
    ("take", "start", "end", "changes", "words"),
    [
        ("key-c", 0, 1, {}, "no take with the key 'key-c'"),
        ("key-a", 5, 5, {}, "frames from 5 to 5 are none"),
        ("key-a", -1, 5, None, "frames from -1 to 5"),
        ("key-a", 0, 5, {"blend": 2.0}, "blend must be from 0 to 1"),
        ("key-a", 0, 5, {"bland": 1.0}, "no 'bland'"),
    ],
)
def test_what_cannot_be_changes_nothing(
    job: Path, take: str, start: int, end: int, changes: dict[str, float] | None, words: str
) -> None:
    before = set_usual(job, {"grow": 0.01})
    with pytest.raises(InputError, match=words):
        set_shot(job, take, start, end, changes)
    assert read_looks(job) == before


def test_a_film_depends_on_the_looks_of_its_own_take(job: Path) -> None:
    keys = {read_looks(job).key("key-a")}
    keys.add(set_usual(job, {"grow": 0.05}).key("key-a"))
    keys.add(set_shot(job, "key-a", 3, 5, {"grow": 0.1}).key("key-a"))
    keys.add(set_shot(job, "key-a", 3, 6, {"grow": 0.1}).key("key-a"))
    assert len(keys) == 4
    now = read_looks(job)
    assert set_shot(job, "key-b", 3, 5, {"grow": 0.1}).key("key-a") == now.key("key-a")
    assert set_shot(job, "key-a", 50, 60, {"grow": 0.05}).key("key-a") == now.key("key-a"), "looks the same"
    set_shot(job, "key-a", 0, MOST, None)
    assert set_usual(job, {"grow": 0}).key("key-a") == ()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"format": 2, "usual": {}, "shots": [], "revision": 1}',
        '{"format": 1, "usual": {"grow": 7}, "shots": [], "revision": 1}',
        '{"format": 1, "usual": {}, "shots": [{"take": "x", "start": 5, "end": 2, "look": {}}], "revision": 1}',
        '{"format": 1, "usual": 3, "shots": [], "revision": 1}',
    ],
)
def test_a_damaged_file_is_told(job: Path, text: str) -> None:
    (job / FILE).write_text(text)
    uses: list[Callable[[], Looks]] = [lambda: read_looks(job), lambda: set_usual(job, {"grow": 0.0})]
    for use in uses:
        with pytest.raises(ProductionError, match=r"look\.json is damaged .*; delete it"):
            use()
    assert (job / FILE).read_text() == text


def test_no_production(tmp_path: Path) -> None:
    none = tmp_path / "x"
    uses: list[Callable[[], Looks]] = [lambda: read_looks(none), lambda: set_usual(none, {}), lambda: reset(tmp_path)]
    for use in uses:
        with pytest.raises(ProductionError, match="not a production"):
            use()
    assert not list(tmp_path.iterdir())


def test_two_processes_lose_nothing(job: Path) -> None:
    """Each changes a value and a take of its own, twenty times, at the same time."""
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(job), *what], env=environment())
        for what in (("colour", "key-a"), ("blend", "key-b"))
    ]
    assert [process.wait(60) for process in started] == [0, 0]
    looks = read_looks(job)
    assert (looks.usual.colour, looks.usual.blend) == (0.95, 0.95)
    assert looks.revision == 80 and len(looks.shots) == 40


def test_a_look_of_before_a_setting_was_there_has_its_usual_value(job: Path) -> None:
    set_usual(job, {"grow": -0.05})
    path = job / "look.json"
    document = json.loads(path.read_text())
    del document["usual"]["mouth"]
    path.write_text(json.dumps(document))
    assert read_looks(job).usual == Look(grow=-0.05)


def test_overrides_check_their_frames() -> None:
    for start, end in ((0, 0), (-1, 4), (3, 2)):
        with pytest.raises(DoublecastError):
            Override("x", start, end, PLAIN)


# the command line


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["look", *(str(a) for a in arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.stderr
    return result.stderr if code else result.stdout


def test_commands(job: Path) -> None:
    assert "usual: grow 0, feather 1, colour 1, sharpness 0, mouth 1, eyes 1, spectacles 1, jaw 1, blend 1" in run(
        "show", job
    )
    run("set", job, "--grow", "-0.05", "--sharpness", 0.5)
    run("set", job, "--take", "b", "--from", 10, "--to", 20, "--blend", 0.5)
    found = json.loads(run("set", job, "--take", "a", "--from", 7, "--colour", 0, "--json"))
    plain = {"grow": -0.05, "feather": 1.0, "colour": 1.0, "sharpness": 0.5, "mouth": 1.0}
    plain |= {"eyes": 1.0, "spectacles": 1.0, "jaw": 1.0, "blend": 1.0}
    assert found["usual"] == plain and found["revision"] == 3
    assert found["shots"] == [
        {"take": "a", "from": 7, "to": None, **plain, "colour": 0.0},
        {"take": "b", "from": 10, "to": 20, **plain, "blend": 0.5},
    ]
    assert "a, frames 7 to its end: " in run("show", job)
    assert [shot["take"] for shot in json.loads(run("reset", job, "--take", "a", "--json"))["shots"]] == ["b"]
    assert json.loads(run("reset", job, "--json"))["shots"] == [] and read_looks(job).usual == PLAIN


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("set",), "nothing to change; give at least one of --grow"),
        (("set", "--grow", "0.5"), "--grow"),
        (("set", "--grow", "0.1", "--from", "3"), "name it with --take"),
        (("set", "--grow", "0.1", "--take", "c"), "no take 'c'; there are a, b"),
        (("reset", "--take", "a", "--from", "9", "--to", "9"), "frames from 9 to 9"),
    ],
)
def test_commands_say_what_is_wrong(job: Path, arguments: Sequence[str], words: str) -> None:
    assert words in run(arguments[0], job, *arguments[1:], code=2)
    assert read_looks(job).revision == 0
