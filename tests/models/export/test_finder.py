"""A detector's checkpoint becomes a finder that both runtimes serve, its thresholds chosen on photos."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="export needs vehicle-damage[train]")

from typer.testing import CliRunner  # noqa: E402

from models.cli import app  # noqa: E402
from models.data.photos import DataError, load_image, load_photos  # noqa: E402
from models.export.finder import FinderOptions, choose_thresholds, export_finder, read_measures  # noqa: E402
from models.export.found_parity import compare_found  # noqa: E402
from models.object_store import FolderStore  # noqa: E402
from models.predictors import RuntimeOptions, load_finder, load_runtime  # noqa: E402
from models.sr_rcnn.predictor import Finder  # noqa: E402
from models.store import ModelStore  # noqa: E402
from models.structures import DAMAGE_CLASSES, normalise_batch  # noqa: E402
from models.training.sr_rcnn.options import RunOptions  # noqa: E402
from models.training.sr_rcnn.state import DetectorState, Recipe, build_network  # noqa: E402
from tests.models.sr_rcnn.test_network import ADDED, SPREAD, find_as_torchvision, spread_scores  # noqa: E402
from tests.models.tiny_data import write_folder  # noqa: E402
from tests.models.tiny_networks import build_card, constant_rows  # noqa: E402

SIZE_HW = (64, 96)
DETECTOR = replace(SPREAD, anchor_sizes_px=(30, 10, 60, 20, 20), proposals=60)
FULL = (1.0,) * 4


def write_run(folder, *, name="sr-rcnn", class_names=DAMAGE_CLASSES, detector=DETECTOR):
    """A checkpoint as training leaves it, of a detector whose scores are spread."""
    run = RunOptions(detector=detector, super_resolution=replace(RunOptions().super_resolution, **ADDED), seeds=(7, 1))
    recipe = Recipe(name, 1, class_names, 4, "0123456789abcdef", run)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build_network(name, recipe.deciding(), seed=1)
        spread_scores(network)
    folder.mkdir(parents=True)
    DetectorState(network, {}, step=4).save(folder / "checkpoint.pt", recipe)
    return folder


def write_report(folder, variant="sr-rcnn-size-gate"):
    box = {"AP_S": {"value": 0.3, "by_seed": [0.2, 0.4]}, "AP_L": {"value": None, "by_seed": None}}
    report = {"options": {"seeds": [7, 1]}, "variants": {variant: {"box": box}}, "photos": {"judged": {"photos": 12}}}
    (folder / "report.json").write_text(json.dumps(report))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder of a comparison, its data, and the version that the export made of it."""
    root = tmp_path_factory.mktemp("finder")
    run_dir, data = write_run(root / "run" / "sr-rcnn-seed1"), write_folder(root / "data", split="val")
    write_report(root / "run")
    (root / "store").mkdir()
    options = FinderOptions((data,), mode="gated", small_px=20.0, weights_format="openvino-f32+torch-safetensors")
    export_finder(ModelStore(FolderStore(root / "store")), run_dir, "0001", options)
    return run_dir, data, ModelStore(FolderStore(root / "store")).load_version("finder", "0001")


def load_images(data):
    return [load_image(photo.path) for photo in load_photos([data])[:3]]


