import numpy as np
import pytest

from models.evaluation.generation.features import check_features, check_same_width, protocol_name
from models.structures import ContractError


@pytest.mark.parametrize(("count", "name"), [(5000, "fid_5k_net"), (10_115, "fid_10115_net"), (600, "fid_600_net")])
def test_name_tells_measure_sample_and_network(count, name):
    assert protocol_name("fid", count, "net") == name


def test_no_image_has_no_name():
    with pytest.raises(ValueError, match="count"):
        protocol_name("fid", 0, "net")


def test_features_are_widened_to_float64():
    checked = check_features("generated", np.ones((2, 3), np.float32))
    assert checked.dtype == np.float64


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_row_that_is_not_finite_is_named(wrong):
    features = np.zeros((4, 2))
    features[2, 1] = wrong
    with pytest.raises(ContractError, match=r"generated: .*row 2"):
        check_features("generated", features)


@pytest.mark.parametrize("features", [np.zeros(3), np.zeros((1, 3)), np.zeros((3, 0)), np.zeros((3, 3), np.int64)])
def test_what_is_no_table_of_numbers_is_refused(features):
    with pytest.raises(ContractError, match="real"):
        check_features("real", features, at_least=2)


def test_features_of_two_networks_are_refused():
    with pytest.raises(ContractError, match="expected 2 features"):
        check_same_width(np.zeros((1, 2)), np.zeros((1, 3)))
