//! Finds the names in a file that refer to other files or to scenes, and checks that those files and scenes exist.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use melos::event::parameter::Param;
use melos::files::document::{Document, Problem, suggestion};
use melos::files::library::item_name;
use melos::files::{NameError, SearchPath, exact_name, state_folder, text};
use melos::session::live::stored_scenes;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The file that makes a folder a model.
const MANIFEST: &str = "model.toml";

/// The kind of target that a name refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Preset,
    Setlist,
    Mapping,
    Scene,
    Model,
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Preset => "preset",
            Self::Setlist => "setlist",
            Self::Mapping => "mapping",
            Self::Scene => "scene",
            Self::Model => "model",
        }
    }

    /// Returns the kind of target that a key's value refers to. The key includes its enclosing tables, as in
    /// `schedule.hours.preset`.
    fn of_key(key: &str) -> Option<Self> {
        match key {
            "preset" | "schedule.hours.preset" | "entry.preset" | "programs.presets" => Some(Self::Preset),
            "entry.scene" | "programs.scenes" => Some(Self::Scene),
            "inherit" => Some(Self::Mapping),
            "model" => Some(Self::Model),
            _ => None,
        }
    }

    /// Returns the kind of target that a parameter's value refers to.
    fn of_parameter(param: Param) -> Option<Self> {
        match param {
            Param::Preset => Some(Self::Preset),
            Param::Setlist => Some(Self::Setlist),
            param => param.names_scene().then_some(Self::Scene),
        }
    }
}

/// A name in a file that refers to a target.
struct Reference {
    target: Target,
    key: String,
    name: String,
    span: Range<usize>,
}

/// Names, each with its title or, if it has none, with the name again.
type Names = BTreeMap<String, String>;

/// The names of all existing targets.
#[derive(Debug)]
pub(super) struct KnownNames {
    names: BTreeMap<Target, Names>,
    /// The state folder, which contains the scenes stored while playing.
    state: Option<PathBuf>,
}

/// The references in a file to targets that do not exist.
#[derive(Debug, Default)]
pub(super) struct MissingReferences {
    /// References to files that do not exist.
    pub(super) files: Vec<Problem>,
    /// References to scenes that do not exist yet.
    pub(super) scenes: Vec<Problem>,
}

impl KnownNames {
    /// Finds the presets, scenes, setlists and mappings in the search path, and the scenes stored in a state folder, by
    /// default the user's.
    pub(super) fn find(search_path: Option<&SearchPath>, state: Option<PathBuf>) -> Self {
        let names_of = |kind: &str| -> Names {
            let found = search_path.iter().flat_map(|search_path| search_path.find(kind));
            found.map(|(name, file)| with_title(name, &file.path)).collect()
        };
        let state = state.or_else(state_folder);
        let mut scenes = names_of("scenes");
        scenes.extend(state.iter().flat_map(|folder| stored_scenes(folder)).map(|name| (name.clone(), name)));
        let names = BTreeMap::from([
            (Target::Preset, names_of("presets")),
            (Target::Setlist, names_of("setlists")),
            (Target::Mapping, names_of("mappings")),
            (Target::Scene, scenes),
            (Target::Model, names_of("models")),
        ]);
        Self { names, state }
    }

