"""Tests of Twenty Watts: python -m tests."""
