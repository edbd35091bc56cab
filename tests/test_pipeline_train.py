from pathlib import Path

from doublecast.events import Step
from doublecast.pipeline.train import LOG, _keep, read_log


def test_log_survives_a_torn_line_and_forgets_steps_done_again(tmp_path: Path) -> None:
    assert read_log(tmp_path) == []
    for step in (10, 20, 30):
        _keep(tmp_path, Step(step, step * 32, step / 10, 60.0, {"l1": 1 / step}))
    with (tmp_path / LOG).open("a") as file:
        file.write('{"step": 40, "faces_\n')
    _keep(tmp_path, Step(25, 800, 2.5, 60.0, {"l1": 0.5}))
    assert [step.step for step in read_log(tmp_path)] == [10, 20, 25]
    assert read_log(tmp_path)[-1].losses == {"l1": 0.5}
