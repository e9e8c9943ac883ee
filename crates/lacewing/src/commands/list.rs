//! `lacewing ls`: what is deployed.

use super::client;
use crate::arguments::Connection;
use crate::failure::Failure;
use crate::output::{Output, size};
use clap::Args;
use comfy_table::{CellAlignment, Row, Table, presets};
use serde_json::Value;
use std::process::ExitCode;

/// List the functions of this region.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  lacewing ls\n  lacewing ls --json | jq -r '.[].FunctionName'")]
pub struct List {
    #[allow(missing_docs)]
    #[command(flatten)]
    pub connection: Connection,
}

impl List {
    /// Lists.
    ///
    /// # Errors
    /// [`Failure`]: no server, or a refusal.
    pub async fn run(self, output: Output) -> Result<ExitCode, Failure> {
        let mut client = client(&self.connection)?;
        let functions = client.list_functions().await?;
        if output.json {
            output.document(&Value::Array(functions.into_iter().map(|function| function.all).collect()));
            return Ok(ExitCode::SUCCESS);
        }
        if functions.is_empty() {
            output.say(&format!("nothing is deployed in {}; `lacewing deploy PATH` changes that", client.region()));
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = plain_table(["name", "runtime", "handler", "memory", "package", "changed"]);
        for function in functions {
            // Shown to the second: the date in full is in --json.
            let changed: String = function.last_modified.chars().take(19).collect();
            table.add_row([
                function.name,
                function.runtime,
                function.handler,
                format!("{} MiB", function.memory_mib),
                size(function.code_bytes),
                changed.replace('T', " "),
            ]);
        }
        right(&mut table, &[3, 4]);
        output.line(&table.trim_fmt());
        Ok(ExitCode::SUCCESS)
    }
}

/// A table without lines: easy to read and to cut.
pub(super) fn plain_table(header: impl Into<Row>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// Aligns numbers.
pub(super) fn right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
