"""Adapt to unlabelled photographs; compare stages; run the whole pipeline."""
