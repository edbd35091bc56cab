import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pipeline_clips import environment

from doublecast.errors import ProductionError
from doublecast.production import (
    FilmRecord,
    Production,
    TakeInput,
    opened,
)

HOLD = """
import sys, time
from doublecast.production import Production
job = Production(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""
TAKE = "format = 1\n[[inputs.actor]]\nname = 'x'\nkey = 'k'\nkind = 'video'\n"


def take(name: str, key: str, *files: str) -> TakeInput:
    return TakeInput(name, key, "video", files or (f"/takes/{name}.mp4",))


def test_record_survives_closing(tmp_path: Path) -> None:
    odd = 'quo"te \\ back\n ü 人.mp4'
    with Production(tmp_path / "a") as job:
        job.set_inputs("actor", [take(odd, "k1", f"/x/{odd}")])
        job.record.options["face"] = 2
        job.record.options["device"] = "auto"
        job.record.films["/out/film.mp4"] = FilmRecord("asked", "key", "", "12-34")
        job.finish("extract actor", "key", 1.25)
        folder = job.model(96, "material")
        record = job.record
    with Production(tmp_path / "a", create=False) as job:
        assert job.record == record
        assert job.inputs("actor")[0].name == odd
        assert job.finished("extract actor", "key") and not job.finished("extract actor", "other")
        assert job.model(96, "material") == folder


def test_models_of_other_material_are_kept_apart(tmp_path: Path) -> None:
    with Production(tmp_path / "a") as job:
        names = [job.model(*pair).name for pair in [(96, "a"), (96, "b"), (128, "a"), (96, "a")]]
    assert names == ["model-96", "model-96-2", "model-128", "model-96"]


def test_second_process_is_refused_and_sigkill_frees_the_lock(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "a")], stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(ProductionError, match=rf"in use by another process \({process.pid}\)"):
        Production(tmp_path / "a")
    Production(tmp_path / "a", lock=False)
    process.kill()
    process.communicate()
    Production(tmp_path / "a").close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("format = 99\ndoublecast = '9.0'\n", "made by doublecast 9.0 in format 99"),
        ("format = ", "damaged"),
        ("format = 1\n[[inputs.actor]]\nname = 'x'\n", "damaged"),
        ("format = 1\n[[inputs.actor]]\nname = '../x'\nkey = 'k'\nkind = 'video'\nfiles = []\n", "no plain name"),
        ("format = 1\n[models.'../../x']\nsize = 96\nmaterial = 'm'\n", "no plain name"),
        ("format = 1\n[models.'..']\nsize = 96\nmaterial = 'm'\n", "no plain name"),
        (f"{TAKE}files = []\n", "'x' is no video"),
        (f"{TAKE}files = 'a.mp4'\n", "'x' is no video"),
        (f"{TAKE}files = [7]\n", "text was expected, got 7"),
        (f"{TAKE}files = ['a.mp4', 'b.mp4']\n", "'x' has 2 files"),
        (f"{TAKE}files = ['a.mp4']\nsha256 = 'xyz'\n", "sha256 of 'x' must be 64 hex digits, got 'xyz'"),
        (f"{TAKE}files = ['a.mp4']\nsha256 = 7\n", "text was expected"),
        (f"{TAKE.replace('video', 'sound')}files = ['a.mp4']\n", "'x' is no video"),
        ("format = 1\n[films.'/f.mp4']\njob = 'j'\nkey = 'k'\nfilm = 'none'\n", "10 hex digits, got 'none'"),
        ("format = 1\n[films.'/f.mp4']\njob = 'j'\nkey = 1\n", "text was expected"),
        ("format = 1\noptions = 5\n", "damaged"),
        (None, "holds other files"),
    ],
)
def test_foreign_folder_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    name = "notes.txt" if content is None else "production.toml"
    (tmp_path / name).write_text(content or "mine")
    with pytest.raises(ProductionError, match=message):
        Production(tmp_path)
    assert (tmp_path / name).read_text() == (content or "mine")


def test_missing_and_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProductionError, match="not a production"):
        Production(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").touch()
    with pytest.raises(ProductionError, match="is a file"):
        Production(tmp_path / "file")


def test_folder_of_a_process_killed_at_its_first_write_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / ".production.toml.77.tmp").write_text("form")
    Production(tmp_path).close()


@pytest.mark.parametrize(
    ("takes", "fits"),
    [
        ([take("a", "k1")], True),
        ([take("a", "changed")], True),  # the same path with other content
        ([take("moved", "k1")], True),  # the same content elsewhere
        ([take("a", "k1"), take("c", "k3")], True),  # one more take
        ([take("c", "k3")], False),
    ],
)
def test_inputs_of_another_job_are_refused(tmp_path: Path, takes: list[TakeInput], fits: bool) -> None:
    with Production(tmp_path / "job") as job:
        job.set_inputs("actor", [take("a", "k1"), take("b", "k2")])
        if fits:
            job.set_inputs("actor", takes)
            assert job.inputs("actor") == takes
        else:
            with pytest.raises(ProductionError, match=r"another job \(its actor is a.mp4, b.mp4\)"):
                job.set_inputs("actor", takes)
            assert len(job.inputs("actor")) == 2


def test_inputs_missing(tmp_path: Path) -> None:
    with Production(tmp_path) as job, pytest.raises(ProductionError, match="doublecast extract"):
        job.inputs("target")


def test_time_adds_up_over_interrupted_runs(tmp_path: Path) -> None:
    with Production(tmp_path) as job:
        with pytest.raises(KeyboardInterrupt), job.timed("train", "key"):
            job.record.stages.clear()
            raise KeyboardInterrupt
        assert not job.finished("train", "key")
        before = job.record.stages["train"]
        with job.timed("train", "key"):
            pass
        assert job.finished("train", "key")
        assert job.record.stages["train"].seconds >= before.seconds


def test_opened_passes_an_open_production_through(tmp_path: Path) -> None:
    with Production(tmp_path) as job:
        with opened(job) as same:
            assert same is job
        with pytest.raises(ProductionError, match="in use"):
            Production(tmp_path)


def test_record_is_toml(tmp_path: Path) -> None:
    with Production(tmp_path) as job:
        job.set_inputs("target", [take("a\x7f\t", "k")])
    data = tomllib.loads((tmp_path / "production.toml").read_text("utf-8"))
    assert data["inputs"]["target"][0]["name"] == "a\x7f\t"
