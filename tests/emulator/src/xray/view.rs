//! A trace as filter expressions, summaries and graphs see it: segments as services, and what called what.

use std::collections::HashMap;

use serde_json::Value;
use tracewright_xray::filter::{
    self, AnnotationValue, BooleanKeyword, GroupKeyword, NumberKeyword, Scope, ServiceId,
    StringKeyword, TraceView,
};

use super::documents;
use super::state::XrayState;
use super::traces::Trace;
use crate::state::Place;

/// A service's part in a trace: a segment, or the far side of a remote subsegment that sent none itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) name: String,
    /// The segment's origin; empty if there is none.
    pub(super) kind: String,
    pub(super) account: String,
    pub(super) start: f64,
    /// The start, as long as the segment is in progress.
    pub(super) end: f64,
    pub(super) in_progress: bool,
    pub(super) inferred: bool,
    pub(super) fault: bool,
    pub(super) error: bool,
    pub(super) throttle: bool,
    pub(super) root: bool,
    /// The `http` object.
    pub(super) http: Value,
    pub(super) user: Option<String>,
    pub(super) resource_arn: Option<String>,
    pub(super) instance_id: Option<String>,
    pub(super) availability_zone: Option<String>,
    /// Its own and its subsegments' annotations.
    pub(super) annotations: Vec<(String, Value)>,
}

/// A trace with its parts in relation. The first node is the entry point.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) nodes: Vec<Node>,
    /// Indexes of caller and callee.
    pub(super) edges: Vec<(usize, usize)>,
    /// A segment is in progress or a parent is missing.
    pub(super) partial: bool,
    /// Where group expressions are looked up; `None` inside of one, so that groups cannot refer to each other forever.
    groups: Option<&'a XrayState>,
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

impl Node {
    fn new(part: &Value, place: &Place) -> Self {
        let start = part["start_time"].as_f64().unwrap_or_default();
        let end = part["end_time"].as_f64();
        let flag = |name: &str| part[name] == Value::Bool(true);
        Self {
            name: part["name"].as_str().unwrap_or_default().to_owned(),
            kind: part["origin"].as_str().unwrap_or_default().to_owned(),
            account: part["aws"]["account_id"]
                .as_str()
                .unwrap_or(&place.account)
                .to_owned(),
            start,
            end: end.unwrap_or(start),
            in_progress: end.is_none(),
            inferred: false,
            fault: flag("fault"),
            error: flag("error"),
            throttle: flag("throttle"),
            root: false,
            http: part["http"].clone(),
            user: text(&part["user"]),
            resource_arn: text(&part["resource_arn"]),
            instance_id: text(&part["aws"]["ec2"]["instance_id"]),
            availability_zone: text(&part["aws"]["ec2"]["availability_zone"]),
            annotations: Vec::new(),
        }
    }

    /// The far side of a remote call, which named no service of its own.
    fn inferred(part: &Value, place: &Place) -> Self {
        let kind = match part["namespace"].as_str() {
            _ if part["sql"].is_object() => "Database::SQL".to_owned(),
            Some("aws") => format!("AWS::{}", part["name"].as_str().unwrap_or_default()),
            _ => "remote".to_owned(),
        };
        Self {
            kind,
            inferred: true,
            annotations: Vec::new(),
            ..Self::new(part, place)
        }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.end - self.start
    }

    pub(super) fn status(&self) -> Option<i64> {
        self.http["response"]["status"].as_i64()
    }

    pub(super) fn is_ok(&self) -> bool {
        !self.fault
            && !self.error
            && !self.throttle
            && self
                .status()
                .is_none_or(|status| (200..300).contains(&status))
    }

    fn id(&self) -> ServiceId<'_> {
        ServiceId {
            name: &self.name,
            kind: &self.kind,
            account: &self.account,
        }
    }
}

/// What walking the documents finds.
#[derive(Default)]
struct Walk {
    nodes: Vec<Node>,
    /// Which node a segment or subsegment belongs to.
    owner: HashMap<String, usize>,
    /// Calls to elsewhere: id of the subsegment, its owner, the far side.
    remote: Vec<(String, usize, Node)>,
}

