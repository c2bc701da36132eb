"""Clients of AWS, with the time limits that a worker needs; region, endpoint and credentials are boto3's own affair."""

from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from service.errors import SetupError

_CONNECT_TIMEOUT_S: Final = 5
_READ_TIMEOUT_S: Final = 30  # longer than the longest long poll


def build_client(service_name: str, *, connections: int, attempts: int = 1, **identity: str) -> Any:
    """Build a boto3 client.

    It retries nothing unless told: the worker decides how often to ask a service that does not answer.

    Args:
        service_name: "sqs" or "s3".
        connections: most connections at once; as many as threads use the client.
        attempts: calls of what fails for a moment.
        **identity: endpoint_url, region_name, aws_access_key_id, aws_secret_access_key; what is not given, boto3 finds.

    Raises:
        SetupError: no region is set, or the endpoint is no URL.
    """
    config = Config(
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        max_pool_connections=connections,
        retries={"total_max_attempts": attempts, "mode": "standard"},
    )
    try:
        return boto3.client(service_name, config=config, **identity)
    except (BotoCoreError, ValueError) as error:
        raise SetupError(f"AWS {service_name}: {error}") from error


def check_bucket(client: Any, bucket: str, *, must_list: bool = False) -> None:
    """Ask whether a bucket exists.

    Args:
        client: boto3 S3 client.
        bucket: the bucket's name.
        must_list: a bucket that we may not list does not pass; it may be that we may not use it either.

    Raises:
        SetupError: there is none, or nobody answers, or we may not list it.
    """
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 403:
            raise SetupError(f"bucket {bucket}: there is no such bucket") from error
        if must_list:
            raise SetupError(f"bucket {bucket}: 403: we may not list it, or it is somebody else's") from error
    except BotoCoreError as error:
        raise SetupError(f"bucket {bucket}: {error}") from error
