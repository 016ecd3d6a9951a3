"""A session's adapters: whatever is mounted, now or later, is inside the edge."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from requests.adapters import BaseAdapter

from .adapter import PermitAdapter
from .claims import Policy
from .edge import Edge
from .registry import default_registry

if TYPE_CHECKING:
    from .wallet import Wallet

__all__ = ["Adapters"]


class Adapters(OrderedDict[str, Any]):
    """A session's adapters, each wrapped in the edge whenever it is mounted.

    Parameters
    ----------
    edge
        The decisions of the session.
    adapters
        What is mounted already.
    netrc
        As for :class:`PermitAdapter`.
    """

    def __init__(self, edge: Edge, adapters: Mapping[str, BaseAdapter] | None = None, *, netrc: bool = True) -> None:
        self.edge = edge
        self._netrc = netrc
        super().__init__(adapters or {})

    def __setitem__(self, prefix: str, adapter: Any) -> None:
        inner = adapter.inner if isinstance(adapter, PermitAdapter) else adapter
        if inner is adapter or adapter.edge is not self.edge:
            adapter = PermitAdapter(inner, self.edge, netrc=self._netrc)
        super().__setitem__(prefix, adapter)

    def copy(self) -> Adapters:
        """Return the same adapters in another mapping."""
        return Adapters(self.edge, self, netrc=self._netrc)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Adapters:
        inner = OrderedDict((prefix, copy.deepcopy(adapter.inner, memo)) for prefix, adapter in self.items())
        return Adapters(self.edge, inner, netrc=self._netrc)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what the session is for, and the adapters: a copy in another process must not go anonymous."""
        inner = [(prefix, adapter.inner) for prefix, adapter in self.items()]
        return _adapters_again, (self.edge.policy, self.edge.has_own_credentials, self._netrc, inner)


def _adapters_again(
    policy: Policy, had_credentials: bool, netrc: bool, adapters: list[tuple[str, BaseAdapter]]
) -> Adapters:
    edge = Edge(policy, default_registry(), _shared_wallet)
    if had_credentials:
        edge.lost_credentials()
    return Adapters(edge, OrderedDict(adapters), netrc=netrc)


def _shared_wallet() -> Wallet:
    from .wallet import default_wallet

    return default_wallet()