    /// Returns the references in a valid file to targets that do not exist. References to scenes are ignored if there is
    /// no scene at all.
    pub(super) fn missing(&self, file: &Path, text: &str) -> MissingReferences {
        let (document, _) = Document::parse(file, text);
        let (mut missing, mut names) = (MissingReferences::default(), BTreeMap::new());
        for Reference { target, key, name, span } in references(text) {
            let names = names.entry(target).or_insert_with(|| self.names_near(target, file));
            let is_model = || target == Target::Model && Path::new(&name).join(MANIFEST).is_file();
            let known = names.iter().map(|(name, title)| (name.as_str(), title.as_str()));
            let found = exact_name(target.name(), &name, known);
            // Files that refer to a mapping or a model do so by the name of its file or folder.
            let is_found = if matches!(target, Target::Mapping | Target::Model) {
                names.contains_key(&name)
            } else {
                found.is_ok()
            };
            if is_found || target == Target::Scene && names.is_empty() || is_model() {
                continue;
            }
            let stored = match &self.state {
                Some(folder) if target == Target::Scene => {
                    format!(", neither in scenes/ nor stored in {}", folder.display())
                }
                _ => String::new(),
            };
            let suggestion = suggestion(&name, names.keys().map(String::as_str));
            let hint = match found {
                Err(error @ NameError::Ambiguous { .. }) => error.to_string(),
                _ => format!("there is no {} with this name{stored}{suggestion}", target.name()),
            };
            let problem = document.problem(span, &key, hint);
            if target == Target::Scene { missing.scenes.push(problem) } else { missing.files.push(problem) }
        }
        missing
    }

    /// Returns the known names of a kind of target, including those in the folders near a file.
    fn names_near(&self, target: Target, file: &Path) -> Names {
        let mut names = self.names.get(&target).cloned().unwrap_or_default();
        let kind = format!("{}s", target.name());
        let folders = file.ancestors().skip(1).take(2).map(|folder| folder.join(&kind));
        // A mapping may be checked outside a `mappings` folder, together with the mapping it inherits.
        let own = file.parent().map(Path::to_owned).filter(|_| target == Target::Mapping);
        let files = folders.chain(own).flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
        let paths = files.map(|entry| entry.path());
        let name = |path: PathBuf| match target {
            Target::Model => path.join(MANIFEST).is_file().then(|| path.file_name()?.to_str().map(str::to_owned))?,
            _ => item_name(&path).ok().map(str::to_owned),
        };
        names.extend(paths.filter_map(|path| Some(with_title(name(path.clone())?, &path))));
        names
    }
}

/// Returns a name with the title in its file, which a preset or setlist has.
fn with_title(name: String, file: &Path) -> (String, String) {
    let table = text(file).ok().and_then(|text| text.parse::<toml::Table>().ok());
    let title = table.as_ref().and_then(|table| table.get("name")?.as_str());
    let title = title.unwrap_or(&name).to_owned();
    (name, title)
}

/// Returns the references in the text of a file, in order of position.
fn references(text: &str) -> Vec<Reference> {
    let (root, _) = DeTable::parse_recoverable(text);
    let mut references = Vec::new();
    for (key, value) in root.get_ref().iter() {
        visit_strings(key.get_ref(), value, &mut |key, name, span| {
            references.extend(Target::of_key(key).map(|target| reference(target, key, name, span)));
        });
    }
    for bind in root.get_ref().get("bind").and_then(|binds| binds.get_ref().as_array()).into_iter().flatten() {
        let text = |key| bind.get_ref().get(key).and_then(|value| Some((value.get_ref().as_str()?, value.span())));
        if let (Some((to, _)), Some((name, span))) = (text("to"), text("value"))
            && !name.is_empty()
        {
            let target = Param::from_id(to).and_then(Target::of_parameter);
            references.extend(target.map(|target| reference(target, "bind.value", name, span)));
        }
    }
    references.sort_by_key(|reference: &Reference| reference.span.start);
    references
}

fn reference(target: Target, key: &str, name: &str, span: Range<usize>) -> Reference {
    Reference { target, key: key.to_owned(), name: name.to_owned(), span }
}

/// Visits all strings in a value, each with its key and its span.
fn visit_strings(key: &str, value: &Spanned<DeValue<'_>>, visit: &mut impl FnMut(&str, &str, Range<usize>)) {
    match value.get_ref() {
        DeValue::String(text) => visit(key, text, value.span()),
        DeValue::Array(items) => items.iter().for_each(|item| visit_strings(key, item, visit)),
        DeValue::Table(table) => {
            for (inner, value) in table.iter() {
                visit_strings(&format!("{key}.{}", inner.get_ref()), value, visit);
            }
        }
        _ => {}
    }
}
