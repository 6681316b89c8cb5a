//! The network services: OSC, OSCQuery, HTTP and the page.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;

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
    /// When HTTP would be open to the network without a sufficient password.
    pub(super) async fn open(
        config: &Config,
        search_path: &SearchPath,
        state: &Path,
        inbox: &Arc<Inbox>,
        troubles: Troubles,
    ) -> anyhow::Result<Self> {
        let exposure_warnings = config.exposure_warnings()?;
        let osc = open_osc(config, state, inbox, troubles.clone()).await;
        let (metrics, api, listeners) = (Arc::<Metrics>::default(), Arc::<ApiState>::default(), Listeners::default());
        let http = Http::new(
            Arc::clone(&metrics),
            Arc::clone(&api),
            Arc::clone(inbox),
            state.join("pieces"),
            render_arguments(search_path, config),
        );
        let routes = http::routes(Arc::clone(&http), listeners.clone());
        let oscquery = open_http(config, &osc, inbox, troubles.clone(), routes).await;
        let url = |address: SocketAddr| format!("http://{address}{}", http::PAGE);
        let (local, network) = reachable(oscquery.address(), own_address);
        let page = url(local);
        match network {
            _ if !oscquery.is_listening() => {}
            None => tracing::info!(%page, "serving OSCQuery and the page"),
            Some(network) => tracing::info!(%page, network = url(network), "serving OSCQuery and the page"),
        }
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

/// Returns the addresses at which clients reach a server that listens on `address`: from this machine and, if the
/// server listens on all addresses and `own` finds the machine's address, from the network.
fn reachable(address: SocketAddr, own: impl FnOnce(IpAddr) -> Option<IpAddr>) -> (SocketAddr, Option<SocketAddr>) {
    let ip = address.ip();
    if !ip.is_unspecified() {
        return (address, None);
    }
    let local: IpAddr = if ip.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    let at = |ip| SocketAddr::new(ip, address.port());
    (at(local), own(ip).map(at))
}

/// Returns the machine's address in the network of its default route. Connecting a UDP socket sends nothing.
fn own_address(any: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((any, 0)).ok()?;
    let elsewhere: SocketAddr =
        if any.is_ipv4() { ([192, 0, 2, 1], 9).into() } else { ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 9).into() };
    socket.connect(elsewhere).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback())
}

async fn open_osc(config: &Config, state: &Path, inbox: &Arc<Inbox>, troubles: Troubles) -> Arc<OscServer> {
    let address = SocketAddr::new(config.osc.address, config.osc.port);
    let clients = Clients { trusted: config.osc.trusted.clone(), subscriptions: subscribers::load(state, &troubles) };
    let osc = Arc::new(OscServer::start(address, clients, Arc::clone(inbox), troubles.clone()).await);
    if osc.is_listening() {
        tracing::info!(address = %osc.address(), "listening for OSC");
    }
    let (folder, server) = (state.to_owned(), Arc::clone(&osc));
    tokio::spawn(threads::restarting_task("subscribers", async move || {
        subscribers::keep(&folder, &server, &troubles).await
    }));
    osc
}

async fn open_http(
    config: &Config,
    osc: &OscServer,
    inbox: &Arc<Inbox>,
    troubles: Troubles,
    routes: axum::Router,
) -> OscQuery {
    let address = SocketAddr::new(config.http.address, config.http.port);
    let access = AccessRules::new(&config.http.hosts, config.http.password.as_deref(), http::PAGE_TEXT)
        .with_local_password(config.http.local_password);
    let context = ServerContext { osc: osc.address(), counters: Arc::clone(osc.counters()), access, troubles };
    OscQuery::start(address, context, Arc::clone(inbox), routes).await
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

/// Returns the arguments with which `melos render` uses the same data folder and model.
fn render_arguments(search_path: &SearchPath, config: &Config) -> Vec<String> {
    let data = search_path.shipped().display().to_string();
    vec![format!("--data={data}"), format!("--model={}", config.model)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logged_addresses_of_the_page_are_reachable() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let own = |_| Some(IpAddr::from([192, 168, 1, 2]));
        for (listening, local, network) in [
            ("127.0.0.1:9080", "127.0.0.1:9080", None),
            ("192.168.1.2:9080", "192.168.1.2:9080", None),
            ("0.0.0.0:9080", "127.0.0.1:9080", Some("192.168.1.2:9080")),
            ("[::]:9080", "[::1]:9080", Some("192.168.1.2:9080")),
        ] {
            assert_eq!(reachable(address(listening), own), (address(local), network.map(address)), "{listening}");
        }
        assert_eq!(reachable(address("0.0.0.0:80"), |_| None).1, None);
    }
}
