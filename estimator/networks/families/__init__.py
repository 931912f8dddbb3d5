"""One module per family of models: what its configs say, and what it is built of.

What a config leaves out stands in `defaults.json`, or beside the key in the module. Both are the
defaults of transformers 5.23 where no other source is named.
"""
