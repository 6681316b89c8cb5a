//! `POST /osc`: an OSC packet over HTTP, for clients that need to know why a packet is refused.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};

use super::Shared;
use super::serve::Endpoints;
use crate::event::health::Loss;
use crate::event::parameter::TABLE;
use crate::event::{Incoming, Source};
use crate::files::document::suggestion;
use crate::remote::http::reply::Refusal;
use crate::remote::osc::{Decoded, Fault, Now, Request, decode};

/// The required content type, which a page from another site can send only after a preflight request.
const OSC: &str = "application/octet-stream";

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
    process(&packet, endpoints.client, &shared)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Processes a packet from a client.
///
/// # Errors
/// If something in the packet was refused, with the reason; or if too many events are pending.
pub(super) fn process(packet: &[u8], client: SocketAddr, shared: &Shared) -> Result<(), Refusal> {
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
            Request::Read(_)
            | Request::ReadStream(_)
            | Request::State
            | Request::Subscribe(_)
            | Request::Unsubscribe(_)
            | Request::Subscribers
            | Request::Ping(_)
            | Request::Confirm(_) => {
                problems.push("POST /osc sends no replies; send this message over UDP or a WebSocket".to_owned());
                continue;
            }
        };
        if !shared.inbox.push(Incoming { event, due, source: Source::Osc(client) }) {
            let full = "too many pending events; try again".to_owned();
            return Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, full));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Refusal::bad_request(problems.join("; "))) }
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
