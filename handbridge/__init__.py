"""3D hand pose from real photographs without a single real label: the public Python API.

Importing this package is quick: what a name needs is imported when the name is first used.

Example:
    >>> import handbridge
    >>> sorted(handbridge.__all__)[-3:]
    ['load_backbone', 'open_dataset', 'pretrain']
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dualmod.checkpoints.backbone_export import load_backbone
    from handbridge.estimator import Hand, HandEstimator, load
    from handbridge.stages import adapt, evaluate, export, export_model, generate, open_dataset, pretrain

    __version__: str

__all__ = [
    "Hand",
    "HandEstimator",
    "__version__",
    "adapt",
    "evaluate",
    "export",
    "export_model",
    "generate",
    "load",
    "load_backbone",
    "open_dataset",
    "pretrain",
]

_HOMES = {
    "Hand": "handbridge.estimator",
    "HandEstimator": "handbridge.estimator",
    "load": "handbridge.estimator",
    "load_backbone": "dualmod.checkpoints.backbone_export",
    **dict.fromkeys(
        ("adapt", "evaluate", "export", "export_model", "generate", "open_dataset", "pretrain"), "handbridge.stages"
    ),
}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use (PEP 562)."""
    if name == "__version__":
        from synth.common.version import installed_version

        return installed_version()
    if name not in _HOMES:
        raise AttributeError(f"module 'handbridge' has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
