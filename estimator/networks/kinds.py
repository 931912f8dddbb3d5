"""Words that a user may say of a workload, apart from what reads them: help starts with them."""

KINDS = ("language", "vision", "diffusion", "speech", "multimodal", "other")
"""Kinds of work that a user can name."""

ADAPTERS = ("lora", "qlora")
"""Ways to fine-tune that train adapters beside frozen weights."""
