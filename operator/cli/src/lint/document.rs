//! A document as it was written: values with the places where they stand.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::Spanned;
use tracewright_core::field::{FieldPath, Segment};

/// Whole numbers below this are held exactly by a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// Where a file cannot be read as YAML, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where reading stopped.
    pub place: Place,
    /// What is wrong.
    pub message: String,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    place: Place,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
struct Entry {
    key: String,
    place: Place,
    value: Node,
}

/// Reads the documents of a file; JSON is YAML too. Plain words are taken as kubectl takes them (YAML 1.1: `yes` is
/// true, `010` is 8). Empty documents are left out. Reading goes on behind a document that is malformed, as far as its
/// end can be found.
#[must_use]
pub fn read(text: &str) -> Vec<Result<Node, Malformed>> {
    let options = serde_saphyr::options! { with_snippet: false, legacy_octal_numbers: true };
    serde_saphyr::read_with_options::<_, Spanned<Content>>(&mut text.as_bytes(), options)
        .map(|document| document.map(Node::from).map_err(malformed))
        .collect()
}

fn malformed(error: serde_saphyr::Error) -> Malformed {
    use serde_saphyr::MessageFormatter;
    let message = serde_saphyr::UserMessageFormatter.format_message(&error);
    Malformed {
        place: error
            .location()
            .map_or(Place { line: 1, column: 1 }, Place::from),
        message: format!("cannot be read as YAML: {message}"),
    }
}

impl Node {
    /// The value alone.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(value) => Value::Number(value.clone()),
            Content::String(value) => Value::String(value.clone()),
            Content::List(items) => items.iter().map(Node::to_json).collect(),
            Content::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect(),
        }
    }

    /// The value of a key, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.content {
            Content::String(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if this is a list.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// Where this value stands.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// Where the field stands, or the innermost object around it that is there. A value that has lines of its own is
    /// found at its key.
    #[must_use]
    pub fn place_of(&self, path: &FieldPath) -> Place {
        let (mut node, mut place) = (self, self.place);
        for segment in path.segments() {
            match segment {
                Segment::Field(key) | Segment::Key(key) => {
                    let Some(entry) = node.entry(key) else { break };
                    (node, place) = (&entry.value, entry.found_at());
                }
                Segment::Index(index) => {
                    let Some(item) = node.items().get(*index) else {
                        break;
                    };
                    (node, place) = (item, item.place);
                }
            }
        }
        place
    }

    /// Where the last key of the path stands: what is said there is about the key, not the value.
    #[must_use]
    pub fn place_of_key(&self, path: &FieldPath) -> Place {
        let Some((Segment::Field(key) | Segment::Key(key), parents)) = path.segments().split_last()
        else {
            return self.place_of(path);
        };
        let parent = parents
            .iter()
            .try_fold(self, |node, segment| match segment {
                Segment::Field(key) | Segment::Key(key) => node.get(key),
                Segment::Index(index) => node.items().get(*index),
            });
        parent
            .and_then(|parent| parent.entry(key))
            .map_or_else(|| self.place_of(path), |entry| entry.place)
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }
}

impl Entry {
    fn found_at(&self) -> Place {
        match self.value.content {
            Content::List(_) | Content::Map(_) | Content::Null => self.place,
            _ => self.value.place,
        }
    }
}

impl From<serde_saphyr::Location> for Place {
    fn from(location: serde_saphyr::Location) -> Self {
        Self {
            line: location.line(),
            column: location.column(),
        }
    }
}

