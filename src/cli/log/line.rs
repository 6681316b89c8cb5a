//! One line of the log: bounded, and nothing in it but its text.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use super::Queue;

/// Most bytes of a line.
const LONGEST: usize = 2048;
/// Most bytes of a JSON line before its texts are shortened.
const LONGEST_RAW: usize = 65_536;
/// Most bytes of one text in a JSON line that is too long.
const LONGEST_TEXT: usize = 256;

/// What a line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    /// With colours; the formatter escapes what is logged itself.
    Ansi,
    Json,
}

/// Makes a buffer for each line.
#[derive(Debug)]
pub(super) struct Lines {
    queue: Queue,
    form: Form,
}

impl Lines {
    pub(super) const fn new(queue: Queue, form: Form) -> Self {
        Self { queue, form }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, bytes: Vec::new(), missing: 0 }
    }
}

/// A line being written; it is handed over when dropped.
#[derive(Debug)]
pub(super) struct Line<'a> {
    lines: &'a Lines,
    bytes: Vec<u8>,
    /// Bytes that were not kept.
    missing: usize,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = if self.lines.form == Form::Json { LONGEST_RAW } else { LONGEST };
        let kept = bytes.len().min(room.saturating_sub(self.bytes.len()));
        self.bytes.extend_from_slice(&bytes[..kept]);
        self.missing += bytes.len() - kept;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&self.bytes);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let mut line = match self.lines.form {
            Form::Json => json(text, self.missing),
            form => plain(text, self.missing, form == Form::Ansi),
        };
        line.push('\n');
        self.lines.queue.push(line.into_bytes());
    }
}

/// Whether a character could begin a line, move the cursor, or turn the direction of what follows.
fn disrupts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text with nothing in it that a terminal or a reader of lines would obey.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().any(disrupts) { escaped(text, |_| false).into() } else { text.into() }
}

fn escaped(text: &str, may_stay: impl Fn(char) -> bool) -> String {
    let escape = |mut out: String, character: char| {
        match disrupts(character) && !may_stay(character) {
            true => out.extend(character.escape_default()),
            false => out.push(character),
        }
        out
    };
    text.chars().fold(String::with_capacity(text.len()), escape)
}

fn plain(text: &str, missing: usize, ansi: bool) -> String {
    let mut line = escaped(text, |character| ansi && character == '\u{1b}');
    let end = line.floor_char_boundary(LONGEST);
    let missing = missing + line.len() - end;
    if missing > 0 {
        line.truncate(end);
        line.push_str(if ansi { "\u{1b}[0m" } else { "" });
        line.push_str(&format!("… ({missing} more bytes)"));
    }
    line
}

fn json(text: &str, missing: usize) -> String {
    let line = json_escaped(text);
    if line.len() <= LONGEST && missing == 0 {
        return line;
    }
    let shortened = serde_json::from_str::<Value>(&line).ok().map(|mut value| {
        shorten(&mut value);
        json_escaped(&value.to_string())
    });
    shortened.filter(|line| line.len() <= LONGEST).unwrap_or_else(|| {
        let bytes = line.len() + missing;
        serde_json::json!({ "level": "WARN", "fields": { "message": "a line was too long", "bytes": bytes } })
            .to_string()
    })
}

/// Outside its texts a JSON line has no character that disrupts, and in them an escape means the same.
fn json_escaped(line: &str) -> String {
    let escape = |mut out: String, character: char| {
        match disrupts(character) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            false => out.push(character),
        }
        out
    };
    line.chars().fold(String::with_capacity(line.len()), escape)
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > LONGEST_TEXT => {
            let end = text.floor_char_boundary(LONGEST_TEXT);
            *text = format!("{}… ({} more bytes)", &text[..end], text.len() - end);
        }
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(values) => values.values_mut().for_each(shorten),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn written(form: Form, text: &str) -> String {
        let (sender, lines) = sync_channel(1);
        let lines_out = Lines::new(Queue { lines: sender, counts: Default::default() }, form);
        lines_out.make_writer().write_all(text.as_bytes()).unwrap();
        String::from_utf8(lines.try_recv().unwrap()).unwrap()
    }

    #[test]
    fn nothing_that_is_logged_begins_a_line_or_steers_a_terminal() {
        assert_eq!(written(Form::Plain, "WARN a\nINFO b\r\u{1b}[2J\u{9b}1m\u{202e}\n"), {
            "WARN a\\nINFO b\\r\\u{1b}[2J\\u{9b}1m\\u{202e}\n"
        });
        assert_eq!(written(Form::Ansi, "\u{1b}[33mWARN\u{1b}[0m a\nb\n"), "\u{1b}[33mWARN\u{1b}[0m a\\nb\n");
        assert_eq!(written(Form::Json, "{\"a\":\"\u{85}\u{202e}\"}\n"), "{\"a\":\"\\u0085\\u202e\"}\n");
        assert_eq!(written(Form::Plain, "Grüße, 音楽\n"), "Grüße, 音楽\n");
    }

    #[test]
    fn no_line_is_long() {
        let long = "ü".repeat(100_000);
        for form in [Form::Plain, Form::Ansi] {
            let line = written(form, &format!("{long}\n"));
            assert!(line.len() < LONGEST + 40 && line.ends_with(" more bytes)\n"), "{} bytes", line.len());
            assert_eq!(line.matches('\n').count(), 1);
        }
        // Every character that has to be escaped grows.
        assert!(written(Form::Plain, &"\u{1}".repeat(2000)).len() < LONGEST + 40);
        for message in ["x".repeat(5000), long] {
            let line = written(Form::Json, &serde_json::json!({ "fields": { "message": message } }).to_string());
            assert!(line.len() <= LONGEST, "{} bytes", line.len());
            assert!(serde_json::from_str::<Value>(&line).unwrap()["fields"]["message"].is_string(), "{line}");
        }
    }
}
