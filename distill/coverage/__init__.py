"""``handbridge coverage``: which photographs of a target show poses that the renders hardly contain."""

from distill.coverage.stage import CoverageConfig, coverage, main

__all__ = ["CoverageConfig", "coverage", "main"]
