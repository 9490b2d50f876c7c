//! The hash that tells whether an entry is still the one that was written: in the record annotation, in the pod
//! template's annotation and over a receiver's configuration.
//!
//! FNV-1a with 64 bits (draft-eastlake-fnv). It is written down in annotations and compared by later versions of the
//! operator, so it must be a published function that never changes, which the standard library's hasher is not. It
//! guards against nobody: whoever may edit the annotation may edit the variable as well, so a cryptographic hash
//! would add length and a dependency and no safety.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Ends each text in the hashed bytes. It occurs in no UTF-8 text, so that "ab", "c" and "a", "bc" differ.
const END: u8 = 0xff;

/// A hash, written as 16 hexadecimal digits.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    borsh::BorshSerialize,
    borsh::BorshDeserialize,
)]
pub struct Hash(u64);

/// Hashes texts one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Hasher(u64);

impl Default for Hasher {
    fn default() -> Self {
        Self(OFFSET_BASIS)
    }
}

impl Hasher {
    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        for byte in text.bytes().chain([END]) {
            self.add(byte);
        }
    }

    /// Adds bytes that need not be a text, each as two hexadecimal digits.
    pub fn bytes(&mut self, bytes: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for byte in bytes {
            for digit in [byte >> 4, byte & 15] {
                self.add(DIGITS[usize::from(digit)]);
            }
        }
        self.add(END);
    }

    fn add(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(PRIME);
    }

    /// The hash of all texts so far.
    #[must_use]
    pub fn finish(self) -> Hash {
        Hash(self.0)
    }
}

/// The forms of a variable's value, each with a word of its own, so that a literal `metadata.name` is not taken for
/// the reference.
pub(crate) fn literal(mut hasher: Hasher, value: &str) -> Hash {
    hasher.text("value");
    hasher.text(value);
    hasher.finish()
}

pub(crate) fn field_ref(mut hasher: Hasher, path: &str) -> Hash {
    hasher.text("fieldRef");
    hasher.text(path);
    hasher.finish()
}

pub(crate) fn secret_key_ref(mut hasher: Hasher, name: &str, key: &str, optional: bool) -> Hash {
    hasher.text(if optional {
        "optional secretKeyRef"
    } else {
        "secretKeyRef"
    });
    hasher.text(name);
    hasher.text(key);
    hasher.finish()
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text that is not a hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a hash of 16 hexadecimal digits")]
pub struct InvalidHash(String);

impl FromStr for Hash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let invalid = || InvalidHash(text.to_owned());
        if text.len() != 16 {
            return Err(invalid());
        }
        u64::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| invalid())
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fnv(bytes: &[u8]) -> u64 {
        bytes.iter().fold(OFFSET_BASIS, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
        })
    }

    #[test]
    fn the_function_is_fnv_1a_of_the_published_vectors() {
        // draft-eastlake-fnv, "FNV-1a 64-bit" test vectors.
        for (text, expected) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(fnv(text.as_bytes()), expected, "{text}");
        }
        let mut hasher = Hasher::default();
        hasher.text("foo");
        hasher.text("bar");
        assert_eq!(hasher.finish(), Hash(fnv(b"foo\xffbar\xff")));
    }

    #[test]
    fn bytes_that_are_no_text_count_each() {
        let hash = |bytes: &[u8]| {
            let mut hasher = Hasher::default();
            hasher.bytes(bytes);
            hasher.finish()
        };
        assert_ne!(hash(&[0xff]), hash(&[0xfe]));
        assert_ne!(hash(&[0xff]), hash(&[0xff, 0xff]));
        assert_ne!(hash(&[]), Hasher::default().finish());
    }

    #[test]
    fn a_hash_survives_its_text_and_other_texts_are_refused() {
        let hash = Hash(0x0042);
        assert_eq!(hash.to_string(), "0000000000000042");
        assert_eq!("0000000000000042".parse(), Ok(hash));
        for text in [
            "",
            "42",
            "000000000000004g",
            "00000000000000421",
            "+00000000000042x",
        ] {
            assert!(text.parse::<Hash>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_form_of_a_value_is_part_of_its_hash() {
        let start = Hasher::default();
        let hashes = [
            literal(start, "metadata.name"),
            field_ref(start, "metadata.name"),
            secret_key_ref(start, "s", "k", true),
            secret_key_ref(start, "s", "k", false),
            secret_key_ref(start, "sk", "", true),
        ];
        for (position, hash) in hashes.iter().enumerate() {
            assert!(!hashes[position + 1..].contains(hash), "{position}");
        }
    }
}
