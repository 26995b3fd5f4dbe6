//! The macros of the guest SDK. They are documented and re-exported by `bulla`.
#![forbid(unsafe_code)]

mod data;
mod entry;

use proc_macro::TokenStream;

use crate::entry::Kind;

/// Makes an action of a function `fn name(call: &Call, input: T) -> Result<U>`, or `fn name(call: &Call) -> Result<U>`.
///
/// The action has the function's name; its doc comment and the JSON Schemas of `T` and `U` become the contract.
/// It is exported once [`bulla::addon!`](../bulla/macro.addon.html) names it.
#[proc_macro_attribute]
pub fn action(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(Kind::Action, options.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a job of a function `fn name(call: &Call, payload: T) -> Result<U>`. See [`macro@action`].
#[proc_macro_attribute]
pub fn job(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(Kind::Job, options.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Derives what a type needs to be input or output: `Debug`, `Clone`, `Serialize`, `Deserialize`, `JsonSchema`.
///
/// A struct refuses unknown fields; `#[data(open)]` lets them pass.
#[proc_macro_attribute]
pub fn data(options: TokenStream, item: TokenStream) -> TokenStream {
    data::expand(options.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
