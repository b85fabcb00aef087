"""The documentation as a static site that needs no network: ``python -m docs.site -o build/site``."""
