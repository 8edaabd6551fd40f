"""Names and addresses: `getaddrinfo` and `getnameinfo`."""

from __future__ import annotations

import socket
from asyncio.log import logger

from ._executors import Executors
from ._literals import literal_info, local_answer
from ._types import Address, AddressInfo
from ._typing import Any


class NameResolution(Executors):
    """Names are looked up in a pool of threads; literals are answered at once."""

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Answer as `socket.getaddrinfo` does, without blocking the loop."""
        question = (host, port, family, type, proto, flags)
        lookup: Any = socket.getaddrinfo
        if self.get_debug():
            lookup = self._getaddrinfo_debug
        elif not self._executor_shutdown_called:
            self._check_closed()
            answer = local_answer(*question)
            if answer is not None:
                return answer
        return await self._run_in_resolver(lookup, *question)

    async def getnameinfo(self, sockaddr: Address, flags: int = 0) -> tuple[str, str]:
        """Answer as `socket.getnameinfo` does, without blocking the loop."""
        lookup: Any = socket.getnameinfo
        answer: tuple[str, str] = await self._run_in_resolver(lookup, sockaddr, flags)
        return answer

    def _getaddrinfo_debug(
        self, host: Any, port: Any, family: int, type: int, proto: int, flags: int
    ) -> list[AddressInfo]:
        options = {"family": family, "type": type, "proto": proto, "flags": flags}
        question = ", ".join(
            [f"{host}:{port!r}"] + [f"{name}={value!r}" for name, value in options.items() if value]
        )
        logger.debug("Get address info %s", question)
        started = self.time()
        answer: list[Any] = socket.getaddrinfo(host, port, family, type, proto, flags)
        elapsed = self.time() - started
        message = f"Getting address info {question} took {elapsed * 1e3:.3f}ms: {answer!r}"
        if elapsed >= self.slow_callback_duration:
            logger.info(message)
        else:
            logger.debug(message)
        return answer

    async def _ensure_resolved(
        self,
        address: Any,
        *,
        family: int = 0,
        type: int = socket.SOCK_STREAM,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Resolve `address` for a socket, keeping flow label and scope of a literal."""
        host, port = address[:2]
        info = literal_info(host, port, family, type, proto, *address[2:])
        if info is not None:
            return [info]
        return await self.getaddrinfo(
            host, port, family=family, type=type, proto=proto, flags=flags
        )
