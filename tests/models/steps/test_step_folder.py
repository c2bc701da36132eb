import json

import pytest

from models.data.manifest import verify_manifest
from models.data.photos import DataError
from models.steps.step_folder import check_made_of, load_step, run_step, same_input


def write_number(number):
    def work(folder, scratch):
        (folder / "number.txt").write_text(str(number))
        return {"number": number}

    return work


def refuse(folder, scratch):
    raise AssertionError("a step that is done is not done again")


def test_step_is_done_once(tmp_path):
    done = run_step(tmp_path / "a", "count", {"n": 3}, {}, write_number(3))
    again = run_step(tmp_path / "a", "count", {"n": 3}, {}, refuse)
    assert (done.result, done.was_there) == ({"number": 3}, False)
    assert (again.result, again.was_there, again.digest) == ({"number": 3}, True, done.digest)
    verify_manifest(tmp_path / "a")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_interrupted_step_leaves_no_folder_and_keeps_its_scratch(tmp_path):
    def half(folder, scratch):
        (folder / "half.txt").write_text("half")
        (scratch / "checkpoint").write_text("7")
        raise KeyboardInterrupt

    def rest(folder, scratch):
        assert not (folder / "half.txt").exists()
        return {"resumed_at": int((scratch / "checkpoint").read_text())}

    with pytest.raises(KeyboardInterrupt):
        run_step(tmp_path / "a", "train", {}, {}, half, resumes=True)
    assert not (tmp_path / "a").exists()
    assert run_step(tmp_path / "a", "train", {}, {}, rest, resumes=True).result == {"resumed_at": 7}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_input_that_is_refused_leaves_nothing_behind(tmp_path):
    def look(folder, scratch):
        (folder / "half.txt").write_text("half")
        raise DataError("photos: found none")

    with pytest.raises(DataError, match="photos: found none"):
        run_step(tmp_path / "a", "count", {"n": 3}, {}, look)
    assert list(tmp_path.iterdir()) == []
    run_step(tmp_path / "a", "count", {"n": 4}, {}, write_number(4))


def test_refusal_keeps_what_can_be_resumed_from(tmp_path):
    def look(folder, scratch):
        (scratch / "checkpoint").write_text("7")
        raise DataError("disk: full")

    with pytest.raises(DataError, match="disk: full"):
        run_step(tmp_path / "a", "count", {"n": 3}, {}, look, resumes=True)
    assert (tmp_path / "a.work" / "checkpoint").read_text() == "7"
    with pytest.raises(DataError, match="disk: full"):
        run_step(tmp_path / "b", "count", {"n": 3}, {}, look)
    assert not (tmp_path / "b.work").exists()


def test_step_that_does_not_resume_starts_clean_and_sweeps_what_killed_runs_left(tmp_path):
    for left in ("a.work", ".a-x1.partial"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "old").write_text("old")

    def work(folder, scratch):
        assert [path.name for path in scratch.iterdir()] == ["step.json"]
        return {}

    run_step(tmp_path / "a", "count", {}, {}, work)
    (tmp_path / "a.work").mkdir()  # as if killed before it was taken away
    assert run_step(tmp_path / "a", "count", {}, {}, refuse).was_there
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_steps_that_do_not_belong_together_are_refused(tmp_path):
    first, other = (run_step(tmp_path / n, "count", {"n": n}, {}, write_number(n)).folder for n in ("1", "2"))
    ends = {
        name: run_step(tmp_path / name, "sum", {}, {"numbers": of}, lambda folder, scratch: {}).folder
        for name, of in (("a", first), ("b", first), ("c", other))
    }
    check_made_of(ends["a"], numbers=first)
    same_input(ends["a"], ends["b"], "numbers")
    with pytest.raises(DataError, match=r"a: made of another numbers than .*2"):
        check_made_of(ends["a"], numbers=other)
    with pytest.raises(DataError, match=r"a, .*c: made of different numbers"):
        same_input(ends["a"], ends["c"], "numbers")


@pytest.mark.parametrize("is_interrupted", [False, True])
def test_folder_of_other_options_or_inputs_is_refused_by_name(is_interrupted, tmp_path):
    def work(folder, scratch):
        if is_interrupted:
            (scratch / "checkpoint").write_text("7")
            raise KeyboardInterrupt
        return {}

    first = run_step(tmp_path / "first", "count", {"n": 1}, {}, write_number(1))
    other = run_step(tmp_path / "other", "count", {"n": 2}, {}, write_number(2))
    try:
        run_step(tmp_path / "b", "sum", {"k": 1}, {"numbers": first.folder}, work, resumes=True)
    except KeyboardInterrupt:
        assert is_interrupted
    for options, inputs, words in (
        ({"k": 2}, {"numbers": first.folder}, "options: k: made with 1, found 2"),
        ({"k": 1, "more": 1}, {"numbers": first.folder}, "options: more: made with None, found 1"),
        ({"k": 1}, {"numbers": other.folder}, "inputs: numbers: made with '"),
    ):
        with pytest.raises(DataError, match=words):
            run_step(tmp_path / "b", "sum", options, inputs, refuse, resumes=True)
    with pytest.raises(DataError, match="step: made with 'sum', found 'product'"):
        run_step(tmp_path / "b", "product", {"k": 1}, {"numbers": first.folder}, refuse, resumes=True)


def test_input_that_is_not_complete_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match=r"in/manifest\.json: No such file"):
        run_step(tmp_path / "a", "sum", {}, {"numbers": tmp_path / "in"}, refuse)
    assert not (tmp_path / "a").exists()


def test_step_is_opened_by_its_name(tmp_path):
    run_step(tmp_path / "a", "count", {}, {}, write_number(4))
    assert load_step(tmp_path / "a", "count").result == {"number": 4}
    with pytest.raises(DataError, match="expected the folder of step sum, found count"):
        load_step(tmp_path / "a", "sum")
    with pytest.raises(DataError, match="the step is not complete"):
        load_step(tmp_path / "none", "sum")
    (tmp_path / "a" / "step.json").write_text(json.dumps([1]))
    with pytest.raises(DataError, match="no record of a step"):
        load_step(tmp_path / "a", "count")
