"""A client that is listened to and told of news at the same time, until either is over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from starlette.websockets import WebSocketDisconnect

from rheed_acquire.view.server.live_view import LiveView


async def until_one_ends(
    view: LiveView,
    news: asyncio.Event,
    *ways: Coroutine[Any, Any, None],
    watches: bool = True,
) -> None:
    """Follow a view's news, and go each of the ways until the first ends, which ends the others.

    Parameters
    ----------
    news
        Set whenever there is any.
    watches
        Whether the client looks at pictures.
    """
    view.add_listener(news, watches=watches)
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with contextlib.suppress(WebSocketDisconnect):
                task.result()
    finally:
        view.remove_listener(news)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
