"""The scripts that make golden files need torch: not collected."""

collect_ignore_glob = ["make_*.py", "check_*.py"]
