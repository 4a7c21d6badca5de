"""Turning folders of photos into TFDS data sets: one module per kind of folder, one for photos, one for records."""