impl Walk {
    fn subsegments(&mut self, part: &Value, owner: usize, place: &Place) {
        for (key, value) in part["annotations"].as_object().into_iter().flatten() {
            self.nodes[owner]
                .annotations
                .push((key.clone(), value.clone()));
        }
        for child in part["subsegments"].as_array().into_iter().flatten() {
            let id = child["id"].as_str().unwrap_or_default().to_owned();
            if matches!(child["namespace"].as_str(), Some("remote" | "aws")) {
                self.remote
                    .push((id.clone(), owner, Node::inferred(child, place)));
            }
            self.owner.insert(id, owner);
            self.subsegments(child, owner, place);
        }
    }
}

impl<'a> View<'a> {
    pub(super) fn new(trace: &Trace, place: &Place, groups: Option<&'a XrayState>) -> Self {
        let documents = documents::assemble(trace.documents.values());
        let mut walk = Walk::default();
        let mut parents = Vec::new();
        for (id, document) in &documents {
            let owner = walk.nodes.len();
            walk.nodes.push(Node::new(document, place));
            walk.owner.insert(id.clone(), owner);
            parents.push(document["parent_id"].as_str());
            walk.subsegments(document, owner, place);
        }
        let Walk {
            mut nodes,
            owner,
            remote,
        } = walk;
        let mut edges = Vec::new();
        let mut partial = nodes.iter().any(|node| node.in_progress);
        for (index, parent) in parents.iter().enumerate() {
            match parent.map(|parent| owner.get(parent)) {
                Some(Some(caller)) => edges.push((*caller, index)),
                Some(None) => partial = true,
                None => {}
            }
        }
        // A far side that sent a segment is that segment.
        for (id, caller, node) in remote {
            if !parents.contains(&Some(id.as_str())) {
                edges.push((caller, nodes.len()));
                nodes.push(node);
            }
        }
        let mut view = Self {
            nodes,
            edges,
            partial,
            groups,
        };
        view.root_first();
        view
    }

    /// The earliest node that nobody called becomes the first, and the root.
    fn root_first(&mut self) {
        let called = |index: usize| self.edges.iter().any(|(_, callee)| *callee == index);
        let uncalled = (0..self.nodes.len()).filter(|index| !called(*index));
        let Some(root) =
            uncalled.min_by(|a, b| self.nodes[*a].start.total_cmp(&self.nodes[*b].start))
        else {
            return;
        };
        self.nodes[root].root = true;
        self.nodes.swap(0, root);
        let moved = |index: usize| match index {
            0 => root,
            _ if index == root => 0,
            _ => index,
        };
        for (caller, callee) in &mut self.edges {
            (*caller, *callee) = (moved(*caller), moved(*callee));
        }
    }

    /// From the first start to the last end, epoch seconds.
    pub(super) fn span(&self) -> (f64, f64) {
        let spans = self.nodes.iter().map(|node| (node.start, node.end));
        spans
            .reduce(|(first, last), (start, end)| (first.min(start), last.max(end)))
            .unwrap_or_default()
    }

    pub(super) fn matches(&self, expression: &filter::Expression) -> bool {
        filter::matches(expression, self)
    }
}

impl Scope for Node {
    fn boolean(&self, keyword: BooleanKeyword) -> bool {
        match keyword {
            BooleanKeyword::Ok => self.is_ok(),
            BooleanKeyword::Error => self.error,
            BooleanKeyword::Throttle => self.throttle,
            BooleanKeyword::Fault => self.fault,
            BooleanKeyword::Partial => self.in_progress,
            BooleanKeyword::Inferred => self.inferred,
            BooleanKeyword::Root => self.root,
            BooleanKeyword::First | BooleanKeyword::Last | BooleanKeyword::Remote => false,
        }
    }

    fn number(&self, keyword: NumberKeyword) -> Option<f64> {
        match keyword {
            NumberKeyword::ResponseTime | NumberKeyword::Duration => Some(self.seconds()),
            NumberKeyword::HttpStatus => self.status().map(|status| status as f64),
            NumberKeyword::Index | NumberKeyword::Coverage => None,
        }
    }

