from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the GAN needs vehicle-damage[train]")

from models.data.photos import DataError  # noqa: E402
from models.job import screening  # noqa: E402
from models.job.crops import CropsOptions, cut_crops, load_crops  # noqa: E402
from models.job.dataset import copy_dataset  # noqa: E402
from models.job.extraction import ExtractionOptions, extract_instances, load_cutouts  # noqa: E402
from models.job.generation import over_black  # noqa: E402
from models.job.instances import generate_instances, judge_pixels, load_instances, train_instances  # noqa: E402
from models.job.screening import RULES, ScreeningOptions, load_kept, screen_instances  # noqa: E402
from models.training.gan import loop  # noqa: E402
from tests.models.job.scenes import write_yolo  # noqa: E402
from tests.models.job.test_crops import write_persons  # noqa: E402
from tests.models.job.test_instances import OPTIONS  # noqa: E402


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("job")
    copy_dataset(write_yolo(root / "source", train=40), "person", root / "dataset")
    cut_crops(root / "dataset", root / "crops", CropsOptions(canvas_px=16))
    train_instances(root / "crops", root / "gan", OPTIONS)
    generate_instances(root / "gan", root / "crops", root / "instances", count=80, seed=1)
    return root


@pytest.fixture(scope="module")
def rgba(tmp_path_factory):
    root = tmp_path_factory.mktemp("rgba")
    copy_dataset(write_persons(root / "source"), "person", root / "dataset")
    cut_crops(root / "dataset", root / "crops", CropsOptions(canvas_px=16, alpha="outline"))
    train_instances(root / "crops", root / "gan", replace(OPTIONS, is_rgba=True, images=16))
    generate_instances(root / "gan", root / "crops", root / "instances", count=30, seed=1)
    return root


def run(folders, out, **options):
    return screen_instances(folders / "crops", folders / "gan", folders / "instances", out, ScreeningOptions(**options))


def test_every_rule_gives_its_verdicts_and_both_its_errors(folders, tmp_path):
    done = run(folders, tmp_path / "screening", rule="multi")
    verdicts = np.load(tmp_path / "screening" / "verdicts.npz")
    assert set(verdicts) == set(RULES) == set(done.result["errors"]) == set(done.result["rejected"])
    made = load_instances(folders / "instances")
    discriminator = loop.load_networks(folders / "gan")[0].discriminator
    fitted = judge_pixels(discriminator, load_crops(folders / "crops").canvases["val"][::2])
    expected = np.abs(made.critic_logits - fitted.mean()) > 2 * fitted.std(ddof=1)
    np.testing.assert_array_equal(verdicts["critic"], expected)
    assert (load_kept(tmp_path / "screening") == np.flatnonzero(~verdicts["multi"])).all()
    for name in RULES:
        errors, good = done.result["errors"][name], done.result["labelled"]["good"]
        judged = good // 2 if name == "critic" else good  # the critic was fitted on the others
        assert errors["false_reject"]["total"] == judged
        assert errors["false_accept"]["total"] == 8 * judged
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
        screening,
        "screen_multi_colour",
        lambda h, px2, **options: type("All", (), {"is_broken": np.ones(len(h), bool)}),
    )
    with pytest.raises(DataError, match="multi keeps none of 80 instances"):
        run(folders, tmp_path / "screening", rule="multi")
    assert not (tmp_path / "screening").exists()


def test_instances_with_alpha_are_screened_on_black_and_by_a_critic_that_sees_it(rgba, tmp_path, monkeypatch):
    judged = []

    def watch(discriminator, pixels):
        judged.append(pixels)
        return judge_pixels(discriminator, pixels)

    monkeypatch.setattr(screening, "judge_pixels", watch)
    done = run(rgba, tmp_path / "screening", rule="multi", critic_k=0.8)
    crops, made = load_crops(rgba / "crops"), load_instances(rgba / "instances")
    good = crops.canvases["val"]
    fitted = judged.pop(0)
    np.testing.assert_array_equal(fitted, good[::2])
    assert len(judged) == 9  # good crops, and broken in eight ways
    assert all(pixels.shape == good.shape for pixels in judged)
    np.testing.assert_array_equal(judged[0][..., 3], good[..., 3])
    solid = good[..., 3] == 255
    np.testing.assert_array_equal(judged[0][solid], good[solid])
    assert all((pixels != judged[0]).any() for pixels in judged[1:])
    discriminator = loop.load_networks(rgba / "gan")[0].discriminator
    logits = judge_pixels(discriminator, fitted)
    mean, spread = logits.mean(), 0.8 * logits.std(ddof=1)
    others = judge_pixels(discriminator, judged[0])[1::2]
    assert done.result["errors"]["critic"]["false_reject"]["count"] == (np.abs(others - mean) > spread).sum()
    verdicts = np.load(tmp_path / "screening" / "verdicts.npz")
    np.testing.assert_array_equal(verdicts["critic"], np.abs(made.critic_logits - mean) > spread)
    expected = screening.screen_single_colour(
        screening.histogram(over_black(made.images), content_xyxy=screening.find_content(over_black(made.images))), 256
    )
    np.testing.assert_array_equal(verdicts["single_40"], expected.is_broken)


def test_instances_with_alpha_are_cut_out_by_it(rgba, tmp_path):
    done = extract_instances(rgba / "crops", rgba / "instances", tmp_path / "cut", ExtractionOptions(mode="alpha"))
    images, found = load_instances(rgba / "instances").images, load_cutouts(tmp_path / "cut", "generated")
    assert done.result["generated"]["cut_out"] == len(found.number) > 0
    for rgba_px, box, number in zip(found.rgba, found.box_xyxy, found.number, strict=True):
        x0, y0, x1, y1 = box
        is_own = rgba_px[..., 3] > 0
        np.testing.assert_array_equal(rgba_px[is_own], images[number][is_own])
        assert is_own.sum() == is_own[y0:y1, x0:x1].sum() > 0


def test_unknown_rule_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"^rule: expected one of single_40, .* found 'taste'"):
        ScreeningOptions(rule="taste")
