"""Accuracy and speed of the kernels against the libraries: `make bench` writes the tables."""
