//! `melos scenes`: lists, renames and deletes the scenes of the running daemon.

use anyhow::bail;
use melos::quote::{choices, quoted};
use rosc::OscType;

use super::client::{Client, LISTING_DELAY, TIMEOUT, poll};
use super::complete;
use super::list::{List, list};

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
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    match args.action {
        None => list(List::Scenes, &args.client),
        Some(Action::Rename { scene, to, client }) => {
            let scenes = existing(&client, &scene)?;
            let to = to.trim();
            if scenes.iter().any(|other| other == to) {
                bail!("there is already a scene {}", quoted(to));
            }
            client.send("/melos/scene/rename", vec![OscType::String(scene), OscType::String(to.to_owned())])?;
            wait_until(&client, |scenes| scenes.iter().any(|other| other == to))
        }
        Some(Action::Delete { scene, client }) => {
            existing(&client, &scene)?;
            client.send("/melos/scene/delete", vec![OscType::String(scene.clone())])?;
            wait_until(&client, |scenes| !scenes.contains(&scene))
        }
    }
}

/// Returns the names of the scenes.
fn scenes(client: &Client) -> anyhow::Result<Vec<String>> {
    let response = client.get("/scenes")?;
    let names = response["scenes"].as_array().into_iter().flatten();
    Ok(names.filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

/// Returns the names of all scenes, provided that `scene` is one of them.
///
/// # Errors
/// If it is not, or if no daemon responds.
fn existing(client: &Client, scene: &str) -> anyhow::Result<Vec<String>> {
    let is_listed = |scenes: &Vec<String>| scenes.iter().any(|other| other == scene);
    let (scenes, exists) = poll(LISTING_DELAY, || scenes(client), is_listed)?;
    if scenes.is_empty() {
        bail!("{}", List::Scenes.hint());
    }
    if !exists {
        bail!("there is no scene {}; {}", quoted(scene), choices(scenes.iter().map(String::as_str)));
    }
    Ok(scenes)
}

/// Waits until the scenes meet a condition.
fn wait_until(client: &Client, condition: impl Fn(&[String]) -> bool) -> anyhow::Result<()> {
    let (_, is_met) = poll(TIMEOUT, || scenes(client), |scenes| condition(scenes))?;
    if !is_met {
        bail!("the daemon did not make the change; run `melos log` to see why");
    }
    Ok(())
}
