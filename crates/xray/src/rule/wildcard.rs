//! Wildcard patterns of sampling rules: `*` stands for any run of characters, also none, and `?` for exactly one.

use super::Client;

/// Whether the pattern matches the text, as the client compares them.
///
/// ```
/// use tracewright_xray::rule::{Client, wildcard};
/// assert!(wildcard::matches("/api/*/home", "/API/activities/home", Client::XRaySdk));
/// assert!(!wildcard::matches("/api/*/home", "/API/activities/home", Client::OpenTelemetry));
/// ```
#[must_use]
pub fn matches(pattern: &str, text: &str, client: Client) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where to go on when what follows the last `*` does not match: that star takes one character more.
    let mut retry = None;
    loop {
        let (in_pattern, in_text) = (pattern.clone().next(), text.clone().next());
        match (in_pattern, in_text) {
            (None, None) => return true,
            (Some('*'), _) => {
                pattern.next();
                retry = Some((pattern.clone(), text.clone()));
                continue;
            }
            (Some(p), Some(t)) if p == '?' || client.fold(p) == client.fold(t) => {
                pattern.next();
                text.next();
                continue;
            }
            _ => {}
        }
        let Some((behind_star, from)) = &mut retry else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        (pattern, text) = (behind_star.clone(), from.clone());
    }
}

/// Whether every text that `inner` matches is matched by `outer` too. Exact, in time proportional to the product of the
/// lengths.
///
/// Read `outer` as literal pieces with gaps between them: each piece (but for the two at the ends, which are anchored)
/// begins and ends with a literal, and a gap stands for *at least n* characters, where n counts the `?` that were next
/// to its stars. Then play against an adversary, who fills in the wildcards of `inner` so that `outer` fails:
///
/// - A `?` is best filled with a character that neither pattern has (there always is one: Unicode is larger than any
///   pattern), and so is each character of a `*`, because only wildcards match such a character. What is left to choose
///   is how many of them each star gets.
/// - Taking each piece at its earliest place is best for `outer`. What remains of it begins with a gap and so matches
///   whatever is put in front of what it matches; hence the adversary wants each piece to end as late as possible.
/// - To make a gap of n characters reach far, give no character to the stars it passes; the gap then ends behind the
///   n-th other token.
/// - To keep a piece from occurring, give more characters than the piece is long to every star behind that point. The
///   piece begins and ends with a literal, so it cannot occur across such a star, and it occurs between the stars
///   whatever they are given.
///
/// No star is needed for both, so the adversary plays best everywhere in one text: `inner` is included exactly if
/// `outer` survives that.
///
/// ```
/// use tracewright_xray::rule::{Client, wildcard};
/// let includes = |outer, inner| wildcard::includes(outer, inner, Client::OpenTelemetry);
/// assert!(includes("/api/*", "/api/*/home?"));
/// assert!(includes("?*", "*?"));
/// assert!(!includes("*ab*", "*a*b*"));
/// ```
#[must_use]
pub fn includes(outer: &str, inner: &str, client: Client) -> bool {
    let inner = tokens(inner, client);
    let outer = tokens(outer, client);
    let Some((prefix, rest)) = split_at_star(&outer) else {
        return inner.len() == outer.len() && is_covered(&outer, &inner);
    };

    let (prefix, mut gap) = trim_end(prefix);
    if inner.len() < prefix.len() || !is_covered(prefix, &inner[..prefix.len()]) {
        return false;
    }
    let mut at = prefix.len();

    let mut pieces: Vec<&[Token]> = rest.split(|token| *token == Token::Star).collect();
    let suffix = pieces
        .pop()
        .expect("splitting gives one piece more than there are stars");
    let (suffix, gap_before_suffix) = trim_start(suffix);
    let Some(end) = inner
        .len()
        .checked_sub(suffix.len())
        .filter(|end| *end >= at)
    else {
        return false;
    };
    if !is_covered(suffix, &inner[end..]) {
        return false;
    }

    for piece in pieces {
        let (piece, before) = trim_start(piece);
        let (piece, behind) = trim_end(piece);
        gap += before;
        if !piece.is_empty() {
            let Some(from) = behind_gap(&inner[..end], at, gap) else {
                return false;
            };
            let found = (from..end).find(|start| {
                inner[..end]
                    .get(*start..start + piece.len())
                    .is_some_and(|place| is_covered(piece, place))
            });
            let Some(start) = found else {
                return false;
            };
            at = start + piece.len();
            gap = 0;
        }
        gap += behind;
    }
    behind_gap(&inner[..end], at, gap + gap_before_suffix).is_some()
}

