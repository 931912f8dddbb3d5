"""Designs of a space: what rows of one set-up share is what each would have by itself."""

from dataclasses import replace

import numpy as np
import pytest

from estimator.answer.estimate_table import estimate_table
from estimator.catalog import Catalog
from estimator.core.rows import rows_of
from estimator.question.table import NOT_OF_SETUP
from estimator.studies.search.designs import QUANTITIES, table_of
from estimator.studies.search.space import space_of

VALUES = {
    "site": ["us", "se", "no such place"],
    "carbon_intensity": [0.1, 0.5],
    "pue": [1.1, 1.5],
    "wue": [0.5, 1.8],
    "price": [1.0, 2.0],
    "price_kind": ["on-demand", "spot"],
    "pay": ["rent", "own"],
    "device_price": [1e4, 3e4],
    "electricity_price": [0.1, 0.3],
}


def test_every_input_of_place_and_money_is_tried():
    disclosed = {"contract", "contract_share", "residual_mix"}  # of a report, of no estimate
    assert set(VALUES) | {"boards_only", "carbon_profile", "start"} | disclosed == NOT_OF_SETUP


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("fixed", [{}, {"pay": "own"}, {"power_cap": 250}])
def test_rows_of_one_set_up_are_answered_as_each_by_itself(name, fixed):
    space = space_of(
        {
            "params": 7e9,
            "tokens": 1e11,
            **fixed,
            "hardware": ["h100-sxm", "rtx-4090", "rpi-5", "v100"],
            name: VALUES[name],
            "devices": [1, 64, 4096],
        }
    )
    catalog, table = Catalog.open(), table_of(space, 0, space.size)
    assert table.setups is not None and np.unique(table.setups).size == 12
    shared = estimate_table(table, catalog)
    alone = estimate_table(replace(table, setups=None), catalog)
    assert shared.errors == alone.errors
    for quantity in QUANTITIES:
        np.testing.assert_allclose(
            shared.bounds(quantity, 1.0), alone.bounds(quantity, 1.0), rtol=1e-13
        )
    for row in range(table.count):
        assert shared.notices.of(row) == alone.notices.of(row)


def test_what_measured_runs_expect_is_that_of_each_row():
    space = space_of(
        {
            "params": 1e8,
            "tokens": 1e9,
            "hardware": ["h100-sxm", "amd-epyc-2-cores"],
            "site": ["us", "se"],
            "devices": [1, 8],
        }
    )
    catalog, table = Catalog.open(), table_of(space, 1, space.size)
    results = [estimate_table(one, catalog) for one in (table, replace(table, setups=None))]
    seen = 0
    for row in range(table.count):
        (shared, here), (alone, there) = (result.group_of(row) for result in results)
        found, expected = rows_of(shared.expected, here), rows_of(alone.expected, there)
        assert found.corrected.measured == expected.corrected.measured
        assert found.corrected.utilization.mid == expected.corrected.utilization.mid
        assert found.prior.mid == expected.prior.mid
        seen += found.corrected.measured
    assert 0 < seen < table.count
