//! A strict emulator of X-Ray, CloudWatch Logs and STS.