def view_inputs(data, card):
    images = [np.ascontiguousarray(image[: SIZE_HW[0], : SIZE_HW[1]]) for image in load_images(data)]
    return normalise_batch(images, card.normalisation_mean, card.normalisation_std)


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_both_runtimes_find_what_torchvision_finds(made, runtime):
    run_dir, data, version = made
    saved = torch.load(run_dir / "checkpoint.pt", weights_only=True)
    network = build_network("sr-rcnn", saved["options"])
    network.load_state_dict(saved["network"])
    network.mode = "gated"
    batch = view_inputs(data, version.card)
    rows = load_runtime(version, RuntimeOptions(runtime=runtime)).run(batch)
    expected = np.zeros_like(rows)
    found = find_as_torchvision(network.eval(), torch.from_numpy(batch), SIZE_HW)
    for own, objects in zip(expected, found, strict=True):
        parts = (objects["boxes"], objects["scores"][:, None], objects["labels"][:, None], objects["masks"].flatten(1))
        own[: len(objects["scores"])] = torch.cat(parts, dim=1)[: len(own)].numpy()
    assert (expected[..., 4] > 0.2).sum() > 20, "answers without detections would agree with anything"
    difference = compare_found(expected, rows, class_names=version.card.classes)
    assert difference["paired_share"] > 0.98
    assert difference["score_max_difference"] < 1e-3
    assert difference["box_max_difference_px"] < 0.05
    assert difference["mask_max_difference"] < 1e-2


def test_both_runtimes_paint_the_same_damages(made):
    _, data, version = made
    crops = load_images(data)
    shown = {name: 0.3 if name.endswith("score_threshold") else 20.0 for name in version.card.thresholds}
    version = replace(version, card=version.card.model_copy(update={"thresholds": shown}))
    maps = [
        load_finder(version, RuntimeOptions(runtime=runtime)).predict_probs(crops) for runtime in ("openvino", "torch")
    ]
    assert any(own.any() for own in maps[0])
    for own, other in zip(*maps, strict=True):
        assert np.abs(own - other).mean() < 1e-3


def test_openvino_finds_in_f32_whatever_the_other_networks_run_in(made):
    _, data, version = made
    crops = load_images(data)
    found = [load_finder(version, RuntimeOptions(precision=precision)).detect(crops) for precision in ("f32", "bf16")]
    assert sum(len(own.scores) for own in found[0]) > 20
    for own, other in zip(*found, strict=True):
        np.testing.assert_array_equal(own.boxes_xyxy_crop, other.boxes_xyxy_crop)


def test_the_card_says_what_serves_and_how_it_was_chosen(made):
    card = made[2].card
    assert card.input_hw == SIZE_HW
    assert card.classes == DAMAGE_CLASSES
    assert card.network_options["super_resolution"]["mode"] == "gated"
    assert "super-resolves gated" in card.architecture
    assert card.thresholds["small_px"] == 20
    assert all(0 < card.thresholds[f"{name}_score_threshold"] <= 1 for name in DAMAGE_CLASSES)
    assert card.metrics["coco_box_ap_s"] == 0.4  # of seed 1, the second
    assert card.metrics["coco_photos"] == 12
    assert card.metrics["export_paired_share"] > 0.98
    assert card.metrics["export_score_max_difference"] < 1e-3
    assert card.metrics["export_torch_box_max_difference_px"] < 1e-2
    assert set(card.metrics["f1_box_50_where_thresholds_were_chosen"]) == set(DAMAGE_CLASSES)
    assert card.dataset["digest"] == "0123456789abcdef"
    assert card.dataset["thresholds_from"]["photos"] == 6


def test_a_class_threshold_is_the_score_of_the_highest_f1(tmp_path):
    photos = load_photos([write_folder(tmp_path, split="val")])
    input_hw = (56, 100)  # what serving cuts, so that a row's box is one of the crop
    rows = [
        [15, 13, 36, 24, 0.8, 1, *FULL],  # the scratch of photo 0, and nothing on the five others
        [45, 13, 66, 24, 0.75, 1, *FULL],  # the scratch of photo 3
        [70, 30, 90, 50, 0.7, 1, *FULL],  # nowhere right
    ]
    thresholds = {f"{name}_score_threshold": 1.0 for name in DAMAGE_CLASSES}
    card = build_card("finder", input_hw, DAMAGE_CLASSES, **thresholds, small_px=32.0)
    chosen = choose_thresholds(Finder(constant_rows(np.array(rows), input_hw), card), photos)
    assert chosen["scratch"] == pytest.approx((0.75, 2 * 2 / (12 + 2)))
    assert chosen["dent"] == (1.0, 0.0)
    rows[1][4] = 0.6
    chosen = choose_thresholds(Finder(constant_rows(np.array(rows), input_hw), card), photos)
    assert chosen["scratch"] == pytest.approx((0.8, 2 * 1 / (6 + 2)))


