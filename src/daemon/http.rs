//! HTTP on the local machine: `GET /status` answers with the daemon's figures as JSON.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;

use super::board::{Board, Status};

/// Binds the port and serves until the runtime ends.
///
/// # Errors
/// When the port cannot be bound.
pub(super) async fn serve(address: SocketAddr, board: Arc<Board>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let router = Router::new().route("/status", get(status)).with_state(board);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "HTTP ended");
        }
    });
    Ok(bound)
}

async fn status(State(board): State<Arc<Board>>) -> Json<Status> {
    Json(board.status())
}
