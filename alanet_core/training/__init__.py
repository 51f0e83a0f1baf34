"""Data, training and evaluation; nothing here is needed to enhance a video."""
