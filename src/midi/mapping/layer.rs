//! Layers: alternative functions of controls, each activated by a button.

use super::Mapping;
use super::controls::{Control, Move};

/// One `[[layer]]` and the button that activates it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The name that bindings use.
    pub name: String,
    /// The button.
    pub control: Control,
    /// Channel, counted from 0; `None` matches any.
    pub channel: Option<u8>,
    /// Whether the button toggles the layer; otherwise the layer is active while the button is held.
    pub toggle: bool,
}

/// Which layers of a mapping are active, and which bindings apply.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    /// For each layer, whether it is active and whether its button is down.
    active: Vec<(bool, bool)>,
    /// For each binding, whether it applies.
    in_effect: Vec<bool>,
    /// For each binding, whether the last change of layers switched it on or off.
    changed: Vec<bool>,
}

impl Layers {
    pub(super) fn new(mapping: &Mapping) -> Self {
        let active = vec![(false, false); mapping.layers.len()];
        let in_effect: Vec<bool> = mapping.bindings.iter().map(|binding| binding.layer.is_none()).collect();
        Self { active, changed: vec![false; in_effect.len()], in_effect }
    }

    /// Returns whether a binding applies.
    pub(super) fn applies(&self, binding: usize) -> bool {
        self.in_effect[binding]
    }

    /// Returns whether the last change of layers switched a binding on or off.
    pub(super) fn has_changed(&self, binding: usize) -> bool {
        self.changed[binding]
    }

    /// Processes a move. Returns whether the control is a layer's button.
    pub(super) fn process(&mut self, mapping: &Mapping, moved: &Move) -> bool {
        let mut is_layer_button = false;
        for (layer, (active, down)) in mapping.layers.iter().zip(&mut self.active) {
            if layer.control == moved.control && (layer.channel.is_none() || layer.channel == moved.channel) {
                is_layer_button = true;
                let was_down = std::mem::replace(down, moved.pressed);
                match layer.toggle {
                    true => *active ^= moved.pressed && !was_down,
                    false => *active = moved.pressed,
                }
            }
        }
        if is_layer_button {
            self.update(mapping);
        }
        is_layer_button
    }

    fn update(&mut self, mapping: &Mapping) {
        let is_active = |name: &String| {
            mapping.layers.iter().zip(&self.active).any(|(layer, (active, _))| *active && layer.name == *name)
        };
        let in_layer: Vec<bool> =
            mapping.bindings.iter().map(|binding| binding.layer.as_ref().is_some_and(is_active)).collect();
        let overridden = |binding: &super::Binding| {
            let layered = mapping.bindings.iter().zip(&in_layer).filter(|(_, active)| **active);
            layered.map(|(other, _)| other).any(|other| other.shares_control(binding))
        };
        for (index, binding) in mapping.bindings.iter().enumerate() {
            let in_effect = if binding.layer.is_some() { in_layer[index] } else { !overridden(binding) };
            self.changed[index] = in_effect != self.in_effect[index];
            self.in_effect[index] = in_effect;
        }
    }
}
