"""StyleGAN2 that generates instances of a class, RGB or RGBA, with a transformer mapping network.

build.py puts a generator and a discriminator together; everything here is a function of tensors.
Must not know: files, datasets, training loops.
"""
