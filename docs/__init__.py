"""Documentation: pages in Markdown, and `site`, which makes a static site of them."""
