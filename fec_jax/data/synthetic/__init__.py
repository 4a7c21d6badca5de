"""Synthetic faces: the parts of a face; `source` puts them together."""
