"""Whether a launcher (mpiexec, srun) started this process as one of several, and joining the others."""

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dlkit.backend.machines import Alone, Comm
from dlkit.errors import UserError

RANK = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")
"""What Open MPI, PMIx (srun --mpi=pmix) and PMI (MPICH, Intel MPI, srun --mpi=pmi2) tell a process."""
SIZE = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")

_joined: Any = None


class Launched(NamedTuple):
    """As the environment has it. size: 0 where it does not say."""

    rank: int
    size: int


def launched(environment: Mapping[str, str] = os.environ) -> Launched | None:
    """What the launcher says; None where there is none. MPI itself is not touched."""
    rank = _number(environment, RANK)
    return None if rank is None else Launched(rank, _number(environment, SIZE) or 0)


def _number(environment: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    return next((int(environment[name]) for name in names if environment.get(name, "").isdigit()), None)


def open_machines() -> Comm:
    """The ranks of this job; `Alone`, without importing mpi4py, where no launcher started several.

    Raises UserError where mpi4py is missing or belongs to another MPI than the launcher.
    """
    global _joined
    told = launched()
    if told is None or told.size == 1:
        return Alone()
    if _joined is None:
        mpi = _import_mpi(told)
        world = mpi.COMM_WORLD.size
        if told.size not in (0, world):
            library = mpi.Get_library_version().split("\n")[0].strip("\0 ")
            raise UserError(
                f"the launcher started {told.size} ranks, but mpi4py's MPI ({library}) sees {world}",
                hint="use the mpiexec of that MPI",
            )
        if world == 1:
            return Alone()
        from dlkit.backend.mpi import MPIComm

        _joined = MPIComm(mpi)
    return _joined


def _import_mpi(told: Launched) -> Any:
    try:
        import mpi4py

        mpi4py.rc.thread_level = "funneled"
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"started as one of {told.size or 'several'} ranks, but mpi4py does not load ({reason})",
            hint='pip install "dlkit[mpi]", and an MPI library',
        ) from error
    return MPI


def one_voice(tell: Callable[[], int]) -> int:
    """Tell a failure once, whichever ranks it hits. `tell` prints it and returns the exit code."""
    if _joined is not None:
        return _joined.fail(tell)
    told = launched()
    if told is None or told.rank == 0:  # nobody has joined yet: what fails here fails on every rank
        return tell()
    from dlkit.backend.mpi import silently

    return silently(tell)
