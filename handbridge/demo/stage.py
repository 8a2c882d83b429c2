"""The options of ``handbridge demo``, and its run: networks, page, server."""

import sys
from dataclasses import dataclass

from dualmod.checkpoints.released import RELEASED, RELEASED_START, detector_file, pose_file
from dualmod.inference.detectors import WINDOWS, open_detector
from dualmod.inference.predictor import Predictor
from dualmod.inference.test_time_augmentation import PHOTO_VIEWS, VIEWS, with_views
from handbridge.demo.examples import rendered_examples
from handbridge.demo.hand_boxes import MOST_HANDS, sure_hands
from handbridge.demo.inference import Networks
from handbridge.demo.page import part
from handbridge.demo.server import make_server, quiet_gradio, take_port, until_stopped
from synth.common.config import check, option, stage_main

OPTIONAL_PARTS = ("gradio", "plotly")
AUTO, NONE = "auto", "none"


@dataclass
class DemoConfig:
    """Show in a browser what a network sees in a photograph: skeleton, depth, mask and the joints in 3D."""

    checkpoint: str = option(RELEASED, "model.safetensors of the network to show; released: the one that comes along")
    detector: str = option(RELEASED, "file of a trained detector; released; or windows: the network itself searches")
    before: str = option(
        AUTO,
        "file of the network before adaptation, shown beside it; none; auto: the released network's start beside it",
    )
    host: str = option("127.0.0.1", "address to listen on; 0.0.0.0 lets in everyone who reaches this machine")
    port: int = option(7860, "port to listen on; 0 takes any that is free")
    device: str = option("auto", "auto, cpu or cuda")
    examples: int = option(4, "rendered hands to try the page with; 0 for none")
    views: int = option(PHOTO_VIEWS, f"looks at each hand, which vote on its joints, 1 to {len(VIEWS)}")
    least_score: float = option(0.05, "least mean confidence of the joints at which a hand counts as found, 0 to 1")

    def __post_init__(self) -> None:
        check(0 <= self.port <= 65535, "port", self.port, "from 0 to 65535")
        check(0 <= self.examples <= 12, "examples", self.examples, "from 0 to 12")
        check(1 <= self.views <= len(VIEWS), "views", self.views, f"1 to {len(VIEWS)}")
        check(0 <= self.least_score <= 1, "least_score", self.least_score, "from 0 to 1")
        check(bool(self.host.strip()), "host", self.host, "an address of this machine, such as 127.0.0.1")


def demo(cfg: DemoConfig) -> None:
    """Serve the page until it is interrupted.

    Raises:
        FileNotFoundError: when a checkpoint is missing.
        ValueError: when a checkpoint is none, the port is taken, or the extra ``demo`` is not installed.
    """
    pose_file(cfg.checkpoint)
    if before := _before(cfg):
        pose_file(before, "before")
    if cfg.detector != WINDOWS:
        detector_file(cfg.detector)
    with until_stopped(), quiet_gradio() as folder:
        for module in OPTIONAL_PARTS:
            part(module)
        networks = load_networks(cfg)
        with take_port(cfg.host, cfg.port) as listening:
            server = make_server(networks, rendered_examples(folder, cfg.examples))
            shown = "localhost" if cfg.host in ("127.0.0.1", "0.0.0.0") else cfg.host
            sys.stdout.write(f"open http://{shown}:{listening.getsockname()[1]}/ in a browser; stop with Ctrl+C\n")
            sys.stdout.flush()
            server.run(sockets=[listening])


def load_networks(cfg: DemoConfig) -> Networks:
    """The networks of a config, and what finds hands for them.

    Raises:
        FileNotFoundError: when a file is missing.
        ValueError: when a file is no checkpoint, or the device is not there.
    """
    after = Predictor.load(pose_file(cfg.checkpoint), cfg.device)
    given = _before(cfg)
    before = Predictor.load(pose_file(given, "before"), cfg.device) if given else None
    detector, _ = open_detector(after, box_px=None, detector=cfg.detector, device=cfg.device, most_hands=MOST_HANDS)
    hands_of = sure_hands(after, detector)
    voting = with_views(after, cfg.views), before and with_views(before, cfg.views)
    return Networks(*voting, hands_of, cfg.least_score)


def _before(cfg: DemoConfig) -> str:
    """The network before adaptation as it is named; empty for none."""
    if cfg.before == AUTO:
        return RELEASED_START if cfg.checkpoint == RELEASED else ""
    return "" if cfg.before == NONE else cfg.before


main = stage_main("demo", DemoConfig, demo)
