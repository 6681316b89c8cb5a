//! `melos scenes`: lists, renames and deletes the scenes of the running daemon, and exports stored ones.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use melos::event::parameter::{Input, Param, Value};
use melos::files::{self, exact_name, state_folder};
use melos::quote::quoted;
use melos::session::live::{stored_scene_file, stored_scenes};
use rosc::OscType;

use super::client::{Client, Names, TIMEOUT, poll};
use super::complete;
use super::list::{List, list};
use super::output::Output;

/// Time within which the daemon saves a scene.
const SAVING_DELAY: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Rename a scene
    Rename {
        /// Current name
        #[arg(add = complete::scenes())]
        scene: String,
        /// New name
        #[arg(value_parser = new_name)]
        to: String,
        #[command(flatten)]
        client: Client,
    },
    /// Delete a scene
    Delete {
        /// Name of the scene
        #[arg(add = complete::scenes())]
        scene: String,
        #[command(flatten)]
        client: Client,
    },
    /// Print a scene stored while playing, as a file for a scenes/ folder
    Export {
        /// Name of the scene
        #[arg(add = complete::scenes())]
        scene: String,
        /// State folder in which the scene is stored [default: ~/.local/state/melos]
        #[arg(long, value_name = "FOLDER")]
        state: Option<PathBuf>,
    },
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    match args.action {
        None => list(List::Scenes, &args.client),
        Some(Action::Rename { scene, to, client }) => {
            let (scene, scenes) = existing(&client, &scene)?;
            if scenes.contains(&to) {
                bail!("there is already a scene {}", quoted(&to));
            }
            client.send("/melos/scene/rename", vec![OscType::String(scene), OscType::String(to.clone())])?;
            wait_until(&client, |scenes| scenes.contains(&to))
        }
        Some(Action::Delete { scene, client }) => {
            let (scene, _) = existing(&client, &scene)?;
            client.send("/melos/scene/delete", vec![OscType::String(scene.clone())])?;
            wait_until(&client, |scenes| !scenes.contains(&scene))
        }
        Some(Action::Export { scene, state }) => export(&scene, state),
    }
}

/// Returns the name under which a scene can be stored that a text stands for.
fn new_name(text: &str) -> Result<String, String> {
    match Param::SceneStore.fit_within(Input::Text(text)).map_err(|error| error.hint())? {
        Some(Value::Text(name)) if !name.is_empty() => Ok(name),
        _ => Err("expected a name".to_owned()),
    }
}

/// Prints a scene stored in a state folder, by default the user's.
fn export(scene: &str, state: Option<PathBuf>) -> anyhow::Result<()> {
    let folder = state.or_else(state_folder).context("there is no home folder; choose a folder with --state")?;
    if let Some(obstacle) = files::obstacle(&folder) {
        bail!("cannot read the stored scenes: {obstacle}");
    }
    // A scene stored a moment ago may not have been saved yet.
    let is_saved = |stored: &Vec<String>| stored.iter().any(|name| name == scene);
    let (stored, _) = poll(SAVING_DELAY, || Ok(stored_scenes(&folder)), is_saved)?;
    let known = stored.iter().map(|name| (name.as_str(), name.as_str()));
    let scene = exact_name("scene", scene, known).with_context(|| folder.display().to_string())?;
    let text = stored_scene_file(&folder, scene).with_context(|| format!("scene {} is gone", quoted(scene)))?;
    Ok(Output::lock().file(text.as_bytes())?)
}

/// Returns the exact name of a scene, and the names of all scenes.
///
/// # Errors
/// If there is no such scene, or if no daemon responds.
fn existing(client: &Client, scene: &str) -> anyhow::Result<(String, Names)> {
    let scenes = client.names_with("/scenes", "scenes", scene)?;
    if scenes.is_empty() {
        bail!("{}", List::Scenes.hint());
    }
    let exact = scenes.exact("scene", scene)?.to_owned();
    Ok((exact, scenes))
}

/// Waits until the scenes meet a condition.
fn wait_until(client: &Client, condition: impl Fn(&Names) -> bool) -> anyhow::Result<()> {
    let (_, is_met) = poll(TIMEOUT, || client.names("/scenes", "scenes"), condition)?;
    if !is_met {
        bail!("the daemon did not make the change; run `melos log` to see why");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_folder_that_is_a_file_is_reported() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = export("verse", Some(file.path().to_owned())).unwrap_err().to_string();
        assert_eq!(error, format!("cannot read the stored scenes: {} is a file, not a folder", file.path().display()));
    }

    #[test]
    fn a_scene_is_given_only_names_under_which_it_can_be_stored() {
        assert_eq!(new_name(" verse 2 "), Ok("verse 2".to_owned()));
        for text in ["", " "] {
            assert_eq!(new_name(text), Err("expected a name".to_owned()));
        }
        for text in ["a\nb", &"x".repeat(200)] {
            let error = new_name(text).unwrap_err();
            assert!(error.starts_with("expected a name of at most"), "{error}");
        }
    }
}
