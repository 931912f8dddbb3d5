"""Start Streamlit so that nothing is looked up outside: `python -m estimator.web.server run APP`.

Streamlit asks a foreign server for the address of this machine when a page is opened by a name that
it does not know. Here it learns that there is none. And what one session has to send does not wait
long for another one that computes, nor for a browser to acknowledge what was sent before.
"""

import gc
import socket
import sys
from collections.abc import Callable
from functools import cache

from streamlit import net_util
from streamlit.web.server.starlette import starlette_server

SWITCH_S = 0.0005
"""After so long a session that computes lets another one send a message [s]. Python's usual 5 ms
are waited for at nearly each of the 40 messages of a change."""


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
