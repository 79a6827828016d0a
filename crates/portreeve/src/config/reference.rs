//! `docs/configuration.md`, made from the table of keys, for people and for the test that it is current.

use std::fmt::Write as _;

use super::keys::{Form, KEYS, Key};

const HEAD: &str = "\
# The configuration file

<!-- Made from the table in crates/portreeve/src/config/keys.rs: change it there, then run
     `UPDATE=1 cargo test -p portreeve reference`. -->

`portreeve up --config FILE` reads one TOML file. What it declares is owned by the file: the command
line shows it, and it is changed in the file only. A name belongs either to the file or to the command
line: where both have it (the first `up` registers a server and a policy `runs` and a grant `demo` by
hand), the file is refused until one of them is renamed or removed.

SIGHUP and a changed file (the policies' files too) make it be read again, whole or not at all.
Servers, policies and grants are in force at once; every other key needs a restart. `portreeve config
check FILE` says what is wrong with it, with line and column.

An unknown key is an error. A relative path starts at the configuration file. Where a secret is
wanted, `env:NAME` reads a variable and `file:PATH` a file; the secret itself is accepted with a
warning.

```toml
";

/// The example of the reference; a test reads it.
pub(super) const EXAMPLE: &str = r#"listen = "127.0.0.1:8787"
admin_listen = "127.0.0.1:8788"

[ledger]
arguments = "keys"

[servers.builds]
url = "builtin:runs"

[servers.tickets]
url = "https://tickets.example.com/mcp"
headers = { Authorization = "env:TICKETS_AUTHORIZATION" }
timeout = "30s"

[policies.builds]
inline = '''
{ "version": "1", "default": "deny", "tools": { "run-rerun": {} } }
'''

[[grants]]
label = "ci"
identity = "ci@example.com"
token = "env:CI_TOKEN"
servers = { builds = "builds" }
"#;

/// The page, in Markdown.
pub fn reference() -> String {
    let mut page = format!("{HEAD}{EXAMPLE}```\n");
    let sections = [
        ("", "The gate"),
        ("legacy", "`[legacy]`"),
        ("store", "`[store]`"),
        ("counters", "`[counters]`"),
        ("ledger", "`[ledger]`"),
        ("servers", "`[servers.NAME]`"),
        ("policies", "`[policies.NAME]`"),
        ("grants", "`[[grants]]`"),
    ];
    for (section, title) in sections {
        let _ = write!(
            page,
            "\n## {title}\n\n| key | value | without it | |\n|---|---|---|---|\n"
        );
        for key in KEYS.iter().filter(|key| belongs(key, section)) {
            let name = key.path.rsplit('.').next().unwrap_or_default();
            let wanted = key.form.wanted();
            let _ = writeln!(
                page,
                "| `{name}` | {wanted} | {} | {} |",
                key.default, key.doc
            );
        }
    }
    page.push_str("\n## Not supported by this version yet\n\n");
    page.push_str("These keys are known and refused:\n\n");
    for key in KEYS.iter().filter(|key| key.form == Form::Later) {
        let _ = writeln!(page, "- `{}`: {}", key.path, key.doc);
    }
    page
}

fn belongs(key: &Key, section: &str) -> bool {
    let own = match key.path.split_once(['.', '[']) {
        Some((front, _)) => front,
        None => "",
    };
    own == section && key.form != Form::Later
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "UPDATE=1 asks the test to write the page"
    )]
    fn the_configuration_reference_is_current() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        let page = reference();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(&path, &page).expect("written");
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == page,
            "docs/configuration.md is not current: run `UPDATE=1 cargo test -p portreeve reference`"
        );
    }

    #[test]
    fn every_key_has_its_line() {
        let page = reference();
        for key in KEYS {
            let name = key.path.rsplit('.').next().unwrap_or_default();
            let listed = page.contains(&format!("| `{name}` |"))
                || page.contains(&format!("- `{}`", key.path));
            assert!(listed, "{}", key.path);
        }
    }
}
