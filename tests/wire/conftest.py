"""Fixtures that all wire tests share."""

import boto3
import pytest
from botocore.config import Config

import leat_server

CONFIG = Config(retries={"max_attempts": 1, "mode": "standard"}, read_timeout=20)


@pytest.fixture(scope="session")
def leat():
    server = leat_server.Server().start()
    yield server
    server.stop()


def make_client(server, service, region="us-east-1", key="test", **kwargs):
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key="test",
        config=kwargs.pop("config", CONFIG),
        **kwargs,
    )
