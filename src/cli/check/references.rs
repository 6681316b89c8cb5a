//! Names in a file that refer to other files or to scenes, and whether these exist.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use melos::event::parameter::Param;
use melos::files::config::find_data;
use melos::files::document::{Document, Problem, suggestion};
use melos::files::{SearchPath, state_folder};
use melos::session::live::stored_scenes;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a name refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Preset,
    Setlist,
    Mapping,
    Scene,
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Preset => "preset",
            Self::Setlist => "setlist",
            Self::Mapping => "mapping",
            Self::Scene => "scene",
        }
    }

    /// Returns what a key with its enclosing tables refers to.
    fn of_key(key: &str) -> Option<Self> {
        match key {
            "preset" | "schedule.hours.preset" | "entry.preset" | "programs.presets" => Some(Self::Preset),
            "entry.scene" | "programs.scenes" => Some(Self::Scene),
            "inherit" => Some(Self::Mapping),
            _ => None,
        }
    }

    /// Returns what the value of a text parameter refers to.
    fn of_parameter(param: Param) -> Option<Self> {
        match param {
            Param::Preset => Some(Self::Preset),
            Param::Setlist => Some(Self::Setlist),
            Param::Scene | Param::SceneA | Param::SceneB | Param::SceneDelete => Some(Self::Scene),
            _ => None,
        }
    }
}

/// A name in a file.
struct Reference {
    target: Target,
    key: String,
    name: String,
    span: Range<usize>,
}

/// Names that exist.
#[derive(Debug)]
pub(super) struct Known {
    names: BTreeMap<Target, BTreeSet<String>>,
    /// The folder whose scenes these are.
    state: Option<PathBuf>,
}

/// The references of a file that lead nowhere.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// Files that do not exist.
    pub(super) files: Vec<Problem>,
    /// Scenes that are not stored, which may still be.
    pub(super) scenes: Vec<Problem>,
}

impl Known {
    /// Finds everything in the search path, and the scenes stored in a state folder, by default the user's.
    pub(super) fn find(state: Option<PathBuf>) -> Self {
        let search_path = find_data(None).ok().map(|data| SearchPath::new(&data));
        let found = |kind: &str| {
            search_path.iter().flat_map(|search_path| search_path.find(kind)).map(|(name, _)| name).collect()
        };
        let state = state.or_else(state_folder);
        let scenes = state.iter().flat_map(|folder| stored_scenes(folder)).collect();
        let names = BTreeMap::from([
            (Target::Preset, found("presets")),
            (Target::Setlist, found("setlists")),
            (Target::Mapping, found("mappings")),
            (Target::Scene, scenes),
        ]);
        Self { names, state }
    }

    /// Returns the references in a valid file that lead nowhere. Without any stored scene, scenes are not reported.
    pub(super) fn missing(&self, file: &Path, text: &str) -> Missing {
        let (document, _) = Document::parse(file, text);
        let (mut missing, mut near) = (Missing::default(), BTreeMap::new());
        for Reference { target, key, name, span } in references(text) {
            let names = near.entry(target).or_insert_with(|| self.names_near(target, file));
            if names.contains(&name) || target == Target::Scene && names.is_empty() {
                continue;
            }
            let stored = match &self.state {
                Some(folder) if target == Target::Scene => format!(" stored in {}", folder.display()),
                _ => String::new(),
            };
            let meant = suggestion(&name, names.iter().map(String::as_str));
            let hint = format!("there is no {} with this name{stored}{meant}", target.name());
            let problem = document.problem(span, &key, hint);
            if target == Target::Scene { missing.scenes.push(problem) } else { missing.files.push(problem) }
        }
        missing
    }

    /// Returns the names in the search path and those beside a file or its folder.
    fn names_near(&self, target: Target, file: &Path) -> BTreeSet<String> {
        let mut names = self.names.get(&target).cloned().unwrap_or_default();
        let kind = format!("{}s", target.name());
        let folders = file.ancestors().skip(1).take(2).map(|folder| folder.join(&kind));
        let beside = file.parent().map(Path::to_owned).filter(|_| target == Target::Mapping);
        let files = folders.chain(beside).flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
        let toml = files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "toml"));
        names.extend(toml.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())));
        names
    }
}

/// Returns the references in a text, in order.
fn references(text: &str) -> Vec<Reference> {
    let (root, _) = DeTable::parse_recoverable(text);
    let mut found = Vec::new();
    for (key, value) in root.get_ref().iter() {
        strings(key.get_ref(), value, &mut |key, name, span| {
            found.extend(Target::of_key(key).map(|target| reference(target, key, name, span)));
        });
    }
    for bind in root.get_ref().get("bind").and_then(|binds| binds.get_ref().as_array()).into_iter().flatten() {
        let text = |key| bind.get_ref().get(key).and_then(|value| Some((value.get_ref().as_str()?, value.span())));
        if let (Some((to, _)), Some((name, span))) = (text("to"), text("value"))
            && !name.is_empty()
        {
            let target = Param::from_id(to).and_then(Target::of_parameter);
            found.extend(target.map(|target| reference(target, "bind.value", name, span)));
        }
    }
    found.sort_by_key(|reference| reference.span.start);
    found
}

fn reference(target: Target, key: &str, name: &str, span: Range<usize>) -> Reference {
    Reference { target, key: key.to_owned(), name: name.to_owned(), span }
}

/// Visits all strings in a value, each with its key and its span.
fn strings(key: &str, value: &Spanned<DeValue<'_>>, visit: &mut impl FnMut(&str, &str, Range<usize>)) {
    match value.get_ref() {
        DeValue::String(text) => visit(key, text, value.span()),
        DeValue::Array(items) => items.iter().for_each(|item| strings(key, item, visit)),
        DeValue::Table(table) => {
            for (inner, value) in table.iter() {
                strings(&format!("{key}.{}", inner.get_ref()), value, visit);
            }
        }
        _ => {}
    }
}
