"""Which boards CUDA may use: numbers, UUIDs and their beginnings, parts of boards, and mistakes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.measure.meters.cuda_visible import VisibleBoard, visible

BOARDS = [
    VisibleBoard(
        index=0, name="A100", uuid="GPU-8932f937-d72c", slices=("MIG-c0ffee01", "MIG-c0ffee02")
    ),
    VisibleBoard(index=1, name="A100", uuid="GPU-8932aaaa-1111"),
    VisibleBoard(index=2, name="A100", uuid="GPU-77770000-2222", slices=("MIG-deadbeef",)),
]
UNLIKE = [
    VisibleBoard(index=0, name="GTX 1080", uuid="GPU-aaaa"),
    VisibleBoard(index=1, name="RTX 4090", uuid="GPU-bbbb"),
]


def seen(value, boards=BOARDS, **more):
    chosen, notes = visible(boards, {"CUDA_VISIBLE_DEVICES": value, **more})
    return [board.index for board in chosen], notes


@pytest.mark.parametrize(
    ("value", "boards"),
    [
        ("0", [0]),
        ("2,0", [2, 0]),
        (" 1 , 2 ", [1, 2]),
        ("0,0,1", [0, 1]),
        ("0,2,-1,1", [0, 2]),
        ("1,", [1]),
        ("GPU-7777", [2]),
        ("GPU-8932a,GPU-8932f", [1, 0]),
        ("GPU-8932f937-d72c,2", [0, 2]),
        ("MIG-deadbeef", [2]),
        ("MIG-c0ffee02,MIG-c0ffee01", [0]),
        ("MIG-GPU-77770000-2222/1/0", [2]),
    ],
)
def test_boards_are_found_by_number_uuid_beginning_and_part(value, boards):
    assert seen(value) == (boards, [])


def test_without_the_variable_all_boards_are_visible():
    assert visible(BOARDS, {}) == (BOARDS, [])


@pytest.mark.parametrize("value", ["", " ", "-1", "-1,0"])
def test_hidden_boards_are_none_and_said(value):
    boards, (note,) = seen(value)
    assert boards == []
    assert note == f"gpu: CUDA_VISIBLE_DEVICES={value!r} hides all boards"


@pytest.mark.parametrize(
    ("value", "boards", "words"),
    [
        ("7", [], "'7' is no board"),
        ("1,7,0", [1], "'7' is no board"),
        ("GPU-8932", [], "'GPU-8932' means 2 boards"),
        ("GPU-", [], "'GPU-' means 3 boards"),
        ("GPU-5", [], "'GPU-5' is no board"),
        ("MIG-5,1", [], "'MIG-5' is no board"),
        ("MIG-GPU-8932/1/0", [], "means 2 boards"),
        ("0,all", [0], "'all' is no board"),
        ("gpu:0", [], "'gpu:0' is no board"),
        ("1.0", [], "'1.0' is no board"),
    ],
)
def test_a_name_of_no_board_or_of_two_ends_the_list_as_with_cuda_and_is_said(value, boards, words):
    found, (note,) = seen(value)
    assert found == boards
    assert note.startswith("gpu: CUDA_VISIBLE_DEVICES: ")
    assert words in note


def test_numbers_of_unlike_boards_are_only_sure_in_the_order_of_their_places():
    assert seen("0", UNLIKE, CUDA_DEVICE_ORDER="PCI_BUS_ID") == ([0], [])
    assert seen("GPU-a", UNLIKE) == ([0], [])
    assert seen("1,0", UNLIKE) == ([1, 0], [])
    boards, (note,) = seen("0", UNLIKE)
    assert boards == [0, 1]
    assert "set CUDA_DEVICE_ORDER=PCI_BUS_ID" in note


@given(st.lists(st.sampled_from(["0", "1", "2", "9", "-1", "GPU-7", "GPU-8932", "MIG-d", "x", ""])))
def test_no_board_comes_twice_and_what_follows_a_mistake_changes_nothing(words):
    chosen, notes = seen(",".join(words))
    assert len(set(chosen)) == len(chosen)
    assert len(notes) <= 1
    if notes and "no board" in notes[0]:
        assert seen(",".join([*words, "0", "1"]))[0] == chosen
