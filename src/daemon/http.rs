//! `GET /status` answers with the daemon's figures as JSON, on the HTTP port of OSCQuery.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use super::board::{Figures, Status};

/// The routes beside the address space.
pub(super) fn routes(figures: Arc<Figures>) -> Router {
    Router::new().route("/status", get(status)).with_state(figures)
}

async fn status(State(figures): State<Arc<Figures>>) -> Json<Status> {
    Json(figures.status())
}
