//! `#[data]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Ident, Result};

pub fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(item)?;
    let strict = !is_open(options)? && has_named_fields(&input);
    let strict = strict.then(|| quote!(#[serde(deny_unknown_fields)]));
    Ok(quote! {
        #[derive(
            Debug, Clone,
            ::bulla::serde::Serialize, ::bulla::serde::Deserialize, ::bulla::schemars::JsonSchema,
        )]
        #[serde(crate = "::bulla::serde")]
        #[schemars(crate = "::bulla::schemars")]
        #strict
        #input
    })
}

fn is_open(options: TokenStream) -> Result<bool> {
    if options.is_empty() {
        return Ok(false);
    }
    let option: Ident = syn::parse2(options)?;
    if option == "open" {
        return Ok(true);
    }
    Err(Error::new(option.span(), "the only option is `open`: unknown fields pass"))
}

fn has_named_fields(input: &DeriveInput) -> bool {
    matches!(&input.data, Data::Struct(data) if matches!(data.fields, Fields::Named(_)))
}
