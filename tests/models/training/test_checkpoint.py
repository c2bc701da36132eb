import errno
import os
import resource
import subprocess

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.training.checkpoint import (  # noqa: E402
    load_checkpoint,
    load_initial_weights,
    load_tensors,
    move_average,
    write_atomically,
)
from models.training.errors import TrainingError  # noqa: E402
from tests.models.training.small_runs import TinyNetwork, tiny_options, train_tiny  # noqa: E402


@pytest.fixture
def run_dir(tmp_path):
    train_tiny(tiny_options(tmp_path / "run", steps=1))
    return tmp_path / "run"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def refuse_to_save(folder, match):
    path = folder / "checkpoint.pt"
    write_atomically(path, {"a": torch.zeros(10)})
    before = path.read_bytes()
    with pytest.raises(TrainingError, match=match) as refused:
        write_atomically(path, {"a": torch.zeros(100_000)})
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == before
    assert [entry.name for entry in folder.iterdir()] == ["checkpoint.pt"]


def test_full_disk_is_told_and_leaves_the_old_checkpoint_alone(small_disk):
    refuse_to_save(small_disk, r"checkpoint\.pt: not saved: .*No space left on device.*is kept")


def test_file_that_may_not_grow_is_told_and_leaves_the_old_checkpoint_alone(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    try:
        refuse_to_save(tmp_path, "not saved: .*File too large.*is kept")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_disk_that_fills_up_while_flushing_is_told_too(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_atomically(tmp_path / "checkpoint.pt", {})
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(TrainingError, match="No space left"):
        write_atomically(tmp_path / "checkpoint.pt", {})
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut", "other keys", "list"])
def test_damaged_checkpoint_is_one_line_that_names_it(damage, run_dir):
    path = run_dir / "checkpoint.pt"
    whole = path.read_bytes()
    if damage == "other keys":
        torch.save({"weights": torch.zeros(1)}, path)
    elif damage == "list":
        torch.save([1, 2], path)
    else:
        path.write_bytes({"empty": b"", "garbage": os.urandom(2000), "cut": whole[: len(whole) // 2]}[damage])
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: ") as refused:
        train_tiny(tiny_options(run_dir, steps=1), resume=True)
    assert "\n" not in str(refused.value)


def test_any_bytes_at_all_are_refused_as_damaged(tmp_path):
    for seed in range(100):
        (tmp_path / "checkpoint.pt").write_bytes(np.random.default_rng(seed).bytes(2000))
        with pytest.raises(TrainingError, match=r"checkpoint\.pt: damaged"):
            load_tensors(tmp_path / "checkpoint.pt")


def test_weights_of_another_network_are_refused(run_dir):
    with pytest.raises(TrainingError, match=r"initial_weights: .* another network"):
        load_initial_weights(torch.nn.Linear(2, 2), run_dir)


def test_missing_checkpoint_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "checkpoint.pt")


def test_average_moves_by_its_share_and_counters_are_copied():
    averaged, network = TinyNetwork(), TinyNetwork()
    before = averaged.layers[0].weight.detach().clone()
    network.layers[1].num_batches_tracked.fill_(9)
    move_average(averaged, network, 0.75)
    torch.testing.assert_close(averaged.layers[0].weight, 0.75 * before + 0.25 * network.layers[0].weight)
    assert averaged.layers[1].num_batches_tracked == 9
