//! `POST /osc`: an OSC packet over HTTP, for clients that need to know why a packet is refused.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::Shared;
use super::serve::Endpoints;
use crate::event::health::Loss;
use crate::event::parameter::TABLE;
use crate::event::{Incoming, Refusals, Source};
use crate::files::document::suggestion;
use crate::remote::http::reply::Refusal;
use crate::remote::osc::{Decoded, Fault, Now, Request, decode};

/// The required content type, which a page from another site can send only after a preflight request.
const OSC: &str = "application/octet-stream";

/// Maximum time for which a response waits until the events of the packet have been handled; while Melos starts, none are.
const PATIENCE: Duration = Duration::from_secs(1);

/// Handles a packet as if it had been received over UDP. Its faults are returned to the client, so they are neither
/// logged nor counted; the rest of the packet takes effect.
pub(super) async fn post(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(endpoints): ConnectInfo<Endpoints>,
    headers: HeaderMap,
    packet: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Refusal> {
    if headers.get(header::CONTENT_TYPE).is_none_or(|value| value != OSC) {
        return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("expected Content-Type: {OSC}")));
    }
    let packet = packet.map_err(|rejection| Refusal(rejection.status(), rejection.body_text()))?;
    let (mut problems, mut refusals) = process(&packet, endpoints.client, &shared)?;
    let handled = async {
        while let Some(reason) = refusals.recv().await {
            problems.push(reason);
        }
    };
    let handled = timeout(PATIENCE, handled).await.is_ok();
    match (problems.is_empty(), handled) {
        (true, true) => Ok(StatusCode::NO_CONTENT),
        (true, false) => Ok(StatusCode::ACCEPTED),
        (false, _) => Err(Refusal::bad_request(problems.join("; "))),
    }
}

/// Processes a packet from a client. Returns the reasons why parts of it were refused, and a channel for the reasons that
/// are found while its events are handled; events with a time are handled later, and only logged if they are refused then.
///
/// # Errors
/// If too many events are pending.
pub(super) fn process(
    packet: &[u8],
    client: SocketAddr,
    shared: &Shared,
) -> Result<(Vec<String>, UnboundedReceiver<String>), Refusal> {
    let (refusals, reasons) = Refusals::channel();
    let Decoded { requests, faults, late, .. } = decode(packet, Now::read());
    shared.counters.count_received();
    shared.counters.count_lost(Loss::OscLate, late);
    let mut problems: Vec<_> = faults.iter().map(describe).collect();
    for request in requests {
        let (event, due) = match request {
            Request::Control(event, due) => (event, due),
            Request::Learn(request) => {
                shared.inbox.learn(request, None);
                continue;
            }
            Request::Release(_) => continue,
            Request::Read { .. } | Request::ReadStream(_) | Request::State | Request::Ping(_) => {
                problems.push("POST /osc sends no replies; send this message over UDP or a WebSocket".to_owned());
                continue;
            }
            Request::Subscribe(_) | Request::Unsubscribe(_) | Request::Subscribers | Request::Confirm(_) => {
                problems.push(Fault::OnlyUdp.to_string());
                continue;
            }
        };
        let source = match due {
            None => Source::Request(client, refusals.clone()),
            Some(_) => Source::Osc(client),
        };
        if !shared.inbox.push(Incoming { event, due, source }) {
            let full = "too many pending events; try again".to_owned();
            return Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, full));
        }
    }
    Ok((problems, reasons))
}

/// Describes a fault. If an address is unknown, suggests a similar parameter; a flood of datagrams would make this costly.
fn describe(fault: &Fault) -> String {
    let similar = match fault {
        Fault::Unknown(address) => {
            let id = address.strip_prefix("/melos/").unwrap_or(address);
            suggestion(id, TABLE.iter().map(|spec| spec.id))
        }
        _ => String::new(),
    };
    format!("{fault}{similar}")
}
