"""Where credentials come from: one file per source, and the written order in which they are asked.

1. explicit arguments (rank 10); 2. the environment (20); 3. what was typed or given to ``login`` in this process (30);
the wallet's own permits stand here, and 4. passwords that the user wanted kept (40); 5. the keyring (50); 6. files of
the archive's other programs (60); 7. tokens that are there where the program runs: WLCG bearer token discovery (70),
oidc-agent (72), science platforms (74); 8. netrc (80), where the user wants it; 9. the prompt (90). Plugins put
theirs between by rank.
"""

from __future__ import annotations

from .base import Attempt, CredentialSource, Found, Passed, Wanted
from .chain import Chosen, CredentialChain
from .environment import EnvironmentSource
from .explicit import ExplicitSource
from .files import KnownFileSource, read_protected, write_protected
from .keyring import KeyringSource
from .machines import NetrcSource
from .oidc_agent import OidcAgentSource
from .platforms import PlatformSource
from .prompt import PromptSource, is_interactive
from .wlcg import WlcgSource

__all__ = [
    "Attempt",
    "Chosen",
    "CredentialChain",
    "CredentialSource",
    "EnvironmentSource",
    "ExplicitSource",
    "Found",
    "KeyringSource",
    "KnownFileSource",
    "NetrcSource",
    "OidcAgentSource",
    "Passed",
    "PlatformSource",
    "PromptSource",
    "Wanted",
    "WlcgSource",
    "is_interactive",
    "read_protected",
    "write_protected",
]
