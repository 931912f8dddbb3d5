"""Parts of a page: which of them are drawn when a widget of one has changed."""

from estimator.web.shared.parts import _Order


def order(*ways):
    drawn = _Order(list)
    drawn.ways = dict(ways)
    return drawn


def test_the_parts_that_show_a_change_are_drawn_instead_of_that_of_the_widget():
    drawn = order(("controls", ["contents", "end"]), ("contents", ["contents", "end"]))
    assert drawn(["controls"]) == ["contents", "end"]
    assert drawn(["contents"]) == ["contents", "end"]
    assert drawn(["controls", "contents"]) == ["contents", "end"]


def test_other_parts_are_drawn_by_themselves():
    drawn = order(("controls", ["contents", "end"]))
    assert drawn(["details"]) == ["details"]
    assert drawn(["details", "controls"]) == ["details", "contents", "end"]


def test_what_is_asked_for_with_the_last_part_is_drawn_as_it_is():
    drawn = order(("controls", ["contents", "end"]))
    assert drawn(["contents", "controls", "end"]) == ["contents", "controls", "end"]


def test_without_a_way_every_part_is_drawn_by_itself():
    assert order()(["controls"]) == ["controls"]
