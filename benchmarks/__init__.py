"""The kernels against the libraries, in tables: accuracy, invariance and speed (`make bench`)."""
