from estimator.catalog import Catalog
from estimator.catalog.profile_folders import shipped_directory

CATALOG = Catalog((shipped_directory(),))


def test_every_device_of_a_shipped_run_is_found_in_the_text_of_its_file():
    devices = {one.hardware for run in CATALOG.calibrations() for one in run.run.devices}
    assert devices
    assert all(CATALOG.may_be_calibrated(name) for name in devices - {None})


def test_a_device_without_shipped_runs_needs_none_of_them():
    assert not CATALOG.may_be_calibrated("h100-sxm")


def test_files_of_a_user_are_always_read(tmp_path):
    (tmp_path / "calibrations").mkdir()
    (tmp_path / "calibrations" / "mine.toml").write_text("format = 0\n", encoding="utf-8")
    assert Catalog((shipped_directory(), tmp_path)).may_be_calibrated("h100-sxm")
