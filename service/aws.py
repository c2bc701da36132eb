"""Clients of AWS, with the time limits that a worker needs; region, endpoint and credentials are boto3's own affair."""

from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from service.errors import SetupError

_CONNECT_TIMEOUT_S: Final = 5
_READ_TIMEOUT_S: Final = 30  # longer than the longest long poll


def build_client(service_name: str, *, connections: int, **identity: str) -> Any:
    """Build a boto3 client.

    It retries nothing by itself: the worker decides how often to ask a service that does not answer.

    Args:
        service_name: "sqs" or "s3".
        connections: most connections at once; as many as threads use the client.
        **identity: endpoint_url, region_name, aws_access_key_id, aws_secret_access_key; what is not given, boto3 finds.

    Raises:
        SetupError: no region is set, or the endpoint is no URL.
    """
    config = Config(
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        max_pool_connections=connections,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    try:
        return boto3.client(service_name, config=config, **identity)
    except (BotoCoreError, ValueError) as error:
        raise SetupError(f"AWS {service_name}: {error}") from error


def check_bucket(client: Any, bucket: str) -> None:
    """Ask whether a bucket exists.

    Args:
        client: boto3 S3 client.
        bucket: the bucket's name.

    Raises:
        SetupError: there is none, or nobody answers. A bucket that we may use but not list passes.
    """
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 403:
            raise SetupError(f"bucket {bucket}: there is no such bucket") from error
    except BotoCoreError as error:
        raise SetupError(f"bucket {bucket}: {error}") from error
