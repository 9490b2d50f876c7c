//! Attributes as the specification has them: each key once, with the value it was set to last.
//!
//! The SDK appends what is set again.

use opentelemetry::KeyValue;

/// Leaves out what was set again later.
pub(crate) fn keep_last(attributes: &mut Vec<KeyValue>) {
    if !has_repeated_key(attributes) {
        return;
    }
    let mut at = 0;
    while at < attributes.len() {
        let is_set_again = attributes[at + 1..]
            .iter()
            .any(|later| later.key == attributes[at].key);
        if is_set_again {
            attributes.remove(at);
        } else {
            at += 1;
        }
    }
}

fn has_repeated_key(attributes: &[KeyValue]) -> bool {
    // One bit for each length and last byte, so that few keys are compared.
    let mut seen = 0u128;
    attributes.iter().enumerate().any(|(at, attribute)| {
        let key = attribute.key.as_str().as_bytes();
        let last = key.last().copied().unwrap_or_default();
        let bit = 1 << ((key.len() * 5 + usize::from(last)) % 128);
        let may_repeat = seen & bit != 0;
        seen |= bit;
        may_repeat
            && attributes[..at]
                .iter()
                .any(|earlier| earlier.key == attribute.key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn each_key_has_its_last_value(pairs in proptest::collection::vec(("[a-c]{0,2}", any::<i64>()), 0..40)) {
            let mut attributes: Vec<KeyValue> =
                pairs.iter().map(|(key, value)| KeyValue::new(key.clone(), *value)).collect();
            keep_last(&mut attributes);
            let kept: BTreeMap<String, String> = attributes
                .iter()
                .map(|it| (it.key.to_string(), it.value.to_string()))
                .collect();
            prop_assert_eq!(kept.len(), attributes.len());
            let last: BTreeMap<String, String> =
                pairs.into_iter().map(|(key, value)| (key, value.to_string())).collect();
            prop_assert_eq!(kept, last);
        }
    }
}
