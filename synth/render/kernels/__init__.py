"""The compiled loops behind ``RasterRenderer``, one idea per file. They take arrays and check nothing."""
