"""A TCP relay that lets every packet towards the server wait, as a long way would.

Run as a program: ``latency.py PORT MILLISECONDS``. It prints its own port and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import sys

_BLOCK = 1 << 18


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(_BLOCK):
            if delay:
                loop.call_later(delay, writer.write, data)
            else:
                writer.write(data)
                await writer.drain()
    except OSError:
        pass
    finally:
        loop.call_later(delay, writer.close)


async def main() -> None:
    port, delay = int(sys.argv[1]), float(sys.argv[2]) / 1e3

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(relay(reader, back_writer, delay), relay(back_reader, writer, 0.0))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
