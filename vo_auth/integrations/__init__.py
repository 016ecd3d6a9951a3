"""Other packages' objects, one module each: the only importers of those packages."""

from __future__ import annotations

__all__: list[str] = []
