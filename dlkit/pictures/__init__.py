"""Pictures: tiles of images as PNG (Pillow), figures (matplotlib)."""
