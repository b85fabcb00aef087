"""Recipes: YAML with positions, strict schemas, overrides, and the errors people can act on."""
