//! Mappings that inherit from others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Mapping;
use crate::quote::{choices, quoted};

/// Maximum number of mappings from which one mapping inherits, directly or indirectly.
const MAX_DEPTH: usize = 8;

/// Adds to each mapping what it inherits. A mapping's own settings take precedence. Unknown names are logged and
/// ignored.
pub(super) fn with_inherited(mappings: Vec<Mapping>) -> Vec<Arc<Mapping>> {
    let by_name: BTreeMap<&str, &Mapping> = mappings.iter().map(|mapping| (mapping.file.as_str(), mapping)).collect();
    mappings.iter().map(|mapping| Arc::new(with_ancestors(mapping, &by_name))).collect()
}

fn with_ancestors(mapping: &Mapping, by_name: &BTreeMap<&str, &Mapping>) -> Mapping {
    let (mut combined, mut next) = (mapping.clone(), mapping.inherit.as_deref());
    let mut depth = 0;
    while let Some(name) = next {
        if depth == MAX_DEPTH {
            tracing::warn!(
                "{}.toml: inheritance is circular or more than {MAX_DEPTH} mappings deep; the rest is ignored",
                mapping.file
            );
            break;
        }
        let Some(other) = by_name.get(name) else {
            tracing::warn!(
                "{}.toml: inherit = {}: there is no such mapping; {}",
                mapping.file,
                quoted(name),
                choices(by_name.keys().copied())
            );
            break;
        };
        combined.add(other);
        next = other.inherit.as_deref();
        depth += 1;
    }
    combined
}

impl Mapping {
    /// Adds those settings of another mapping that this one lacks.
    fn add(&mut self, other: &Self) {
        let own_count = self.bindings.len();
        for binding in &other.bindings {
            let own = &self.bindings[..own_count];
            if !own.iter().any(|own| own.layer == binding.layer && own.shares_control(binding)) {
                self.bindings.push(binding.clone());
            }
        }
        let own: BTreeSet<String> = self.layers.iter().map(|layer| layer.name.clone()).collect();
        self.layers.extend(other.layers.iter().filter(|layer| !own.contains(&layer.name)).cloned());
        if self.leads.is_empty() {
            self.leads.clone_from(&other.leads);
        }
        if self.plays.is_empty() {
            self.plays.clone_from(&other.plays);
        }
        if self.programs.presets.is_empty() && self.programs.scenes.is_empty() {
            self.programs.clone_from(&other.programs);
        }
        self.clock = self.clock.or(other.clock);
    }
}
