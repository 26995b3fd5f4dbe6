//! The metronome's `noop` as an Extism plugin: reads a JSON object without fields, answers `null`.

use extism_pdk::{FnResult, Json, plugin_fn};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

#[plugin_fn]
pub fn noop(Json(Nothing {}): Json<Nothing>) -> FnResult<Json<()>> {
    Ok(Json(()))
}
