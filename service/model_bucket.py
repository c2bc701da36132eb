"""model_bucket: a model store in an S3 bucket, s3://bucket/prefix.

In:   keys and bytes. Out: the same, conditionally written.
Must not know: what a model is.
"""

from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from models.object_store import (
    OPENERS,
    ConflictError,
    MissingObjectError,
    StoreError,
    StoreUnavailableError,
    open_store,
)
from models.store import ModelStore
from service.aws import build_client
from service.errors import SetupError

SCHEME: Final = "s3"
_CONNECTIONS: Final = 4
_ATTEMPTS: Final = 3
_SERVER_ERRORS: Final = 500
_CHANGED_CODES: Final = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


class S3Store:
    """ObjectStore on a bucket; a write is conditional on the entity tag of what it replaces."""

    def __init__(self, client: Any, *, bucket: str, prefix: str) -> None:
        """Name the bucket; nothing is called yet.

        Args:
            client: boto3 S3 client.
            bucket: the bucket's name.
            prefix: start of every key, with its slash, or empty.
        """
        self._client, self._bucket, self._prefix = client, bucket, prefix

    @property
    def location(self) -> str:
        """Its URL."""
        return f"{SCHEME}://{self._bucket}/{self._prefix}"

    def read(self, key: str) -> bytes:
        """Read one object.

        Raises:
            MissingObjectError: there is no such object.
            StoreUnavailableError: S3 does not answer.
            StoreError: it cannot be read.
        """
        return self._read(key)[0]

    def write(self, key: str, body: bytes, *, replaces: bytes | None) -> None:
        """Write one object if it is still what the caller read.

        Raises:
            ConflictError: it changed, appeared or vanished in between.
            StoreUnavailableError: S3 does not answer.
            StoreError: it cannot be written.
        """
        condition = {"IfNoneMatch": "*"}
        if replaces is not None:
            try:
                current, tag = self._read(key)
            except MissingObjectError as error:
                raise ConflictError(f"{key}: vanished since it was read") from error
            if current != replaces:
                raise ConflictError(f"{key}: changed since it was read")
            condition = {"IfMatch": tag}
        try:
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=body, **condition)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _CHANGED_CODES or (replaces is not None and code in ("NoSuchKey", "404")):
                raise ConflictError(f"{key}: changed since it was read") from error
            raise _complain(error, f"{self.location}: cannot write {key}: {code}") from error
        except BotoCoreError as error:
            raise _complain(error, f"{self.location}: cannot write {key}: {error}") from error

    def _read(self, key: str) -> tuple[bytes, str]:
        """An object's bytes and its entity tag."""
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            return found["Body"].read(), found["ETag"]
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("NoSuchKey", "404"):
                raise MissingObjectError(f"{self.location}: cannot read {key}: {code}") from error
            raise _complain(error, f"{self.location}: cannot read {key}: {code}") from error
        except BotoCoreError as error:
            raise _complain(error, f"{self.location}: cannot read {key}: {error}") from error


def _complain(error: ClientError | BotoCoreError, told: str) -> StoreError:
    """A store that is overloaded or does not answer may do so later; one that refuses us will not."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return (StoreUnavailableError if status >= _SERVER_ERRORS else StoreError)(told)
    return (StoreError if isinstance(error, NoCredentialsError) else StoreUnavailableError)(told)


def open_model_bucket(url: str) -> S3Store:
    """Open a model store by its URL; nothing is called yet.

    Args:
        url: s3://bucket or s3://bucket/prefix.

    Raises:
        StoreError: no such URL, or AWS' variables are not set.
    """
    bucket, _, prefix = url.removeprefix(f"{SCHEME}://").partition("/")
    if not bucket or not url.startswith(f"{SCHEME}://"):
        raise StoreError(f"model store: expected s3://bucket/prefix, found {url}")
    try:
        client = build_client("s3", connections=_CONNECTIONS, attempts=_ATTEMPTS)
    except SetupError as error:
        raise StoreError(f"model store {url}: {error}") from error
    return S3Store(client, bucket=bucket, prefix=prefix.rstrip("/") + "/" if prefix.strip("/") else "")


def open_models(location: str) -> ModelStore:
    """Open a model store; nothing is read yet.

    Args:
        location: a folder, or s3://bucket/prefix.

    Raises:
        SetupError: no such folder, no such URL, or AWS' variables are not set.
    """
    try:
        return ModelStore(open_store(location))
    except StoreError as error:
        raise SetupError(f"models: {error}") from error


OPENERS.setdefault(SCHEME, open_model_bucket)  # for the offline commands, which know folders alone
