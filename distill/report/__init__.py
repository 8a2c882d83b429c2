"""The parts of the transfer report: evaluated runs, comparisons, figures, pictures and the page."""
