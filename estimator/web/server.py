"""Start Streamlit so that nothing is looked up outside: `python -m estimator.web.server run APP`.

Streamlit asks a foreign server for the address of this machine when a page is opened by a name that
it does not know. Here it learns that there is none. And what one session has to send does not wait
long for another one that computes, nor for a browser to acknowledge what was sent before; what a
browser would draw to no effect travels with what it is for.
"""

import asyncio
import gc
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from streamlit import config, net_util
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
    own, for each of which a browser draws the whole page again. That a script runs, and has ended,
    is sent only of one that still runs after that time.
    """
    sending = _Sending(enqueue)

    def enqueued(session: Any, message: ForwardMsg) -> None:
        sending.take(session, message)

    return enqueued


@dataclass
class _Begun:
    """A run of some parts of a page that has just begun.

    Parameters
    ----------
    timer : asyncio.TimerHandle
        Ends the wait.
    running : ForwardMsg, optional
        That it runs, which is not sent yet.
    waits : bool
        Whether a message waits for the next that shows something.
    """

    timer: asyncio.TimerHandle
    running: ForwardMsg | None = None
    waits: bool = True

    def leaves_unsaid(self, message: ForwardMsg) -> bool:
        """Whether a message, that the run runs or has ended, is not to be sent now."""
        if message.session_status_changed.script_is_running:
            self.running = message
            return True
        return self.running is not None and not self.waits


class _Sending:
    """Messages of all sessions on their way, and the runs that have just begun."""

    def __init__(self, enqueue: Callable[[Any, ForwardMsg], None]) -> None:
        self._enqueue = enqueue
        self._begun: WeakKeyDictionary[Any, _Begun] = WeakKeyDictionary()

    def take(self, session: Any, message: ForwardMsg) -> None:
        """Send a message, or let it wait."""
        run, kind = self._begun.get(session), message.WhichOneof("type")
        if run is not None and kind == "session_status_changed":
            if not message.session_status_changed.script_is_running:
                self._begun.pop(session).timer.cancel()
            if not run.leaves_unsaid(message):
                self._enqueue(session, message)
            return
        waits = session._message_enqueued_callback is not None and shows_nothing(message, kind)
        if run is not None:
            run.waits = waits
        if waits:
            self._keep_back(session, message)
        else:
            self._enqueue(session, message)

    def _keep_back(self, session: Any, message: ForwardMsg) -> None:
        """Let a message wait for the next one, or for the end of the time."""
        send = session._message_enqueued_callback
        session._message_enqueued_callback = None
        try:
            self._enqueue(session, message)
        finally:
            session._message_enqueued_callback = send
        if session not in self._begun:
            timer = session._event_loop.call_later(WAIT_S, self._late, session, send)
            self._begun[session] = _Begun(timer=timer)

    def _late(self, session: Any, send: Callable[[], None]) -> None:
        """Send what has waited long enough."""
        run = self._begun.pop(session)
        if run.running is not None:
            self._enqueue(session, run.running)
        elif run.waits:
            send()


def shows_nothing(message: ForwardMsg, kind: str | None) -> bool:
    """Whether a message only begins to draw a part of a page again."""
    if kind == "new_session":
        return bool(message.metadata.run.fragment_ids)
    return kind == "delta" and bool(
        message.delta.fragment_id and message.delta.HasField("add_block")
    )


@cache
def read_theme_once() -> None:
    """Keep the settings of the theme until their file is read again.

    Streamlit sends them with every change, and looks all its settings through for them six times.
    """
    kept = cache(config.get_options_for_section)
    config.on_config_parsed(kept.cache_clear, force_connect=True)
    config.get_options_for_section = kept


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
