"""Shards on disk: WebDataset tar files, written so that the same samples always give the same bytes."""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from synth.common.files import written_atomically
from synth.dataset.manifest import ShardEntry, read_manifest
from synth.dataset.sample import HandSample, decode_rgb, decode_sample, encode_sample


def shard_name(number: int) -> str:
    """File name of shard ``number``."""
    return f"shard-{number:06d}.tar"


def write_shard(path: str | Path, samples: Iterable[HandSample]) -> ShardEntry:
    """Write samples into one tar file; it appears under its name only when it is complete.

    Raises:
        ValueError: when there is no sample.
    """
    path = Path(path)
    indices: list[int] = []
    with written_atomically(path) as partial:
        with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar:
            for sample in samples:
                indices.append(sample.index)
                for extension, content in encode_sample(sample).items():
                    tar.addfile(_member(f"{sample.key}.{extension}", len(content)), io.BytesIO(content))
        if not indices:
            raise ValueError(f"{path} would hold no sample")
        entry = ShardEntry(path.name, indices[0], len(indices), partial.stat().st_size, file_sha256(partial))
    return entry


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def iterate(data: str | Path) -> Iterator[HandSample]:
    """All samples of the dataset in folder ``data``, in the order of their indices.

    Raises:
        FileNotFoundError: when the folder, its manifest or a shard is missing.
        ValueError: when a member is missing or cannot be decoded.
    """
    manifest = read_manifest(data)
    for entry in manifest.shards:
        for key, members in iterate_members(_shard_file(data, entry)):
            yield _decoded(entry.name, key, members)


def iterate_members(shard: str | Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and members by extension of each sample of one shard.

    Raises:
        tarfile.ReadError: when the file is cut short or no tar file.
    """
    key, members = "", {}
    with tarfile.open(shard, "r:") as tar:
        for info in tar:
            name, _, extension = info.name.partition(".")
            file = tar.extractfile(info)
            if name != key and members:
                yield key, members
                members = {}
            key = name
            members[extension] = file.read() if file is not None else b""
            if len(members[extension]) != info.size:
                raise tarfile.ReadError(f"{info.name} is cut short")
    if members:
        yield key, members


class SampleStore:
    """Random access to the samples of a dataset: ``store[i]``; may be handed to other processes.

    The places of all members are read once, from the tar headers.

    Raises:
        FileNotFoundError: when the folder, its manifest or a shard is missing.
        ValueError: when a shard is cut short.
    """

    def __init__(self, data: str | Path):
        self.manifest = read_manifest(data)
        self._files = [_shard_file(data, entry) for entry in self.manifest.shards]
        self._first = np.cumsum([0] + [entry.num_samples for entry in self.manifest.shards])
        self._places = [_places(file) for file in self._files]
        for file, entry, places in zip(self._files, self.manifest.shards, self._places, strict=True):
            if len(places) != entry.num_samples:
                raise ValueError(f"{file} holds {len(places)} samples, not {entry.num_samples}; generate it anew")

    def __len__(self) -> int:
        return self.manifest.num_samples

    def __getitem__(self, position: int) -> HandSample:
        """The sample at a position from 0 to ``len(store) - 1``.

        Raises:
            IndexError: for any other position.
            ValueError: when a member is missing or cannot be decoded.
        """
        key, members = self.members(position)
        return _decoded(self._files[self._shard(position)].name, key, members)

    def members(self, position: int) -> tuple[str, dict[str, bytes]]:
        """Key and members by extension of the sample at a position, as they are on disk.

        Raises:
            IndexError: for a position outside of the dataset.
        """
        return self._read(position, None)

    def member(self, position: int, extension: str) -> bytes:
        """One member of the sample at a position, as it is on disk.

        Raises:
            IndexError: for a position outside of the dataset.
            ValueError: when the sample has no such member.
        """
        key, found = self._read(position, extension)
        if extension not in found:
            raise ValueError(f"{self._files[self._shard(position)].name}, sample {key}: member {extension} is missing")
        return found[extension]

    def rgb(self, position: int) -> UInt8[np.ndarray, "height width 3"]:
        """The image of the sample at a position, without its depth and its labels.

        Raises:
            IndexError: for a position outside of the dataset.
            ValueError: when it is missing or cannot be decoded.
        """
        try:
            return decode_rgb(self.member(position, "rgb.jpg"))
        except ValueError as error:
            raise ValueError(f"{self._files[self._shard(position)].name}, sample {position}: {error}") from error

    def _read(self, position: int, extension: str | None) -> tuple[str, dict[str, bytes]]:
        """Key and members of a sample, or the one that is asked for."""
        if not 0 <= position < len(self):
            raise IndexError(f"sample {position} is not in 0 to {len(self) - 1}")
        shard = self._shard(position)
        key, places = self._places[shard].of(position - int(self._first[shard]))
        members = {}
        with self._files[shard].open("rb") as file:
            for name in places if extension is None else places.keys() & {extension}:
                offset, size = places[name]
                file.seek(offset)
                members[name] = file.read(size)
        return key, members

    def _shard(self, position: int) -> int:
        return int(np.searchsorted(self._first, position, "right")) - 1


def _member(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, 0, 0o644
    return info


def _shard_file(data: str | Path, entry: ShardEntry) -> Path:
    file = Path(data).expanduser() / entry.name
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing; run handbridge verify data={data} to see what else is")
    return file


class _Places:
    """Where the members of a shard's samples lie: as arrays, a million samples take a tenth of what dicts would.

    Attributes:
        keys: Keys of the samples.
        extensions: Of all members.
        spans: Offset and size in bytes, [sample, extension, 2]; -1 where there is no such member.
    """

    def __init__(self, places: dict[str, dict[str, tuple[int, int]]]):
        self.keys = list(places)
        self.extensions = list(dict.fromkeys(extension for members in places.values() for extension in members))
        self.spans = np.full((len(places), len(self.extensions), 2), -1, np.int64)
        for row, members in enumerate(places.values()):
            for extension, span in members.items():
                self.spans[row, self.extensions.index(extension)] = span

    def __len__(self) -> int:
        return len(self.keys)

    def of(self, row: int) -> tuple[str, dict[str, tuple[int, int]]]:
        """Key of a sample, and offset and size of its members by extension."""
        spans = zip(self.extensions, self.spans[row].tolist(), strict=True)
        return self.keys[row], {extension: (offset, size) for extension, (offset, size) in spans if offset >= 0}


def _places(file: Path) -> _Places:
    """Where the members of a shard's samples lie, from the tar headers."""
    places: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(file, "r:") as tar:
            for info in tar:
                key, _, extension = info.name.partition(".")
                places.setdefault(key, {})[extension] = (info.offset_data, info.size)
    except tarfile.TarError as error:
        raise ValueError(f"{file} is no complete tar file ({error}); generate it anew") from error
    return _Places(places)


def _decoded(shard: str, key: str, members: dict[str, bytes]) -> HandSample:
    try:
        return decode_sample(members)
    except ValueError as error:
        raise ValueError(f"{shard}, sample {key}: {error}") from error
