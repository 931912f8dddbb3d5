"""Every button of every page is pressed, and each control then holds what the answer is about."""

import html
import re
import sys
from urllib.parse import parse_qsl

import pytest
from streamlit.testing.v1 import AppTest

from estimator.question.inputs import read_number
from estimator.question.scenario import NUMBERS
from estimator.web.estimate.inputs import OF_ALL, OF_WAY
from estimator.web.shared.url_state import Choice, widget_key
from estimator.web.site_map import PAGES
from tests.web.markup import body, healthy, visited

SECTIONS = ("open_controls", "open_details")
"""Pills that open sections, and change nothing that is asked."""


def asked(page: AppTest) -> dict[str, str]:
    """Inputs of the answer that is shown."""
    found = re.search(r'data-scenario="([^"]*)"', body(page))
    return dict(parse_qsl(html.unescape(found[1])[1:], keep_blank_values=True)) if found else {}


def held(page: AppTest) -> dict[str, object]:
    """Widget -> what it holds, of those drawn."""
    drawn = (
        *(*page.text_input, *page.text_area, *page.number_input, *page.selectbox, *page.slider),
        *(one for one in (*page.segmented_control, *page.pills) if one.key not in SECTIONS),
    )
    return {one.key: one.value for one in drawn if one.key}


def disagreements(page: AppTest, path: str) -> list[str]:
    """Controls that hold something else than the inputs of the answer."""
    inputs, controls = asked(page), held(page)
    declared = next(one.inputs for one in PAGES if one.path == path)
    if path == "estimate":
        names = {*OF_ALL, *(name for way in OF_WAY.values() for name in way)}
        shown = {name: controls[key] for name in names if (key := f"estimate_{name}") in controls}
        return [name for name, one in shown.items() if not same(name, one, inputs.get(name))]
    if declared is None:
        names = controls.keys() & {f"{path}_{name}" for name in inputs}
        return [name for name in names if str(controls[name]) != inputs[name.partition("_")[2]]]
    keys = {one.name: widget_key(path, one.name) for one in declared.known}
    return [
        name
        for name, key in keys.items()
        if key in controls
        and declared.declared(name).link_text(controls[key]) != inputs.get(name, "")
    ]


def same(name: str, control: object, answered: str | None) -> bool:
    """Whether a control of the page Estimate holds the input of its answer."""
    if name in NUMBERS:
        number = None if control in (None, "") else read_number(name, str(control))
        return number == (None if answered is None else read_number(name, answered))
    return (control or None) == answered


CHOICES = {
    "calibrate_precision": ("bf16", "fp16", "fp32", "tf32", "fp8"),
}
"""Row of options of a page that draws it itself -> the values that it may take."""


def presses(page: AppTest, path: str) -> list[tuple[str, str, object]]:
    """Everything on a page that is pressed: its kind, key, and the option chosen."""
    found: list[tuple[str, str, object]] = [("button", one.key, None) for one in page.button]
    declared = next(one.inputs for one in PAGES if one.path == path)
    options = CHOICES | {
        widget_key(path, one.name): tuple(one.options)
        for one in (declared.known if declared else ())
        if isinstance(one, Choice)
    }
    for one in (*page.segmented_control, *page.pills):
        if one.key not in SECTIONS:
            found += [("button_group", one.key, option) for option in options[one.key]]
    found += [("selectbox", one.key, 1) for one in page.selectbox[:1] if len(one.options) > 1]
    return found + [("number_input", one.key, one.value + 1) for one in page.number_input[:1]]


def pressed(page: AppTest, kind: str, key: str, option: object) -> AppTest | None:
    """Press one of them; None where it is no longer there."""
    drawn = {one.key: one for one in page.button}
    if kind != "button":
        groups = (*page.segmented_control, *page.pills)
        drawn = {one.key: one for one in (groups if kind == "button_group" else page.get(kind))}
    control = drawn.get(key)
    if control is None:
        return None
    if kind == "button":
        return healthy(control.click().run())
    if kind == "selectbox":
        return healthy(control.select_index(option).run())
    if kind == "number_input":
        return healthy(control.set_value(option).run())
    if control.format_func(option) not in control.options:
        return None
    return healthy(control.set_value(option).run())


def opened_wide(path: str) -> AppTest:
    """Page with every section open that is one click away."""
    page = visited(path)
    if path == "estimate":
        page.session_state["open_controls"] = ["work", "hardware", "place"]
        page.session_state["open_details"] = ["examples"]
        page.button(key="pin").click().run()
        page.number_input(key="estimate_devices").set_value(8).run()
        page.button(key="pin").click().run()
    return healthy(page)


@pytest.mark.parametrize("path", [page.path for page in PAGES])
def test_each_control_holds_what_the_answer_is_about_after_every_press(path):
    page, visited_addresses, count = opened_wide(path), [], 0
    assert disagreements(page, path) == []
    for kind, key, option in presses(page, path):
        shown = pressed(page, kind, key, option)
        if shown is None:
            continue
        page, count = shown, count + 1
        assert disagreements(page, path) == [], (key, option)
        visited_addresses.append(dict(page.query_params))
    addresses = [one for one in visited_addresses if one]
    for address in (*addresses[-2::-1], *addresses):
        page.query_params.clear()
        for name, values in address.items():
            page.query_params[name] = values
        healthy(page.run())
        count += 1
        assert disagreements(page, path) == [], ("back or forward", address)
        known = {name: one if isinstance(one, str) else one[-1] for name, one in address.items()}
        differ = {name for name, text in asked(page).items() if known.get(name, text) != text}
        assert not differ, ("back or forward", address)
    sys.stdout.write(f"{path}: {len(page.button)} buttons, {count} presses\n")


@pytest.mark.parametrize("path", [page.path for page in PAGES])
def test_every_control_has_a_tooltip_in_the_words_of_its_page(path):
    page = opened_wide(path)
    kinds = ("text_input", "text_area", "number_input", "selectbox", "slider", "button_group")
    controls = [one for kind in kinds for one in page.get(kind)]
    controls += [*page.button, *page.segmented_control, *page.pills, *page.file_uploader]
    without = [one.key or one.label for one in controls if not one.proto.help.strip()]
    assert [key for key in without if key not in SECTIONS] == []
    assert [one.key for one in controls if re.search(r"(^|\s)--\w", one.proto.help)] == []
