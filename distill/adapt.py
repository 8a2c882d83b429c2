"""Adaptation to unlabelled photos: the shell around every method. Renders supervise, a method adds losses on photos.

The methods are in ``distill.methods``, one file each; ``distill.monitoring.collapse`` stops a run that collapses.
"""

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

from distill.adaptation.config import AdaptConfig
from distill.adaptation.module import AdaptModule
from distill.methods import TargetOptions
from distill.monitoring.collapse import Alarms, CollapseError
from distill.monitoring.health import Watch
from distill.targets.photos import open_photos
from distill.targets.start_boxes import locate_hands
from distill.targets.views import TargetBatch, TargetBatches, ViewsConfig
from dualmod.checkpoints.checkpoint import choose_device, load_network, read_notes, save_network
from dualmod.checkpoints.released import pose_file
from dualmod.data.augment import AugmentConfig
from dualmod.data.batch import HandBatch
from dualmod.data.synthetic import SyntheticHands, held_out_batches
from dualmod.evaluation.synthetic_validation import held_out_error
from dualmod.inference.predictor import Predictor
from dualmod.network.model import DualModalityNet
from dualmod.network.train_eval_mode import note_untrained_depth
from dualmod.pretrain import FREE_KEYS, MODEL_FILE
from dualmod.pretraining.batches import supervised_batches
from dualmod.runtime.distributed import require_one_process
from dualmod.training.loop import run_training
from dualmod.training.module import NotFiniteError
from synth.common.config import check, stage_main
from synth.common.files import open_run_folder, require_folder, written_atomically
from synth.common.licences import terms_of_folders


def adapt(config: AdaptConfig) -> Path:
    """Adapt, and leave ``model.safetensors``, ``metrics.json``, ``metrics.jsonl`` and ``last.ckpt`` in ``out``.

    No label of the target is read: what opens it knows the names of the images alone.

    Returns:
        The checkpoint's path.

    Raises:
        CollapseError: when an alarm stopped the run, now or when it was run before; the checkpoint is there then, with
            the best state that the run has seen.
    """
    require_one_process("adapt")
    start = pose_file(config.checkpoint)
    source_dir = require_folder(config.source, "source")
    device = choose_device(config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    net = load_network(start)
    photos = open_photos(config.target, config.target_root)
    views = config.method.views() if isinstance(config.method, TargetOptions) else None
    if views is not None:
        is_video = bool((photos.neighbours >= 0).all(1).any())
        check(is_video or not views.frames, "method.pseudo.temporal", True, "false: no file has numbered neighbours")
    hands = SyntheticHands(source_dir, cache_gb=config.cache_gb, holdout=config.holdout)
    out = open_run_folder(config.out, config, overwrite=config.overwrite, free_keys=FREE_KEYS)
    model_file = out / MODEL_FILE
    if model_file.exists():
        return _finished(model_file)
    if config.method.source.depth_branch:
        note_untrained_depth(net, config.checkpoint)
    started = time.perf_counter()
    augment = config.augment.for_network(net.config.image_size, net.config.crop_margin)
    targets, alarms = None, None
    if views is not None:
        located = locate_hands(Predictor(net, device), photos.images)
        batches = functools.partial(TargetBatches, photos, located, augment, balance=config.target_balance)
        targets = batches(batch_size=config.target_batch_size, seed=config.seed, views=views)
        if config.alarm.on:
            watched = batches(batch_size=config.alarm.photos, seed=config.seed + 2, views=ViewsConfig(num_views=1))
            alarms = _alarms(config, net.cpu(), hands, watched)
    stopped = _train(AdaptModule(net.cpu(), config, alarms), config, hands, augment, targets, out)
    if stopped is not None and alarms is not None:
        net.load_state_dict(alarms.best.weights)
    steps = config.max_steps if stopped is None or alarms is None else alarms.best.step
    metrics = {"seconds": round(time.perf_counter() - started, 1), "steps": steps, "photos": len(photos)}
    metrics |= held_out_error(net.to(device), hands)
    with written_atomically(out / "metrics.json") as partial:
        partial.write_text(json.dumps(metrics, indent=2))
    notes = {"stage": "adapt", "target": config.target, "start": read_notes(start)}
    notes |= {"seed": config.seed, **hands.notes, **metrics} | ({"alarm": str(stopped)} if stopped else {})
    if targets is not None:
        notes["licence_notes"] = [*hands.notes["licence_notes"], terms_of_folders("target", config.target)]
    save_network(model_file, net, notes)
    return _finished(model_file)


def _finished(model_file: Path) -> Path:
    """The checkpoint of a run that is over.

    Raises:
        CollapseError: when an alarm stopped it.
    """
    alarm = read_notes(model_file).get("alarm")
    if alarm:
        raise CollapseError(alarm)
    return model_file


def _train(
    module: AdaptModule,
    config: AdaptConfig,
    hands: SyntheticHands,
    augment: AugmentConfig,
    targets: TargetBatches | None,
    out: Path,
) -> ValueError | None:
    """Run all steps; what stopped them early, if there is a best state to go back to."""
    try:
        run_training(
            module,
            _batches(config, hands, augment, targets),
            out,
            device=choose_device(config.device),
            seed=config.seed,
            save_every=config.save_every,
            loader_workers=config.loader_workers,
            description="adapt" if targets else "control",
        )
    except CollapseError as error:
        return error
    except NotFiniteError as error:
        if module.alarms is None:
            raise
        step = module.alarms.best.step
        return CollapseError(f"{error}; model.safetensors holds the best state without labels, of step {step}")
    return None


def _alarms(config: AdaptConfig, net: DualModalityNet, hands: SyntheticHands, targets: TargetBatches) -> Alarms:
    """The alarms of a start network: a fixed batch of photos, and held-out renders."""
    size_px, margin = net.config.image_size, net.config.crop_margin
    renders = next(held_out_batches(hands, crop_px=size_px, batch_size=config.alarm.photos, margin=margin))
    return Alarms(config.alarm, Watch(net, targets(0), renders.rgb), net)


def _batches(
    config: AdaptConfig, hands: SyntheticHands, augment: AugmentConfig, targets: TargetBatches | None
) -> Callable[[int], tuple[tuple[HandBatch, ...], TargetBatch | None]]:
    """The batch of a step. The control sees as many images in a step, all of them renders."""
    images = 2 * config.source_batch_size + (0 if targets else config.target_batch_size)
    renders = supervised_batches(
        config.method.source, hands, augment, steps=config.max_steps, images=images, seed=config.seed + 1
    )
    return lambda step: (renders[step], targets(step) if targets else None)


main = stage_main("adapt", AdaptConfig, adapt)

if __name__ == "__main__":
    raise SystemExit(main())
