"""Files are written whole, and nothing but a file is ever replaced."""

import errno
import os
import stat
import sys
import threading

import pytest

from estimator.system.whole_files import read_bounded, write_whole


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


def test_a_file_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bounded(path, 5) == b"12345"
    with pytest.raises(OSError, match="larger than") as refused:
        read_bounded(path, 4)
    assert refused.value.errno == errno.EFBIG
    assert refused.value.filename == str(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no /dev/zero")
def test_an_endless_file_is_refused_and_a_pipe_without_writer_is_empty(tmp_path):
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to("/dev/zero")
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="larger than 1 MB"):
        read_bounded(link, 1_000_000)
    assert read_bounded(pipe, 10) == b""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_what_a_slow_writer_pipes_in_is_waited_for(tmp_path):
    reading, writing = os.pipe()
    writer = threading.Timer(0.2, lambda: (os.write(writing, b"late"), os.close(writing)))
    writer.start()
    assert read_bounded(f"/dev/fd/{reading}", 10) == b"late"
    writer.join()
    os.close(reading)
