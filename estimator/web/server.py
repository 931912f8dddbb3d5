"""Start Streamlit so that nothing is looked up outside: `python -m estimator.web.server run APP`.

Streamlit asks a foreign server for the address of this machine when a page is opened by a name that
it does not know. Here it learns that there is none. And what one session has to send does not wait
long for another one that computes, nor for a browser to acknowledge what was sent before; what a
browser would draw to no effect travels with what it is for.
"""

import gc
import socket
import sys
from collections.abc import Callable
from functools import cache
from typing import Any
from weakref import WeakSet

from streamlit import net_util
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.app_session import AppSession
from streamlit.web.server.starlette import starlette_server

SWITCH_S = 0.0005
"""After so long a session that computes lets another one send a message [s]. Python's usual 5 ms
are waited for at nearly each of the 40 messages of a change."""

WAIT_S = 0.05
"""So long at most a message that shows nothing waits for one that does [s]."""


def switch_often() -> None:
    """Let sessions take turns within a fraction of what a change takes."""
    sys.setswitchinterval(SWITCH_S)


def send_at_once(bind: Callable[..., socket.socket]) -> Callable[..., socket.socket]:
    """Let a bound socket, and each connection that it accepts, send without waiting.

    Streamlit binds its socket in a way for which asyncio leaves Nagle's algorithm on: all messages
    of a change but the first then wait for the acknowledgement of the first, up to 40 ms.
    """

    def bound(*where: object) -> socket.socket:
        listening = bind(*where)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening

    return bound


@cache
def send_together() -> None:
    """Let what begins a change travel with what it shows: a browser draws them in one go."""
    session: Any = AppSession
    session._enqueue_forward_msg = together(session._enqueue_forward_msg)


def together(enqueue: Callable[[Any, ForwardMsg], None]) -> Callable[[Any, ForwardMsg], None]:
    """Let messages of a session that show nothing wait for the next that does, or `WAIT_S`.

    That a part of a page is about to be drawn, and the empty box around it, are messages of their
    own, for each of which a browser draws the whole page again.
    """
    waiting: WeakSet[Any] = WeakSet()

    def late(session: Any, send: Callable[[], None]) -> None:
        waiting.discard(session)
        send()

    def enqueued(session: Any, message: ForwardMsg) -> None:
        send = session._message_enqueued_callback
        if send is None or not shows_nothing(message, after_another=session in waiting):
            waiting.discard(session)
            enqueue(session, message)
            return
        session._message_enqueued_callback = None
        try:
            enqueue(session, message)
        finally:
            session._message_enqueued_callback = send
        if session not in waiting:
            waiting.add(session)
            session._event_loop.call_later(WAIT_S, late, session, send)

    return enqueued


def shows_nothing(message: ForwardMsg, *, after_another: bool) -> bool:
    """Whether a message only begins to draw a part of a page again.

    That a script runs is such a message where it comes after another one: by itself, it belongs to
    a run of the whole page, which may take its time.
    """
    if message.HasField("session_status_changed"):
        return after_another and message.session_status_changed.script_is_running
    if message.HasField("new_session"):
        return bool(message.metadata.run.fragment_ids)
    return message.HasField("delta") and bool(
        message.delta.fragment_id and message.delta.HasField("add_block")
    )


@cache
def keep_for_good() -> None:
    """Spare the garbage collector what a server has read when its first page is drawn.

    All of it stays as long as the server does, and is much more than what the sessions leave.
    """
    gc.collect()
    gc.freeze()


def stay_home() -> None:
    """Look up no address of this machine outside."""
    net_util.get_external_ip = no_address


def no_address() -> str | None:
    """Return no address."""
    return None


def main() -> None:
    """Run Streamlit's command line."""
    from streamlit.web.cli import main as run

    stay_home()
    switch_often()
    starlette_server._bind_socket = send_at_once(starlette_server._bind_socket)
    run(sys.argv[1:], prog_name="streamlit")


if __name__ == "__main__":
    main()
