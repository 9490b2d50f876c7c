//! Ids of the shapes AWS uses, and ARNs.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Letters and digits of base32.
pub(crate) fn upper(length: usize) -> String {
    base32(&mut fastrand::Rng::new(), length)
}

/// An id that is always the same for the same name, such as the user id of an access key.
pub(crate) fn stable(name: &str, length: usize) -> String {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    base32(&mut fastrand::Rng::with_seed(hasher.finish()), length)
}

fn base32(random: &mut fastrand::Rng, length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    (0..length)
        .map(|_| char::from(ALPHABET[random.usize(..ALPHABET.len())]))
        .collect()
}

/// A random UUID, for request ids and revisions.
pub(crate) fn uuid() -> String {
    let hex = format!("{:032x}", fastrand::u128(..));
    format!(
        "{}-{}-4{}-a{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..]
    )
}

/// `arn:aws:xray:us-east-1:123456789012:<resource>`.
pub(crate) fn arn(service: &str, region: &str, account: &str, resource: &str) -> String {
    let partition = if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    };
    format!("arn:{partition}:{service}:{region}:{account}:{resource}")
}
