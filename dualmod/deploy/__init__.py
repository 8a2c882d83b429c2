"""A trained network in other people's runtimes: its graphs, ONNX files, 8-bit weights, and the checks that they hold.

The stage that puts them together is ``dualmod.export``.
"""
