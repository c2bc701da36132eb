"""A faulty source is refused whole, and every fault is listed with its file and line."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from models.data.check import check_folder, find_seed_faults
from models.data.formats import FORMATS, FaultyAnnotationsError, detect_format
from models.renderer import render_dataset
from tests.conftest import SHARED_DATA
from tests.models.tiny_data import write_folder


def faults_of(folder, name=None):
    with pytest.raises(FaultyAnnotationsError) as caught:
        check_folder(folder, FORMATS[name] if name else detect_format(folder))
    return [f"{fault.path.name}:{fault.line}: {fault.reason}" for fault in caught.value.faults]


def write_image(path, size_wh=(64, 48), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_wh).save(path, **options)


def write_seed(folder, *changes, indent=0):
    """One good photo a change; a value of ... removes the key."""
    records = []
    for number, change in enumerate(changes):
        write_image(folder / "images" / f"{number}.png")
        points = [[1, 1], [20, 1], [20, 20]]
        record = {"image_id": f"{number}.png", "damage_level": 1, "regions": [{"points": points, "class_name": 2}]}
        records.append({key: value for key, value in {**record, **change}.items() if value is not ...})
    text = "[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n"
    (folder / "annotations.json").write_text(json.dumps(records, indent=indent) if indent else text)
    return folder


def region(points, class_name=1, **more):
    return [{"points": points, "class_name": class_name, **more}]


TRIANGLE = [[1, 1], [20, 1], [20, 20]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"regions": region([[1, 1], [65, 1], [20, 20]])}, "regions[0]: points[1]: x 65 leaves the photo (0 to 64)"),
        (
            {"regions": region([[1, -0.5], [6, 1], [20, 20]])},
            "regions[0]: points[0]: y -0.5 leaves the photo (0 to 48)",
        ),
        ({"regions": region(TRIANGLE[:2])}, "regions[0]: polygon: expected 3 points or more, found 2"),
        ({"regions": region([[1, 1], [5, 5], [9, 9]])}, "regions[0]: polygon: encloses no area"),
        ({"regions": region([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]])}, "regions[0]: polygon: encloses no area"),
        ({"regions": region([[1, 1], [float("nan"), 5], [9, 2]])}, "points[1]: expected two finite numbers"),
        ({"regions": region([[1, 1], [10**400, 5], [9, 2]])}, "points[1]: expected two finite numbers"),
        ({"regions": region([[1, 1], [float("inf"), 5], [9, 2]])}, "points[1]: expected two finite numbers"),
        ({"regions": region([[1, 1], ["5", 5], [9, 2]])}, "points[1]: expected two finite numbers"),
        ({"regions": region([[1, 1], 7, [9, 2]])}, "points[1]: expected two finite numbers, found 7"),
        ({"regions": region(TRIANGLE, 4)}, "unknown class: class_name must be one of 1 scratch, 2 dent, 3 spacing"),
        ({"regions": region(TRIANGLE, 0)}, "unknown class"),
        ({"regions": region(TRIANGLE, True)}, "unknown class"),
        ({"regions": region(TRIANGLE, "dent")}, "unknown class"),
        ({"regions": [{"points": TRIANGLE}]}, "key 'class_name' is missing"),
        ({"regions": [{"class_name": 1}]}, "key 'points' is missing"),
        ({"regions": [7]}, "regions[0]: expected an object"),
        ({"regions": {}}, "regions: expected a list"),
        ({"regions": None}, "regions: expected a list, found null"),
        ({"damage_level": 0}, "damage_level: 0 contradicts 1 damaged region"),
        ({"damage_level": 0, "regions": [], "other_regions": [{"points": TRIANGLE}]}, "damage_level: 0 contradicts"),
        ({"damage_level": 2}, "damage_level: expected 0, 1 or null, found 2"),
        ({"damage_level": True}, "damage_level: expected 0, 1 or null, found True"),
        ({"damage_level": ...}, "key 'damage_level' is missing"),
        ({"regions": ..., "regions_": []}, "wrong key 'regions_', is 'regions' meant?"),
        ({"image_id": ...}, "key 'image_id' is missing"),
        ({"image_id": "gone.png"}, "missing image gone.png"),
        ({"image_id": "../annotations.json"}, "image name: expected a file inside the folder"),
        ({"image_id": 5}, "image name: expected text, found 5"),
        ({"image_id": "1.png"}, "duplicate image_id '1.png'"),
        ({"width": 63, "height": 48}, "size: the annotation says 63x48, the image is 64x48"),
        ({"width": 64}, "size: expected width and height"),
        ({"width": 0, "height": 48}, "size: expected width and height"),
        ({"split": "dev"}, "split: expected one of train, val, test, found 'dev'"),
        ({"car_box_xyxy": [0, 0, 64, 48.5]}, "car_box_xyxy: box: y from 0 to 48.5 leaves the photo (0 to 48)"),
        ({"car_box_xyxy": [5, 0, 5, 8]}, "car_box_xyxy: box: x from 5 to 5 is empty"),
        ({"car_box_xyxy": [5, 0, 9]}, "box: expected four numbers"),
        ({"boxes": [{"box_xyxy": [0, 0, 1, 1]}]}, "boxes[0]: label: expected a name, found None"),
        ({"labels": ["a", " b"]}, "label: expected a name, found ' b'"),
    ],
)
def test_a_fault_of_the_seed_is_found_on_its_line(tmp_path, change, reason):
    folder = write_seed(tmp_path, {}, {}, change)
    found = faults_of(folder)
    assert len(found) == 1 or "meant?" in reason, found
    assert all(line.startswith("annotations.json:4: ") for line in found)
    assert any(reason in line for line in found)
    assert [fault.reason for fault in find_seed_faults(folder, measured=True, unknown_levels=True)] == [
        line.split(": ", 1)[1] for line in found
    ]


def test_every_fault_is_listed_by_line(tmp_path):
    folder = write_seed(
        tmp_path, {"damage_level": 0}, {}, {"regions": region([[1, 1], [65, 49], [2, 9]], 9)}, {"split": "x"}
    )
    assert [line.split(":")[1] for line in faults_of(folder)] == ["2", "4", "4", "4", "5"]


def test_a_fault_in_spread_out_json_is_found_on_the_line_of_its_value(tmp_path):
    folder = write_seed(tmp_path, {}, {"regions": region([[1, 1], [65, 1], [20, 20]])}, indent=1)
    (found,) = faults_of(folder)
    lines = (folder / "annotations.json").read_text().splitlines()
    number = int(found.split(":")[1])
    assert [line.strip() for line in lines[number - 1 : number + 2]] == ["[", "65,", "1"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "1: empty file"),
        (b"[]", "1: empty: no photo in it"),
        (b"null", "1: empty: null"),
        (b'{"a": 1}', "1: expected a list of photos"),
        (b"[\n{]", "2: not JSON: "),
        (b"\xff\xfe", "1: not UTF-8 text at byte 0"),
        (b"[" * 100_000, "1: not JSON that can be read: nested too deeply"),
        (b"[\n1]", "2: photo 0: expected an object, found 1"),
        (b"[1" + b"0" * 5000 + b"]", "1: not JSON that can be read: "),
    ],
)
def test_a_file_that_is_no_list_of_photos_is_refused(tmp_path, content, fault):
    (tmp_path / "annotations.json").write_bytes(content)
    (found,) = faults_of(tmp_path, "seed")
    assert found.startswith(f"annotations.json:{fault}")


def test_coordinates_on_the_border_are_inside(tmp_path):
    corners = [[0, 0], [64, 0], [64, 48], [0, 48]]
    folder = write_seed(tmp_path, {"regions": region(corners), "car_box_xyxy": [0, 0, 64, 48]})
    assert "1 photos (1 damaged); 1 polygons; 1 boxes" in check_folder(folder, FORMATS["seed"])


def test_a_photo_turned_by_exif_has_the_size_that_is_seen(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    folder = write_seed(tmp_path, {"image_id": "0.jpg", "width": 64, "height": 48})
    write_image(folder / "images" / "0.jpg", exif=exif)
    assert cv2.imread(str(folder / "images" / "0.jpg")).shape == (64, 48, 3)
    (found,) = faults_of(folder)
    assert "says 64x48, the image is 48x64 once its EXIF orientation 6 is applied" in found
    write_seed(tmp_path, {"image_id": "0.jpg", "width": 48, "height": 64})
    assert check_folder(folder, FORMATS["seed"])


def test_a_file_that_is_no_image_is_a_fault(tmp_path):
    folder = write_seed(tmp_path, {})
    (folder / "images" / "0.png").write_text("<html>")
    assert "image cannot be read: 0.png: no image" in faults_of(folder)[0]


def write_yolo(folder, text, names="names: [forklift, person]\n", size_wh=(1024, 768)):
    write_image(folder / "images" / "a.png", size_wh)
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text(text)
    (folder / "data.yaml").write_text(names)
    return folder


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("0 0.5 0.5 0.1 0.1\n0 0.611328 0.700521 0.400391 0.640625\n", "a.txt:2: box ends at y = 1.0208, outside"),
        ("0 0.1 0.5 0.4 0.1", "a.txt:1: box begins at x = -0.1000, outside"),
        ("\n\n2 0.5 0.5 0.1 0.1", "a.txt:3: unknown class 2: there are 0 to 1"),
        ("-1 0.5 0.5 0.1 0.1", "a.txt:1: unknown class -1"),
        ("0 0.5 0.5 nan 0.1", "a.txt:1: expected finite numbers, found nan"),
        ("0 0.5 0.5 0.1", "a.txt:1: expected a class and 4 numbers"),
        ("0 0.5 0.5 0.1 0.1 0.9", "a.txt:1: expected a class and 4 numbers"),
        ("0 0.5 0.5 0 0.1", "a.txt:1: box: x from 512 to 512 is empty"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3", "a.txt:1: polygon: encloses no area"),
        ("0 0.1 0.1 1.2 0.2 0.3 0.5", "a.txt:1: points[1]: x 1228.8 leaves the photo"),
    ],
)
def test_a_fault_of_yolo_is_found_on_its_line(tmp_path, text, fault):
    (found,) = faults_of(write_yolo(tmp_path, text))
    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ("nc: 3\nnames: [a, b]\n", "data.yaml:2: nc: 3 contradicts 2 names"),
        ("names:\n- a\n- a\n", "data.yaml:3: class 'a' stands twice"),
        ("names:\n  1: a\n", "data.yaml:2: names: expected a list, or a table from 0 on"),
        ("nc: 1\n", "data.yaml:1: key 'names' is missing"),
        ("names: [a\n", "data.yaml:2: not YAML: "),
    ],
)
def test_a_fault_of_the_class_names_is_found_on_its_line(tmp_path, names, fault):
    assert faults_of(write_yolo(tmp_path, "0 0.5 0.5 0.1 0.1", names))[0].startswith(fault)


def test_labels_without_their_photo_and_photos_that_share_labels_are_faults(tmp_path):
    folder = write_yolo(tmp_path, "0 0.5 0.5 0.1 0.1")
    (folder / "labels" / "b.txt").write_text("0 0.5 0.5 0.1 0.1")
    write_image(folder / "images" / "a.jpg")
    found = faults_of(folder)
    assert "a.txt:1: a.png and a.jpg share these labels" in found
    assert "b.txt:1: missing image b.*" in found


def write_voc(folder, objects, *, name="a.png"):
    write_image(folder / "a.png")
    size = "<size><width>64</width><height>48</height></size>"
    (folder / "a.xml").write_text(f"<annotation>\n<filename>{name}</filename>\n{size}\n{objects}\n</annotation>\n")
    return folder


def voc_object(corners, name="<name>dent</name>"):
    tags = "".join(f"<{t}>{v}</{t}>" for t, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    return f"<object>\n{name}\n<bndbox>{tags}</bndbox>\n</object>"


@pytest.mark.parametrize(
    ("objects", "fault"),
    [
        (voc_object((0, 0, 65, 9)), "a.xml:6: object 0: box: x from 0 to 65 leaves the photo"),
        (voc_object((0, 9, 6, 9)), "a.xml:6: object 0: box: y from 9 to 9 is empty"),
        (voc_object((0, "nan", 6, 9)), "a.xml:6: object 0: bndbox: expected four finite numbers"),
        (voc_object((0, 0, 6, 9), ""), "a.xml:4: object 0: name: expected a name"),
        ("<object><name>dent</name></object>", "a.xml:4: object 0: <bndbox> is missing"),
        ("<object>", "a.xml:5: not XML: mismatched tag"),
    ],
)
def test_a_fault_of_voc_is_found_on_its_line(tmp_path, objects, fault):
    (found,) = faults_of(write_voc(tmp_path, objects))
    assert found.startswith(fault)


def test_an_xml_bomb_and_a_missing_photo_are_refused(tmp_path):
    assert faults_of(write_voc(tmp_path / "a", "", name="b.png"))[0] == "a.xml:2: filename: missing image b.png"
    folder = write_voc(tmp_path / "b", "")
    bomb = '<!DOCTYPE x [\n<!ENTITY a "aaaa">\n]>\n<annotation>&a;</annotation>'
    (folder / "a.xml").write_text(bomb)
    assert faults_of(folder, "voc") == ["a.xml:2: declares an XML entity, which annotations never need"]


def write_coco(folder, annotation, **image):
    write_image(folder / "a.png")
    image = {"id": 1, "file_name": "a.png", "width": 64, "height": 48, **image}
    annotation = {"id": 5, "image_id": 1, "category_id": 3, "bbox": [0, 0, 64, 48], **annotation}
    rows = {"images": [image], "categories": [{"id": 3, "name": "dent"}], "annotations": [annotation]}
    text = ",\n".join(f'"{table}": [\n{json.dumps(row[0])}]' for table, row in rows.items())
    (folder / "instances_val.json").write_text("{" + text + "}")
    return folder


@pytest.mark.parametrize(
    ("annotation", "fault"),
    [
        ({"bbox": [1, 1, 64, 4]}, "6: annotations[0]: bbox: box: x from 1 to 65 leaves the photo"),
        ({"bbox": [1, 1, 4]}, "6: annotations[0]: bbox: expected four finite numbers"),
        ({"category_id": 4}, "6: annotations[0]: unknown class: category_id 4"),
        ({"image_id": 4}, "6: annotations[0]: image_id: there is no image 4"),
        ({"segmentation": [[1, 1, 2, 2, 3]]}, "6: annotations[0]: segmentation[0]: expected a list of x, y"),
        ({"segmentation": [[1, 1, 2, 2]]}, "6: annotations[0]: segmentation[0]: polygon: expected 3 points"),
        ({"segmentation": "1 1 2 2"}, "6: annotations[0]: segmentation: expected a list of outlines or a run-length"),
        ({"segmentation": {"size": [1, 1], "counts": [1]}}, "6: annotations[0]: segmentation: size: expected the"),
        ({"segmentation": [[1, 1, 99, 2, 3, 9]]}, "6: annotations[0]: segmentation[0]: points[1]: x 99 leaves"),
    ],
)
def test_a_fault_of_coco_is_found_on_its_line(tmp_path, annotation, fault):
    (found,) = faults_of(write_coco(tmp_path, annotation))
    assert found.startswith(f"instances_val.json:{fault}")


def test_a_coco_photo_of_another_size_is_a_fault_and_a_broken_second_file_too(tmp_path):
    folder = write_coco(tmp_path, {}, width=60)
    (folder / "instances_train.json").write_text("{\n")
    first, second = faults_of(folder)
    assert first.startswith("instances_train.json:2: not JSON: ")
    assert second == "instances_val.json:2: a.png: size: the annotation says 60x48, the image is 64x48"


@pytest.mark.parametrize(
    ("shape", "attributes", "fault"),
    [
        ({"name": "rect", "x": 60, "y": 1, "width": 5, "height": 5}, {"label": "dent"}, "rect: box: x from 60 to 65"),
        ({"name": "rect", "x": 6, "y": 1, "width": 5}, {"label": "dent"}, "rect: expected finite x, y, width, height"),
        (
            {"name": "polygon", "all_points_x": [1], "all_points_y": []},
            {"label": "d"},
            "polygon: expected all_points_x",
        ),
        (
            {"name": "rect", "x": 6, "y": 1, "width": 5, "height": 5},
            {},
            "unknown class: region_attributes has no label",
        ),
        ({"name": "heart"}, {"label": "dent"}, "heart: unknown shape 'heart'"),
    ],
)
def test_a_fault_of_via_is_found_on_its_line(tmp_path, shape, attributes, fault):
    write_image(tmp_path / "a.png")
    regions = [{"shape_attributes": shape, "region_attributes": attributes}]
    entry = {"filename": "a.png", "size": 1, "file_attributes": {}, "regions": regions}
    (tmp_path / "via.json").write_text('{\n"a.png1": ' + json.dumps(entry).replace('"regions"', '\n"regions"') + "}")
    (found,) = faults_of(tmp_path)
    assert found.startswith(f"via.json:3: a.png: regions[0]: {fault}")


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ('a.png,"[[""dent"",0,0,65,9]]",1', "a.png: boxes[0]: box: x from 0 to 65 leaves the photo"),
        ('a.png,"[[""dent"",0,0,65]]",1', "a.png: boxes[0]: expected [label, x_min, y_min, x_max, y_max]"),
        ("a.png,dent,1", "a.png: boxes: expected a JSON list, found 'dent'"),
        ("a.png,,3", "a.png: damage_level: expected 0, 1 or nothing, found '3'"),
        ("b.png,,1", "missing image b.png"),
        ("a.png,1", "expected 3 cells, found 2"),
        ('a.png,"x', "not CSV: unexpected end of data"),
    ],
)
def test_a_fault_of_a_table_is_found_on_its_line(tmp_path, row, fault):
    write_image(tmp_path / "a.png")
    write_image(tmp_path / "c.png")
    (tmp_path / "t.csv").write_text(f"image,boxes,damage_level\nc.png,,0\n{row}\n")
    (found,) = faults_of(tmp_path)
    assert found.startswith(f"t.csv:3: {fault}")


def test_faults_of_folders_name_the_photo(tmp_path):
    write_image(tmp_path / "minor" / "a.png")
    write_image(tmp_path / "severe" / "a.png")
    write_image(tmp_path / "b.png")
    assert faults_of(tmp_path, "folders") == [
        "b.png:1: stands in no label's folder",
        "a.png:1: duplicate image_id 'a.png', first at a.png:1",
    ]


def test_rendered_photos_with_hairlines_are_accepted_and_others_not(tmp_path):
    hairline = region([[1, 1], [9, 2], [5, 1], [9, 2]])
    folder = write_seed(tmp_path, {"regions": hairline, "vehicle_id": "rendered-1-00000"})
    assert check_folder(folder, FORMATS["seed"])
    assert "encloses no area" in faults_of(write_seed(tmp_path, {"regions": hairline, "vehicle_id": "v1"}))[0]


def test_what_the_renderer_writes_has_no_fault(tmp_path):
    render_dataset(tmp_path / "rendered", 2, 3, size_hw=(120, 160))
    assert find_seed_faults(tmp_path / "rendered", measured=True) == ()


def test_what_the_training_tests_use_has_no_fault(tmp_path):
    assert find_seed_faults(write_folder(tmp_path / "tiny"), measured=True) == ()


def test_an_unknown_damage_level_is_a_fault_where_it_must_be_known(tmp_path):
    folder = write_seed(tmp_path, {}, {"damage_level": None})
    (fault,) = find_seed_faults(folder)
    assert (fault.line, fault.reason) == (3, "1.png: damage_level: expected 0 or 1, found None")
    assert find_seed_faults(folder, unknown_levels=True) == ()


def test_sizes_are_trusted_unless_measured_but_images_must_be_there(tmp_path):
    folder = write_seed(tmp_path, {"width": 60, "height": 40}, {"width": 64, "height": 48})
    assert find_seed_faults(folder) == ()
    assert len(find_seed_faults(folder, measured=True)) == 1
    (folder / "images" / "1.png").unlink()
    assert [fault.reason for fault in find_seed_faults(folder)] == ["1.png: missing image 1.png"]


def test_a_folder_of_two_formats_asks_which(tmp_path):
    write_voc(tmp_path, voc_object((0, 0, 6, 9)))
    (tmp_path / "t.csv").write_text("image\na.png\n")
    with pytest.raises(ValueError, match="looks like voc and csv; --from says which"):
        detect_format(tmp_path)


def test_an_empty_folder_is_no_format(tmp_path):
    with pytest.raises(ValueError, match="no known format"):
        detect_format(tmp_path)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("damage_polygons", "seed; 650 photos (643 damaged 7 undamaged); 1405 polygons"),
        ("cars_undamaged", "seed; 400 photos (400 undamaged); 0 polygons; 400 boxes"),
        ("forklift_person", "yolo; 969 photos (969 unknown); 0 polygons; 2016 boxes; classes forklift, person"),
    ],
)
def test_the_real_photos_have_no_fault(name, words):
    folder = SHARED_DATA / name
    assert words in check_folder(folder, detect_format(folder))


def test_images_are_measured_as_they_are_decoded(tmp_path):
    cv2.imwrite(str(tmp_path / "a.webp"), np.zeros((5, 9, 3), np.uint8))
    (tmp_path / "t.csv").write_text("image,width,height\na.webp,9,5\n")
    assert check_folder(tmp_path, FORMATS["csv"])
