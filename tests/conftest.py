"""Fixtures that several files share: the built website, and a browser that reads it."""

from tests.website import address, book, chromium, pages, reader

__all__ = ["address", "book", "chromium", "pages", "reader"]
