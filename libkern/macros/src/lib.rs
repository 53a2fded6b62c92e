//! The attributes of `libkern`: `#[libkern::main]` and `#[libkern::test]`. Documented where they are exported.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Marks the application's `main`. See `libkern::main`.
#[proc_macro_attribute]
pub fn main(attribute: TokenStream, item: TokenStream) -> TokenStream {
    if !attribute.is_empty() {
        return error("`#[libkern::main]` takes no arguments");
    }
    match function(&item) {
        Ok(function) if function.name != "main" => error("`#[libkern::main]` belongs on the function named `main`"),
        Ok(_) => followed_by(item, "::libkern::__main!(main);"),
        Err(message) => error(message),
    }
}

/// Registers a test case. See `libkern::test`.
#[proc_macro_attribute]
pub fn test(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let options = match TestOptions::parse(attribute) {
        Ok(options) => options,
        Err(message) => return error(&message),
    };
    match function(&item) {
        Ok(Function { name }) => {
            let TestOptions { ids, long } = options;
            followed_by(item, &format!("::libkern::__test!({name}, {ids:?}, {long});"))
        }
        Err(message) => error(message),
    }
}

struct TestOptions {
    /// Requirement ids, joined by commas.
    ids: String,
    long: bool,
}

impl TestOptions {
    fn parse(attribute: TokenStream) -> Result<Self, String> {
        const USAGE: &str = "`#[libkern::test]` takes `ids = [\"K1\", \"M2\"]` and `long`";
        let mut options = TestOptions { ids: String::new(), long: false };
        let mut tokens = attribute.into_iter();
        while let Some(token) = tokens.next() {
            match token.to_string().as_str() {
                "long" => options.long = true,
                "," => {}
                "ids" => match (tokens.next(), tokens.next()) {
                    (Some(TokenTree::Punct(equals)), Some(TokenTree::Group(list)))
                        if equals.as_char() == '=' && list.delimiter() == Delimiter::Bracket =>
                    {
                        options.ids = list.stream().to_string().replace(['"', ' ', '\n'], "");
                    }
                    _ => return Err(USAGE.to_owned()),
                },
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }
}

struct Function {
    name: String,
}

/// Checks that `item` is a plain function without parameters, as both attributes want it.
fn function(item: &TokenStream) -> Result<Function, &'static str> {
    let mut tokens = item.clone().into_iter().peekable();
    let mut is_const_or_async = false;
    while let Some(token) = tokens.next() {
        match token.to_string().as_str() {
            "async" => is_const_or_async = true,
            "fn" => {
                let name = tokens.next().ok_or("expected a function")?.to_string();
                if is_const_or_async {
                    return Err("the function cannot be `async`: there is no executor below it");
                }
                return match tokens.next() {
                    Some(TokenTree::Group(parameters)) if no_parameters(&parameters) => Ok(Function { name }),
                    Some(TokenTree::Punct(_)) => Err("the function cannot be generic"),
                    _ => Err("the function takes no parameters; arguments come from `libkern::args()`"),
                };
            }
            _ => {}
        }
    }
    Err("this attribute belongs on a function")
}

fn no_parameters(parameters: &Group) -> bool {
    parameters.delimiter() == Delimiter::Parenthesis && parameters.stream().is_empty()
}

fn followed_by(item: TokenStream, code: &str) -> TokenStream {
    let more: TokenStream = code.parse().expect("the code is well-formed");
    item.into_iter().chain(more).collect()
}

fn error(message: &str) -> TokenStream {
    format!("::core::compile_error!({message:?});").parse().expect("a string literal is well-formed")
}
