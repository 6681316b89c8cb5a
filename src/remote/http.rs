//! The HTTP API, on the same port as OSCQuery's address space; documented in `docs/http-api.md`.
//!
//! | request | response |
//! |---|---|
//! | `GET /page` | the page, which controls the whole instrument |
//! | `GET /listen.wav` | 200, the live output as an endless WAV: 16 bits, stereo, 48 kHz; closed if the listener does not keep up; 503 if there are too many listeners |
//! | `GET /status` | 200, the daemon's status as JSON |
//! | `GET /losses` | 200, what each counter in the status's `losses` counts, and what it means |
//! | `GET /log` | 200, the latest log lines as JSON; with `?since=SECONDS`, the saved lines since that Unix time |
//! | `GET /presets`, `/scenes`, `/midi`, `/takes`, `/render` | 200, the list as JSON |
//! | `GET /midi/mapping?device=NAME` | 200, the learned controls of a device as a mapping file |
//! | `GET /takes/NAME`, `/render/ID/file` | 200 or 206, the file, or a range of it |
//! | `GET /takes/NAME/notes` | 200, the notes as a MIDI file |
//! | `GET /takes/NAME/picture` | 200, the waveform as JSON |
//! | `GET /render/ID` | 200, the piece as JSON |
//! | `POST /scenes/NAME`, `/takes/NAME` | 202 and 200, respectively; renames or deletes |
//! | `POST /render/ID` | 204; deletes the piece |
//! | `POST /render` | 202; queues a piece to be rendered |
//!
//! Requests do not delay the performance: lists are locked only while they are copied, and files are accessed on other
//! threads.

mod action;
pub(crate) mod api_state;
mod assets;
mod file_tasks;
mod listen;
mod object;
mod pieces;
pub(super) mod reply;
mod takes;
mod waveform;

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::journal;
use super::status::{Metrics, Status};
use crate::event::health::{Loss, counted};
use crate::event::parameter::{self, Param};
use crate::event::{ControlEvent, Inbox, Incoming, Source};
use crate::files::exact_name;
use crate::output::record::Listeners;
use crate::quote::{is_disruptive, quoted};
use action::Action;
use api_state::{ApiState, PresetInfo};
use file_tasks::FileTasks;
use object::Object;
use pieces::{PieceRequest, Pieces};
use reply::Refusal;

#[doc(hidden)]
pub use pieces::probe as probe_piece;

/// Path of the page.
pub const PAGE: &str = "/page";
/// The page's HTML, which contains no inline scripts or styles.
pub(crate) const PAGE_TEXT: &str = include_str!("page/index.html");

/// Maximum size of a request body in bytes.
const MAX_BODY: usize = 16 * 1024;
/// Maximum time for which a request waits until other requests' file operations have ended.
const FILE_PATIENCE: Duration = Duration::from_secs(5);

/// State shared by the routes.
#[derive(Debug)]
pub(crate) struct Http {
    metrics: Arc<Metrics>,
    api: Arc<ApiState>,
    inbox: Arc<Inbox>,
    pieces: Arc<Pieces>,
    /// File operations other than downloads.
    file_tasks: FileTasks,
}

impl Http {
    /// Creates the state of the routes. `pieces_folder` is the folder of the pieces; `arguments` are passed to every
    /// process that renders one.
    pub(crate) fn new(
        metrics: Arc<Metrics>,
        api: Arc<ApiState>,
        inbox: Arc<Inbox>,
        pieces_folder: PathBuf,
        arguments: Vec<String>,
    ) -> Arc<Self> {
        let pieces = Arc::new(Pieces::new(pieces_folder, arguments, Arc::clone(&api)));
        Arc::new(Self { metrics, api, inbox, pieces, file_tasks: FileTasks::new(FILE_PATIENCE) })
    }

    /// Reads the folder of the pieces, then renders requested ones one at a time. Never returns.
    pub(crate) async fn render(self: Arc<Self>) {
        let metrics = Arc::clone(&self.metrics);
        Arc::clone(&self.pieces).run(move || metrics.status().load).await;
    }
}

/// Returns the routes outside the address space.
pub(crate) fn routes(http: Arc<Http>, listeners: Listeners) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/losses", get(losses))
        .route("/log", get(log))
        .route("/presets", get(presets))
        .route("/scenes", get(scenes))
        .route("/scenes/{name}", axum::routing::post(change_scene))
        .route("/midi", get(midi))
        .route("/midi/mapping", get(mapping))
        .route("/takes", get(takes::list))
        .route("/recordings", get(Redirect::permanent("/takes")))
        .route("/takes/{name}", get(takes::get).post(takes::change))
        .route("/takes/{name}/notes", get(takes::notes))
        .route("/takes/{name}/picture", get(takes::waveform))
        .route("/render", get(list_pieces).post(render))
        .route("/render/{id}", get(piece).post(change_piece))
        .route("/render/{id}/file", get(piece_file))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(http)
        .route("/listen.wav", get(listen::listen))
        .with_state(listeners)
        .route(PAGE, get(assets::page))
        .route("/page/", get(assets::page))
        .route("/page/{name}", get(assets::asset))
        .layer(map_response(reply::json_error))
}

async fn status(State(http): State<Arc<Http>>) -> Json<Status> {
    Json(http.metrics.status())
}

/// Returns a description of each counter in the status's `losses`.
async fn losses() -> Json<Value> {
    let row = |loss: Loss| json!({ "name": loss.id(), "counts": counted(loss), "meaning": loss.help() });
    Json(json!({ "losses": Loss::ALL.map(row) }))
}

