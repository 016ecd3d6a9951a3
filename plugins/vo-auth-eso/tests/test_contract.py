"""The contract of every plugin, kept by ESO's."""

from __future__ import annotations

from vo_auth.testing import PluginContract


class TestContract(PluginContract):
    archive = "eso"
    distribution = "vo-auth-eso"
    probe = "https://archive.eso.org/tap_obs/availability"
