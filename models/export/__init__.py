"""From a training run to a version in a store: torch network → weights in one or more formats → card.

specs      what a network's card says by default
formats    one network in every format
quantize   int8 weights and activations, calibrated on photos
parity     how far an exported network and its torch original differ; found_parity: of detectors
version    run → candidate in a store
finder     a detector's run → candidate in a store, its thresholds chosen on photos
"""

from models.export.finder import FinderOptions, export_finder
from models.export.formats import FORMATS, convert_network, convert_to_ir, split_formats, store_ir
from models.export.parity import compare_answers, measure_parity
from models.export.specs import SPECS, NetworkSpec, build_card, describe_architecture
from models.export.version import (
    PARITY_PHOTOS,
    describe_dataset,
    export_version,
    load_run,
    prepare_inputs,
    view_photos,
)
from models.networks import build_for_export

__all__ = [
    "FORMATS",
    "PARITY_PHOTOS",
    "SPECS",
    "FinderOptions",
    "NetworkSpec",
    "build_card",
    "build_for_export",
    "compare_answers",
    "convert_network",
    "convert_to_ir",
    "describe_architecture",
    "describe_dataset",
    "export_finder",
    "export_version",
    "load_run",
    "measure_parity",
    "prepare_inputs",
    "split_formats",
    "store_ir",
    "view_photos",
]
