"""What does this machine draw and do: the only package that touches live devices and telemetry."""
