"""Hands in whole photographs: a network of centre points, trained on scenes that are pasted together from renders."""
