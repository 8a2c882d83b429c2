"""The console command ``handbridge VERB KEY=VALUE ...``; each verb is a stage with a ``main`` of its own."""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence

from synth.common.version import installed_version

VERBS = {
    "generate": ("synth.generate", "render a dataset: colour, depth, segmentation and labels"),
    "verify": ("synth.dataset.verify", "check every sample of a dataset"),
    "preview": ("synth.preview", "show a dataset in one HTML file"),
    "card": ("synth.dataset.card", "write README.md of a dataset: licences, statistics, biases"),
    "export": ("synth.export", "write a dataset in the layout of FreiHAND, RHD or COCO"),
    "build-hand": ("synth.hand.build", "rebuild the open hand from its sources"),
    "import-mano": ("synth.hand.mano.import_mano", "turn an official MANO pickle into plain arrays"),
    "pretrain": ("dualmod.pretrain", "train on a dataset"),
    "pretrain-detector": ("dualmod.pretrain_detector", "train the network that finds hands in whole photos"),
    "evaluate": ("dualmod.evaluate", "measure a checkpoint on labelled photographs"),
    "evaluate-detector": ("dualmod.evaluate_detector", "measure a detector on whole labelled photographs"),
    "adapt": ("distill.adapt", "adapt a checkpoint to unlabelled photographs"),
    "upper-bound": ("distill.upper_bound", "train on labelled photographs: what adaptation could at most reach"),
    "label-precision": ("distill.label_precision", "how right pseudo-labels are on labelled photos, step by step"),
    "coverage": ("distill.coverage", "show which photographs have poses that the renders hardly contain"),
    "adapt-detector": ("distill.adapt_detector", "adapt a detector to unlabelled photographs"),
    "predict": ("dualmod.predict", "find hands in photos or a video: joints as JSON, and overlays"),
    "export-model": ("dualmod.export", "write a checkpoint as an ONNX file"),
    "release": ("dualmod.release", "make a pose network and a detector ready to be passed on"),
    "transfer": ("distill.transfer", "compare evaluated stages in one HTML report"),
    "pipeline": ("distill.pipeline", "all stages in order, each skipped when it is done"),
    "ablate": ("distill.ablate", "variants x seeds, resumable, one table with spread and compute"),
    "demo": ("handbridge.demo", "a page in a browser: skeleton, depth, mask and joints in 3D"),
    "doctor": ("handbridge.doctor", "say what is missing on this machine and the line that mends it"),
}
"""Verb -> module (imported when it is called, so that help is quick) and what it does."""
FORMER_VERBS = {
    "pretrain-localizer": "pretrain-detector",
    "adapt-localizer": "adapt-detector",
    "evaluate-localizer": "evaluate-detector",
}
"""Names of older releases, which still work."""
USAGE_ERROR = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb and return its exit status; 1 for a verb that does not exist."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(usage())
        return 0 if arguments else USAGE_ERROR
    if arguments[0] in ("-V", "--version"):
        sys.stdout.write(f"handbridge {installed_version()}\n")
        return 0
    verb, *options = arguments
    verb = FORMER_VERBS.get(verb, verb)
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        sys.stderr.write(f"handbridge: {verb} is no verb; {meant}legal: {', '.join(VERBS)}\n")
        return USAGE_ERROR
    # OpenMP threads that spin while they wait halve the speed as soon as another process wants a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        module = importlib.import_module(VERBS[verb][0])
    except ModuleNotFoundError as error:
        sys.stderr.write(f"handbridge {verb}: the package {error.name} is missing; install the packages: make setup\n")
        return 1
    return module.main(options)


def usage() -> str:
    """The verbs with what they do."""
    lines = ["handbridge VERB KEY=VALUE ...", "", "3D hand pose from photographs without a real label.", "", "verbs:"]
    width = max(map(len, VERBS))
    lines += [f"  {verb:<{width}} {what}" for verb, (_, what) in VERBS.items()]
    lines += ["", "handbridge VERB --help lists a verb's options; handbridge --version tells the version."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
