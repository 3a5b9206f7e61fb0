//! What may have been meant by a name that is not there.

use rkafka_config::nearest;

/// A name as short as this is like any other of its length.
const TOO_SHORT: usize = 2;

/// `did you mean 'orders'?`; empty if nothing known is like it.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let name = if name.chars().count() <= TOO_SHORT { "" } else { name };
    nearest(name, known.into_iter().filter(|known| known.chars().count() > TOO_SHORT))
        .map(|meant| format!("did you mean '{meant}'?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(did_you_mean("ordrs", ["payments", "orders"]), "did you mean 'orders'?");
        assert_eq!(did_you_mean("x", ["payments", "orders", "y"]), "");
    }
}
