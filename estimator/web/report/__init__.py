"""The page Report: the documents that rules, journals and registries ask for."""
