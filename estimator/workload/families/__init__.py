"""One module per family of models: what its configs say, and what they leave out.

Defaults are those of transformers 5.23 where a module names no other source.
"""
