//! Which tool a name means, of all tools that have a pin.
//!
//! A name is looked up whole and never taken apart. The names do not depend on who asks
//! ([`names`]), so one table serves all grants; whether a caller may use the server it finds is the
//! grant's to say, and whether the tool may be called the gate's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::names;
use crate::gate::Registry;
use crate::name::Name;

/// The tools by their names.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// `None` where two tools would have the name: it means neither.
    tools: HashMap<String, Option<(Name, String)>>,
}

impl Table {
    fn of(registry: &Registry) -> Self {
        let mut table = Self::default();
        for server in registry.servers() {
            for tool in server.pins.tools() {
                table.add(&server.name, tool);
            }
        }
        table
    }

    /// INVARIANT: a name that two tools would have means none of them
    /// (`two_tools_with_one_name_are_both_refused`).
    fn add(&mut self, server: &Name, tool: &str) {
        self.put(names::joined(server.as_str(), tool), server, tool);
    }

    fn put(&mut self, name: String, server: &Name, tool: &str) {
        let means = Some((server.clone(), tool.to_owned()));
        if let Some(before) = self.tools.get_mut(&name) {
            let (other, _) = before
                .take()
                .unwrap_or_else(|| (server.clone(), String::new()));
            tracing::error!(
                %name, %server, %other, ?tool,
                "two tools would have one name behind /mcp: neither can be called there"
            );
        } else {
            self.tools.insert(name, means);
        }
    }

    /// The tool that has this name.
    pub(super) fn tool(&self, name: &str) -> Option<(&Name, &str)> {
        let (server, tool) = self.tools.get(name)?.as_ref()?;
        Some((server, tool))
    }

    /// Whether two tools would have the name.
    pub(super) fn is_doubtful(&self, name: &str) -> bool {
        matches!(self.tools.get(name), Some(None))
    }
}

/// The table of the registry that was asked about last.
#[derive(Debug, Default)]
pub(super) struct Tables {
    last: Mutex<(Weak<Registry>, Arc<Table>)>,
}

impl Tables {
    pub(super) fn of(&self, registry: &Arc<Registry>) -> Arc<Table> {
        let lock = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let last = lock();
            // What a weak reference points to is not given to another, so this compares for good.
            if last.0.as_ptr() == Arc::as_ptr(registry) {
                return Arc::clone(&last.1);
            }
        }
        let table = Arc::new(Table::of(registry));
        *lock() = (Arc::downgrade(registry), Arc::clone(&table));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect("a name")
    }

    #[test]
    fn a_name_is_looked_up_whole() {
        let mut table = Table::default();
        let all = [("a", "b__c"), ("a__b", "c"), ("a", "x"), ("a_", "x")];
        for (server, tool) in all {
            table.add(&name(server), tool);
        }
        for (server, tool) in all {
            let found = table.tool(&names::joined(server, tool));
            assert_eq!(found, Some((&name(server), tool)));
        }
        assert_eq!(table.tool("a__b"), None);
        assert_eq!(table.tool("x"), None);
    }

    #[test]
    fn two_tools_with_one_name_are_both_refused() {
        let mut table = Table::default();
        for (server, tool) in [("a", "x"), ("b", "y"), ("c", "z")] {
            table.put("same".to_owned(), &name(server), tool);
            assert_eq!(table.tool("same").is_some(), server == "a");
        }
        assert!(table.is_doubtful("same"));
        assert!(!table.is_doubtful("other"));
    }

    #[test]
    fn a_table_is_made_once_for_a_registry() {
        let tables = Tables::default();
        let registry = Arc::new(Registry::default());
        let first = tables.of(&registry);
        assert!(Arc::ptr_eq(&first, &tables.of(&registry)));
        assert!(!Arc::ptr_eq(
            &first,
            &tables.of(&Arc::new(Registry::default()))
        ));
    }
}
