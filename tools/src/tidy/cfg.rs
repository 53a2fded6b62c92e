//! Which code exists only in tests.

use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

/// Whether an item with these attributes is compiled only under `cfg(test)`. Tests may look upward and
/// sideways: the layers order what an image is made of.
pub fn test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<Meta>().is_ok_and(|predicate| without_test(&predicate) == Some(false))
    })
}

/// The predicate's value where `test` is not set; `None` where it depends on something else.
fn without_test(predicate: &Meta) -> Option<bool> {
    match predicate {
        Meta::Path(path) if path.is_ident("test") => Some(false),
        Meta::List(list) => {
            let inner = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
            let values: Vec<_> = inner.iter().map(without_test).collect();
            if list.path.is_ident("all") {
                known(&values, false)
            } else if list.path.is_ident("any") {
                known(&values, true)
            } else if list.path.is_ident("not") {
                values.first().copied().flatten().map(|value| !value)
            } else {
                None
            }
        }
        _ => None,
    }
}

/// `all` (decided by one `false`) and `any` (decided by one `true`), with unknowns.
fn known(values: &[Option<bool>], deciding: bool) -> Option<bool> {
    if values.contains(&Some(deciding)) {
        Some(deciding)
    } else if values.contains(&None) {
        None
    } else {
        Some(!deciding)
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn only(attribute: Attribute) -> bool {
        test_only(&[attribute])
    }

    #[test]
    fn what_needs_test_is_test_only() {
        assert!(only(parse_quote!(#[cfg(test)])));
        assert!(only(parse_quote!(#[cfg(all(loom, test))])));
        assert!(only(parse_quote!(#[cfg(any(test, all(test, feature = "x")))])));
    }

    #[test]
    fn what_can_be_compiled_without_test_is_not() {
        assert!(!only(parse_quote!(#[cfg(any(test, feature = "hosted"))])));
        assert!(!only(parse_quote!(#[cfg(not(test))])));
        assert!(!only(parse_quote!(#[cfg(loom)])));
        assert!(!only(parse_quote!(#[inline])));
    }
}
