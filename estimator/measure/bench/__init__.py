"""The benchmark that calibrates this machine: small workloads, timed."""