/// Whether some text is matched by both patterns. Exact, in time proportional to the product of the lengths.
///
/// ```
/// use tracewright_xray::rule::{Client, wildcard};
/// assert!(wildcard::intersects("*-flask", "backend-*", Client::XRaySdk));
/// assert!(!wildcard::intersects("backend-flask", "*4567-*", Client::XRaySdk));
/// ```
#[must_use]
pub fn intersects(a: &str, b: &str, client: Client) -> bool {
    let (a, b) = (tokens(a, client), tokens(b, client));
    // `shares[j]`: whether the rest of `a` from the current row on and `b[j..]` match a common text. From the end backwards.
    let mut shares: Vec<bool> = (0..=b.len())
        .map(|j| b[j..].iter().all(|token| *token == Token::Star))
        .collect();
    for token in a.iter().rev() {
        let below = shares.clone();
        shares[b.len()] = below[b.len()] && *token == Token::Star;
        for j in (0..b.len()).rev() {
            shares[j] = match (token, &b[j]) {
                // A star stands for nothing, or takes what the other pattern's token stands for.
                (Token::Star, _) | (_, Token::Star) => below[j] || shares[j + 1],
                (Token::One, _) | (_, Token::One) => below[j + 1],
                (Token::Literal(x), Token::Literal(y)) => x == y && below[j + 1],
            };
        }
    }
    shares[0]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Star,
}

fn tokens(pattern: &str, client: Client) -> Vec<Token> {
    pattern
        .chars()
        .map(|c| match c {
            '*' => Token::Star,
            '?' => Token::One,
            c => Token::Literal(client.fold(c)),
        })
        .collect()
}

/// What stands before and behind the first star.
fn split_at_star(tokens: &[Token]) -> Option<(&[Token], &[Token])> {
    let star = tokens.iter().position(|token| *token == Token::Star)?;
    Some((&tokens[..star], &tokens[star + 1..]))
}

/// The tokens without the `?` at their start, and how many those were.
fn trim_start(tokens: &[Token]) -> (&[Token], usize) {
    let count = tokens
        .iter()
        .take_while(|token| **token == Token::One)
        .count();
    (&tokens[count..], count)
}

/// The tokens without the `?` at their end, and how many those were.
fn trim_end(tokens: &[Token]) -> (&[Token], usize) {
    let count = tokens
        .iter()
        .rev()
        .take_while(|token| **token == Token::One)
        .count();
    (&tokens[..tokens.len() - count], count)
}

/// Whether tokens without stars match whatever as many tokens of the other pattern stand for.
fn is_covered(outer: &[Token], inner: &[Token]) -> bool {
    outer
        .iter()
        .zip(inner)
        .all(|(outer, inner)| *inner != Token::Star && (*outer == Token::One || outer == inner))
}

