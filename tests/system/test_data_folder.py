"""Where the user's own data are: where the system says, or where the user says."""

import sys
from pathlib import Path

import pytest

from estimator.system.data_folder import data_directory


def test_the_suite_never_touches_the_data_of_its_user(monkeypatch):
    ours = data_directory()
    monkeypatch.delenv("TWENTY_WATTS_DATA")
    assert data_directory() != ours
    assert ours.is_dir()


def test_the_folder_is_the_one_named_and_an_empty_name_names_none(monkeypatch, tmp_path):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "mine"))
    assert data_directory() == tmp_path / "mine"
    assert not data_directory().exists()
    monkeypatch.setenv("TWENTY_WATTS_DATA", "")
    assert data_directory().name == "twenty-watts"
    monkeypatch.setenv("TWENTY_WATTS_DATA", "~/mine")
    assert data_directory() == Path.home() / "mine"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWENTY_WATTS_DATA", "mine")
    assert data_directory() == tmp_path / "mine"
    monkeypatch.setenv("TWENTY_WATTS_DATA", "~no-such-user/mine")
    assert data_directory() == tmp_path / "~no-such-user" / "mine"


@pytest.mark.skipif(sys.platform != "linux", reason="where Linux keeps the data of a user")
def test_the_folder_of_the_system_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("TWENTY_WATTS_DATA")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "one"))
    assert data_directory() == tmp_path / "one" / ".local" / "share" / "twenty-watts"
    monkeypatch.setenv("HOME", str(tmp_path / "two"))
    assert data_directory() == tmp_path / "two" / ".local" / "share" / "twenty-watts"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "three"))
    assert data_directory() == tmp_path / "three" / "twenty-watts"
