"""One HTML file about runs: curves to explore, tables, pictures, provenance; nothing is fetched."""
