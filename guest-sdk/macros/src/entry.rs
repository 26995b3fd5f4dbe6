//! `#[action]` and `#[job]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprLit, FnArg, ItemFn, Lit, Meta, Result, ReturnType, Signature, Type};

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Action,
    Job,
}

/// Keeps the function, and adds a type of the same name that carries its contract: types and functions have names of their own.
pub fn expand(kind: Kind, options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !options.is_empty() {
        return Err(Error::new(options.span(), "options stand in `addon.toml`"));
    }
    let function: ItemFn = syn::parse2(item)?;
    refuse_what_cannot_be_called(&function.sig)?;
    let name = checked_name(&function.sig)?;
    let doc = doc_text(&function.attrs);
    let (ident, vis) = (&function.sig.ident, &function.vis);
    let output = output_type(&function.sig)?;
    let (input, arguments) = match input_type(&function.sig)? {
        Some(ty) => (quote!(#ty), quote!(call, ::bulla::entry::decode::<#ty>(input)?)),
        None => (quote!(::bulla::entry::Empty), quote!(call)),
    };
    let check =
        input_type(&function.sig)?.is_none().then(|| quote!(::bulla::entry::decode::<#input>(input)?;));
    let role = match kind {
        Kind::Action => quote!(::bulla::entry::Action),
        Kind::Job => quote!(::bulla::entry::Job),
    };
    Ok(quote! {
        #function

        #[doc(hidden)]
        #[expect(non_camel_case_types, reason = "it stands for the function of this name")]
        #vis enum #ident {}

        impl #role for #ident {
            const ENTRY: ::bulla::entry::Entry = ::bulla::entry::Entry {
                name: #name,
                doc: #doc,
                input: ::bulla::entry::input_schema::<#input>,
                output: ::bulla::entry::output_schema::<<#output as ::bulla::entry::Answer>::Output>,
                run: |call, input| {
                    #check
                    ::bulla::entry::encode(&::bulla::entry::Answer::into_result(#ident(#arguments))?)
                },
            };
        }
    })
}

fn refuse_what_cannot_be_called(signature: &Signature) -> Result<()> {
    if let Some(asyncness) = signature.asyncness {
        return Err(Error::new(asyncness.span(), "the kernel's functions are synchronous: no `async`"));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new(signature.generics.span(), "an entry has one contract: no generics"));
    }
    if !(1..=2).contains(&signature.inputs.len()) {
        return Err(Error::new(
            signature.ident.span(),
            "expected `(call: &Call)` or `(call: &Call, input: T)`",
        ));
    }
    Ok(())
}

/// The name of an entry: 1 to 63 characters `a-z 0-9 _`, starting with a letter.
fn checked_name(signature: &Signature) -> Result<String> {
    let name = signature.ident.unraw().to_string();
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let starts_with_letter = name.starts_with(|c: char| c.is_ascii_lowercase());
    match starts_with_letter && name.len() <= 63 && name.bytes().all(fits) {
        true => Ok(name),
        false => Err(Error::new(
            signature.ident.span(),
            "a name has 1 to 63 characters `a-z 0-9 _` and starts with a letter",
        )),
    }
}

fn input_type(signature: &Signature) -> Result<Option<&Type>> {
    match signature.inputs.iter().nth(1) {
        None => Ok(None),
        Some(FnArg::Typed(argument)) => Ok(Some(&argument.ty)),
        Some(FnArg::Receiver(receiver)) => Err(Error::new(receiver.span(), "an entry is a plain function")),
    }
}

fn output_type(signature: &Signature) -> Result<&Type> {
    match &signature.output {
        ReturnType::Type(_, ty) => Ok(ty),
        ReturnType::Default => Err(Error::new(signature.ident.span(), "expected `-> Result<T>`")),
    }
}

fn doc_text(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<_> = lines.map(|line| line.trim_end().trim_start_matches(' ').to_owned()).collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(options: &str, item: &str) -> String {
        expand(Kind::Action, options.parse().unwrap(), item.parse().unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_an_entry_is_refused() {
        assert!(refusal("", "async fn a(call: &Call) -> Result<()> {}").contains("async"));
        assert!(refusal("", "fn a<T>(call: &Call, t: T) -> Result<()> {}").contains("generics"));
        assert!(refusal("", "fn a() -> Result<()> {}").contains("call: &Call"));
        assert!(refusal("", "fn a(call: &Call, b: B, c: C) -> Result<()> {}").contains("call: &Call"));
        assert!(refusal("", "fn aB(call: &Call) -> Result<()> {}").contains("a-z"));
        assert!(refusal("", "fn _a(call: &Call) -> Result<()> {}").contains("letter"));
        assert!(refusal("", "fn a(call: &Call) {}").contains("Result"));
        assert!(refusal("idempotent", "fn a(call: &Call) -> Result<()> {}").contains("addon.toml"));
    }

    #[test]
    fn the_doc_comment_is_kept() {
        let function: ItemFn = syn::parse_str("/// Numbers it.\n///\n/// Twice.\nfn a() {}").unwrap();
        assert_eq!(doc_text(&function.attrs), "Numbers it.\n\nTwice.");
    }
}
