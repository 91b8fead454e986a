"""What a cluster needs in an AWS account: found, made and removed with boto3."""
