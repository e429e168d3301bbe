"""A small course of its own, on knitting: what the engine is asked for by other courses."""
