"""The control: as many further steps on synthetic images alone. What adaptation has to beat."""

from dataclasses import dataclass

from distill.methods.base import MethodOptions


@dataclass
class Options(MethodOptions):
    """The control has no option beside the supervision."""
