import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the GAN needs vehicle-damage[train]")

from models.data.photos import DataError  # noqa: E402
from models.job import screening  # noqa: E402
from models.job.crops import CropsOptions, cut_crops  # noqa: E402
from models.job.dataset import copy_dataset  # noqa: E402
from models.job.instances import generate_instances, load_instances, train_instances  # noqa: E402
from models.job.screening import RULES, ScreeningOptions, load_kept, screen_instances  # noqa: E402
from tests.models.job.scenes import write_yolo  # noqa: E402
from tests.models.job.test_instances import OPTIONS  # noqa: E402


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("job")
    copy_dataset(write_yolo(root / "source", train=40), "person", root / "dataset")
    cut_crops(root / "dataset", root / "crops", CropsOptions(canvas_px=16))
    train_instances(root / "crops", root / "gan", OPTIONS)
    generate_instances(root / "gan", root / "crops", root / "instances", count=80, seed=1)
    return root


def run(folders, out, **options):
    return screen_instances(folders / "crops", folders / "gan", folders / "instances", out, ScreeningOptions(**options))


def test_every_rule_gives_its_verdicts_and_both_its_errors(folders, tmp_path):
    done = run(folders, tmp_path / "screening", rule="multi")
    verdicts = np.load(tmp_path / "screening" / "verdicts.npz")
    assert set(verdicts) == set(RULES) == set(done.result["errors"]) == set(done.result["rejected"])
    made = load_instances(folders / "instances")
    mean, std = made.real_critic_logits.mean(), made.real_critic_logits.std(ddof=0)
    expected = np.abs(made.critic_logits - mean) > 2 * std
    assert (verdicts["critic"] != expected).sum() <= 1  # ddof
    assert (load_kept(tmp_path / "screening") == np.flatnonzero(~verdicts["multi"])).all()
    for name in RULES:
        errors = done.result["errors"][name]
        assert errors["false_reject"]["total"] == done.result["labelled"]["good"]
        assert errors["false_accept"]["total"] == 8 * done.result["labelled"]["good"]
        assert done.result["rejected"][name]["count"] == int(verdicts[name].sum())


def test_learned_screen_knows_most_broken_crops_it_has_not_seen(folders, tmp_path):
    errors = run(folders, tmp_path / "screening", rule="multi").result["errors"]["learned"]
    assert errors["false_accept"]["value"] < 0.25
    assert errors["false_reject"]["value"] < 0.4


def test_same_seed_gives_the_same_folder(folders, tmp_path):
    first, second = (run(folders, tmp_path / name, rule="multi") for name in "ab")
    assert first.digest == second.digest
    assert run(folders, tmp_path / "c", rule="multi", seed=1).digest != first.digest


def test_rule_that_keeps_nothing_is_refused(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(
        screening, "screen_multi_colour", lambda h, px2: type("All", (), {"is_broken": np.ones(len(h), bool)})
    )
    with pytest.raises(DataError, match="multi keeps none of 80 instances"):
        run(folders, tmp_path / "screening", rule="multi")
    assert not (tmp_path / "screening").exists()


def test_unknown_rule_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"^rule: expected one of single_40, .* found 'taste'"):
        ScreeningOptions(rule="taste")
