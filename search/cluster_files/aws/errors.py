"""Errors of AWS as one line each, with the remedy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from trainables.domain import UsageError

Refused = (BotoCoreError, ClientError, ResponseParserError)
"""What boto3 raises; the last where a server answers that is not AWS."""
WITHOUT_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, SSOError)
LOG_IN = "set them with `aws configure`, log in with `aws sso login`, or name a profile in AWS_PROFILE"
INVALID = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}
REMEDIES = {
    "BucketAlreadyExists": "another account has a bucket of this name; give another name with --bucket",
    "InvalidBucketName": "give --bucket with 3 to 63 lower-case letters, digits and hyphens",
    "OptInRequired": "the account has not enabled this region or service; enable it in the console of AWS",
    "DependencyViolation": "something still uses it, mostly a machine that is ending; try again in some minutes",
    "OperationAborted": "S3 is still working on a bucket of this name; try again in some minutes",
}


def code(error: ClientError) -> str:
    """Return AWS's code of an error, such as "AccessDenied"."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def of_aws() -> Iterator[None]:
    """Raise a UsageError in the place of an error of AWS or boto3."""
    try:
        yield
    except Refused as error:
        raise UsageError(line(error)) from None


def line(error: Exception) -> str:
    """Return one line for an error: what happened, and what to do about it."""
    text = " ".join(str(error).split())
    if isinstance(error, ClientError):
        return _refusal(error)
    if isinstance(error, (*WITHOUT_CREDENTIALS, TokenRetrievalError)):
        return f"there are no credentials for AWS ({text}); {LOG_IN}"
    if isinstance(error, ProfileNotFound):
        return f"{text}; give a profile of ~/.aws/config in AWS_PROFILE, or none"
    if isinstance(error, ConnectionError | HTTPClientError):
        return f"AWS does not answer ({text}); check the network, and the region"
    return f"boto3 failed: {text}"


def _refusal(error: ClientError) -> str:
    name, message = code(error), " ".join(str(error.response.get("Error", {}).get("Message", "")).split())
    if name in INVALID:
        return f"AWS does not accept these credentials ({name}: {message}); {LOG_IN}"
    if name in DENIED:
        named = re.search(r"perform: (\S+)", message)
        action = named[1].rstrip(".") if named else error.operation_name
        return (
            f"these credentials may not do {action}; ask who runs the account for this right "
            "(docs/cluster.md lists all that are needed), and run the command again, which goes on from here"
        )
    if remedy := REMEDIES.get(name):
        return f"{error.operation_name}: {remedy}"
    return f"AWS refused {error.operation_name} ({name}): {message}"
