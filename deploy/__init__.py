"""A class on JupyterHub: one machine, and Kubernetes."""
