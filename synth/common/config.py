"""From the command line to a typed config: Hydra composes, dataclasses check, errors are one line.

Each stage keeps its config as a dataclass beside its code and its YAML in ``configs/<stage>/``: ``config.yaml`` and
one folder for each group. ``DictConfig`` never leaves this file.
"""

import contextlib
import copy
import dataclasses
import difflib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

C = TypeVar("C")


def _config_root() -> Path:
    """The folder of all stages' YAML: part of the wheel of ``handbridge``, else beside the packages of a checkout.

    ``handbridge`` is not imported for it, and no package of the caller's that is called ``configs`` is looked at.
    """
    spec = importlib.util.find_spec("handbridge")
    packaged = [Path(place) / "configs" for place in (spec.submodule_search_locations or ())] if spec else []
    return next(filter(Path.is_dir, packaged), Path(__file__).resolve().parents[2] / "configs")


CONFIG_ROOT = _config_root()


def option(default: Any, help: str) -> Any:
    """A config field with the line that ``--help`` shows; say the unit in it."""
    metadata = {"help": help}
    if isinstance(default, list | dict) or dataclasses.is_dataclass(default):
        return dataclasses.field(default_factory=lambda: _copy(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def required(help: str) -> Any:
    """A config field that the user has to give."""
    return dataclasses.field(default=MISSING, metadata={"help": help})


def check(condition: bool, key: str, value: Any, legal: str) -> None:
    """Raise a ``ValueError`` that names the option, its value and what is legal, unless ``condition`` holds."""
    if not condition:
        raise ValueError(f"{key}={value} is not legal: it must be {legal}")


def compose_config(stage: str, schema: type[C], overrides: Sequence[str]) -> C:
    """The stage's config with Hydra ``overrides`` (``key=value``, ``group=name``) as a typed dataclass.

    The value of a text option is taken as it stands, so that paths need no quotes. A schema whose options depend on a
    group has a class method ``chosen`` that takes the overrides and returns the dataclass for them.

    Raises:
        ValueError: one line that names the full key, for an unknown key or group, a wrong type, a value out of its
            range (``__post_init__`` of the dataclass), or a missing value.
    """
    overrides = [_renamed(override) for override in overrides]
    schema = _chosen(schema, overrides)
    prepared = [_prepared(stage, schema, override) for override in overrides]
    try:
        config: C = OmegaConf.to_object(_composed(stage, schema, prepared))  # type: ignore[assignment]
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(_one_line(stage, schema, overrides, error)) from error
    for item in dataclasses.fields(schema):  # type: ignore[arg-type]
        if item.default is MISSING and getattr(config, item.name) == "":
            raise ValueError(_missing(stage, item.name))
    return config


def _composed(stage: str, schema: type, overrides: Sequence[str]) -> DictConfig:
    with _own_hydra(), initialize_config_dir(version_base="1.3", config_dir=str(CONFIG_ROOT / stage)):
        ConfigStore.instance().store(name="schema", node=schema)
        return compose("config", overrides=list(overrides))


@contextlib.contextmanager
def _own_hydra() -> Iterator[None]:
    """A Hydra of our own: that of a program which calls us, and what it has stored, are as before afterwards."""
    store, theirs = ConfigStore.instance(), GlobalHydra.instance().hydra
    stored = copy.copy(store.repo)
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra, store.repo = theirs, stored  # Hydra replaces its instance when it leaves


def stage_main(stage: str, schema: type[C], run: Callable[[C], Any]) -> Callable[..., int]:
    """The ``main`` of a stage: overrides in, exit status out; what a user can cause ends in one line, status 1."""

    def main(argv: Sequence[str] | None = None) -> int:
        arguments = list(sys.argv[1:] if argv is None else argv)
        if any(a in ("-h", "--help") for a in arguments):
            return _write_help(stage, schema, arguments)
        try:
            run(compose_config(stage, schema, arguments))
        except (ValueError, OSError) as error:
            if os.environ.get("HANDBRIDGE_TRACEBACK"):
                traceback.print_exc()
            sys.stderr.write(f"handbridge {stage}: {' '.join(str(error).split())}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write(f"handbridge {stage}: stopped; the same command resumes it\n")
            return 130
        return 0

    return main


def _write_help(stage: str, schema: type, arguments: Sequence[str]) -> int:
    groups = _groups(stage)
    try:
        sys.stdout.write(help_text(stage, schema, [a for a in arguments if a.partition("=")[0] in groups]))
    except (ValueError, HydraException) as error:
        sys.stderr.write(f"handbridge {stage}: {' '.join(str(error).split())}\n")
        return 1
    return 0


def _chosen(schema: type[C], overrides: Sequence[str]) -> type[C]:
    return schema.chosen(overrides) if hasattr(schema, "chosen") else schema  # type: ignore[attr-defined]


def help_text(stage: str, schema: type, choices: Sequence[str] = ()) -> str:
    """Every option of the stage with type, default and unit, and the config groups with their choices.

    Args:
        stage: Name of the stage.
        schema: Its options.
        choices: ``GROUP=NAME`` of groups whose choice decides which options there are.
    """
    schema = _chosen(schema, choices)
    summary = (schema.__doc__ or "").strip()
    lines = [f"handbridge {stage} KEY=VALUE ...", "", summary, "", "options:"]
    lines += _option_lines(stage, schema, choices)
    for group in _groups(stage):
        names = "|".join(_choices(stage, group))
        lines.append(f"  {group}={names}\n      a config group: sets several options at once")
    return "\n".join(lines) + "\n"


def _option_lines(stage: str, schema: type, choices: Sequence[str]) -> list[str]:
    lines: list[str] = []
    values = _composed(stage, schema, [_prepared(stage, schema, choice) for choice in choices])
    for key, (item, kind) in _options(schema).items():
        section, _, last = key.rpartition(".")
        holder = OmegaConf.select(values, section) if section else values
        shown = "required" if OmegaConf.is_missing(holder, last) else f"default {_shown(holder[last])}"
        lines.append(f"  {key}={_type_name(kind)} ({shown})\n      {item.metadata.get('help', '')}")
    return lines


def _options(schema: type, prefix: str = "") -> dict[str, tuple[dataclasses.Field, Any]]:
    """Full key -> field and type of every option, those of nested dataclasses included."""
    types = get_type_hints(schema)
    found: dict[str, tuple[dataclasses.Field, Any]] = {}
    for item in dataclasses.fields(schema):
        kind = types[item.name]
        if dataclasses.is_dataclass(kind):
            found |= _options(kind, f"{prefix}{item.name}.")  # type: ignore[arg-type]
        else:
            found[prefix + item.name] = (item, kind)
    return found


def _groups(stage: str) -> list[str]:
    """Config groups by the key that they set: ``scene.view`` is the folder ``scene/view``."""
    root = CONFIG_ROOT / stage
    folders = {p.parent.relative_to(root) for p in root.rglob("*.yaml")} - {Path()}
    return sorted(".".join(folder.parts) for folder in folders)


def _prepared(stage: str, schema: type, override: str) -> str:
    """The override for Hydra: its key is known, and a text is quoted. Inside a dict any key is new and every value a
    text: whoever the dict is for reads both.

    Raises:
        ValueError: when it is not ``key=value``, or the stage has no such option.
    """
    key, equals, value = override.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][\w./]*", key):
        raise ValueError(f"{override} cannot be read: write KEY=VALUE, with nothing before the key")
    options, groups = _options(schema), _groups(stage)
    if key in options and options[key][1] is str and value[:1] not in ("'", '"'):
        return f"{key}={_quoted(value)}"
    if any(key.startswith(name + ".") and get_origin(kind) is dict for name, (_, kind) in options.items()):
        return f"++{key}={_quoted(value)}"
    if key.replace("/", ".") in groups and re.fullmatch(r"\w+", value):
        return f"{key.replace('.', '/')}={value}"
    is_part = any(name.startswith(key + ".") for name in options)
    if not (key in options or key in groups or is_part):
        raise ValueError(_unknown(stage, key, [*options, *groups]))
    return override


def _renamed(override: str) -> str:
    """The override with a key of older releases under its name of today: what is a detector was called a localizer."""
    key, equals, value = override.partition("=")
    return re.sub(r"(?<![A-Za-z])localizer(?![A-Za-z])", "detector", key) + equals + value


def _quoted(text: str) -> str:
    """``text`` in single quotes as Hydra reads them: a backslash counts only before a quote."""
    inner = re.sub(r"(\\*)'", r"\1\1\\'", text)
    inner = re.sub(r"(\\+)$", r"\1\1", inner)
    return f"'{inner}'"


def _unknown(stage: str, key: str, legal: list[str]) -> str:
    last = key.rpartition(".")[2]
    near = [name for name in legal if name.rpartition(".")[2] == last]
    near += [name for name in difflib.get_close_matches(key, legal, n=3) if name not in near]
    meant = f"did you mean {', '.join(near[:3])}? " if near else ""
    return f"{key} is no option of this stage; {meant}handbridge {stage} --help lists all options"


def _missing(stage: str, key: str) -> str:
    return f"{key} is missing; give {key}=VALUE (handbridge {stage} --help lists all options)"


def _one_line(stage: str, schema: type, overrides: Sequence[str], error: Exception) -> str:
    """Hydra's and OmegaConf's errors of several lines as one that says what to do."""
    full = f"{error}\n{error.__cause__ or error.__context__ or ''}"
    found = re.search(r"full_key: (\S+)", full)
    key = found[1] if found else ""
    if "missing mandatory value" in full.lower() and key:
        return _missing(stage, key)
    choice = re.search(r"Could not find '([^']+)/([^'/]+)'", full)
    if choice:
        names = ", ".join(_choices(stage, choice[1]))
        return f"{choice[1].replace('/', '.')}={choice[2]} is unknown; legal: {names}"
    blamed = re.search(r"(?:merging|parsing) override '?([^\s=']+)|argument '([^\s=]+)=", full)
    name = next((g for g in blamed.groups() if g), "") if blamed else key
    given = next((o for o in reversed(overrides) if o.startswith(name + "=")), "") if name else ""
    if given and "nterpolation" in full:
        return f"{given} is not legal: ${{...}} has to name another option or oc.env:VARIABLE that is set"
    if given:
        return f"{given} is not legal: it must be {_legal(schema, name)}"
    return " ".join(f"{key}: {full}".split()) if key and key not in full.splitlines()[0] else " ".join(full.split())


def _choices(stage: str, group: str) -> list[str]:
    return sorted(f.stem for f in (CONFIG_ROOT / stage / group.replace(".", "/")).glob("*.yaml"))


def _legal(schema: type, key: str) -> str:
    """What an option takes, in words."""
    options = _options(schema)
    if key not in options:
        parts = [name for name in options if name.startswith(key + ".")]
        return f"set by its parts, such as {parts[0]}=VALUE" if parts else "one value"
    kind = options[key][1]
    if get_origin(kind) is dict:
        return f"set by its parts: {key}.KEY=VALUE"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    if get_origin(kind) is list:
        inner = words.get(get_args(kind)[0], "value")
        return f"a list in brackets, each item {inner}: {key}=[A,B]"
    return words.get(kind, f"of type {_type_name(kind)}")


def _shown(value: Any) -> str:
    """A value as one writes it on the command line."""
    return "empty" if value == "" else str(value).lower() if isinstance(value, bool) else str(value)


def _type_name(kind: Any) -> str:
    return (kind.__name__ if type(kind) is type else str(kind)).upper()


def _copy(default: Any) -> Any:
    return dataclasses.replace(default) if dataclasses.is_dataclass(default) else type(default)(default)  # type: ignore[call-arg,type-var]
