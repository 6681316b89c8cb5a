//! The address space as a tree of nodes with the attributes defined by the OSCQuery proposal.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::methods::{COMMANDS, STREAMS, Stream, path_of};
use super::value_cache::Values;
use crate::event::parameter::{InPreset, Kind, Param, Spec, TABLE, decimal, osc_to_json};
use crate::remote::osc::LEAF;

/// A container, a method, or both: `/melos/reverb` is a number and contains `size`. Since many clients show a container
/// without its own value, the number is repeated as `/melos/reverb/value`.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// All attributes except `VALUE` and `CONTENTS`.
    attributes: Map<String, Json>,
    children: BTreeMap<String, Node>,
    /// The method's index; `None` if the node is only a container, or is a command.
    pub(super) method: Option<usize>,
    /// Whether the node is a leaf that repeats its parent's method.
    pub(super) is_leaf: bool,
}

impl Node {
    /// Builds the whole address space.
    pub(super) fn root() -> Self {
        let mut root = Self::container("/");
        for (method, spec) in TABLE.iter().enumerate() {
            root.add(&path_of(method), Some(method), parameter_attributes(spec));
        }
        for (index, stream) in STREAMS.iter().enumerate() {
            root.add(stream.path, Some(TABLE.len() + index), stream_attributes(stream));
        }
        for command in &COMMANDS {
            root.add(command.path, None, common(command.types, 2, command.description));
        }
        root.add_leaves();
        root
    }

    /// Gives every method that contains others a leaf that repeats its value.
    fn add_leaves(&mut self) {
        self.children.values_mut().for_each(Self::add_leaves);
        if let Some(method) = self.method.filter(|_| !self.children.is_empty()) {
            let mut attributes = self.attributes.clone();
            attributes.insert("FULL_PATH".to_owned(), json!(format!("{}{LEAF}", path_of(method))));
            let leaf = Self { attributes, method: Some(method), is_leaf: true, ..Self::default() };
            self.children.insert(LEAF[1..].to_owned(), leaf);
        }
    }

    fn container(path: &str) -> Self {
        let attributes = Map::from_iter([("FULL_PATH".to_owned(), json!(path)), ("ACCESS".to_owned(), json!(0))]);
        Self { attributes, ..Self::default() }
    }

    fn add(&mut self, full: &str, method: Option<usize>, attributes: Map<String, Json>) {
        let mut node = self;
        let mut path = String::new();
        for part in full.split('/').skip(1) {
            path = format!("{path}/{part}");
            node = node.children.entry(part.to_owned()).or_insert_with(|| Self::container(&path));
        }
        node.attributes.extend(attributes);
        node.method = method;
    }

    /// Returns the node at a path; a trailing slash is ignored.
    pub(super) fn find(&self, path: &str) -> Option<&Self> {
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Some(self);
        }
        path.split('/').try_fold(self, |node, part| node.children.get(part))
    }

    /// Returns whether the node has a readable value.
    pub(super) fn is_readable(&self) -> bool {
        self.attributes.get("ACCESS").and_then(Json::as_u64).is_some_and(|access| access & 1 == 1)
    }

    /// Returns an attribute, if this node has it.
    pub(super) fn attribute(&self, name: &str, values: &Values) -> Option<Json> {
        let choices = self.method.and_then(|method| values.choices.get(&method));
        match (name, choices) {
            ("RANGE", Some(choices)) => Some(json!([{ "VALS": choices }])),
            ("VALUE", _) if self.is_readable() => self.value(values),
            ("CONTENTS", _) if !self.children.is_empty() => {
                let contents = self.children.iter().map(|(name, child)| (name.clone(), child.json(values)));
                Some(Json::Object(contents.collect()))
            }
            _ => self.attributes.get(name).cloned(),
        }
    }

    /// Returns the node with all its contents as JSON.
    pub(super) fn json(&self, values: &Values) -> Json {
        let mut object = self.attributes.clone();
        for name in ["VALUE", "RANGE", "CONTENTS"] {
            object.extend(self.attribute(name, values).map(|value| (name.to_owned(), value)));
        }
        Json::Object(object)
    }

    fn value(&self, values: &Values) -> Option<Json> {
        let arguments = values.arguments[self.method?].as_ref()?;
        Some(arguments.iter().map(osc_to_json).collect())
    }
}

