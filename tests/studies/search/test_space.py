"""Spaces: what is read, what is refused, and that every design is made once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.studies.search.space import Space, read_space, space_of


def test_values_lists_and_ranges_are_read():
    space = space_of(
        {
            "params": "7B",
            "hardware": ["h100", "a100"],
            "devices": {"from": 8, "to": 64, "scale": "log2"},
            "pue": {"from": 1.1, "to": 1.3, "steps": 3},
            "utilization": {"from": 0.3, "to": 0.5, "step": 0.1},
            "tokens": {"from": 1e9, "to": 1e11, "steps": 3, "scale": "log"},
        }
    )
    assert space.values["params"] == (7e9,)
    assert space.values["devices"] == (8.0, 16.0, 32.0, 64.0)
    assert space.values["pue"] == pytest.approx((1.1, 1.2, 1.3))
    assert space.values["utilization"] == pytest.approx((0.3, 0.4, 0.5))
    assert space.values["tokens"] == pytest.approx((1e9, 1e10, 1e11))
    assert space.size == 2 * 4 * 3 * 3 * 3
    assert space.swept == ("hardware", "devices", "pue", "utilization", "tokens")


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({}, "the space is empty"),
        ({"paramz": 1}, "unknown input 'paramz': did you mean params"),
        ({"colour": 1}, "unknown input 'colour': use one of .*power_limit"),
        ({"power-limit": 300, "power_cap": 250}, "'power-limit' is given under two names"),
        ({"params": []}, "params has an empty list"),
        ({"params": "many"}, "params is not a number"),
        ({"params": True}, "params must be a number"),
        ({"params": [1, 1]}, "params lists a value twice"),
        ({"hardware": 3}, "hardware must be a word"),
        ({"hardware": {"from": 1, "to": 2}}, "hardware accepts words"),
        ({"devices": {"from": 1}}, "devices must be a range"),
        ({"devices": {"from": 1, "to": 8, "stepps": 2}}, "devices must be a range"),
        ({"devices": {"from": 8, "to": 1, "steps": 2}}, "from < to"),
        ({"devices": {"from": 0, "to": 8, "steps": 2, "scale": "log"}}, "0 < from < to"),
        ({"devices": {"from": 1, "to": 8, "steps": 1}}, "needs steps"),
        ({"devices": {"from": 1, "to": 8, "scale": "cubic"}}, "the scale of devices"),
        ({"devices": {"from": 1, "to": 8, "step": 0}}, "positive step"),
        ({"devices": {"from": 1, "to": 8, "step": 1e-300}}, "devices has more than"),
        ({"tokens": {"from": 1, "to": 8, "steps": 10**12}}, "tokens has more than"),
        ({"tokens": {"from": 1, "to": 1e15, "step": 1e-5}}, "tokens has more than"),
        ({"price": {"from": -1e308, "to": 1e308, "steps": 3}}, "price must be at least 0, got"),
        ({"power_limit": ""}, "power_limit is not a number"),
        ({"power-limit": {"from": 1, "to": 1e300, "steps": 3}}, "power-limit must be at most"),
        (
            {name: {"from": 1, "to": 2, "steps": 10000} for name in ("pue", "wue", "price")},
            "designs exceed the maximum of",
        ),
    ],
)
def test_what_is_no_space_is_refused_by_input_and_rule(table, reason):
    with pytest.raises(ValueError, match=reason):
        space_of(table)


def test_a_file_that_is_no_toml_is_refused_by_name(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text("params = [", encoding="utf-8")
    with pytest.raises(ValueError, match=r"space\.toml: not a valid TOML file"):
        read_space(path)


def test_lists_too_deep_to_be_read_are_refused_by_name(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text("params = " + "[" * 2000 + "]" * 2000, encoding="utf-8")
    with pytest.raises(ValueError, match=r"space\.toml: not a valid TOML file"):
        read_space(path)


def test_a_file_without_an_end_is_refused_by_name():
    with pytest.raises(OSError, match="larger than") as refused:
        read_space(Path("/dev/zero"))
    assert refused.value.filename == "/dev/zero"


def test_doublings_of_the_least_number_are_finite():
    assert space_of({"price": {"from": 5e-324, "to": 1, "scale": "log2"}}).size == 1075


@pytest.mark.parametrize("spelling", ["site", "region"])
def test_a_site_is_swept_under_each_of_its_names(spelling):
    assert space_of({spelling: ["us", "fr"]}).values == {"site": ("us", "fr")}


SPACES = st.fixed_dictionaries(
    {
        "devices": st.lists(st.integers(1, 99), min_size=1, max_size=4, unique=True),
        "hardware": st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3, unique=True),
        "pue": st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True),
    }
)


@given(SPACES, st.integers(1, 7))
def test_parts_of_a_space_hold_every_design_once(table, chunk):
    space = space_of(table)
    made = []
    for start in range(0, space.size, chunk):
        part = space.designs(start, start + chunk)
        rows = zip(*(part[name].tolist() for name in space.values), strict=True)
        made += [
            tuple(space.values[n][at] for n, at in zip(space.values, row, strict=True))
            for row in rows
        ]
    assert len(made) == len(set(made)) == space.size


@given(SPACES)
def test_a_design_is_the_scenario_of_its_number(table):
    space = space_of(table)
    last = space.scenario(space.size - 1)
    assert last.hardware == table["hardware"][-1]
    assert last.devices == table["devices"][-1]


def test_the_fingerprint_tells_spaces_apart():
    one = Space(values={"devices": (1.0, 2.0)})
    assert one.fingerprint == Space(values={"devices": (1.0, 2.0)}).fingerprint
    assert one.fingerprint != Space(values={"devices": (2.0, 1.0)}).fingerprint
