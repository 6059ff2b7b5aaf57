//! What another program adds to a registry: further kinds and scenarios beside those that ship.
//!
//! Owns the place where they stand. It is filled once, by [`crate::cli::Cli`], before anything is
//! read; so each process of a program, its workers included, knows the same ones.

use std::sync::OnceLock;

/// Entries of a registry that do not ship with it.
#[derive(Debug)]
pub struct Added<T>(OnceLock<Vec<T>>);

impl<T> Added<T> {
    /// None yet.
    pub const fn none() -> Self {
        Self(OnceLock::new())
    }

    /// Fills the place with `added`, which go by `name`; `shipped` names what is there anyway.
    ///
    /// # Errors
    /// The first name that is there twice.
    ///
    /// # Panics
    /// If it was filled before.
    pub fn fill<'a>(
        &self,
        shipped: impl Iterator<Item = &'a str>,
        added: Vec<T>,
        name: fn(&T) -> &str,
    ) -> Result<(), String> {
        let mut names: Vec<&str> = shipped.collect();
        for entry in &added {
            if names.contains(&name(entry)) {
                return Err(name(entry).to_owned());
            }
            names.push(name(entry));
        }
        assert!(self.0.set(added).is_ok(), "a registry is filled once");
        Ok(())
    }

    /// Those that were added, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.0.get().into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::Added;

    #[test]
    fn a_name_that_is_taken_is_refused() {
        static ADDED: Added<&str> = Added::none();
        let fill = |added: Vec<&'static str>| ADDED.fill(["link"].into_iter(), added, |name| name);
        assert_eq!(fill(vec!["outage", "link"]), Err("link".to_owned()));
        assert_eq!(fill(vec!["outage", "outage"]), Err("outage".to_owned()));
        assert_eq!(ADDED.iter().count(), 0);
        assert_eq!(fill(vec!["outage", "flood"]), Ok(()));
        assert!(ADDED.iter().eq(["outage", "flood"].iter()));
    }
}
