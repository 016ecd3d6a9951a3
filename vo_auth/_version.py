"""The version, and how requests introduce themselves."""

from __future__ import annotations

import platform

import requests

__all__ = ["USER_AGENT", "__version__"]

__version__ = "0.1.0"

# IVOA Note "Operational Identification of Software Components": primary component first, purpose as a comment
USER_AGENT = (
    f"vo-auth/{__version__} python-requests/{requests.__version__} "
    f"Python/{platform.python_version()} ({platform.system()}) (IVOA-science)"
)
