"""Files are written whole, and nothing but a file is ever replaced."""

import os
import stat
import sys
import threading

import pytest

from estimator.system.whole_files import write_whole


def test_a_link_stays_and_leads_to_what_was_written(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"before")
    link.symlink_to(target)
    write_whole(link, b"after")
    assert link.is_symlink()
    assert target.read_bytes() == b"after"
    assert sorted(os.listdir(tmp_path)) == ["link", "target"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    write_whole(pipe, b"content")
    reader.join()
    assert found == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_is_refused_by_its_name(tmp_path):
    with pytest.raises(OSError, match=tmp_path.name):
        write_whole(tmp_path, b"content")
