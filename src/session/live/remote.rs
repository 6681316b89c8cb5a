//! What the network sees: OSC, OSCQuery and the page, opened and kept going.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::board::Board;
use super::{spectrum, subscribers};
use crate::event::{Inbox, Troubles};
use crate::files::Places;
use crate::files::config::Config;
use crate::output::record::Listeners;
use crate::remote::http::desk::Desk;
use crate::remote::http::{self, Http};
use crate::remote::osc::{Clients, OscServer};
use crate::remote::oscquery::{Discovery, Door, Neighbours, OscQuery};
use crate::remote::status::Figures;

/// Everything that listens on the network, and what it shows.
pub(super) struct Remote {
    pub(super) board: Arc<Board>,
    pub(super) desk: Arc<Desk>,
    /// Who listens to the sound on the page.
    pub(super) listeners: Listeners,
    /// Address of the page.
    pub(super) page: String,
    /// Lets others find us, while it lives.
    pub(super) discovery: Option<Discovery>,
}

impl Remote {
    /// Listens where the configuration says. Within a runtime, which serves it from then on.
    ///
    /// # Errors
    /// When an address or a port cannot be had.
    pub(super) async fn open(
        config: &Config,
        places: &Places,
        state: &Path,
        inbox: &Arc<Inbox>,
        troubles: Troubles,
    ) -> anyhow::Result<Self> {
        let openings = config.openings()?;
        let osc = open_osc(config, state, inbox).await?;
        let (figures, desk, listeners) = (Arc::<Figures>::default(), Arc::<Desk>::default(), Listeners::default());
        let http = Http::new(
            Arc::clone(&figures),
            Arc::clone(&desk),
            Arc::clone(inbox),
            state.join("pieces"),
            render_with(places, config),
        );
        let oscquery = open_http(config, &osc, inbox, http::routes(Arc::clone(&http), listeners.clone())).await?;
        let page = format!("http://{}{}", oscquery.address(), http::PAGE);
        tracing::info!(%page, "serving OSCQuery and the page");
        for opening in openings {
            tracing::warn!("{opening}");
        }
        let announced = config.http.announce;
        let discovery = announced.then(|| announce(oscquery.address(), osc.address())).flatten();
        let board = Arc::new(Board::new(osc, oscquery, figures, troubles, Arc::clone(inbox.losses())));
        tokio::spawn(http.render());
        tokio::spawn(spectrum::tell(listeners.clone(), Arc::clone(&board)));
        Ok(Self { board, desk, listeners, page, discovery })
    }
}

async fn open_osc(config: &Config, state: &Path, inbox: &Arc<Inbox>) -> anyhow::Result<Arc<OscServer>> {
    let address = SocketAddr::new(config.osc.address, config.osc.port);
    let clients = Clients { trusted: config.osc.trusted.clone(), subscriptions: subscribers::load(state) };
    let osc = Arc::new(OscServer::start(address, clients, Arc::clone(inbox)).await?);
    tracing::info!(address = %osc.address(), "listening to OSC");
    tokio::spawn(subscribers::keep(state.to_owned(), Arc::clone(&osc)));
    Ok(osc)
}

async fn open_http(
    config: &Config,
    osc: &OscServer,
    inbox: &Arc<Inbox>,
    routes: axum::Router,
) -> anyhow::Result<OscQuery> {
    let address = SocketAddr::new(config.http.address, config.http.port);
    let door = Door::new(&config.http.hosts, config.http.password.as_deref(), http::PAGE_TEXT);
    let beside = Neighbours { osc: osc.address(), counters: Arc::clone(osc.counters()), door };
    OscQuery::start(address, beside, Arc::clone(inbox), routes).await.with_context(|| {
        format!("HTTP cannot listen on {address}; choose another port with --http, or http.port in melos.toml")
    })
}

/// Lets others find what is open to them; that they cannot is no reason not to play.
fn announce(oscquery: SocketAddr, osc: SocketAddr) -> Option<Discovery> {
    let open = |address: SocketAddr| (!address.ip().is_loopback()).then_some(address);
    let (oscquery, osc) = (open(oscquery), open(osc));
    if oscquery.is_none() && osc.is_none() {
        tracing::warn!("nothing is announced: http.announce is set, but neither OSC nor HTTP is open to the network");
        return None;
    }
    Discovery::announce(oscquery, osc)
        .inspect_err(|error| tracing::warn!(%error, "others must be told the address"))
        .ok()
}

/// What tells `melos render` to use the same files.
fn render_with(places: &Places, config: &Config) -> Vec<String> {
    let data = places.shipped().display().to_string();
    vec!["--data".to_owned(), data, "--model".to_owned(), config.model.clone()]
}
