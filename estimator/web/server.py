"""Start Streamlit so that nothing is looked up outside: `python -m estimator.web.server run APP`.

Streamlit asks a foreign server for the address of this machine when a page is opened by a name that
it does not know. Here it learns that there is none. And what one session has to send does not wait
long for another one that computes.
"""

import sys

from streamlit import net_util

SWITCH_S = 0.0005
"""After so long a session that computes lets another one send a message [s]. Python's usual 5 ms
are waited for at nearly each of the 40 messages of a change."""


def switch_often() -> None:
    """Let sessions take turns within a fraction of what a change takes."""
    sys.setswitchinterval(SWITCH_S)


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
    run(sys.argv[1:], prog_name="streamlit")


if __name__ == "__main__":
    main()
