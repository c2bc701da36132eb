"""SR-RCNN: Mask R-CNN whose RoI features are super-resolved, for small objects.

Source: Han, SR-RCNN, super-resolved feature based object detection for small things ("the thesis" in this package).

build.py puts a detector together; everything here is a function of tensors. A training step, on images and targets:

    pairs = detector.pair(images, targets)           the same RoIs of the image and of its half, pooled
    detector.generator_terms(pairs)                  named losses of the generator; its optimiser steps
    detector.discriminator_terms(pairs)              named losses of all else; its optimiser steps
    detector.gate_terms(pairs)                       named losses of the size gate; its optimiser steps

Must not know: files, datasets, training loops.
"""
