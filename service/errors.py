"""The error tree: what an error is decides what happens to the message.

DamageServiceError
  SetupError            at start: one line on stderr, exit 2; no message is touched
  PermanentError        store a rejection with its reason, delete the message
    BadRequest            not our schema, an unknown version, a bucket that is not allowed
    DeadlinePassed        nobody waits for the answer any more
    PhotoUnreadable       no image, over a limit, truncated
    PhotoMissing          404 from storage
  TransientError        release the message with a growing pause; SQS redrives it at maxReceiveCount
    QueueUnavailable, StorageUnavailable, LedgerUnavailable, RuntimeExhausted
anything else           a bug: logged with traceback, released, ends in the dead-letter queue
"""


class DamageServiceError(Exception):
    """Every error this service raises on purpose."""


class SetupError(DamageServiceError):
    """What the operator has to put right before the service can start."""


class PermanentError(DamageServiceError):
    """Trying again cannot help."""


class BadRequest(PermanentError):  # noqa: N818 - the tree's names are what operators read in rejections
    """The message is not a request for an inspection."""


class DeadlinePassed(PermanentError):  # noqa: N818
    """The request's deadline was over before its photo was inspected."""


class PhotoUnreadable(PermanentError):  # noqa: N818
    """The bytes are no photo that we read."""


class PhotoMissing(PermanentError):  # noqa: N818
    """Storage says that there is no such photo."""


class TransientError(DamageServiceError):
    """Trying again later may help."""


class QueueUnavailable(TransientError):  # noqa: N818
    """SQS does not answer."""


class StorageUnavailable(TransientError):  # noqa: N818
    """S3 does not answer, or does not let us in."""


class LedgerUnavailable(TransientError):  # noqa: N818
    """The ledger's database does not answer."""


class RuntimeExhausted(TransientError):  # noqa: N818
    """The machine ran out of memory for this photo."""
