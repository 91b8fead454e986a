"""The bucket of the runs: encrypted, and closed to the public."""

from typing import Any

from botocore.exceptions import ClientError

from search.cluster_files.aws.account import TAG, Account, SetUp, as_dict
from search.cluster_files.aws.errors import code
from search.cluster_files.aws.steps import IS_THERE, Step
from trainables.domain import UsageError

ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
CLOSED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
COUNTED = 1000


def to_make(account: Account, setup: SetUp) -> Step:
    """Return the step that makes the bucket or completes it.

    A bucket that somebody else made is used as it is, unless it is empty and has no tag: then an earlier try may have
    ended before it was tagged, and it is taken over.

    Raises:
        UsageError: it is another account's, or in another region.
    """
    s3, name = account.client("s3"), setup.bucket
    if name not in _buckets(s3, name):
        if _exists(s3, name):
            look = "these credentials lack the right s3:ListBucket"
            raise UsageError(f"another account has a bucket {name}, or {look}; give another name with --bucket")
        return Step(f"bucket {name}", "make it: encrypted, closed to the public", lambda: _make(s3, setup))
    region = s3.head_bucket(Bucket=name)["BucketRegion"]
    if region != setup.region:
        raise UsageError(f"the bucket {name} is in {region}; give --region {region}, or another --bucket")
    tags, lacking = _tags(s3, name), _lacking(s3, name)
    if tags.get(TAG) == setup.name:
        text = f"add {' and '.join(lacking)}" if lacking else IS_THERE
        return Step(f"bucket {name}", text, (lambda: _complete(s3, setup)) if lacking else None)
    if not tags and not _objects(s3, name):
        text = "is there and empty: take it over, encrypted and closed to the public"
        return Step(f"bucket {name}", text, lambda: _complete(s3, setup))
    without = f"; it lacks {' and '.join(lacking)}" if lacking else ""
    return Step(f"bucket {name}", f"is there, made by someone else: use it as it is{without}")


def to_remove(account: Account, name: str, with_results: bool) -> list[Step]:
    """Return a step for each bucket of the account that the set-up `name` made; one with objects stays by default."""
    s3 = account.client("s3")
    return [_removal(s3, bucket, with_results) for bucket in _buckets(s3) if _tags(s3, bucket).get(TAG) == name]


def _removal(s3: Any, bucket: str, with_results: bool) -> Step:
    count = _objects(s3, bucket)
    if not count:
        return Step(f"bucket {bucket}", "delete it; it is empty", lambda: s3.delete_bucket(Bucket=bucket))
    many = f"{'at least ' if count == COUNTED else ''}{count:,} object{'' if count == 1 else 's'}"
    if not with_results:
        return Step(f"bucket {bucket}", f"stays: it has {many}; --with-results deletes it with them")
    return Step(f"bucket {bucket}", f"delete it with {many}, for good", lambda: _delete_all(s3, bucket))


def _buckets(s3: Any, prefix: str = "") -> list[str]:
    pages = s3.get_paginator("list_buckets").paginate(Prefix=prefix)
    return [bucket["Name"] for page in pages for bucket in page["Buckets"]]


def _exists(s3: Any, name: str) -> bool:
    """Return whether the name is taken; for another account's bucket S3 answers 403, and not 404."""
    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        return code(error) not in ("404", "NoSuchBucket")
    return True


def _make(s3: Any, setup: SetUp) -> None:
    # us-east-1 is where S3 puts a bucket for which nothing is said, and it cannot be said.
    if setup.region == "us-east-1":
        s3.create_bucket(Bucket=setup.bucket)
    else:
        s3.create_bucket(Bucket=setup.bucket, CreateBucketConfiguration={"LocationConstraint": setup.region})
    _complete(s3, setup)


def _complete(s3: Any, setup: SetUp) -> None:
    s3.put_bucket_tagging(Bucket=setup.bucket, Tagging={"TagSet": setup.tags})
    s3.put_public_access_block(Bucket=setup.bucket, PublicAccessBlockConfiguration=CLOSED)
    s3.put_bucket_encryption(Bucket=setup.bucket, ServerSideEncryptionConfiguration=ENCRYPTION)


def _lacking(s3: Any, name: str) -> list[str]:
    """Return what a bucket lacks; any encryption is good."""
    encryption = _setting(s3.get_bucket_encryption, name, "ServerSideEncryptionConfigurationNotFoundError")
    access = _setting(s3.get_public_access_block, name, "NoSuchPublicAccessBlockConfiguration")
    closed = access.get("PublicAccessBlockConfiguration") == CLOSED
    lacking = {"encryption": bool(encryption), "the block of public access": closed}
    return [what for what, has in lacking.items() if not has]


def _tags(s3: Any, name: str) -> dict[str, str]:
    """Return the tags of a bucket, none for one that these credentials may not ask about."""
    return as_dict(_setting(s3.get_bucket_tagging, name, "NoSuchTagSet", "AccessDenied").get("TagSet", []))


def _setting(ask: Any, name: str, *unset: str) -> dict[str, Any]:
    try:
        return dict(ask(Bucket=name))
    except ClientError as error:
        if code(error) not in unset:
            raise
        return {}


def _objects(s3: Any, name: str) -> int:
    """Return how many objects and versions of objects a bucket has, at the most `COUNTED`."""
    page = s3.list_object_versions(Bucket=name, MaxKeys=COUNTED)
    return len(page.get("Versions", [])) + len(page.get("DeleteMarkers", []))


def _delete_all(s3: Any, name: str) -> None:
    """Delete a bucket with all versions of its objects; S3 takes a thousand at a time."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if found:
            objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
    s3.delete_bucket(Bucket=name)