def test_photos_without_a_damage_of_the_finders_classes_choose_nothing(tmp_path):
    photos = [photo for photo in load_photos([write_folder(tmp_path, split="val")]) if not photo.polygons]
    card = build_card("finder", (56, 100), ("dent",), dent_score_threshold=1.0, small_px=32.0)
    finder = Finder(constant_rows(np.array([[0, 0, 1, 1, 0.5, 1, *FULL]]), (56, 100)), card)
    with pytest.raises(DataError, match="no photo of split val shows dent"):
        choose_thresholds(finder, photos)


def test_measures_are_of_the_mode_that_serves_and_of_this_seed(tmp_path):
    run_dir = tmp_path / "sr-rcnn-seed1"
    gated = {"name": "sr-rcnn", "super_resolution": {"mode": "gated"}}
    assert read_measures(run_dir, gated, 1) == {}
    write_report(tmp_path)
    assert read_measures(run_dir, gated, 7) == {"coco_box_ap_s": 0.2, "coco_photos": 12}
    with pytest.raises(ValueError, match=r"report\.json: no report of a comparison with this detector"):
        read_measures(run_dir, {"name": "mask-rcnn"}, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights_format": "openvino-int8-quantized"}, "weights_format: the finder is not quantized"),
        ({"weights_format": "onnx"}, "found 'onnx'"),
        ({"small_px": 0.0}, "small_px: expected above 0"),
        ({"max_found": 0}, "max_found: expected 1 or more"),
        ({"input_hw": (100, 96)}, "input_hw: expected multiples of 32"),
    ],
)
def test_an_option_that_no_finder_has_is_refused_by_name(tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        FinderOptions((tmp_path,), **options)


def run_command(*arguments):
    return CliRunner().invoke(app, ["export", *(str(a) for a in arguments)])


def test_command_makes_a_finder_that_can_be_promoted(tmp_path):
    run_dir, data = write_run(tmp_path / "run" / "mask-rcnn-seed1", name="mask-rcnn"), tmp_path / "data"
    write_folder(data, split="val")
    done = run_command(
        run_dir, "--network", "finder", "--data", data, "--store", tmp_path / "store", "--version", "0002",
        "--weights-format", "torch-safetensors", "--small-px", 16, "--input-px", 96,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "candidate finder/0002 (torch-safetensors)" in done.output
    store = ModelStore(FolderStore(tmp_path / "store"))
    card = store.load_version("finder", "0002").card
    assert (card.input_hw, card.thresholds["small_px"]) == ((96, 96), 16)
    store.promote({"finder": "0002"})


@pytest.mark.parametrize(
    ("made_of", "arguments", "words"),
    [
        ({}, ["--mode", "sometimes"], "mode: expected one of"),
        ({"name": "mask-rcnn"}, ["--mode", "gated"], "plain Mask R-CNN"),
        ({"class_names": ("scratch", "dent", "car")}, [], "has car"),
        ({}, ["--data", "train"], "no photo has split 'val'"),
        ({}, ["--no-data"], "data"),
    ],
)
def test_a_run_that_is_no_finder_is_told_in_one_line(tmp_path, made_of, arguments, words):
    run_dir = write_run(tmp_path / "run", **made_of)
    split = "train" if arguments == ["--data", "train"] else "val"
    data = ["--data", write_folder(tmp_path / "data", split=split)] if arguments != ["--no-data"] else []
    rest = arguments if arguments[:1] == ["--mode"] else []
    done = run_command(run_dir, "--network", "finder", "--store", tmp_path / "store", *data, *rest)
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "store" / "finder").exists()
