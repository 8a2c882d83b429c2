"""A small labelled set for the tests of the command line and of doctor."""

from tests.distill.conftest import toy_root

__all__ = ["toy_root"]
