//! The network services: OSC, OSCQuery, HTTP and the page.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::publisher::Publisher;
use super::{spectrum, subscribers};
use crate::event::{Inbox, Troubles};
use crate::files::SearchPath;
use crate::files::config::Config;
use crate::output::record::Listeners;
use crate::remote::http::api_state::ApiState;
use crate::remote::http::{self, Http};
use crate::remote::osc::{Clients, OscServer};
use crate::remote::oscquery::{AccessRules, Discovery, OscQuery, ServerContext};
use crate::remote::status::Metrics;
use crate::threads;

/// The network services and the data they serve.
pub(super) struct Remote {
    pub(super) publisher: Arc<Publisher>,
    pub(super) api: Arc<ApiState>,
    /// The page's audio listeners.
    pub(super) listeners: Listeners,
    /// URL of the page.
    pub(super) page: String,
    /// Announces the services until dropped.
    pub(super) discovery: Option<Discovery>,
}

impl Remote {
    /// Starts listening as configured. Must be called within a Tokio runtime, which then runs the services.
    ///
    /// # Errors
    /// When an address or port is unavailable.
    pub(super) async fn open(
        config: &Config,
        search_path: &SearchPath,
        state: &Path,
        inbox: &Arc<Inbox>,
        troubles: Troubles,
    ) -> anyhow::Result<Self> {
        let exposure_warnings = config.exposure_warnings()?;
        let osc = open_osc(config, state, inbox).await?;
        let (metrics, api, listeners) = (Arc::<Metrics>::default(), Arc::<ApiState>::default(), Listeners::default());
        let http = Http::new(
            Arc::clone(&metrics),
            Arc::clone(&api),
            Arc::clone(inbox),
            state.join("pieces"),
            render_arguments(search_path, config),
        );
        let oscquery = open_http(config, &osc, inbox, http::routes(Arc::clone(&http), listeners.clone())).await?;
        let page = format!("http://{}{}", oscquery.address(), http::PAGE);
        tracing::info!(%page, "serving OSCQuery and the page");
        for warning in exposure_warnings {
            tracing::warn!("{warning}");
        }
        let announced = config.http.announce;
        let discovery = announced.then(|| announce(oscquery.address(), osc.address())).flatten();
        let publisher = Arc::new(Publisher::new(osc, oscquery, metrics, troubles, Arc::clone(inbox.losses())));
        tokio::spawn(threads::restarting_task("render", async move || Arc::clone(&http).render().await));
        let (source, spectrum_publisher) = (listeners.clone(), Arc::clone(&publisher));
        tokio::spawn(threads::restarting_task("spectrum", async move || {
            spectrum::publish(&source, &spectrum_publisher).await
        }));
        Ok(Self { publisher, api, listeners, page, discovery })
    }
}

async fn open_osc(config: &Config, state: &Path, inbox: &Arc<Inbox>) -> anyhow::Result<Arc<OscServer>> {
    let address = SocketAddr::new(config.osc.address, config.osc.port);
    let clients = Clients { trusted: config.osc.trusted.clone(), subscriptions: subscribers::load(state) };
    let osc = Arc::new(OscServer::start(address, clients, Arc::clone(inbox)).await?);
    tracing::info!(address = %osc.address(), "listening for OSC");
    let (folder, server) = (state.to_owned(), Arc::clone(&osc));
    tokio::spawn(threads::restarting_task("subscribers", async move || subscribers::keep(&folder, &server).await));
    Ok(osc)
}

async fn open_http(
    config: &Config,
    osc: &OscServer,
    inbox: &Arc<Inbox>,
    routes: axum::Router,
) -> anyhow::Result<OscQuery> {
    let address = SocketAddr::new(config.http.address, config.http.port);
    let access = AccessRules::new(&config.http.hosts, config.http.password.as_deref(), http::PAGE_TEXT);
    let context = ServerContext { osc: osc.address(), counters: Arc::clone(osc.counters()), access };
    OscQuery::start(address, context, Arc::clone(inbox), routes).await.with_context(|| {
        format!("cannot listen for HTTP on {address}; choose another port with --http, or http.port in melos.toml")
    })
}

/// Announces the services that are open to the network. A failure is logged and does not prevent playing.
fn announce(oscquery: SocketAddr, osc: SocketAddr) -> Option<Discovery> {
    let open = |address: SocketAddr| (!address.ip().is_loopback()).then_some(address);
    let (oscquery, osc) = (open(oscquery), open(osc));
    if oscquery.is_none() && osc.is_none() {
        tracing::warn!("http.announce is set, but neither OSC nor HTTP is open to the network; nothing is announced");
        return None;
    }
    Discovery::announce(oscquery, osc)
        .inspect_err(
            |error| tracing::warn!(%error, "zeroconf announcement failed; enter the address in clients by hand"),
        )
        .ok()
}

/// Returns the arguments with which `melos render` uses the same files.
fn render_arguments(search_path: &SearchPath, config: &Config) -> Vec<String> {
    let data = search_path.shipped().display().to_string();
    vec!["--data".to_owned(), data, "--model".to_owned(), config.model.clone()]
}
