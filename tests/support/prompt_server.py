"""Servers that end at once, for tests that each have one of their own."""

import asyncio
import socket

import uvicorn

from stepdown.web.server.serving import Server


class PromptServer(uvicorn.Server):
    """Ends as soon as it is told to; uvicorn looks ten times a second, and waits for clients where there are none."""

    async def main_loop(self) -> None:
        await self.on_tick(0)
        while not self.should_exit:
            await asyncio.sleep(0.01)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
        await self.lifespan.shutdown()


class PromptPages(PromptServer, Server):
    """The server of the pages, so."""
