import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.localizer.network import LocalizerForExport, build_localizer  # noqa: E402


@pytest.mark.parametrize(
    ("cfg", "strides", "millions"),
    [
        ("yolov3-tiny.yaml", [16, 32], 12.1),
        ("yolov3-tinyu.yaml", [16, 32], 12.1),
        ("yolov5su.yaml", [8, 16, 32], 9.1),
        ("yolov8n.yaml", [8, 16, 32], 3.0),
    ],
)
def test_every_cfg_learns_and_decodes_to_its_own_cells(cfg, strides, millions):
    network = build_localizer(cfg=cfg)
    assert network.stride.tolist() == strides
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
    batch = {
        "img": torch.rand(1, 3, 64, 96),
        "bboxes": torch.tensor([[0.5, 0.5, 0.4, 0.4]]),
        "cls": torch.zeros(1, 1),
        "batch_idx": torch.zeros(1),
    }
    losses, _ = network.loss(batch)
    losses.sum().backward()
    assert network.model[0].conv.weight.grad.abs().sum() > 0
    with torch.no_grad():
        rows = LocalizerForExport(network)(batch["img"])
    assert rows.shape == (1, 5, sum((64 // s) * (96 // s) for s in strides))
    assert ((rows[:, 4:] >= 0) & (rows[:, 4:] <= 1)).all()


def test_yolov3_has_three_strides_and_a_hundred_million_weights():
    network = build_localizer(cfg="yolov3.yaml")
    assert network.stride.tolist() == [8, 16, 32]
    assert sum(p.numel() for p in network.parameters()) > 100e6


def test_default_keeps_the_names_that_checkpoints_have():
    names = list(build_localizer().state_dict())
    assert names[0] == "model.0.conv.weight"
    assert names == list(build_localizer(cfg="yolov3-tiny.yaml").state_dict())


@pytest.mark.parametrize("cfg", ["nothing.yaml", "yolov8n-seg.yaml", "yolov10n.yaml", "https://somewhere/yolov8n.yaml"])
def test_what_is_no_plain_detector_is_refused_by_name(cfg):
    with pytest.raises(ValueError, match=rf"^cfg: .*{cfg}"):
        build_localizer(cfg=cfg)
