"""A photo is shown as it was inspected, or not at all."""

import hashlib

import cv2
import numpy as np
import pytest

from service.embedded import EmbeddedAws
from service.errors import BadRequest, PhotoMissing, PhotoUnreadable
from service.photo import PhotoLimits, PhotoStorage
from service.request import PhotoLocation
from service.result import InspectionResult
from service.review.drawing import LARGE_PX, SMALL_PX, PhotoArtist, PhotoView
from service.review.overlay import COLOURS_RGB
from service.stages.decode import decode_photo
from tests import photos
from tests.service.samples import region, rejection, result

PLAIN = PhotoView(LARGE_PX, is_marked=False)
MARKED = PhotoView(LARGE_PX, is_marked=True)
GREY = 90


def grey_jpeg(size_hw: tuple[int, int] = (300, 400)) -> bytes:
    return cv2.imencode(".jpg", np.full((*size_hw, 3), GREY, np.uint8))[1].tobytes()


class Studio:
    """An artist over a bucket of real S3."""

    def __init__(self, aws: EmbeddedAws, bucket: str, **limits: int) -> None:
        self._s3, self._bucket = aws.client("s3"), bucket
        bounds = PhotoLimits(**{"max_bytes": 10**6, "max_px2": 10**6, "min_side_px": 32, **limits})
        storage = PhotoStorage(self._s3, buckets=(bucket,), max_bytes=bounds.max_bytes)
        self.artist = PhotoArtist(storage, bounds, decode_photo)

    def inspected(self, body: bytes, **fields: object) -> InspectionResult:
        """Lay a photo into the bucket, and say what was found on it."""
        self._s3.put_object(Bucket=self._bucket, Key="a.jpg", Body=body)
        fields = {"photo_sha256": hashlib.sha256(body).hexdigest(), "crop_xyxy": None, **fields}
        return result("a.jpg", photo=PhotoLocation(bucket=self._bucket, key="a.jpg"), **fields)

    def draw(self, body: bytes, view: PhotoView, **fields: object) -> np.ndarray:
        return decode_photo(self.artist.draw(self.inspected(body, **fields), view))


@pytest.fixture
def studio(aws: EmbeddedAws, make_bucket) -> Studio:
    return Studio(aws, make_bucket())


def square(x0: int, y0: int, side: int):
    corners = ((x0, y0), (x0 + side, y0), (x0 + side, y0 + side), (x0, y0 + side))
    return region(points=corners, box_xyxy=(x0, y0, x0 + side, y0 + side))


def test_a_photo_without_marks_is_the_photo(studio: Studio):
    drawn = studio.draw(grey_jpeg(), PLAIN, regions=(square(100, 100, 50),))
    assert drawn.shape == (300, 400, 3)
    assert np.abs(drawn.astype(int) - GREY).max() <= 1


def test_a_photo_with_marks_shows_the_damage_in_its_colour(studio: Studio):
    drawn = studio.draw(grey_jpeg(), MARKED, regions=(square(100, 100, 50),))
    expected = 0.45 * np.array(COLOURS_RGB["scratch"]) + 0.55 * GREY
    assert np.abs(drawn[125, 125] - expected).max() <= 6
    assert np.abs(drawn[250, 300].astype(int) - GREY).max() <= 3


def test_a_small_picture_fits_and_has_no_words_to_hide_the_car(studio: Studio):
    marked = studio.draw(grey_jpeg((600, 900)), PhotoView(SMALL_PX, is_marked=True), regions=(square(600, 300, 90),))
    assert marked.shape == (320, SMALL_PX, 3)
    assert np.abs(marked[:140].astype(int) - GREY).max() <= 3
    assert np.abs(marked[184, 344].astype(int) - GREY).max() > 30


def test_a_close_up_leaves_the_inside_of_the_damage_to_be_seen(studio: Studio):
    drawn = studio.draw(grey_jpeg(), PhotoView(SMALL_PX, is_marked=True, region=0), regions=(square(150, 100, 80),))
    assert drawn.shape[0] == drawn.shape[1] == SMALL_PX
    assert np.abs(drawn[240, 240].astype(int) - GREY).max() <= 3
    assert np.abs(drawn.astype(int) - GREY).max() > 60


def test_a_turned_photo_is_shown_upright(studio: Studio):
    assert studio.draw(photos.turned_jpeg(6, (96, 128)), PLAIN).shape == (128, 96, 3)


def test_what_else_the_file_holds_is_not_shown(studio: Studio):
    turned = photos.turned_jpeg(6)
    assert b"Exif" in turned
    assert b"Exif" not in studio.artist.draw(studio.inspected(turned), PLAIN)


def test_a_photo_that_was_replaced_is_no_evidence(studio: Studio):
    inspected = studio.inspected(grey_jpeg())
    studio.inspected(grey_jpeg((301, 400)))
    with pytest.raises(PhotoMissing, match=r"^photo: it was replaced after its inspection"):
        studio.artist.draw(inspected, MARKED)


def test_only_allowed_buckets_are_asked(studio: Studio, make_bucket):
    elsewhere = result("a.jpg", photo=PhotoLocation(bucket=make_bucket(), key="a.jpg"))
    with pytest.raises(BadRequest, match=r"^photo\.bucket: .* is not an allowed bucket$"):
        studio.artist.draw(elsewhere, PLAIN)


@pytest.mark.parametrize(
    ("limits", "words"),
    [({"max_bytes": 100}, "at most 100 are read"), ({"max_px2": 1000}, "at most 1000"), ({"min_side_px": 301}, "301")],
)
def test_the_limits_of_the_worker_hold_here_too(aws: EmbeddedAws, make_bucket, limits: dict[str, int], words: str):
    studio = Studio(aws, make_bucket(), **limits)
    with pytest.raises(PhotoUnreadable, match=words):
        studio.artist.draw(studio.inspected(grey_jpeg()), PLAIN)


def test_a_photo_that_is_gone_and_a_message_without_one_are_missing(studio: Studio, aws: EmbeddedAws):
    inspected = studio.inspected(grey_jpeg())
    aws.client("s3").delete_object(Bucket=inspected.photo.bucket, Key="a.jpg")
    with pytest.raises(PhotoMissing, match="NoSuchKey"):
        studio.artist.draw(inspected, PLAIN)
    with pytest.raises(PhotoMissing, match="the message named none"):
        studio.artist.draw(rejection(photo=None), PLAIN)


def test_a_region_that_is_not_there_is_missing(studio: Studio):
    with pytest.raises(PhotoMissing, match=r"^region: 1 of a photo with 1 regions$"):
        studio.artist.draw(studio.inspected(grey_jpeg()), PhotoView(SMALL_PX, is_marked=True, region=1))


def test_a_rejected_photo_can_be_looked_at_when_it_is_one(studio: Studio):
    drawn = studio.draw(grey_jpeg(), MARKED, status="rejected", regions=(), gate_score=None, photo_sha256=None)
    assert drawn.shape == (300, 400, 3)
