"""Steps of a run: digests, the record of those that are done, and what the next run keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.sparse import csr_array

import thunderlike as tl
from thunderlike.calcium import steps as module
from thunderlike.calcium.steps import STATE, Workspace, chain
from thunderlike.data.identity import described, hashed
from thunderlike.errors import ExistsError, InUseError, SpecError, StorageError

FILES = ("one.txt", "two.txt", "three.txt")


class Killed(BaseException):
    pass


def made(**parameters):
    return chain(
        {"input": parameters.pop("input", "a movie")},
        [(name[:-4], [name], {"value": parameters.get(name[:-4], 0)}) for name in FILES],
    )


@pytest.fixture
def run(tmp_path):
    """Do all steps that are not done; gives their names. `until` is killed in the middle."""

    def run(steps, until=None, output=tmp_path / "out", **options):
        did = []
        with Workspace(output, FILES, **options) as space:
            if space.finished(steps):
                return did
            for step in steps:
                if not space.fetch(step):
                    with space.doing(step):
                        path = space.path(step.files[0])
                        module.storage.write(path, f"{step.name} {step.digest}".encode())
                        if step.name == until:
                            raise Killed
                    did.append(step.name)
            space.publish(steps)
        return did

    return run


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".txt"}


def test_all_steps_are_done_once(run, tmp_path):
    assert run(made()) == ["one", "two", "three"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*FILES, STATE, "SUCCESS"}
    assert run(made()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_change_is_named_by_its_innermost_parameter(run):
    run(made(two={"A": {"diameter": 12, "fs": 15}}))
    with pytest.raises(ExistsError, match="diameter of step 'two' was 12, not 9"):
        run(made(two={"A": {"diameter": 9, "fs": 15}}))


@pytest.mark.parametrize(("until", "rest"), [("one", 3), ("two", 2), ("three", 1)])
def test_a_killed_run_goes_on(run, tmp_path, until, rest):
    run(made(), output=tmp_path / "whole")
    with pytest.raises(Killed):
        run(made(), until)
    assert not (tmp_path / "out").exists()
    assert len(run(made())) == rest
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_changed_parameter_repeats_its_step_and_the_later_ones(run, tmp_path):
    run(made())
    with pytest.raises(ExistsError, match=r"value of step 'two' was 0, not 5.*overwrite=True"):
        run(made(two=5))
    assert run(made(two=5), overwrite=True) == ["two", "three"]
    run(made(two=5), output=tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_changed_input_repeats_all(run):
    run(made())
    with pytest.raises(ExistsError, match="the input or the versions"):
        run(made(input="another"))
    assert run(made(input="another"), overwrite=True) == ["one", "two", "three"]


def test_old_results_stay_until_the_new_ones_are_complete(run, tmp_path):
    run(made())
    before = contents(tmp_path / "out")
    with pytest.raises(Killed):
        run(made(two=5), "three", overwrite=True)
    assert contents(tmp_path / "out") == before
    assert run(made(two=5), overwrite=True) == ["three"]


def test_parameters_may_change_there_and_back(run):
    with pytest.raises(Killed):
        run(made(), "three")
    with pytest.raises(Killed):
        run(made(two=5), "two")
    # The file of the interrupted step was written, and counts for neither.
    assert run(made()) == ["two", "three"]


def test_without_resume_all_is_repeated(run):
    with pytest.raises(Killed):
        run(made(), "three")
    assert run(made(), resume=False) == ["one", "two", "three"]
    with pytest.raises(ExistsError):
        run(made(), resume=False)
    assert run(made(), resume=False, overwrite=True) == ["one", "two", "three"]


@pytest.mark.parametrize("spoil", [b"", b"not JSON", b'{"format": 99, "steps": {}}', b"[]"])
def test_a_damaged_record_repeats_all(run, tmp_path, spoil):
    with pytest.raises(Killed):
        run(made(), "three")
    (tmp_path / ".out.unfinished" / STATE).write_bytes(spoil)
    assert run(made()) == ["one", "two", "three"]


def test_a_missing_or_truncated_file_repeats_its_step(run, tmp_path):
    with pytest.raises(Killed):
        run(made(), "three")
    (tmp_path / ".out.unfinished" / "files" / "one.txt").unlink()
    (tmp_path / ".out.unfinished" / "files" / "two.txt").write_bytes(b"")
    assert run(made()) == ["one", "two", "three"]


def test_files_of_other_steps_are_not_published(run, tmp_path):
    with pytest.raises(Killed):
        run(made(), "three")
    run(made()[:2])
    assert set(contents(tmp_path / "out")) == {"one.txt", "two.txt"}


def test_the_files_of_others_are_never_removed(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(ExistsError, match=r"thesis\.txt"):
        run(made())
    with pytest.raises(StorageError, match=r"was not written by us.*thesis\.txt"):
        run(made(), overwrite=True)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"
    assert not (tmp_path / ".out.unfinished").exists()


def test_one_run_at_a_time(tmp_path):
    with (
        Workspace(tmp_path / "out", FILES),
        pytest.raises(InUseError, match="another writer"),
        Workspace(tmp_path / "out", FILES),
    ):
        pass


def test_seconds_of_earlier_runs_count(run, tmp_path):
    with pytest.raises(Killed):
        run(made(), "three")
    run(made())
    state = json.loads((tmp_path / "out" / STATE).read_text())
    assert all(entry["seconds"] >= 0 for entry in state["steps"].values())
    with Workspace(tmp_path / "out", FILES) as space:
        assert list(space.seconds(made())) == ["one", "two", "three"]


@dataclass
class Line:
    slope: float
    points: np.ndarray


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 2),
        (1.0, float("nan")),
        (None, False),
        ({"a": 1}, {"b": 1}),
        ([1, 2], [2, 1]),
        (slice(0, 3), slice(0, 4)),
        (np.zeros(3), np.zeros(4)),
        (np.zeros(3), np.array([0, 0, 1e-300])),
        (np.zeros(2, np.float32), np.zeros(2)),
        (csr_array(np.eye(3)), csr_array(2 * np.eye(3))),
        (tl.registration.Rigid(), tl.registration.Rigid(max_shift=20)),
        (tl.registration.Rigid(), tl.registration.PiecewiseRigid()),
        (Line(1, np.zeros(2)), Line(1, np.ones(2))),
    ],
)
def test_digests_differ_where_parameters_do(one, other):
    assert hashed(described(one)) == hashed(described(one))
    assert hashed(described(one)) != hashed(described(other))


def test_a_parameter_whose_changes_cannot_be_seen_is_refused():
    with pytest.raises(SpecError, match="a change of"):
        described({"rule": lambda quality: quality["snr"] > 5})
