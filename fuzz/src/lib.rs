//! What the targets share.

use std::sync::Arc;

use melos::event::ControlEvent;
use melos::midi::Parser;
use melos::midi::mapping::{Mapping, Router};
use melos::event::parameter::{Kind, Param, TABLE, Value};

/// Whether a value is one its parameter can have.
pub fn fits(param: Param, value: &Value) -> bool {
    match (param.spec().kind, value) {
        (Kind::Number { min, max, .. }, Value::Number(number)) => (min..=max).contains(number),
        (Kind::Choice { names, .. }, Value::Choice(position)) => usize::from(*position) < names.len(),
        (Kind::Toggle { .. }, Value::Toggle(_)) | (Kind::Text { .. }, Value::Text(_)) => true,
        (Kind::Trigger, Value::Trigger) => true,
        _ => false,
    }
}

/// Sends a device's bytes through a mapping; whatever comes out must be playable.
pub fn route(mapping: &Arc<Mapping>, bytes: &[u8]) {
    let values: Vec<_> = TABLE.iter().map(|spec| spec.param.default_value()).collect();
    let mut router = Router::new(Arc::clone(mapping), &values);
    let (mut parser, mut events) = (Parser::default(), Vec::new());
    for message in bytes.iter().filter_map(|byte| parser.feed(*byte)) {
        router.message(message, &mut events);
        for event in events.drain(..) {
            if let ControlEvent::Set(param, value) = event {
                assert!(fits(param, &value), "{} = {value:?}", param.spec().id);
                router.value(param, &value);
            }
        }
    }
}
