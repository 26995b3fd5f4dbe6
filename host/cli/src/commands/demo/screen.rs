//! What the demo shows: a line a step for people, an object a step for programs.

use serde_json::{Value, json};

use crate::error::CliError;
use crate::output::Output;

pub struct Screen {
    output: Output,
}

impl Screen {
    pub fn new(output: Output) -> Self {
        Self { output }
    }

    /// A step begins.
    pub fn step(&mut self, name: &str) -> Result<(), CliError> {
        match self.output.json {
            true => Ok(()),
            false => self.output.text(&format!("\n{name}\n")),
        }
    }

    /// Something happened; `data` is the same for programs.
    pub fn tell(&mut self, step: &str, text: &str, data: Value) -> Result<(), CliError> {
        match self.output.json {
            true => self.output.text(&format!("{}\n", json!({"step": step, "data": data}))),
            false => self.output.text(&format!("  {text}\n")),
        }
    }
}
