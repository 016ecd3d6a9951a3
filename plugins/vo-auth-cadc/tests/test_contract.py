"""The contract of every plugin, kept by CADC's."""

from __future__ import annotations

from vo_auth.testing import PluginContract


class TestContract(PluginContract):
    archive = "cadc"
    distribution = "vo-auth-cadc"
    probe = "https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca/argus/availability"