/// The place behind `count` tokens other than stars, from `at` on.
fn behind_gap(tokens: &[Token], at: usize, count: usize) -> Option<usize> {
    if count == 0 {
        return Some(at);
    }
    (at..tokens.len())
        .filter(|place| tokens[*place] != Token::Star)
        .nth(count - 1)
        .map(|place| place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All texts over the alphabet up to that length, the empty one included.
    fn all(alphabet: &[char], longest: usize) -> Vec<String> {
        let mut texts = vec![String::new()];
        let mut from = 0;
        for _ in 0..longest {
            let to = texts.len();
            for at in from..to {
                for c in alphabet {
                    let text = format!("{}{c}", texts[at]);
                    texts.push(text);
                }
            }
            from = to;
        }
        texts
    }

    /// Which of the texts a pattern matches, by the definition of a pattern.
    fn language(pattern: &str, texts: &[String]) -> Vec<u64> {
        fn by_definition(pattern: &[u8], text: &[u8]) -> bool {
            match (pattern.split_first(), text.split_first()) {
                (None, rest) => rest.is_none(),
                (Some((b'*', others)), rest) => {
                    by_definition(others, text)
                        || rest.is_some_and(|(_, shorter)| by_definition(pattern, shorter))
                }
                (Some((p, others)), Some((t, shorter))) => {
                    (*p == b'?' || p == t) && by_definition(others, shorter)
                }
                (Some(_), None) => false,
            }
        }
        let mut bits = vec![0; texts.len().div_ceil(64)];
        for (position, text) in texts.iter().enumerate() {
            let matched = by_definition(pattern.as_bytes(), text.as_bytes());
            assert_eq!(
                matches(pattern, text, Client::OpenTelemetry),
                matched,
                "{pattern} {text}"
            );
            bits[position / 64] |= u64::from(matched) << (position % 64);
        }
        bits
    }

    #[test]
    fn matching_inclusion_and_intersection_agree_with_brute_force() {
        // `z` is in no pattern: the character that a wildcard can always stand for.
        let texts = all(&['a', 'b', 'z'], 6);
        let patterns = all(&['a', 'b', '?', '*'], 4);
        let languages: Vec<Vec<u64>> = patterns
            .iter()
            .map(|pattern| language(pattern, &texts))
            .collect();
        let pairs = |f: &mut dyn FnMut(usize, usize)| {
            for outer in 0..patterns.len() {
                for inner in 0..patterns.len() {
                    f(outer, inner);
                }
            }
        };
        pairs(&mut |outer, inner| {
            let zipped = || languages[outer].iter().zip(&languages[inner]);
            assert_eq!(
                includes(&patterns[outer], &patterns[inner], Client::OpenTelemetry),
                zipped().all(|(outer, inner)| inner & !outer == 0),
                "{} includes {}",
                patterns[outer],
                patterns[inner]
            );
            assert_eq!(
                intersects(&patterns[outer], &patterns[inner], Client::OpenTelemetry),
                zipped().any(|(outer, inner)| inner & outer != 0),
                "{} intersects {}",
                patterns[outer],
                patterns[inner]
            );
        });
    }

    /// A text of the pattern's language: each wildcard filled with the next of the given runs.
    fn fill(pattern: &str, runs: &[String]) -> String {
        let mut runs = runs.iter().cycle();
        let mut text = String::new();
        for c in pattern.chars() {
            match c {
                '*' => text.push_str(runs.next().map_or("", String::as_str)),
                '?' => text.push(
                    runs.next()
                        .and_then(|run| run.chars().next())
                        .unwrap_or('z'),
                ),
                literal => text.push(literal),
            }
        }
        text
    }

    fn pattern() -> impl Strategy<Value = String> {
        "[ab?*]{0,12}"
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn a_pattern_matches_what_it_was_filled_to(pattern in pattern(), runs in prop::collection::vec("[abz]{0,4}", 1..6)) {
            let text = fill(&pattern, &runs);
            prop_assert!(matches(&pattern, &text, Client::OpenTelemetry), "{}", text);
            prop_assert!(intersects(&pattern, &text, Client::OpenTelemetry));
            prop_assert!(includes(&pattern, &text, Client::OpenTelemetry));
        }

        #[test]
        fn an_included_pattern_has_no_text_of_its_own(outer in pattern(), inner in pattern(), runs in prop::collection::vec("[abz]{0,14}", 1..6)) {
            let text = fill(&inner, &runs);
            if includes(&outer, &inner, Client::OpenTelemetry) {
                prop_assert!(matches(&outer, &text, Client::OpenTelemetry), "{}", text);
                prop_assert!(intersects(&outer, &inner, Client::OpenTelemetry));
            }
        }

        #[test]
        fn a_pattern_that_is_not_included_loses_against_the_adversary(outer in pattern(), inner in "[ab?]{0,3}(\\*[ab?]{0,3}){0,5}") {
            let stars = inner.matches('*').count();
            let survives = (0..1_u32 << stars).all(|long| {
                let mut star = 0;
                let text: String = inner.chars().map(|c| match c {
                    '*' => {
                        star += 1;
                        "z".repeat(if long >> (star - 1) & 1 == 1 { outer.len() + 1 } else { 0 })
                    }
                    '?' => "z".to_owned(),
                    literal => literal.to_string(),
                }).collect();
                matches(&outer, &text, Client::OpenTelemetry)
            });
            prop_assert_eq!(includes(&outer, &inner, Client::OpenTelemetry), survives);
        }

        #[test]
        fn a_pattern_with_a_part_turned_into_a_star_includes_the_old_one(pattern in pattern(), from in any::<prop::sample::Index>(), len in 0_usize..5) {
            let from = from.index(pattern.len() + 1);
            let to = (from + len).min(pattern.len());
            let wider = format!("{}*{}", &pattern[..from], &pattern[to..]);
            prop_assert!(includes(&wider, &pattern, Client::OpenTelemetry), "{}", wider);
        }

        #[test]
        fn without_case_is_lower_case_on_both_sides(a in "[aAbB?*]{0,8}", b in "[aAbB?*]{0,8}", text in "[aAbBzZ]{0,8}") {
            let lower = |s: &String| s.to_lowercase();
            let (sdk, otel) = (Client::XRaySdk, Client::OpenTelemetry);
            prop_assert_eq!(matches(&a, &text, sdk), matches(&lower(&a), &lower(&text), otel));
            prop_assert_eq!(includes(&a, &b, sdk), includes(&lower(&a), &lower(&b), otel));
            prop_assert_eq!(intersects(&a, &b, sdk), intersects(&lower(&a), &lower(&b), otel));
        }

        #[test]
        fn any_text_is_answered(a in ".{0,40}", b in ".{0,40}") {
            for client in [Client::XRaySdk, Client::OpenTelemetry] {
                let included = includes(&a, &b, client);
                prop_assert!(!included || intersects(&a, &b, client));
                prop_assert_eq!(intersects(&a, &b, client), intersects(&b, &a, client));
            }
        }
    }

    #[test]
    fn a_question_mark_is_one_character_not_one_byte() {
        assert!(matches("?", "é", Client::OpenTelemetry));
        assert!(!matches("??", "é", Client::OpenTelemetry));
        assert!(matches("É*", "école", Client::XRaySdk));
    }

    #[test]
    fn hostile_patterns_cost_no_exponential_time() {
        let pattern = format!("{}b", "*a".repeat(250));
        let text = "a".repeat(500);
        assert!(!matches(&pattern, &text, Client::XRaySdk));
        let many = format!("*a{}", "?".repeat(490));
        assert!(!includes(
            &many,
            &format!("*{}*", "ab".repeat(240)),
            Client::XRaySdk
        ));
    }
}
