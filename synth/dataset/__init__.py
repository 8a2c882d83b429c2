"""The dataset on disk: samples, shards, manifest, and the check of all of them."""

from synth.dataset.manifest import Manifest, ShardEntry, read_manifest
from synth.dataset.sample import HandSample, decode_sample, encode_sample
from synth.dataset.shards import SampleStore, iterate, write_shard

__all__ = [
    "HandSample",
    "Manifest",
    "SampleStore",
    "ShardEntry",
    "decode_sample",
    "encode_sample",
    "iterate",
    "read_manifest",
    "write_shard",
]
