//! The user documentation and its code blocks.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A fenced code block.
pub(crate) struct Block {
    /// File and line of the opening fence, for messages.
    pub(crate) location: String,
    /// The info string of the fence, such as `toml preset`.
    pub(crate) kind: String,
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

/// Returns every fenced code block in the user documentation.
pub(crate) fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for (path, text) in documents() {
        let mut open: Option<Block> = None;
        for (index, line) in text.lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(kind), None) => {
                    let location = format!("{}:{}", path.display(), index + 1);
                    open = Some(Block { location, kind: kind.to_owned(), text: String::new() });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some(block)) => block.text += &format!("{line}\n"),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: unclosed block", path.display());
    }
    blocks
}
