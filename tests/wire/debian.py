"""Debian's own clients: where they are, and which environment they run in."""

import subprocess

AWS = "/usr/bin/aws"
PYTHON = "/usr/bin/python3"
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/nonexistent",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_PAGER": "",
    "LC_ALL": "C.UTF-8",
}


def output_of(*command):
    try:
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def debian_boto3():
    return output_of(PYTHON, "-c", "import boto3; print(boto3.__version__, boto3.__file__)")
