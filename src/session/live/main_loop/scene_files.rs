//! The scenes from `scenes/*.toml`, which the conductor holds beside those stored while playing. A scene stored while
//! playing takes precedence over a file of the same name.

use std::collections::BTreeMap;

use crate::conductor::Conductor;
use crate::event::ControlEvent;
use crate::event::parameter::{Param, Value};
use crate::files::library::Library;
use crate::files::scene::Scene;
use crate::quote::quoted;
use crate::session::live::Settings;
use crate::session::live::state::scene_events;

/// The scene files, and the scenes loaded from them.
pub(in crate::session::live) struct SceneFiles {
    library: Library<Scene>,
    /// The scenes loaded from files, as the conductor held them immediately afterwards, to recognise those that were
    /// stored again since.
    loaded: BTreeMap<String, Settings>,
}

impl SceneFiles {
    pub(in crate::session::live) const fn new(library: Library<Scene>) -> Self {
        Self { library, loaded: BTreeMap::new() }
    }

    /// Returns the names of the files to load at the start, beside the `stored` scenes.
    pub(in crate::session::live) fn names_beside(&self, stored: &BTreeMap<String, Settings>) -> Vec<String> {
        self.library.names().filter(|name| !stored.contains_key(*name)).map(str::to_owned).collect()
    }

    /// Replaces the library after a reload, and returns the names of the files to load among the `changed` ones: all
    /// but those whose scenes were stored again while playing.
    pub(super) fn replace(
        &mut self,
        library: Library<Scene>,
        changed: &[String],
        conductor: &Conductor,
    ) -> Vec<String> {
        self.library = library;
        let (own, unchanged): (Vec<_>, Vec<_>) = changed
            .iter()
            .cloned()
            .partition(|name| conductor.scene(name).is_some_and(|values| self.loaded.get(name) != Some(&values)));
        for name in own {
            tracing::info!("scene {} was stored while playing and is used instead of its file", quoted(&name));
        }
        unchanged
    }

    /// Returns the events that load a file as a scene, replacing a scene of its name.
    pub(in crate::session::live) fn events(&self, name: &str, conductor: &Conductor) -> Vec<ControlEvent> {
        let delete = conductor.scene(name).map(|_| ControlEvent::Set(Param::SceneDelete, Value::Text(name.to_owned())));
        let values = self.library.get(name).map_or(&[][..], |scene| &scene.values);
        delete.into_iter().chain(scene_events(name, values)).collect()
    }

    /// Notes that files have been loaded into the conductor.
    pub(in crate::session::live) fn set_loaded(&mut self, names: &[String], conductor: &Conductor) {
        self.loaded.retain(|name, _| conductor.scene(name).is_some());
        self.loaded.extend(names.iter().filter_map(|name| Some((name.clone(), conductor.scene(name)?))));
    }

    /// Returns the scenes that were stored while playing, as opposed to those loaded from files.
    pub(super) fn stored(&self, conductor: &Conductor) -> BTreeMap<String, Settings> {
        let is_from_file =
            |name: &str, values: &Settings| self.library.get(name).is_some() && self.loaded.get(name) == Some(values);
        let stored = conductor.scenes().filter(|(name, values)| !is_from_file(name, values));
        stored.map(|(name, values)| (name.to_owned(), values)).collect()
    }
}
