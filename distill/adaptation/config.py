"""Options of adaptation: those of every method, and those of the method that is chosen."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distill.adaptation.base_config import PhotoTrainingConfig
from distill.methods import MethodOptions, chosen, options_class
from distill.methods.self_distillation import Options as SelfDistillationOptions
from distill.monitoring.collapse import AlarmConfig
from distill.targets.photos import BALANCES, PHOTO
from synth.common.config import check, option, required


@dataclass
class AdaptConfig(PhotoTrainingConfig):
    """Adapt a pre-trained network to unlabelled photographs."""

    target: str = required("folder of photos, or several of them or names of real sets with commas")
    target_root: str = option("", "folder that holds the real sets named in target")
    target_balance: str = option(PHOTO, "of several targets: each photo as likely (photo), or each set (set)")
    method: MethodOptions = option(SelfDistillationOptions(), "the method")
    alarm: AlarmConfig = option(AlarmConfig(), "what stops a run that goes wrong")

    def __post_init__(self) -> None:
        super().__post_init__()
        known = self.target_balance in BALANCES
        check(known, "target_balance", self.target_balance, f"one of {', '.join(BALANCES)}")

    @classmethod
    def chosen(cls, overrides: Sequence[str]) -> type["AdaptConfig"]:
        """This config with the options of the method that ``overrides`` choose.

        Raises:
            ValueError: when there is no such method.
        """
        options = options_class(chosen(overrides))
        own = [("method", options, option(options(), "the method"))]
        make: Any = dataclasses.make_dataclass  # its fields are made of the method, so no checker knows them
        return make("AdaptConfig", own, bases=(cls,), namespace={"__doc__": cls.__doc__})
