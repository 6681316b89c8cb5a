//! Follows a real Link session with a peer that uses Link's own library.
#![cfg(feature = "link")]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use melos::event::Wake;
use melos::midi::{ClockEvent, FollowerState, SessionStatus};
use melos::remote::link::Link;
use rusty_link::{AblLink, SessionState};

/// Time limit for two peers to discover each other.
const TIMEOUT: Duration = Duration::from_secs(20);

fn wait_for<T>(events: &Receiver<ClockEvent>, select: impl Fn(ClockEvent) -> Option<T>) -> T {
    let end = Instant::now() + TIMEOUT;
    loop {
        let event = events
            .recv_timeout(end.saturating_duration_since(Instant::now()))
            .expect("the event should arrive in time");
        if let Some(found) = select(event) {
            return found;
        }
    }
}

#[test]
fn tempo_and_beats_follow_the_session() {
    let peer = AblLink::new(97.0);
    peer.enable(true);
    // When two sessions meet, the older one sets the tempo.
    std::thread::sleep(Duration::from_secs(1));
    let (sender, events) = sync_channel(1024);
    let wake = Wake::default();
    let following = Arc::new(FollowerState::default());
    following.set_enabled(true);
    let link = Link::start(Arc::clone(&following), sender, wake.clone()).expect("a thread should start");
    let is = |bpm: f64| move |event| matches!(event, ClockEvent::Tempo(t) if (t - bpm).abs() < 0.01).then_some(());
    assert!(wake.wait(TIMEOUT), "the reader should be woken");
    wait_for(&events, is(97.0));
    assert_eq!(following.status(), SessionStatus::WithTempo);

    let mut session = SessionState::new();
    peer.capture_app_session_state(&mut session);
    session.set_tempo(140.0, peer.clock_micros());
    peer.commit_app_session_state(&session);
    wait_for(&events, is(140.0));

    let beat = |event| if let ClockEvent::Beat { beat, at } = event { Some((beat, at)) } else { None };
    wait_for(&events, beat);
    for _ in 0..4 {
        let (beat, at) = wait_for(&events, beat);
        peer.capture_app_session_state(&mut session);
        let (now, micros) = (Instant::now(), peer.clock_micros());
        let peer_phase = session.phase_at_time(micros - now.duration_since(at).as_micros() as i64, 4.0);
        let error = (peer_phase - beat as f64 + 2.0).rem_euclid(4.0) - 2.0;
        assert!(error.abs() * 60.0 / 140.0 < 0.010, "beat {beat} is {error} beats off");
    }
    drop(link);
}
