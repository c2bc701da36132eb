"""What a bucket answers before anything is asked of it."""

import pytest
from botocore.stub import Stubber

from service.aws import check_bucket
from service.embedded import EmbeddedAws
from service.errors import SetupError


def test_a_bucket_that_may_not_be_listed_passes_unless_it_must(aws: EmbeddedAws):
    client = aws.client("s3")
    with Stubber(client) as stub:
        for _ in range(2):
            stub.add_client_error("head_bucket", "403", http_status_code=403)
        check_bucket(client, "photos")
        with pytest.raises(SetupError, match="bucket photos: 403: we may not list it"):
            check_bucket(client, "photos", must_list=True)
