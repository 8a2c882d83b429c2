"""``handbridge demo``: a page in a browser that shows what a network sees in a photograph."""

from handbridge.demo.stage import DemoConfig, demo, main

__all__ = ["DemoConfig", "demo", "main"]
