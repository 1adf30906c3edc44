"""The processes of one training: who they are, what they add up, and what the one that writes tells the others."""

from __future__ import annotations

import atexit
import json
import os
import pickle
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from graphrec.devices import is_real_cuda
from graphrec.distributed.pulse import Pulse
from graphrec.errors import InputError

__all__ = ["Group", "joined", "leave"]

Answer = TypeVar("Answer")

# All processes do the same at the same time: one that is nearly a minute late is stuck, or its machine is gone. The end of a
# process alone is noticed at once.
_PATIENCE = timedelta(seconds=50)
# Where one process works and the others wait for what it says: checkpoints of large tables take their time. Whether it lives
# is told by its pulse.
_LONG = timedelta(hours=2)
_ENVIRONMENT = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Group:
    """The processes of torch's default process group, seen from one of them.

    Every method but :meth:`device` is called by all processes, in the same order.

    Attributes
    ----------
    rank, size : int
        This process, from 0, and how many there are. Process 0 writes.
    bytes : int
        What this process has sent to others in the steps of trainings, as the formulas of its messages say.
    """

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.bytes = 0
        self._waiting = dist.new_group(backend="gloo", timeout=_LONG)
        # A caller's own group may be of GPUs alone; what lies on the host is then sent by another one.
        by_host = "cpu:" in dist.get_backend_config()
        self._of_host = None if by_host else dist.new_group(backend="gloo", timeout=_PATIENCE)
        self._at_the_start = True
        self.pulse = Pulse(self.rank, self.size)

    @property
    def is_writer(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """The device of this process for what the option ``device`` says: each process of a machine gets a GPU of its own.

        Raises
        ------
        InputError
            The name is that of one GPU, which NCCL does not give to several processes.
        """
        if name not in ("auto", "cuda"):
            if name.startswith("cuda") and self.size > 1:
                raise InputError(f"device={name!r} is one GPU for all {self.size} processes; device='cuda' gives each its own.")
            return name
        alone = name == "auto" and not torch.cuda.is_available()
        return "cpu" if alone else f"cuda:{os.environ.get('LOCAL_RANK', self.rank)}"

    def begin(self) -> None:
        """Wait until all processes are here, and longer for the next sum: a first step may have to compile its kernels."""
        self._do(dist.barrier, group=self._waiting)
        self._at_the_start = True

    def sums(self, *parts: Tensor) -> tuple[Tensor, ...]:
        """Each tensor added up over all processes, in one message for all of them.

        Parameters
        ----------
        *parts : Tensor of float32, any shapes
            Of the same shapes in all processes.

        Returns
        -------
        tuple of Tensor
            The same numbers, bit for bit, in all processes. The gradient of a sum is the gradient of each of its terms: what
            is computed from the sums is computed by every process alike, so that nothing is sent on the way back.
        """
        whole: Tensor = _Sum.apply(torch.cat([part.reshape(-1) for part in parts]), self)  # type: ignore[no-untyped-call]
        pieces = torch.split(whole, [part.numel() for part in parts])
        return tuple(piece.view(part.shape) for piece, part in zip(pieces, parts, strict=True))

    def add_up(self, numbers: Tensor) -> Tensor:
        """Add a contiguous tensor up over all processes, in place."""
        if self.size > 1:
            self.bytes += 2 * (self.size - 1) * numbers.nbytes // self.size  # in a ring
            self._do(dist.all_reduce, numbers, group=self._by(numbers))
        return numbers

    def stacked_alike(self, mine: Tensor) -> Tensor:
        """The tensors (n, …) of all processes, which have one shape, one below the other in the order of ranks."""
        if self.size == 1:
            return mine
        self.bytes += (self.size - 1) * mine.nbytes
        every = mine.new_empty(self.size * len(mine), *mine.shape[1:])
        self._do(dist.all_gather, list(every.tensor_split(self.size)), mine.contiguous(), group=self._by(mine))
        return every

    def exchanged(self, mine: Tensor, gives: list[int], gets: list[int]) -> Tensor:
        """What the others have for this process, in the order of ranks; ``gives[r]`` numbers of `mine` go to process r."""
        if self.size == 1:
            return mine
        self.bytes += (len(mine) - gives[self.rank]) * mine.element_size()
        theirs = mine.new_empty(sum(gets))
        self._do(dist.all_to_all_single, theirs, mine, gets, gives, group=self._by(mine))
        return theirs

    def _by(self, numbers: Tensor) -> Any:
        first, self._at_the_start = self._at_the_start, False  # the first message of a training is waited for longer
        return (self._waiting if first else self._of_host) if numbers.is_cpu else None

    def gathered(self, mine: Tensor) -> list[Tensor]:
        """The tensors of all processes, which have one shape, in the order of their ranks."""
        if self.size == 1:
            return [mine]
        every = [torch.empty_like(mine) for _ in range(self.size)]
        # On the host by gloo, whatever the others are sent by.
        self._do(dist.all_gather, every, mine.contiguous(), group=self._waiting if mine.is_cpu else None)
        return every

    def stacked(self, mine: Tensor) -> Tensor:
        """The rows of all processes, which may have different numbers of them, in the order of their ranks."""
        if self.size == 1:
            return mine
        lengths = torch.cat(self.gathered(torch.tensor([len(mine)]))).tolist()
        padded = mine.new_zeros(max(lengths), *mine.shape[1:])
        padded[: len(mine)] = mine
        return torch.cat([part[:length] for part, length in zip(self.gathered(padded), lengths, strict=True)])

    def from_all(self, call: Callable[[], Answer]) -> list[Answer]:
        """What a call gives in each process; what it raises in one is raised in all, see :meth:`from_writer`."""
        answers = [_outcome(call)]
        if self.size > 1:
            told = _packed(answers[0])
            lengths = torch.cat(self.gathered(torch.tensor([len(told)]))).tolist()
            padded = torch.zeros(max(lengths), dtype=torch.uint8)
            padded[: len(told)] = told
            every = zip(self.gathered(padded), lengths, strict=True)
            answers = [_unpacked(part[:length]) for part, length in every]
        for _, failure in answers:
            if failure is not None:
                raise failure
        return [answer for answer, _ in answers]

    def tensors_from_writer(self, call: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Named tensors that a call makes on the writer, on the host of every process; errors as of :meth:`from_writer`."""
        made: dict[str, Tensor] = {}

        def describe() -> dict[str, tuple[torch.Size, torch.dtype]]:
            made.update({name: tensor.detach().cpu().contiguous() for name, tensor in call().items()})
            return {name: (tensor.shape, tensor.dtype) for name, tensor in made.items()}

        for name, (shape, dtype) in self.from_writer(describe).items():
            tensor = made.setdefault(name, torch.empty(shape, dtype=dtype))
            if tensor.numel() and self.size > 1:
                self._do(dist.broadcast, tensor, 0, group=self._waiting)
        return made

    def once(self, call: Callable[[], Tensor]) -> Tensor:
        """A tensor that a call makes on the writer, on the host of every process; see :meth:`from_writer` for its errors."""
        return self.tensors_from_writer(lambda: {"": call()})[""]

    def check_same(self, given: Mapping[str, Any]) -> None:
        """Refuse processes that were given different things: what they would make together is nobody's.

        Parameters
        ----------
        given : mapping
            Plain data by names, the same names in all processes.
        """
        marks = [zlib.crc32(json.dumps(value, sort_keys=True).encode()) for value in given.values()]
        every = torch.stack(self.gathered(torch.tensor(marks)))
        if (differs := (every != every[0]).nonzero()).numel():
            rank, place = differs[0].tolist()
            raise InputError(
                f"process {rank} was given another {list(given)[place]} than process 0; all of them must be given the same."
            )

    def from_writer(self, call: Callable[[], Answer]) -> Answer:
        """What a call gives on the writer, which alone makes it; what it raises there is raised in all processes.

        Raises
        ------
        InputError, FloatingPointError, OSError
            Of the call. Other errors are the writer's alone, whose end ends the others.
        """
        outcome = _outcome(call) if self.is_writer else None
        if self.size > 1:
            told = torch.empty(0, dtype=torch.uint8) if outcome is None else _packed(outcome)
            length = torch.tensor([len(told)])
            self._do(dist.broadcast, length, 0, group=self._waiting)
            told.resize_(int(length))
            self._do(dist.broadcast, told, 0, group=self._waiting)
            outcome = _unpacked(told) if outcome is None else outcome
        assert outcome is not None
        answer, failure = outcome
        if failure is not None:
            raise failure
        return cast(Answer, answer)

    def _do(self, operation: Callable[..., Any], *arguments: Any, group: Any) -> None:
        """One of torch's collective operations, from beginning to end."""
        with _answered():
            work = operation(*arguments, group=group, async_op=True)
            if group is self._waiting:
                self.pulse.wait(work)
            work.wait()


def _outcome(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """What a call gives and None, or None and what it raises."""
    try:
        return call(), None
    except (InputError, FloatingPointError, OSError) as error:
        return None, error


def _packed(outcome: tuple[Any, Exception | None]) -> Tensor:
    return torch.frombuffer(bytearray(pickle.dumps(outcome)), dtype=torch.uint8)


def _unpacked(told: Tensor) -> tuple[Any, Exception | None]:
    outcome: tuple[Any, Exception | None] = pickle.loads(told.numpy().tobytes())
    return outcome


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, group: Group) -> Tensor:
        return group.add_up(part.clone())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


@contextmanager
def _answered() -> Iterator[None]:
    """Whoever waits for a process that is gone is told so in a sentence: torch raises a plain RuntimeError for it."""
    try:
        yield
    except RuntimeError as error:
        _lost.append(error)
        raise ConnectionError(
            f"process {dist.get_rank()} of {dist.get_world_size()} cannot go on, because another one has ended or has not "
            "answered in time; start all of them again (a training that kept a checkpoint goes on from it)"
        ) from error


_lost: list[RuntimeError] = []  # what told that another process is gone
_known: dict[Any, Group] = {}  # one at a time; with its own group of those who wait, which is made once


def joined() -> Group:
    """The group of processes that this one belongs to; one that is not there yet is made of torchrun's environment.

    It then lasts as long as the process does.

    Raises
    ------
    InputError
        There is no process group, and nobody has said which processes make one.
    """
    if not dist.is_available():
        raise InputError("this build of torch has no torch.distributed; training by several processes needs it.")
    if not dist.is_initialized():
        _begin()
    if dist.group.WORLD not in _known:  # the caller may have ended one and begun another
        _forget()
        _known[dist.group.WORLD] = Group()
    return _known[dist.group.WORLD]


def _forget() -> None:
    for group in _known.values():
        group.pulse.end()
    _known.clear()


def _begin() -> None:
    if missing := [name for name in _ENVIRONMENT if name not in os.environ]:
        raise InputError(
            f"distributed training is for processes that torchrun has started, and {missing[0]} is not in the environment: "
            "torchrun --nproc-per-node 2 -m graphrec train … --distributed, or a program of your own in place of -m graphrec."
        )
    rank, size = (os.environ[name] for name in ("RANK", "WORLD_SIZE"))
    if not (rank.isdecimal() and size.isdecimal() and int(rank) < int(size)):
        raise InputError(
            f"RANK={rank} and WORLD_SIZE={size} in the environment must be whole numbers, the first below the second; torchrun "
            "sets them."
        )
    if not os.environ["MASTER_PORT"].isdecimal():
        raise InputError(
            f"MASTER_PORT={os.environ['MASTER_PORT']} in the environment must be a whole number; torchrun sets it."
        )
    try:
        dist.init_process_group(_backend(), timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        told = str(error).splitlines()[0]
        raise InputError(f"the processes of this training did not find each other: {told}") from None
    atexit.register(_end)


def _backend() -> str:
    """What carries the messages: gloo those of tensors on the host, NCCL those of GPUs, one of which each process has."""
    if not (torch.cuda.is_available() and is_real_cuda(torch.device("cuda")) and dist.is_nccl_available()):
        return "gloo"
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", os.environ["RANK"])) % torch.cuda.device_count())
    return "cpu:gloo,cuda:nccl"


def leave(code: int) -> None:
    """End this process at once where another one is gone, once everything has been told; else do nothing.

    gloo's threads wait for the other one: on the way out they would hold this process, too, or abort it and hide its code.
    """
    if _lost:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end() -> None:
    if hasattr(sys, "last_value"):
        leave(1)  # Python has told the error, and is about to end with this code
    _forget()  # whose groups would outlive torch's, and end their threads when the process has all but ended
    if dist.is_initialized():
        with suppress(RuntimeError):
            dist.destroy_process_group()
