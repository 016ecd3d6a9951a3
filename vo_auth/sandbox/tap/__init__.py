"""TAP 1.1 for stand-ins: ADQL over tables in memory, with row rights, synchronous and as jobs.

Example
-------
.. code-block:: python

    service = TapService(tables=(RAW,), settings=TapSettings(base_path="/tap_obs"), identify=who)
    app.add_routes(service.routes())
    app.on_shutdown.append(service.shutdown)
"""

from .model import Column, QueryError, Table, TapSettings
from .service import TapService

__all__ = ["Column", "QueryError", "Table", "TapService", "TapSettings"]
