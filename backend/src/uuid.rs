//! Random UUIDs.

/// A UUID of version 4, as Python's `uuid4` writes it.
pub(crate) fn random_uuid() -> String {
    let random: u128 = rand::random();
    let version_4 = random & !(0xf << 76) | 0x4 << 76;
    let variant_1 = version_4 & !(0x3 << 62) | 0x2 << 62;
    let hex = format!("{variant_1:032x}");
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_variant_are_set() {
        for _ in 0..100 {
            let uuid = random_uuid();
            let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12]);
            assert_eq!(uuid.as_bytes()[14], b'4', "{uuid}");
            assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        }
    }
}
