//! Tests whose results depend neither on timing nor on the sound, so they may run in parallel.

mod command_line;
mod completions;
mod docs;
mod docs_commands;
mod docs_programs;
mod docs_snippets;
mod examples;
mod feedback;
mod http;
mod memory;
mod osc;
mod oscquery;
mod page;
mod page_browser;
mod page_scripts;
mod state_folder;
