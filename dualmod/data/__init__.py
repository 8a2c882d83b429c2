"""Data for training and evaluation: synthetic samples, real photographs, crops and augmentation.

Import from the modules: ``synthetic``, ``real``, ``crop``, ``augment``, ``texture``, ``batch``.
"""
