//! The reference of all commands, made from the same declarations that read them.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

/// `docs/cli.md`.
pub(super) fn reference() -> String {
    let mut text = String::from(
        "# Commands\n\nMade from the program's own declarations; `UPDATE=1 cargo test -p portreeve \
         reference` writes it anew.\n\nExit codes: 0 done, 1 the answer is no, 2 the command was \
         wrong, 3 it cannot be done.\n",
    );
    let mut root = super::Cli::command();
    root.build();
    describe(&root, &mut text);
    text
}

fn describe(command: &Command, text: &mut String) {
    let runs_itself = !command.has_subcommands();
    if runs_itself {
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
        let mut command = command.clone();
        let help = command.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let _ = write!(
            text,
            "\n## {name}\n\n```text\n{}\n```\n",
            lines.join("\n").trim_end()
        );
    }
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        describe(sub, text);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_of_commands_is_up_to_date() {
        is_up_to_date("cli.md", &super::reference());
    }

    #[test]
    fn the_reference_of_policies_is_up_to_date() {
        is_up_to_date("policy.schema.json", &portreeve_policy::document_schema());
        is_up_to_date(
            "policy-tests.schema.json",
            &portreeve_policy::cases::schema(),
        );
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test is told to write what it would compare"
    )]
    fn is_up_to_date(file: &str, text: &str) {
        let path = format!("{}/../../docs/{file}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            written, text,
            "run `UPDATE=1 cargo test -p portreeve reference`"
        );
    }
}