impl From<Spanned<Content>> for Node {
    fn from(spanned: Spanned<Content>) -> Self {
        Self {
            place: spanned.referenced.into(),
            content: spanned.value,
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has too")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    /// A whole number is an integer however it is written: on the way to the API server `1e3` becomes `1000`.
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Content, E> {
        if value.fract() == 0.0 && value.abs() < EXACT {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a whole number of less than 53 bits"
            )]
            return Ok(Content::Number((value as i64).into()));
        }
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number must be finite"))?;
        Ok(Content::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Content>>()? {
            list.push(item.into());
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, Spanned<Content>>()? {
            map.push(Entry {
                key: key.value,
                place: key.referenced.into(),
                value: value.into(),
            });
        }
        Ok(Content::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(text: &str) -> Node {
        let [Ok(node)] = &read(text)[..] else {
            panic!("one document expected in {text:?}")
        };
        node.clone()
    }

    fn place(node: &Node, path: &FieldPath) -> (u64, u64) {
        let place = node.place_of(path);
        (place.line, place.column)
    }

    #[test]
    fn a_field_is_found_at_its_value_and_an_object_at_its_key() {
        let node = one(
            "spec:\n  service: {name: a}\n  xray:\n    groups:\n      - name: b\n        tags: {team: x}\n",
        );
        let groups = FieldPath::of("spec.xray.groups");
        assert_eq!(place(&node, &FieldPath::of("spec.service.name")), (2, 19));
        assert_eq!(place(&node, &FieldPath::of("spec.xray")), (3, 3));
        assert_eq!(place(&node, &groups.index(0)), (5, 9));
        assert_eq!(
            place(&node, &groups.index(0).field("tags").key("team")),
            (6, 22)
        );
    }

    #[test]
    fn a_field_that_is_not_there_is_looked_for_around() {
        let node = one("spec:\n  xray:\n    groups:\n      - tags: {}\n");
        let groups = FieldPath::of("spec.xray.groups");
        assert_eq!(place(&node, &groups.index(0).field("name")), (4, 9));
        assert_eq!(place(&node, &groups.index(7)), (3, 5));
        assert_eq!(place(&node, &FieldPath::of("spec.logs.groups")), (1, 1));
    }

    #[test]
    fn a_key_is_found_where_it_is_written() {
        let node = one("spec:\n  servce: {name: a}\n");
        let path = FieldPath::of("spec.servce");
        assert_eq!(node.place_of_key(&path), Place { line: 2, column: 3 });
        assert_eq!(
            node.place_of_key(&FieldPath::of("spec.other")),
            Place { line: 1, column: 1 }
        );
    }

    #[test]
    fn plain_words_are_taken_as_kubectl_takes_them() {
        let node = one(
            "a: [yes, off, 010, 0x1F, 1_000, 1:30, 2024-01-01, ~, '', \"no\", .5, 1e3]\n8080: x\n",
        );
        assert_eq!(
            node.to_json(),
            json!({
                "a": [true, false, 8, 31, 1000, "1:30", "2024-01-01", null, "", "no", 0.5, 1000],
                "8080": "x",
            })
        );
    }

    #[test]
    fn anchors_and_merges_are_followed_and_found_where_they_are_used() {
        let node = one("a: &a {x: 1}\nb: *a\nc:\n  <<: *a\n  y: 2\n");
        assert_eq!(
            node.to_json(),
            json!({"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}})
        );
        assert_eq!(place(&node, &FieldPath::of("b.x")), (2, 4));
    }

    #[test]
    fn json_is_yaml_too() {
        assert_eq!(
            one("{\"spec\": {\"a\": [1, \"x\"]}}").to_json(),
            json!({"spec": {"a": [1, "x"]}})
        );
    }

    #[test]
    fn documents_behind_a_malformed_one_are_read() {
        let documents = read("a: 1\na: 2\n---\n---\nb: 1\n---\nc: [\n---\nd: 1\n");
        let told: Vec<_> = documents
            .iter()
            .map(|document| {
                document
                    .as_ref()
                    .map(Node::to_json)
                    .map_err(|malformed| malformed.place.line)
            })
            .collect();
        assert_eq!(told, [Err(2), Ok(json!({"b": 1})), Err(7)]);
    }

    #[test]
    fn what_is_malformed_is_told_in_a_users_words() {
        let message = |text| read(text).remove(0).expect_err("it is malformed").message;
        assert_eq!(
            message("a: 1\na: 2\n"),
            "cannot be read as YAML: duplicate mapping key `a` is not allowed here"
        );
        assert_eq!(
            message("a: *b\n"),
            "cannot be read as YAML: reference to unknown value"
        );
        assert_eq!(
            message("a: [1\n"),
            "cannot be read as YAML: unclosed bracket '['"
        );
        // Nine levels of nine: 387,420,489 nodes.
        let bomb: String = (1..9)
            .map(|n| {
                format!(
                    "a{n}: &a{n} [{}]\n",
                    vec![format!("*a{}", n - 1); 9].join(", ")
                )
            })
            .collect();
        assert!(read(&format!("a0: &a0 x\n{bomb}"))[0].is_err());
    }
}
