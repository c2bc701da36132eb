"""Trains a GAN on canvases of instances: models.gan holds the networks, this the steps, checkpoints and processes."""

from models.training.gan.loop import GanState, train_gan
from models.training.gan.options import GanOptions

__all__ = ["GanOptions", "GanState", "train_gan"]
