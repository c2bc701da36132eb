import cv2
import numpy as np
import pytest

from models.data.formats import Box, Dataset, Photo, Polygon
from models.data.photos import DataError, load_image
from models.job.dataset import copy_dataset, load_dataset_step
from models.job.orientation import MIN_KNOWN, stand_up

SIZE_HW = (12, 20)
BOX = (2.0, 3.0, 7.0, 9.0)
OUTLINE = ((10.0, 4.0), (18.0, 5.0), (12.0, 11.0))


class Borders:
    """Brightness of the four borders: a standing photo here has a bright top."""

    name, weights_sha256 = "borders", "0" * 64

    def compute_features(self, images):
        sides = (images[:, :10], images[:, :, -10:], images[:, -10:], images[:, :, :10])
        return np.stack([side.mean(axis=(1, 2, 3)) for side in sides], axis=1).astype(np.float32)


class Chance:
    """Tells nothing about a photo."""

    name, weights_sha256 = "chance", "1" * 64

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def compute_features(self, images):
        return self.rng.normal(0, 1, (len(images), 6)).astype(np.float32)


def paint(seed):
    image = np.random.default_rng(seed).integers(0, 120, (*SIZE_HW, 3), np.uint8)
    image[:3] += 130
    return image


def turn_slowly(image, quarters):
    """Against the clock, pixel by pixel."""
    for _ in range(quarters):
        height, width = image.shape[:2]
        turned = np.zeros((width, height, 3), np.uint8)
        for row in range(height):
            for column in range(width):
                turned[width - 1 - column, row] = image[row, column]
        image = turned
    return image


def turn_xy(x, y, quarters):
    """A point of a standing photo once the photo is turned."""
    height, width = SIZE_HW
    return [(x, y), (y, width - x), (width - x, height - y), (height - y, x)][quarters]


def photo(folder, name, seed, quarters=0, split="train"):
    """A photo on disk, turned, its box and polygon with it."""
    image = turn_slowly(paint(seed), quarters)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    xs, ys = zip(*(turn_xy(x, y, quarters) for x, y in (BOX[:2], BOX[2:])), strict=True)
    return Photo(
        name,
        image.shape[1],
        image.shape[0],
        boxes=(Box("person", (min(xs), min(ys), max(xs), max(ys))),),
        polygons=(Polygon("car", tuple(turn_xy(x, y, quarters) for x, y in OUTLINE), "auto"),),
        split=split,
        path=path,
    )


def build(folder, *, known=MIN_KNOWN, versions=(0, 1, 2, 3)):
    """Standing photos, one version each, and a scene of several versions."""
    own = [photo(folder, f"alone{number:03d}.png", number) for number in range(known)]
    own += [
        photo(folder, f"day/shot_png.rf.{version:032x}.png", 1000 + version, quarters)
        for version, quarters in enumerate(versions)
    ]
    return Dataset(tuple(own), ("car", "person"))


def test_photos_stand_with_their_boxes_and_polygons(tmp_path):
    dataset = build(tmp_path / "source")
    standing, told = stand_up(dataset, tmp_path / "turned", Borders())
    assert told == {"photos": 3, "of": 4, "accuracy_on_known": 1.0}
    assert standing.labels == dataset.labels
    assert standing.photos[: MIN_KNOWN + 1] == dataset.photos[: MIN_KNOWN + 1]
    for version, found in enumerate(standing.photos[MIN_KNOWN:]):
        before = dataset.photos[MIN_KNOWN + version]
        assert (found.image_id, found.split) == (before.image_id, "train")
        assert (found.width, found.height) == (20, 12)
        assert found.boxes == (Box("person", BOX),)
        assert found.polygons == (Polygon("car", OUTLINE, "auto"),)
        np.testing.assert_array_equal(load_image(found.path), paint(1000 + version))
        assert (found.path == before.path) == (version == 0)
        np.testing.assert_array_equal(load_image(before.path), turn_slowly(paint(1000 + version), version))


def test_files_whose_names_are_alike_stay_apart(tmp_path):
    dataset = build(tmp_path / "source", versions=())
    pair = [
        photo(tmp_path / "source", f"{name}_png.rf.{number % 2:032x}.png", 50 + number, 1)
        for number, name in enumerate(("a/b", "a/b", "a__b", "a__b"))
    ]
    standing, told = stand_up(Dataset((*dataset.photos, *pair), dataset.labels), tmp_path / "turned", Borders())
    assert told["photos"] == 4
    for number, found in enumerate(standing.photos[MIN_KNOWN:]):
        np.testing.assert_array_equal(load_image(found.path), paint(50 + number))


