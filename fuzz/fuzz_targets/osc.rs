//! Any datagram is refused or asks for what a parameter can be.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use melos::remote::osc::{Now, Request, decode};
use melos_fuzz::fits;

fuzz_target!(|datagram: &[u8]| {
    let now = Now::take();
    let Ok(decoded) = decode(datagram, now) else { return };
    for request in decoded.requests {
        match request {
            Request::Set(param, value, due) | Request::NextBar(param, value, due) => {
                assert!(fits(param, &value), "{} = {value:?}", param.spec().id);
                let ahead = due.map_or(Duration::ZERO, |due| due.duration_since(now.monotonic));
                assert!(ahead <= Duration::from_secs(3600), "{ahead:?} ahead");
            }
            Request::Subscribe(port) | Request::Unsubscribe(port) => assert_ne!(port, Some(0)),
            Request::Read(_) | Request::State => {}
        }
    }
});
