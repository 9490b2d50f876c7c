//! Paging: opaque tokens that only this process can have issued, for this very request, in the last 24 hours.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// "The token expires after 24 hours" (CloudWatch Logs API reference, NextToken).
const LIFETIME_MS: i64 = 24 * 60 * 60 * 1000;

static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// What a token must agree with besides its position: account, region, operation and filters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope(u64);

impl Scope {
    pub(crate) fn new(request: impl Hash) -> Self {
        Self(SECRET.hash_one(request))
    }
}

/// A token that goes on after `position`.
pub(crate) fn token(scope: Scope, position: &str, now: i64) -> String {
    let mut bytes = now.to_be_bytes().to_vec();
    bytes.extend_from_slice(position.as_bytes());
    let mut signed = SECRET.hash_one((scope.0, &bytes)).to_be_bytes().to_vec();
    signed.extend_from_slice(&bytes);
    URL_SAFE_NO_PAD.encode(signed)
}

/// The position in a token, if it is one of ours for this request and not too old.
pub(crate) fn position(scope: Scope, token: &str, now: i64) -> Option<String> {
    let signed = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (signature, bytes) = signed.split_at_checked(8)?;
    if SECRET.hash_one((scope.0, &bytes.to_vec())).to_be_bytes() != signature {
        return None;
    }
    let (issued, position) = bytes.split_at_checked(8)?;
    let issued = i64::from_be_bytes(issued.try_into().ok()?);
    if now.saturating_sub(issued) > LIFETIME_MS {
        return None;
    }
    String::from_utf8(position.to_vec()).ok()
}

/// One page of an ordered list and the token of the next, if there are more.
///
/// `items` come in the order of `key`; the page starts after the token's position and holds at most `size`.
pub(crate) fn cut<T>(
    items: impl Iterator<Item = T>,
    key: impl Fn(&T) -> String,
    scope: Scope,
    size: usize,
    now: i64,
) -> (Vec<T>, Option<String>) {
    let mut items = items.peekable();
    let page: Vec<T> = items.by_ref().take(size).collect();
    let next = match (items.peek(), page.last()) {
        (Some(_), Some(last)) => Some(token(scope, &key(last), now)),
        _ => None,
    };
    (page, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_own_request_for_a_day() {
        let scope = Scope::new(("xray", "GetGroups"));
        let issued = token(scope, "Cruddur", 1000);
        assert_eq!(position(scope, &issued, 1000).as_deref(), Some("Cruddur"));
        assert_eq!(
            position(scope, &issued, 1000 + LIFETIME_MS).as_deref(),
            Some("Cruddur")
        );
        assert_eq!(position(scope, &issued, 1001 + LIFETIME_MS), None);
        assert_eq!(
            position(Scope::new(("xray", "GetSamplingRules")), &issued, 1000),
            None
        );
    }

    #[test]
    fn a_changed_or_made_up_token_is_refused() {
        let scope = Scope::new("x");
        let issued = token(scope, "Cruddur", 0);
        for bad in [
            "",
            "AAAA",
            "not base64 !",
            &issued[1..],
            &format!("{issued}A"),
            &issued.replace(&issued[12..14], "zz"),
        ] {
            assert_eq!(position(scope, bad, 0), None, "{bad}");
        }
    }

    #[test]
    fn an_xray_token_for_the_longest_name_fits_the_model() {
        assert!(token(Scope::new("x"), &"n".repeat(32), i64::MAX).len() <= 100);
    }

    #[test]
    fn the_last_page_has_no_token_even_when_it_is_full() {
        let scope = Scope::new("x");
        let (page, next) = cut([1, 2].into_iter(), |item| item.to_string(), scope, 2, 0);
        assert_eq!((page, next), (vec![1, 2], None));
        let (page, next) = cut([1, 2, 3].into_iter(), |item| item.to_string(), scope, 2, 0);
        assert_eq!(page, [1, 2]);
        assert_eq!(
            next.and_then(|token| position(scope, &token, 0)).as_deref(),
            Some("2")
        );
    }
}
