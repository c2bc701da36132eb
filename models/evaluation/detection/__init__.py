"""Quality of a detector: boxes of each photo in, average precision, operating points and confusions out."""
