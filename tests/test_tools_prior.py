"""The script that trains the prior: what it asks of each half of a batch, that it goes on, and what it exports."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file, save_file

from doublecast.model.prior import Prior
from doublecast.types import VECTOR

SCRIPT = Path(__file__).parent.parent / "tools" / "prior" / "train.py"
SIZE, PEOPLE, MOMENTS = 128, 3, 2


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("prior_train", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "BATCH", 2)
    return module


@pytest.fixture
def work(tmp_path: Path) -> Path:
    rng = torch.Generator().manual_seed(0)

    def pictures(*shape: int) -> torch.Tensor:
        return torch.randint(0, 255, (*shape, SIZE, SIZE, 3), dtype=torch.uint8, generator=rng)

    def seen(*shape: int) -> torch.Tensor:
        return torch.full((*shape, SIZE, SIZE), 255, dtype=torch.uint8)

    faces = {"textures": pictures(5), "visible": seen(5), "vectors": torch.randn(5, VECTOR, generator=rng)}
    group = {"textures": pictures(PEOPLE, MOMENTS), "visible": seen(PEOPLE, MOMENTS)}
    group["visible"][0, 0] = 0  # nobody was found there
    group["vectors"] = torch.randn(PEOPLE, VECTOR, generator=rng)
    save_file(faces, tmp_path / "faces.safetensors")
    save_file(group, tmp_path / "performers-0000.safetensors")
    return tmp_path


def test_pairs_are_two_people_in_the_same_moment(script: ModuleType, work: Path) -> None:
    material = script.Material(work)
    group = load_file(work / "performers-0000.safetensors")
    textures, visible, vectors = material.pairs(40, torch.Generator().manual_seed(3))
    assert bool((visible > 0).all())
    for k in range(0, 40, 2):
        places = [
            (person, moment)
            for row in (k, k + 1)
            for person in range(PEOPLE)
            for moment in range(MOMENTS)
            if torch.equal(group["textures"][person, moment], textures[row])
        ]
        (one, first), (other, second) = places
        assert one != other and first == second
        assert torch.equal(vectors[k], group["vectors"][one])


def test_light_is_the_same_on_both_of_a_pair(script: ModuleType, work: Path) -> None:
    run = script.Run(script.Material(work), work)
    p = torch.full((2, 3, 32, 32), 0.4)
    lit = run.lit(p, torch.ones(2, 1, 32, 32))
    torch.testing.assert_close(lit[0], lit[1])
    assert not torch.allclose(lit[0], p[0])


def test_it_goes_on_where_it_was_and_exports_half_precision(script: ModuleType, work: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    run = script.Run(script.Material(work), work)
    run.advance(0.0)
    run.seconds = 7.0
    run.save()
    again = script.Run(script.Material(work), work)
    assert (again.step, again.seconds) == (1, 7.0)
    first, second = run.advance(0.1), again.advance(0.1)
    assert first == pytest.approx(second, rel=1e-4)
    made = tmp_path / "out.safetensors"
    script.export(run, made)
    tensors = load_file(made)
    assert {v.dtype for v in tensors.values()} == {torch.float16}
    Prior().load_state_dict({k: v.float() for k, v in tensors.items()})
