"""The contract of every plugin, kept by IA2's."""

from __future__ import annotations

from vo_auth.testing import PluginContract


class TestContract(PluginContract):
    archive = "ia2"
    distribution = "vo-auth-ia2"
    probe = "https://archives.ia2.inaf.it/vo/tap/tng/availability"
