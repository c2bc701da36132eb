"""Quality of generated images: features of images in, numbers out; each name states measure, sample and network."""
