"""NVIDIA boards that CUDA_VISIBLE_DEVICES lets this process use."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER, BY_PLACE = "CUDA_DEVICE_ORDER", "PCI_BUS_ID"
"""Setting with which CUDA numbers boards as the driver does; by default the fastest is first."""


@dataclass(frozen=True, kw_only=True)
class VisibleBoard:
    """Board as listed by its driver.

    Parameters
    ----------
    index : int
        Its number with the driver, by place in the machine.
    slices : tuple of str
        UUIDs of the parts that it is divided into (MIG).
    """

    index: int
    name: str
    uuid: str
    slices: tuple[str, ...] = ()


def visible(
    boards: Sequence[VisibleBoard], environment: Mapping[str, str]
) -> tuple[list[VisibleBoard], list[str]]:
    """Return the boards that CUDA may use, and problems with their names [1]_.

    As in CUDA, an unknown or ambiguous name ends the list, and -1 hides all that follow.

    Parameters
    ----------
    environment : mapping of str to str
        With CUDA_VISIBLE_DEVICES: numbers, UUIDs of boards or of parts of them, or beginnings of
        UUIDs; all are visible without it, none if it is empty.

    Returns
    -------
    list of VisibleBoard
        Where numbers do not identify one of several unlike boards: all.
    list of str
        Why boards are missing, or are too many; each begins with "gpu: ".

    References
    ----------
    .. [1] NVIDIA, "CUDA programming guide", appendix "CUDA environment variables".

    Examples
    --------
    >>> boards = [VisibleBoard(index=at, name="A100", uuid=f"GPU-{at}") for at in range(2)]
    >>> visible(boards, {"CUDA_VISIBLE_DEVICES": "GPU-1,7"})[1]
    ["gpu: CUDA_VISIBLE_DEVICES: '7' is no board of this machine; it ends the list for CUDA"]
    """
    listed = environment.get(VISIBLE)
    if listed is None:
        return list(boards), []
    chosen: list[VisibleBoard] = []
    numbered = False
    notes: list[str] = []
    for word in (one.strip() for one in listed.split(",")):
        if not word or re.fullmatch(r"-\d+", word):
            break
        found = _boards_of(word, boards)
        if len(found) != 1:
            what = "is no board" if not found else f"means {len(found)} boards"
            notes.append(
                f"gpu: {VISIBLE}: {word!r} {what} of this machine; it ends the list for CUDA"
            )
            break
        numbered = numbered or word.isdecimal()
        if found[0] not in chosen:
            chosen.append(found[0])
    if not chosen and not notes:
        notes.append(f"gpu: {VISIBLE}={listed!r} hides all boards")
    unlike = len({board.name for board in boards}) > 1 and len(chosen) < len(boards)
    if numbered and unlike and environment.get(ORDER) != BY_PLACE:
        notes.append(
            f"gpu: the boards differ, and {VISIBLE}={listed!r} counts them by speed: which are "
            f"meant is unknown, so all are measured; set {ORDER}={BY_PLACE}"
        )
        return list(boards), notes
    return chosen, notes


def _boards_of(word: str, boards: Sequence[VisibleBoard]) -> list[VisibleBoard]:
    """Boards that a name may mean; a partition means its board."""
    if word.isdecimal():
        return list(boards[int(word) : int(word) + 1])
    if word.startswith("MIG-GPU-"):
        word = word.removeprefix("MIG-").partition("/")[0]
    if word.startswith("GPU-"):
        return [board for board in boards if board.uuid.startswith(word)]
    if word.startswith("MIG-"):
        return [board for board in boards if any(one.startswith(word) for one in board.slices)]
    return []
