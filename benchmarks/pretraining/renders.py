"""The renders of a comparison: those that its rows train on, and those that all of them are measured on."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from benchmarks.long.settings import overrides
from benchmarks.pretraining.tables import Row, Table, key_of
from distill.targets.simulated import DOMAIN
from dualmod.data.image_sets import LabelledImages, open_labelled
from synth.common.config import check, compose_config
from synth.common.nested import flat
from synth.dataset.manifest import GENERATOR_VERSION, Manifest, read_manifest
from synth.generate import GenerateConfig, generate

VALIDATION, SIMULATED = "validation", "simulated"
SETS = {SIMULATED: (*DOMAIN, "num_samples=600")}
"""Renders that every table measures on beside validation, unless it says otherwise: options in which they differ."""


def derived(source: Path, options: Iterable[str], out: Path, *, workers: int) -> Path:
    """A dataset that differs from another one in some options, made when it is not there yet.

    Args:
        source: The other dataset.
        options: ``KEY=VALUE`` of ``generate``, by their full keys.
        out: Folder of the new one.
        workers: Processes that render.

    Raises:
        FileNotFoundError: when the other one, or a file that a render needs, is missing.
        ValueError: for an option that is not legal, a dataset of another generator version, or an ``out`` that holds
            something else.
    """
    manifest = read_manifest(source)
    version = manifest.generator_version
    check(version == GENERATOR_VERSION, f"generator version of {source.name}", version, f"today's, {GENERATOR_VERSION}")
    values = dict(flat(manifest.config))
    asked = {}
    for option in options:
        key = key_of(option)
        check(key in values or key.startswith("terms."), "generate", option, "one option by its full key, KEY=VALUE")
        asked[key] = option
    kept = overrides({key: value for key, value in values.items() if key not in asked})
    generate(compose_config("generate", GenerateConfig, [*kept, *asked.values(), f"out={out}", f"workers={workers}"]))
    return out


def renders_of(row: Row, data: Path, workers: int) -> Path:
    """Folder of the renders that a row trains on: a neighbour of the table's where it has its own, made once.

    Raises:
        FileNotFoundError: when there is no dataset in ``data``.
        ValueError: as ``derived``.
    """
    if not row.generate:
        read_manifest(data)
        return data
    return derived(data, row.generate, data.with_name(f"{data.name}-{row.name}"), workers=workers)


def measured_on(table: Table, validation: Path, workers: int) -> dict[str, Path]:
    """Folders of the renders that a table measures on, by name; those beside ``validation`` are made once.

    Raises:
        FileNotFoundError: when there is no dataset in ``validation``.
        ValueError: as ``derived``.
    """
    read_manifest(validation)
    found = {VALIDATION: validation}
    for name, options in {**SETS, **table.sets}.items():
        found[name] = derived(validation, options, validation.with_name(name), workers=workers)
    return found


def open_sets(folders: Mapping[str, Path]) -> dict[str, LabelledImages]:
    """All samples of these datasets as labelled images."""
    return {name: open_labelled("", f"renders:{folder}") for name, folder in folders.items()}


def facts(folder: Path) -> dict[str, Any]:
    """What tells the renders of a dataset from others, on any machine and after new options: folders count by name
    alone, and options that have their default do not."""
    manifest = read_manifest(folder)
    told = {key: manifest.config[key] for key in ("num_samples", "seed", "image_size")}
    return {**told, "generator_version": manifest.generator_version, "digest": _digest(manifest)}


def _digest(manifest: Manifest) -> str:
    usual = dict(flat(OmegaConf.to_container(OmegaConf.structured(GenerateConfig))))
    changed = {key: value for key, value in flat(manifest.config) if key not in usual or usual[key] != value}
    values = {key: Path(value).name if isinstance(value, str) else value for key, value in changed.items()}
    text = json.dumps([manifest.generator_version, manifest.hand_model, values], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