    fn strings(&self, keyword: StringKeyword) -> Vec<&str> {
        let request = |member: &str| self.http["request"][member].as_str();
        let value = match keyword {
            StringKeyword::HttpUrl => request("url"),
            StringKeyword::HttpMethod => request("method"),
            StringKeyword::HttpUserAgent => request("user_agent"),
            StringKeyword::HttpClientIp => request("client_ip"),
            StringKeyword::User => self.user.as_deref(),
            StringKeyword::Name => Some(self.name.as_str()),
            StringKeyword::Type => Some(self.kind.as_str()).filter(|kind| !kind.is_empty()),
            StringKeyword::Message => None,
            StringKeyword::AvailabilityZone => self.availability_zone.as_deref(),
            StringKeyword::InstanceId => self.instance_id.as_deref(),
            StringKeyword::ResourceArn => self.resource_arn.as_deref(),
        };
        value.into_iter().collect()
    }
}

impl Scope for View<'_> {
    fn boolean(&self, keyword: BooleanKeyword) -> bool {
        match keyword {
            BooleanKeyword::Partial => self.partial,
            BooleanKeyword::Inferred => self.nodes.iter().any(|node| node.inferred),
            BooleanKeyword::Root => false,
            keyword => self.nodes.first().is_some_and(|root| root.boolean(keyword)),
        }
    }

    fn number(&self, keyword: NumberKeyword) -> Option<f64> {
        match keyword {
            NumberKeyword::Duration => {
                let (start, end) = self.span();
                Some(end - start)
            }
            keyword => self.nodes.first()?.number(keyword),
        }
    }

    fn strings(&self, keyword: StringKeyword) -> Vec<&str> {
        match keyword {
            StringKeyword::User
            | StringKeyword::AvailabilityZone
            | StringKeyword::InstanceId
            | StringKeyword::ResourceArn => self
                .nodes
                .iter()
                .flat_map(|node| node.strings(keyword))
                .collect(),
            StringKeyword::Name | StringKeyword::Type | StringKeyword::Message => Vec::new(),
            keyword => self
                .nodes
                .first()
                .map(|root| root.strings(keyword))
                .unwrap_or_default(),
        }
    }
}

impl TraceView for View<'_> {
    fn annotations(&self, key: &str) -> Vec<AnnotationValue<'_>> {
        let values = self
            .nodes
            .iter()
            .flat_map(|node| &node.annotations)
            .filter(|(known, _)| known == key);
        let typed = values.filter_map(|(_, value)| match value {
            Value::Bool(value) => Some(AnnotationValue::Boolean(*value)),
            Value::Number(value) => value.as_f64().map(AnnotationValue::Number),
            Value::String(value) => Some(AnnotationValue::String(value)),
            _ => None,
        });
        typed.collect()
    }

    fn services(&self) -> Vec<(ServiceId<'_>, &dyn Scope)> {
        self.nodes
            .iter()
            .map(|node| (node.id(), node as &dyn Scope))
            .collect()
    }

    fn edges(&self) -> Vec<(ServiceId<'_>, ServiceId<'_>, &dyn Scope)> {
        let edge = |&(caller, callee): &(usize, usize)| {
            let (caller, callee) = (&self.nodes[caller], &self.nodes[callee]);
            (caller.id(), callee.id(), callee as &dyn Scope)
        };
        self.edges.iter().map(edge).collect()
    }

    fn is_in_group(&self, by: GroupKeyword, name_or_arn: &str) -> bool {
        let Some(state) = self.groups else {
            return false;
        };
        let group = match by {
            GroupKeyword::Name => state.groups.get(name_or_arn),
            GroupKeyword::Arn => state.groups.values().find(|group| group.arn == name_or_arn),
        };
        let expression = group.and_then(|group| group.filter_expression.as_deref());
        let Some(Ok(parsed)) = expression.map(filter::parse) else {
            return false;
        };
        let without_groups = View {
            nodes: self.nodes.clone(),
            edges: self.edges.clone(),
            partial: self.partial,
            groups: None,
        };
        without_groups.matches(&parsed.expression)
    }
}
