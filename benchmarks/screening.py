"""Time the screens against one image at a time in numpy: python benchmarks/screening.py [--json FILE]

In:   nothing; canvases with something textured in the middle are painted here.
Out:  a table on stdout, and with --json the same as JSON. images_min counts wall-clock time of all processes together,
      cpu_images_min the processor time of one, which a busy machine disturbs less. Ratios above 1 mean that ours is
      faster. Every rule includes its histograms; "learned" includes its features; "all together" is what the screening
      step does to each image: both thresholds of the single-colour rule and the multi-colour rule on one histogram of
      the content, and the learned screen. "numpy" is the multi-colour rule with np.histogram for each image and
      channel. The critic's rule is a comparison a score and not worth timing. The last lines compare each screen, in as
      many processes as were asked for, with the 100 thousand images a minute that are wanted of two cores at 64 px: by
      wall clock, and by processor time, as if the processes had their cores for themselves.
"""

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from models.steps.screening import (
    BREAKAGES,
    GOOD,
    Counting,
    LearnedScreen,
    describe,
    find_content,
    histogram,
    make_broken,
    screen_multi_colour,
    screen_single_colour,
)

REFERENCE = "numpy"
BATCH_SIZE = 256
LITERAL = Counting("literal")
WANTED_IMAGES_MIN = 100_000
WANTED_AT_PX = 64
SPAWN = get_context("spawn")  # a fork would inherit OpenCV's threads half-way


def paint_canvases(count: int, side_px: int, seed: int) -> np.ndarray:
    """Paint textured rectangles on black canvases; uint8 (count, side, side, 3)."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, side_px, side_px, 3), np.uint8)
    for image in images:
        height, width = rng.integers(side_px // 2, side_px + 1, 2)
        coarse = rng.integers(20, 255, (8, 8, 3), dtype=np.uint8)
        top, left = (side_px - height) // 2, (side_px - width) // 2
        image[top : top + height, left : left + width] = cv2.resize(
            coarse, (int(width), int(height)), interpolation=cv2.INTER_CUBIC
        )
    return images


def screen_one_by_one(images: np.ndarray) -> np.ndarray:
    """The multi-colour rule as it is written down: a histogram an image and channel, then a search; bool (N,)."""
    is_broken = np.zeros(len(images), bool)
    for index, image in enumerate(images):
        counts = [np.histogram(image[..., c], bins=256, range=(0, 256))[0] for c in range(3)]
        peak, _, value = max((counts[c][v], -c - 3 * v, v) for v in range(240, 256) for c in range(3))
        total = sum(counts[c][value] for c in range(3))
        is_broken[index] = peak - min(counts[c][value] for c in range(3)) >= 40 or total >= 1000
    return is_broken


def screen_all(images: np.ndarray, learned: LearnedScreen) -> np.ndarray:
    """Every rule that looks at pixels; bool (N,), True = broken by any."""
    px2 = images.shape[1] * images.shape[2]
    histograms = histogram(images, content_xyxy=find_content(images))
    is_broken = learned.screen(images) | screen_multi_colour(histograms, px2).is_broken
    for count in (40.0, 20.0):
        is_broken |= screen_single_colour(histograms, px2, count_threshold=count).is_broken
    return is_broken


def build_screens(side_px: int) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Build what is compared, the learned screen fitted on a few canvases."""
    good = paint_canvases(40, side_px, 0)
    rng = np.random.default_rng(0)
    features = np.concatenate([describe(good), *(describe(make_broken(good, kind, rng)) for kind in BREAKAGES)])
    learned = LearnedScreen.fit(features, [GOOD] * 40 + [kind for kind in BREAKAGES for _ in range(40)])
    px2 = side_px * side_px
    return {
        REFERENCE: screen_one_by_one,
        "single": lambda images: screen_single_colour(histogram(images), px2, counting=LITERAL).is_broken,
        "multi": lambda images: screen_multi_colour(histogram(images), px2, counting=LITERAL).is_broken,
        "multi, content only": lambda images: (
            screen_multi_colour(histogram(images, content_xyxy=find_content(images)), px2, counting=LITERAL).is_broken
        ),
        "learned": learned.screen,
        "all together": lambda images: screen_all(images, learned),
    }


def time_screen(name: str, count: int, side_px: int, seed: int) -> tuple[float, float, float]:
    """Screen canvases batch by batch in this process; when it started and ended, and processor time, seconds."""
    cv2.setNumThreads(1)
    screen, images = build_screens(side_px)[name], paint_canvases(count, side_px, seed)
    screen(images[:BATCH_SIZE])  # warm
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    for start in range(0, count, BATCH_SIZE):
        screen(images[start : start + BATCH_SIZE])
    cpu_s = time.process_time() - started_cpu_s
    return started_s, time.perf_counter(), cpu_s


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4000, help="a process and screen")
    parser.add_argument("--side-px", type=int, default=64)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    check = paint_canvases(50, arguments.side_px, 1)
    screens = build_screens(arguments.side_px)
    assert (screens[REFERENCE](check) == screens["multi"](check)).all(), "the rules disagree"
    rows: list[dict[str, float | str]] = []
    print("screen               processes  images_min  cpu_images_min  ratio  cpu_ratio", flush=True)
    for processes in sorted({1, arguments.processes}):
        reference: dict[str, float | str] = {}
        for name in screens:
            with ProcessPoolExecutor(processes, SPAWN) as pool:
                spans = list(
                    pool.map(
                        time_screen,
                        [name] * processes,
                        [arguments.images] * processes,
                        [arguments.side_px] * processes,
                        range(processes),
                    )
                )
            # Each process for itself: they do not start at the same moment.
            row: dict[str, float | str] = {
                "screen": name,
                "processes": processes,
                "images_min": sum(60 * arguments.images / (ended - started) for started, ended, _ in spans),
                "cpu_images_min": 60 * arguments.images * processes / sum(cpu_s for *_, cpu_s in spans),
            }
            reference = reference or row
            row["ratio"] = float(row["images_min"]) / float(reference["images_min"])
            row["cpu_ratio"] = float(row["cpu_images_min"]) / float(reference["cpu_images_min"])
            rows.append(row)
            print(
                f"{name:19}  {processes:9}  {row['images_min']:10.0f}  {row['cpu_images_min']:14.0f}"
                f"  {row['ratio']:5.1f}  {row['cpu_ratio']:9.1f}",
                flush=True,
            )
    if arguments.side_px == WANTED_AT_PX:
        for row in rows:
            if row["processes"] == arguments.processes and row["screen"] != REFERENCE:
                times = float(row["images_min"]) / WANTED_IMAGES_MIN
                cpu_times = float(row["cpu_images_min"]) * arguments.processes / WANTED_IMAGES_MIN
                print(
                    f"{row['screen']}: {times:.1f} times the {WANTED_IMAGES_MIN} images a minute wanted of "
                    f"{arguments.processes} processes, {cpu_times:.1f} by processor time"
                )
    if arguments.json:
        arguments.json.write_text(json.dumps({"side_px": arguments.side_px, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
