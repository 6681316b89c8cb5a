//! A line of the log, bounded in length and free of control characters other than those that colour it.

use std::io::{self, Write};

use melos::quote::{visible_except, visible_json};
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use super::Queue;
use super::reader::with_journal_priority;

/// Maximum length of a line in bytes, not counting the note that says how much was cut off.
const MAX_BYTES: usize = 2048;
/// Number of bytes of a JSON line that are buffered; a longer line cannot be parsed, so its strings cannot be
/// shortened.
const MAX_RAW_BYTES: usize = 65_536;
/// Length, in bytes, to which each string in an overlong JSON line is shortened.
const MAX_TEXT_BYTES: usize = 256;

/// The format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFormat {
    Plain,
    /// With colours; the formatter escapes control characters in the logged text.
    Ansi,
    /// With a priority in place of the level.
    Journal,
    Json,
}

/// A sink for log lines; creates a buffer for each line.
#[derive(Debug)]
pub(super) struct Lines {
    queue: Queue,
    format: LineFormat,
}

impl Lines {
    pub(super) const fn new(queue: Queue, format: LineFormat) -> Self {
        Self { queue, format }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, bytes: Vec::new(), omitted: 0 }
    }
}

/// A line being written; it is queued when dropped.
#[derive(Debug)]
pub(super) struct Line<'a> {
    lines: &'a Lines,
    bytes: Vec<u8>,
    /// Number of bytes that did not fit.
    omitted: usize,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let limit = if self.lines.format == LineFormat::Json { MAX_RAW_BYTES } else { MAX_BYTES };
        let accepted = bytes.len().min(limit.saturating_sub(self.bytes.len()));
        self.bytes.extend_from_slice(&bytes[..accepted]);
        self.omitted += bytes.len() - accepted;
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
        let mut line = match self.lines.format {
            LineFormat::Json => json(text, self.omitted),
            LineFormat::Journal => plain(&with_journal_priority(text), self.omitted, false),
            format => plain(text, self.omitted, format == LineFormat::Ansi),
        };
        line.push('\n');
        self.lines.queue.push(line.into_bytes());
    }
}

fn plain(text: &str, omitted: usize, ansi: bool) -> String {
    let mut line = visible_except(text, |character| ansi && character == '\u{1b}').into_owned();
    let end = line.floor_char_boundary(MAX_BYTES);
    let omitted = omitted + line.len() - end;
    if omitted > 0 {
        line.truncate(end);
        line.push_str(if ansi { "\u{1b}[0m" } else { "" });
        line.push_str(&format!("… ({omitted} more bytes)"));
    }
    line
}

fn json(text: &str, omitted: usize) -> String {
    let line = visible_json(text).into_owned();
    if line.len() <= MAX_BYTES && omitted == 0 {
        return line;
    }
    let shortened = serde_json::from_str::<Value>(&line).ok().map(|mut value| {
        shorten(&mut value);
        visible_json(&value.to_string()).into_owned()
    });
    shortened.filter(|line| line.len() <= MAX_BYTES).unwrap_or_else(|| {
        let bytes = line.len() + omitted;
        serde_json::json!({ "level": "WARN", "fields": { "message": "line too long", "bytes": bytes } }).to_string()
    })
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > MAX_TEXT_BYTES => {
            let end = text.floor_char_boundary(MAX_TEXT_BYTES);
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

    fn written(format: LineFormat, text: &str) -> String {
        let (sender, lines) = sync_channel(1);
        let lines_out = Lines::new(Queue { lines: sender, counts: Default::default() }, format);
        lines_out.make_writer().write_all(text.as_bytes()).unwrap();
        String::from_utf8(lines.try_recv().unwrap()).unwrap()
    }

    #[test]
    fn logged_text_cannot_start_lines_or_control_the_terminal() {
        assert_eq!(written(LineFormat::Plain, "WARN a\nINFO b\r\u{1b}[2J\u{9b}1m\u{202e}\n"), {
            "WARN a\\nINFO b\\r\\u{1b}[2J\\u{9b}1m\\u{202e}\n"
        });
        assert_eq!(written(LineFormat::Ansi, "\u{1b}[33mWARN\u{1b}[0m a\nb\n"), "\u{1b}[33mWARN\u{1b}[0m a\\nb\n");
        assert_eq!(written(LineFormat::Json, "{\"a\":\"\u{85}\u{202e}\"}\n"), "{\"a\":\"\\u0085\\u202e\"}\n");
        assert_eq!(written(LineFormat::Plain, "Grüße, 音楽\n"), "Grüße, 音楽\n");
        assert_eq!(written(LineFormat::Journal, " WARN a\n<0>b\n"), "<4>a\\n<0>b\n");
    }

    #[test]
    fn line_length_is_bounded() {
        let long = "ü".repeat(100_000);
        for format in [LineFormat::Plain, LineFormat::Ansi] {
            let line = written(format, &format!("{long}\n"));
            assert!(line.len() < MAX_BYTES + 40 && line.ends_with(" more bytes)\n"), "{} bytes", line.len());
            assert_eq!(line.matches('\n').count(), 1);
        }
        // Escaping lengthens each of these characters.
        assert!(written(LineFormat::Plain, &"\u{1}".repeat(2000)).len() < MAX_BYTES + 40);
        for message in ["x".repeat(5000), long] {
            let line = written(LineFormat::Json, &serde_json::json!({ "fields": { "message": message } }).to_string());
            assert!(line.len() <= MAX_BYTES, "{} bytes", line.len());
            assert!(serde_json::from_str::<Value>(&line).unwrap()["fields"]["message"].is_string(), "{line}");
        }
    }
}