fn parameter_attributes(spec: &Spec) -> Map<String, Json> {
    let access = if spec.kind == Kind::Trigger { 2 } else { 3 };
    let mut attributes = common(spec.param.osc_type(), access, spec.description);
    match spec.kind {
        Kind::Number { min, max, .. } => {
            attributes.insert("RANGE".to_owned(), json!([{ "MIN": decimal(min), "MAX": decimal(max) }]));
            attributes.insert("CLIPMODE".to_owned(), json!(["both"]));
        }
        Kind::Choice { names, .. } => {
            attributes.insert("RANGE".to_owned(), json!([{ "VALS": names }]));
        }
        Kind::Toggle { .. } | Kind::Chord | Kind::Text { .. } | Kind::Trigger => {}
    }
    let tags = tags(spec);
    if !tags.is_empty() {
        attributes.insert("TAGS".to_owned(), json!(tags));
    }
    attributes.extend(unit(spec.param).map(|unit| ("UNIT".to_owned(), json!([unit]))));
    attributes
}

/// Returns the tags that tell clients what else changes a parameter: `preset` if loading any preset sets or resets it, and
/// `scene` if recalling any scene sets it.
fn tags(spec: &Spec) -> Vec<&'static str> {
    let tags = [("preset", spec.policy.preset == InPreset::Reset), ("scene", spec.policy.scene)];
    tags.into_iter().filter_map(|(tag, applies)| applies.then_some(tag)).collect()
}

/// Returns the name of a parameter's unit in the proposal's `units.md`.
fn unit(param: Param) -> Option<&'static str> {
    match param.spec().unit {
        "dB" => Some("gain.db"),
        "s" => Some("time.second"),
        "bpm" => Some("time.bpm"),
        _ => None,
    }
}

fn stream_attributes(stream: &Stream) -> Map<String, Json> {
    let mut attributes = common(stream.types, 1, stream.description);
    if !stream.ranges.is_empty() {
        let range = |(min, max): &(Option<f32>, Option<f32>)| {
            let limits = [("MIN", min), ("MAX", max)];
            let known: Map<_, _> = limits
                .iter()
                .filter_map(|(name, limit)| Some(((*name).to_owned(), decimal((*limit).as_ref().copied()?).into())))
                .collect();
            if known.is_empty() { Json::Null } else { Json::Object(known) }
        };
        attributes.insert("RANGE".to_owned(), stream.ranges.iter().map(range).collect());
    }
    if !stream.units.is_empty() {
        attributes.insert("UNIT".to_owned(), json!(stream.units));
    }
    attributes
}

fn common(types: &str, access: u8, description: &str) -> Map<String, Json> {
    Map::from_iter([
        ("TYPE".to_owned(), json!(types)),
        ("ACCESS".to_owned(), json!(access)),
        ("DESCRIPTION".to_owned(), json!(description)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_has_a_name_in_the_proposal() {
        for spec in TABLE {
            assert_eq!(unit(spec.param).is_some(), !spec.unit.is_empty(), "{}: {}", spec.id, spec.unit);
        }
    }

    #[test]
    fn a_node_may_be_a_method_and_a_container() {
        let root = Node::root();
        let reverb = root.find("/melos/reverb").unwrap();
        assert!(reverb.method.is_some() && reverb.children.contains_key("size"));
        assert!(root.find("/melos/").is_some() && root.find("/").is_some());
        assert!(root.find("/melos/no").is_none() && root.find("melos").is_none());
    }
}
