"""Pre-training methods beside dual modality: contrast of views before supervision, and contrast of pose classes.

A method is a YAML file in ``configs/pretrain/method``: it sets switches of ``config.PretrainMethod``.
"""
