"""What runs leave in CloudWatch Logs and S3 without writing it: it is made when somebody reads there."""
