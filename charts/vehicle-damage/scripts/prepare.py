"""Makes a queue, its dead-letter queue and buckets in an emulator, and again whenever it has forgotten them."""

import argparse
import json
import time
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def prepare(sqs: object, s3: object, *, queue: str, buckets: list[str], visibility_timeout_s: int) -> None:
    """Make what is missing."""
    dead_url = sqs.create_queue(QueueName=f"{queue}-dead")["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": "5"})
    attributes = {"RedrivePolicy": redrive, "VisibilityTimeout": str(visibility_timeout_s)}
    sqs.create_queue(QueueName=queue, Attributes=attributes)
    existing = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for bucket in buckets:
        if bucket not in existing:
            s3.create_bucket(Bucket=bucket)


def main() -> None:
    """Look every five seconds; the ready file exists while everything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queue", required=True, help="the queue's name; its dead-letter queue is <name>-dead")
    parser.add_argument("--bucket", action="append", default=[], dest="buckets", help="a bucket; may be repeated")
    parser.add_argument("--visibility-timeout", type=int, default=120, help="of the queue, in seconds")
    parser.add_argument("--ready-file", type=Path, required=True, help="exists while everything does")
    parser.add_argument("--once", action="store_true", help="end when everything exists")
    options = parser.parse_args()
    sqs, s3 = boto3.client("sqs"), boto3.client("s3")
    while True:
        try:
            prepare(
                sqs,
                s3,
                queue=options.queue,
                buckets=options.buckets,
                visibility_timeout_s=options.visibility_timeout,
            )
            options.ready_file.touch()
            if options.once:
                return
        except (BotoCoreError, ClientError) as error:
            options.ready_file.unlink(missing_ok=True)
            print(f"not yet: {error}", flush=True)
        time.sleep(5)


if __name__ == "__main__":
    main()