/// Returns the latest log lines, oldest first; with `since`, all lines since that time that are saved or in memory.
async fn log(
    State(http): State<Arc<Http>>,
    Query(LogQuery { since }): Query<LogQuery>,
) -> Result<Json<Value>, Refusal> {
    // Lines have whole seconds.
    let Some(since) = since.map(|since| since.max(0.0) as u64) else {
        return Ok(Json(json!({ "lines": journal::lines() })));
    };
    let (lines, trouble) = http.file_tasks.run(move || journal::lines_since(since)).await?;
    Ok(Json(json!({ "lines": lines, "trouble": trouble })))
}

/// The time from which log lines are requested, as a Unix time in seconds.
#[derive(Debug, Deserialize)]
struct LogQuery {
    since: Option<f64>,
}

async fn presets(State(http): State<Arc<Http>>) -> Json<Value> {
    let (presets, journey) = http.api.presets();
    Json(json!({ "presets": *presets, "journey": journey, "setlists": *http.api.setlists() }))
}

async fn scenes(State(http): State<Arc<Http>>) -> Json<Value> {
    Json(json!({ "scenes": *http.api.scenes() }))
}

/// Renames or deletes a scene; scenes are stored and recalled through parameters.
async fn change_scene(
    State(http): State<Arc<Http>>,
    Path(name): Path<String>,
    action: Result<Json<Object<Action>>, JsonRejection>,
) -> Result<StatusCode, Refusal> {
    let scenes = http.api.scenes();
    let known = scenes.iter().map(|scene| (scene.as_str(), scene.as_str()));
    let name = exact_name("scene", &name, known).map_err(|error| Refusal::not_found(error.to_string()))?.to_owned();
    let event = match action?.0.0 {
        Action::Delete(true) => ControlEvent::Set(Param::SceneDelete, parameter::Value::Text(name)),
        Action::Delete(false) => return Err(Refusal::bad_request("delete: expected true")),
        Action::Rename(to) => {
            let to = to.trim().to_owned();
            if to.is_empty() || to.chars().count() > 120 || to.contains(is_disruptive) {
                return Err(Refusal::bad_request(
                    "rename: expected a name of 1 to 120 characters, without control and text direction characters",
                ));
            }
            if scenes.contains(&to) {
                return Err(Refusal::conflict(format!("a scene {to:?} already exists")));
            }
            ControlEvent::RenameScene { from: name, to }
        }
    };
    if http.inbox.push(Incoming { event, due: None, source: Source::Other }) {
        Ok(StatusCode::ACCEPTED)
    } else {
        Err(Refusal::unavailable("too many pending events; try again"))
    }
}

async fn midi(State(http): State<Arc<Http>>) -> Json<api_state::Midi> {
    Json(http.api.midi())
}

#[derive(Debug, Deserialize)]
struct Device {
    device: String,
}

/// Returns the learned controls of a device as a mapping file to download.
async fn mapping(State(http): State<Arc<Http>>, Query(Device { device }): Query<Device>) -> Result<Response, Refusal> {
    let file = http.api.midi().mapping_file(&device);
    let file = file.ok_or_else(|| Refusal::not_found(format!("no controls of {device:?} have been learned")))?;
    let headers = [
        (header::CONTENT_TYPE, "application/toml; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"learned.toml\""),
    ];
    Ok((headers, file).into_response())
}

/// The list of pieces; a struct, because [`json!`] would convert the waveforms' numbers to `f64` and add digits.
#[derive(Debug, Serialize)]
struct PieceList {
    pieces: Vec<pieces::Piece>,
}

async fn list_pieces(State(http): State<Arc<Http>>) -> Json<PieceList> {
    Json(PieceList { pieces: http.pieces.list() })
}

async fn render(
    State(http): State<Arc<Http>>,
    request: Result<Json<Object<PieceRequest>>, JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(Object(request)) = request?;
    let (presets, _) = http.api.presets();
    request.check(presets.iter().map(PresetInfo::id_and_name)).map_err(Refusal::bad_request)?;
    let pieces = Arc::clone(&http.pieces);
    let piece = http.file_tasks.run(move || pieces.add(request)).await??;
    let location = [(header::LOCATION, format!("/render/{}", piece.id))];
    Ok((StatusCode::ACCEPTED, location, Json(piece)).into_response())
}

fn no_piece(id: impl Display) -> Refusal {
    Refusal::not_found(format!("there is no piece {id}"))
}

/// Reads the id of a piece from the path of a request.
fn piece_id(id: &str) -> Result<u64, Refusal> {
    id.parse().map_err(|_| no_piece(quoted(id)))
}

async fn piece(State(http): State<Arc<Http>>, Path(id): Path<String>) -> Result<Json<pieces::Piece>, Refusal> {
    let id = piece_id(&id)?;
    http.pieces.get(id).map(Json).ok_or_else(|| no_piece(id))
}

async fn piece_file(
    State(http): State<Arc<Http>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let id = piece_id(&id)?;
    let missing = || Refusal::not_found(format!("piece {id} does not exist or is not ready"));
    let pieces = Arc::clone(&http.pieces);
    let path = http.file_tasks.run(move || pieces.file(id)).await?.ok_or_else(missing)?;
    Ok(reply::file(&path, request).await)
}

/// An action on a piece.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PieceAction {
    delete: bool,
}

async fn change_piece(
    State(http): State<Arc<Http>>,
    Path(id): Path<String>,
    action: Result<Json<Object<PieceAction>>, JsonRejection>,
) -> Result<StatusCode, Refusal> {
    let id = piece_id(&id)?;
    if !action?.0.0.delete {
        return Err(Refusal::bad_request("delete: expected true"));
    }
    let pieces = Arc::clone(&http.pieces);
    let existed = http.file_tasks.run(move || pieces.delete(id)).await??;
    if existed { Ok(StatusCode::NO_CONTENT) } else { Err(no_piece(id)) }
}
