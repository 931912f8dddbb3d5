"""Families of models, one module each: config readers and network structure.

Defaults for omitted keys are in `defaults.json` or next to the key in the module, by default those
of transformers 5.23.
"""
