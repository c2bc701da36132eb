"""torchrun whose exit code is the one its first failed process had, so that a Job can tell bad input from a lost node.

`python -m models.training.launch` takes torchrun's arguments. torchrun itself ends with 1 whatever happened.
"""

import sys
from collections.abc import Sequence

from torch.distributed import run
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

_SIGNAL_BASE = 128


def launch(arguments: Sequence[str]) -> int:
    """Run torchrun in this process.

    Args:
        arguments: as torchrun has them.

    Returns:
        0; of the process that failed first its exit code, 128 and the signal's number if a signal ended it; the same
        for a signal that this process got, after its processes were asked to stop.
    """
    try:
        run.main(list(arguments))
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        return failure.exitcode if failure.exitcode > 0 else _SIGNAL_BASE - failure.exitcode
    except SignalException as error:
        return _SIGNAL_BASE + error.sigval
    return 0


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1:]))
