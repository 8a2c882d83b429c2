"""The methods of ``adapt``, one file each: it holds ``Options``, a dataclass, which builds the method.

A choice of the command line is a file ``configs/adapt/method/CHOICE.yaml`` whose ``name`` is that of the file here, so
that one method can have several settings. Nothing else has to know of a new method.
"""

from distill.methods.base import Method, MethodOptions, Setting, TargetOptions
from distill.methods.registry import DEFAULT_CHOICE, chosen, options_class

__all__ = ["DEFAULT_CHOICE", "Method", "MethodOptions", "Setting", "TargetOptions", "chosen", "options_class"]
