"""Pascal VOC: one XML a photo in Annotations/, photos in JPEGImages/, splits in ImageSets/Main/; boxes only.

LabelImg's files, with photo and XML side by side, are read too. Corners are taken as pixels, max edge exclusive, as
LabelImg writes them.
"""

from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from models.data.formats import shapes
from models.data.formats.carry import Carries, Format, own_paths
from models.data.formats.dataset import SPLIT_NAMES, Box, Dataset, Photo
from models.data.formats.faults import FaultLog, Place
from models.data.formats.images import check_image_id, find_image, settle_size
from models.data.formats.located_xml import LocatedElement, load_located_xml

_CORNERS: Final = ("xmin", "ymin", "xmax", "ymax")


def read(source: Path, log: FaultLog) -> Dataset:
    """Read every XML file below a folder whose root is <annotation>."""
    splits = _load_splits(source, log)
    photos: list[tuple[Place, Photo]] = []
    stems: set[str] = set()
    for path in list_xml(source):
        root = load_located_xml(path, log)
        if root is None:
            continue
        stems.add(path.stem)
        if root.tag != "annotation":
            log.add(Place(path, root.line), f"expected <annotation>, found <{root.tag}>")
            continue
        photo = _parse_photo(log, Place(path, root.line), root, splits.get(path.stem, (Place(path), ""))[1])
        if photo is not None:
            photos.append((Place(path, root.line_of("filename")), photo))
    for stem, (place, _) in splits.items():
        if stem not in stems:
            log.add(place, f"no annotation {stem}.xml")
    return shapes.close_dataset(log, Place(source), photos, None)


def list_xml(source: Path) -> list[Path]:
    """XML files below a folder, sorted; or the file itself."""
    return [source] if source.is_file() else sorted(source.rglob("*.xml"))


def _load_splits(source: Path, log: FaultLog) -> dict[str, tuple[Place, str]]:
    """Place and split of each stem that ImageSets/Main names."""
    splits: dict[str, tuple[Place, str]] = {}
    for split in SPLIT_NAMES:
        path = source / "ImageSets" / "Main" / f"{split}.txt"
        if not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if stem := line.strip():
                place = Place(path, number)
                if stem in splits and splits[stem][1] != split:
                    log.add(place, f"{stem} is in {splits[stem][1]} too")
                splits[stem] = (place, split)
    return splits


def _parse_photo(log: FaultLog, place: Place, root: LocatedElement, split: str) -> Photo | None:
    name_place = place.at(root.line_of("filename"), "filename")
    image_id = check_image_id(log, name_place, root.text_of("filename"))
    path = None
    if image_id:
        folders = (
            place.path.parent,
            *(up / name for up in place.path.parents[:2] for name in ("JPEGImages", "images")),
        )
        path = find_image(log, name_place, image_id, folders)
    declared = None
    if root.find("size") is not None:
        numbers = [_whole(root.text_of(f"size/{name}")) for name in ("width", "height")]
        declared = shapes.check_size(log, place.at(root.line_of("size")), *numbers)
    size_wh = settle_size(log, place.at(root.line_of("size")), path, declared)
    boxes = []
    for number, element in enumerate(root.findall("object")):
        box = _parse_object(log, place.at(element.line, f"object {number}"), element, size_wh)
        if box is not None:
            boxes.append(box)
    if image_id is None or size_wh is None:
        return None
    return Photo(image_id, *size_wh, boxes=tuple(boxes), split=split, path=path)


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _parse_object(log: FaultLog, place: Place, element: LocatedElement, size_wh: shapes.SizeWh) -> Box | None:
    label = shapes.check_name(log, place.at(element.line_of("name")), "name", element.text_of("name"))
    for flag in ("truncated", "difficult", "occluded"):
        if element.text_of(flag) not in ("", "0"):
            log.lose(f"objects' {flag}")
    if element.text_of("pose") not in ("", "Unspecified"):
        log.lose("objects' pose")
    for child in ("part", "polygon", "actions"):
        if element.find(child) is not None:
            log.lose(f"objects' {child}")
    here = place.at(element.line_of("bndbox"))
    if element.find("bndbox") is None:
        log.add(here, "<bndbox> is missing")
        return None
    texts = [element.text_of(f"bndbox/{name}") for name in _CORNERS]
    numbers = [shapes.parse_number(text) for text in texts]
    if None in numbers:
        found = ", ".join(f"{name} {text!r}" for name, text in zip(_CORNERS, texts, strict=True))
        log.add(here, f"bndbox: expected four finite numbers, found {found}")
        return None
    box_xyxy = shapes.check_box(log, here, numbers, size_wh)
    return None if label is None or box_xyxy is None else Box(label, box_xyxy)


def write(dataset: Dataset, folder: Path) -> None:
    """Write Annotations/ and ImageSets/Main/."""
    for name, photo in own_paths(dataset, _xml_path).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tree = ElementTree.ElementTree(_build_annotation(photo))
        ElementTree.indent(tree)
        tree.write(path, encoding="utf-8", xml_declaration=False)
    sets = folder / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    for split in SPLIT_NAMES:
        stems = [Path(photo.image_id).stem for photo in dataset.photos if photo.split == split]
        if stems:
            (sets / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")


def _xml_path(photo: Photo) -> str:
    return f"Annotations/{Path(photo.image_id).stem}.xml"


def _build_annotation(photo: Photo) -> ElementTree.Element:
    root = ElementTree.Element("annotation")
    for name, text in (("folder", "JPEGImages"), ("filename", photo.image_id)):
        ElementTree.SubElement(root, name).text = text
    size = ElementTree.SubElement(root, "size")
    for name, number in (("width", photo.width), ("height", photo.height), ("depth", 3)):
        ElementTree.SubElement(size, name).text = str(number)
    ElementTree.SubElement(root, "segmented").text = "0"
    for box in photo.boxes:
        element = ElementTree.SubElement(root, "object")
        for name, text in (("name", box.label), ("pose", "Unspecified"), ("truncated", "0"), ("difficult", "0")):
            ElementTree.SubElement(element, name).text = text
        bndbox = ElementTree.SubElement(element, "bndbox")
        for name, value in zip(_CORNERS, box.box_xyxy, strict=True):
            ElementTree.SubElement(bndbox, name).text = str(int(value)) if value == int(value) else repr(value)
    return root


def looks_like(source: Path) -> bool:
    """Has the folder an XML file that says <annotation>?"""
    if source.is_file() and source.suffix.lower() != ".xml":
        return False
    return any(b"<annotation" in path.read_bytes()[:1000] for path in list_xml(source)[:20])


VOC: Final = Format(
    name="voc",
    carries=Carries(boxes=True, split=True),
    looks_like=looks_like,
    read=read,
    write=write,
    image_path=lambda photo: f"JPEGImages/{photo.image_id}",
)