@pytest.mark.parametrize(
    ("features", "known", "versions"),
    [
        (None, MIN_KNOWN, (0, 1, 2, 3)),
        (Borders(), MIN_KNOWN, (1,)),  # every scene has one version
        (Borders(), MIN_KNOWN - 1, (0, 1, 2, 3)),
        (Borders(), MIN_KNOWN, (0, 0, 0)),  # none is turned
        (Chance(), MIN_KNOWN, (0, 1, 2, 3)),  # what it finds it cannot be believed
    ],
    ids=["no features", "no versions", "too few known", "all stand", "features tell nothing"],
)
def test_photos_are_left_alone(tmp_path, features, known, versions):
    dataset = build(tmp_path / "source", known=known, versions=versions)
    standing, told = stand_up(dataset, tmp_path / "turned", features)
    assert told is None
    assert standing == dataset
    assert [own.path for own in standing.photos] == [own.path for own in dataset.photos]
    assert not (tmp_path / "turned").exists()


def test_no_more_turned_than_twice_what_the_probe_errs_are_left_alone(tmp_path):
    """Three of thirty known photos hang: the probe errs on a tenth, so one of ten may be an error."""
    hanging = [photo(tmp_path / "source", f"odd{number}.png", 200 + number, 2) for number in range(3)]

    def look(turned):
        dataset = build(tmp_path / "source", known=27, versions=[1] * turned + [0] * (10 - turned))
        return stand_up(Dataset((*dataset.photos, *hanging), dataset.labels), tmp_path / f"{turned}", Borders())[1]

    assert look(1) is None
    assert look(3) == {"photos": 3, "of": 10, "accuracy_on_known": 0.9}


def test_missing_photo_is_named(tmp_path):
    dataset = build(tmp_path / "source")
    dataset.photos[3].path.unlink()
    with pytest.raises(DataError, match=r"alone003\.png: missing or no image"):
        stand_up(dataset, tmp_path / "turned", Borders())


def write_yolo_texts(root, dataset):
    """Labels and class names beside the photos that lie in images/."""
    for own in dataset.photos:
        lines = []
        for shape in (*own.boxes, *own.polygons):
            if isinstance(shape, Box):
                x0, y0, x1, y1 = shape.box_xyxy
                pairs = (((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0, y1 - y0))
            else:
                pairs = shape.points
            numbers = " ".join(f"{x / own.width:.9f} {y / own.height:.9f}" for x, y in pairs)
            lines.append(f"{dataset.labels.index(shape.label)} {numbers}\n")
        text = (root / "labels" / own.path.relative_to(root / "images")).with_suffix(".txt")
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("".join(lines))
    (root / "data.yaml").write_text("path: .\ntrain: images/train\nnames: [car, person]\n")


def test_dataset_step_copies_photos_that_stand(tmp_path):
    root = tmp_path / "source"
    found = [build(root / "images" / "train", known=40), build(root / "images" / "val", known=0, versions=())]
    found += [
        Dataset((photo(root / "images" / split, f"{split}.png", 9, split=split),), ()) for split in ("val", "test")
    ]
    dataset = Dataset(tuple(own for part in found for own in part.photos), ("car", "person"))
    write_yolo_texts(root, dataset)
    done = copy_dataset(root, "person", tmp_path / "dataset", features=Borders())
    assert done.result["turned"] == {"photos": 3, "of": 4, "accuracy_on_known": 1.0}
    data = load_dataset_step(tmp_path / "dataset")
    versions = sorted((own for own in data.photos if "shot" in own.image_id), key=lambda own: own.image_id)
    for version, own in enumerate(versions):
        assert own.size_hw == SIZE_HW
        np.testing.assert_array_equal(load_image(own.path), paint(1000 + version))
        np.testing.assert_allclose(own.boxes_xyxy, [BOX, (10, 4, 18, 11)], atol=1e-5)
        assert own.outlines_xy[0] is None
        np.testing.assert_allclose(own.outlines_xy[1], OUTLINE, atol=1e-5)
        text = tmp_path / "dataset" / "labels" / own.split / own.image_id
        (_, box), (_, around) = (line.split(maxsplit=1) for line in text.with_suffix(".txt").read_text().splitlines())
        np.testing.assert_allclose(np.array(box.split(), float) * [20, 12, 20, 12], [4.5, 6, 5, 6], atol=1e-4)
        np.testing.assert_allclose(np.array(around.split(), float) * [20, 12, 20, 12], [14, 7.5, 8, 7], atol=1e-4)
    assert len(versions) == 4
    assert not (tmp_path / "dataset.work").exists()
    without = copy_dataset(root, "person", tmp_path / "as_it_is")
    assert without.result["turned"] is None
    assert load_dataset_step(tmp_path / "as_it_is").photos[-1].path.is_file()
