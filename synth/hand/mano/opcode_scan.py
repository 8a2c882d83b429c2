"""A walk through a pickle without obeying it: what could bring Python's own reader down is found before it runs.

Python's reader sets up memory for the largest place in the memo before it looks at anything else, and a dict's key that
is a tuple of tuples of tuples overflows the stack of the interpreter when its hash is taken.
"""

import pickletools
from dataclasses import dataclass

MAX_NESTING = 100
"""Tuples in tuples; those of arrays are 3 deep."""

_PUT = ("PUT", "BINPUT", "LONG_BINPUT")
_GET = ("GET", "BINGET", "LONG_BINGET")
_HASHED_DEEPLY = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET")
_HASHED_BY_PLACE = (
    "LIST", "DICT", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "REDUCE", "BUILD", "NEWOBJ", "INST", "OBJ",
)  # fmt: skip
_MARK = -1


@dataclass(frozen=True)
class Limits:
    """How large a pickle may be.

    Attributes:
        max_bytes: The official hands have 4 MB; sixteen times that leaves room for those written as text.
        max_opcodes: A hand's pickle has some hundred.
    """

    max_bytes: int = 64_000_000
    max_opcodes: int = 20_000


def check_opcodes(data: bytes, limits: Limits) -> None:
    """Lengths lie inside the file, places in the memo are few, and tuples do not nest deeply.

    Raises:
        ValueError: when that is not so, or the pickle is cut short, or has an unknown opcode or too many of them.
        IndexError: when it takes more from its stack than is there.
    """
    walk = _Nesting()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if count >= limits.max_opcodes:
            raise ValueError(f"it has more than {limits.max_opcodes} opcodes")
        if opcode.name in _PUT and isinstance(argument, int) and not 0 <= argument <= limits.max_opcodes:
            raise ValueError(f"its memo has a place {argument}")
        walk.step(opcode, argument)


class _Nesting:
    """How deep tuples nest in each object on the stack and in the memo of a pickle's machine."""

    def __init__(self) -> None:
        self.stack: list[int] = []
        self.memo: dict[int, int] = {}

    def step(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        name = opcode.name
        if name == "MARK":
            self.stack.append(_MARK)
        elif name in _GET:
            self.stack.append(self.memo.get(int(str(argument)), 0))
        elif name in _PUT:
            self.memo[int(str(argument))] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif opcode.stack_before or opcode.stack_after:
            self._replace(opcode)

    def _replace(self, opcode: pickletools.OpcodeInfo) -> None:
        """Take what the opcode takes from the stack and put its results there."""
        wanted = opcode.stack_before
        taken: list[int] = []
        if pickletools.markobject in wanted:
            while (top := self.stack.pop()) != _MARK:
                taken.append(top)
            wanted = wanted[: wanted.index(pickletools.markobject)]
        taken += [self.stack.pop() for _ in wanted]
        depth = max(taken, default=0)
        if opcode.name in _HASHED_DEEPLY:
            depth += 1
            if depth > MAX_NESTING:
                raise ValueError(f"its tuples nest more than {MAX_NESTING} deep")
        elif opcode.name in _HASHED_BY_PLACE:
            depth = 0
        self.stack += [depth] * len(opcode.stack_after)
