"""Page Report: documents for rules, journals and registries."""
