//! The user documentation, its code blocks and its commands.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// Who runs the documented commands. packaging/documents.py reads it too.
const TABLE: &str = include_str!("../../documented_commands");

/// A fenced code block.
pub(crate) struct Block {
    /// File and line of the opening fence, for messages.
    pub(crate) location: String,
    /// The info string of the fence, such as `toml preset`.
    pub(crate) kind: String,
    pub(crate) text: String,
}

/// A documented command.
pub(crate) struct Line {
    /// File and line, for messages.
    pub(crate) location: String,
    pub(crate) text: String,
}

/// Returns the user documentation by path.
pub(crate) fn documents() -> BTreeMap<PathBuf, String> {
    let in_docs = fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path());
    let documents = in_docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let documents =
        documents.chain(["README.md", "examples/README.md", "examples/touchdesigner.md"].map(PathBuf::from));
    documents.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// Returns every fenced code block in the user documentation, in order.
pub(crate) fn blocks() -> Vec<Block> {
    read().0
}

/// Returns the code in running text that consists of several words, in order.
pub(crate) fn inline_code() -> Vec<Line> {
    read().1
}

/// Returns the fenced code blocks and the code in running text.
fn read() -> (Vec<Block>, Vec<Line>) {
    let (mut blocks, mut inline) = (Vec::new(), Vec::new());
    for (path, text) in documents() {
        let mut open: Option<Block> = None;
        for (index, line) in text.lines().enumerate() {
            let location = format!("{}:{}", path.display(), index + 1);
            match (line.strip_prefix("```"), &mut open) {
                (Some(kind), None) => open = Some(Block { location, kind: kind.to_owned(), text: String::new() }),
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some(block)) => block.text += &format!("{line}\n"),
                (None, None) => {
                    let code = line.split('`').skip(1).step_by(2).filter(|code| code.contains(' '));
                    inline.extend(code.map(|code| Line { location: location.clone(), text: code.to_owned() }));
                }
            }
        }
        assert!(open.is_none(), "{}: unclosed block", path.display());
    }
    (blocks, inline)
}

/// Returns the lines of the fenced `sh` blocks, in order.
pub(crate) fn shell_lines() -> Vec<Line> {
    let blocks = blocks().into_iter().filter(|block| block.kind == "sh");
    let lines = |Block { location, text, .. }: Block| {
        text.lines().map(|line| Line { location: location.clone(), text: line.to_owned() }).collect::<Vec<_>>()
    };
    blocks.flat_map(lines).collect()
}

/// Returns the rows of the table: runner and the words with which a command starts.
pub(crate) fn rows() -> Vec<(&'static str, &'static str)> {
    let rows = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| row.split_once(' ').map(|(runner, words)| (runner, words.trim_start())).unwrap()).collect()
}

/// Returns the row that decides who runs a command.
pub(crate) fn row_of(command: &str) -> Option<(&'static str, &'static str)> {
    let starts_with =
        |words: &str| command.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    rows().into_iter().find(|(_, words)| starts_with(words))
}

/// Returns the documented commands: the lines of the fenced `sh` blocks, and code in running text that the table lists,
/// unless it starts with `melos`, which text mentions more often than it shows.
pub(crate) fn commands() -> Vec<Line> {
    let inline = inline_code().into_iter();
    let inline = inline.filter(|code| !code.text.starts_with("melos ") && row_of(&code.text).is_some());
    shell_lines().into_iter().chain(inline).collect()
}

/// Returns the documented commands of a runner, in order.
pub(crate) fn commands_of(runner: &str) -> Vec<Line> {
    commands().into_iter().filter(|line| row_of(&line.text).is_some_and(|(found, _)| found == runner)).collect()
}
