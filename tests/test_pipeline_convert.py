"""What a render may take the place of, and when a production is ready for one."""

from pathlib import Path

import pytest

from doublecast.disk import fingerprint
from doublecast.errors import OutputError, ProductionError, RefusedError
from doublecast.pipeline.convert import _begin, _film_id, _forgotten_if_refused, claim, promised, refuse_inputs
from doublecast.pipeline.curate import check_curated
from doublecast.pipeline.measure import film_take
from doublecast.production import FilmRecord, Production, TakeInput
from doublecast.video import Take, picture_names


@pytest.mark.parametrize(
    ("parts", "ours"),
    [((), True), (("film.json",), False), (("film.json", "placing"), True), (("placing",), True)],
)
def test_only_what_this_render_placed_is_ours(tmp_path: Path, parts: tuple[str, ...], ours: bool) -> None:
    film, take = tmp_path / "film.mp4", Take("a", (tmp_path / "a.mp4",), "video")
    film.write_bytes(b"appeared while the render was stopped")
    with Production(tmp_path / "job") as job:
        job.record.films[str(film)] = FilmRecord("asked", "key")
        folder = job.renders(film, "key")
        for name in parts:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        assert promised(job, film, "asked") == ours
        if ours:
            assert claim(job, film, take, key="key", overwrite=False) == ("" if parts else None)
            return
        with pytest.raises(OutputError, match="exists already"):
            claim(job, film, take, key="key", overwrite=False)
        assert claim(job, film, take, key="key", overwrite=True) == fingerprint(film)


def test_from_the_first_record_on_nothing_else_is_taken_for_the_film(tmp_path: Path) -> None:
    film, take, record = tmp_path / "film.mp4", Take("a", (tmp_path / "a.mp4",), "video"), FilmRecord("asked", "key")
    with Production(tmp_path / "job") as job:
        _begin(job, film, record, job.renders(film, "key"))  # killed right after it
    film.write_bytes(b"somebody else's")
    with Production(tmp_path / "job") as job:
        assert job.record.films[str(film)] == record and not promised(job, film, "asked")
        with pytest.raises(OutputError, match="exists already"):
            claim(job, film, take, key="key", overwrite=False)
        (job.folder / "renders" / "file").touch()
        with pytest.raises(OutputError, match="cannot be written"):
            _begin(job, film, record, job.folder / "renders" / "file" / "parts")


@pytest.mark.parametrize("finished", [None, FilmRecord("asked", "earlier", "", "12-34"), FilmRecord("asked", "key")])
def test_a_refused_film_is_forgotten(tmp_path: Path, finished: FilmRecord | None) -> None:
    film = tmp_path / "film.mp4"
    with Production(tmp_path / "job") as job:
        if finished is not None:
            job.record.films[str(film)] = finished
        with pytest.raises(RefusedError), _forgotten_if_refused(job, film):
            _begin(job, film, FilmRecord("asked", "key"), job.renders(film, "key"))
            raise RefusedError("sexual imagery")
    kept = finished if finished is not None and finished.after else None
    assert Production(tmp_path / "job", lock=False).record.films.get(str(film)) == kept


def test_a_resumed_render_keeps_its_name_and_another_one_gets_a_new_one(tmp_path: Path) -> None:
    film, other = tmp_path / "film.mp4", tmp_path / "old.mp4"
    with Production(tmp_path / "job") as job:
        job.record.films[str(film)] = FilmRecord("asked", "key", film="0123456789")
        job.record.films[str(other)] = FilmRecord("asked", "key")  # made before films had names
        job.save()
    with Production(tmp_path / "job") as job:
        assert _film_id(job, film, "key") == "0123456789"
        new = [_film_id(job, film, "another"), _film_id(job, other, "key"), _film_id(job, tmp_path / "x.mp4", "key")]
        assert len({*new, "0123456789"}) == 4


def test_no_film_takes_the_place_of_footage(tmp_path: Path) -> None:
    (tmp_path / "shots").mkdir()
    takes = [Take("a", (tmp_path / "a.mp4",), "video"), Take("b", (tmp_path / "shots" / "1.png",), "pictures")]
    refuse_inputs([tmp_path / "film.mp4", tmp_path / "pictures"], takes)
    for film in (tmp_path / "shots" / ".." / "a.mp4", tmp_path / "shots"):
        with pytest.raises(OutputError, match="one of the inputs"):
            refuse_inputs([film], takes)


def test_takes_that_were_added_have_to_be_curated_first(tmp_path: Path) -> None:
    with Production(tmp_path / "job") as job:
        job.set_inputs("actor", [TakeInput("a", "k1", "video", ("/takes/a.mp4",))])
        with pytest.raises(ProductionError, match=r'doublecast extract "/takes/a\.mp4" --to'):
            check_curated(job, "actor")


def test_pictures_of_a_film_have_the_numbers_of_the_take(tmp_path: Path) -> None:
    source = Take("a", tuple(tmp_path / name for name in ("2.png", "10.png", "A.jpg", "a.png")), "pictures")
    assert picture_names(source) == ["2.png", "10.png", "A.png", "a_000003.png"]
    film = tmp_path / "film"
    film.mkdir()
    (film / "1.png").touch()  # was there before
    assert [path.name for path in film_take(film, source).files] == picture_names(source)
