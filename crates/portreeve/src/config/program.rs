//! Where the program of a stdio server is found, and the environment it gets.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Environment;

/// What a stdio server gets of the gate's own environment. Everything else must be declared.
pub const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TMPDIR"];

/// Why there is no such program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    #[error("there is no program {program:?} in any directory of PATH")]
    NotInPath { program: String },
    #[error("there is no program {program:?}: PATH is not set; write the program's whole path")]
    NoPath { program: String },
    #[error("there is no program at {}", .0.display())]
    NotThere(PathBuf),
    #[error("{} is not a program: it is no file that may be run", .0.display())]
    NotRunnable(PathBuf),
}

/// The variables of a stdio server's process: what every one gets, and what is declared for it.
pub fn server_environment(
    environment: &Environment,
    declared: impl IntoIterator<Item = (String, OsString)>,
) -> Vec<(String, OsString)> {
    let declared: Vec<(String, OsString)> = declared.into_iter().collect();
    let inherited = INHERITED.into_iter().filter_map(|name| {
        let own = declared.iter().any(|(declared, _)| declared == name);
        Some((name.to_owned(), environment.get_os(name).filter(|_| !own)?))
    });
    inherited.chain(declared.clone()).collect()
}

/// Finds a program as a shell would: a name in PATH, or the path of a file.
pub fn find_program(
    program: &str,
    variables: &[(String, OsString)],
) -> Result<PathBuf, ProgramError> {
    if program.contains('/') {
        return runnable(Path::new(program));
    }
    let path = variables.iter().find(|(name, _)| name == "PATH");
    let Some((_, path)) = path else {
        return Err(ProgramError::NoPath {
            program: program.to_owned(),
        });
    };
    // The empty directory of a shell's PATH, "here", is not looked at: here is wherever the gate
    // was started.
    let places = std::env::split_paths(path).filter(|place| place.is_absolute());
    let mut found = places.filter_map(|place| runnable(&place.join(program)).ok());
    found.next().ok_or_else(|| ProgramError::NotInPath {
        program: program.to_owned(),
    })
}

fn runnable(path: &Path) -> Result<PathBuf, ProgramError> {
    match path.metadata() {
        Ok(about) if about.is_file() && about.permissions().mode() & 0o111 != 0 => {
            Ok(path.to_owned())
        }
        Ok(_) => Err(ProgramError::NotRunnable(path.to_owned())),
        Err(_) => Err(ProgramError::NotThere(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(path: &str) -> Vec<(String, OsString)> {
        vec![("PATH".to_owned(), path.into())]
    }

    #[test]
    fn a_program_is_found_as_a_shell_finds_it() {
        let found = find_program("sh", &variables("/nowhere:/bin:/usr/bin"));
        assert!(found.is_ok_and(|path| path.ends_with("sh")));
        assert!(find_program("/bin/sh", &[]).is_ok());
    }

    #[test]
    fn what_is_missing_is_told_with_where_it_was_looked_for() {
        let told = |program, path| {
            find_program(program, &variables(path))
                .unwrap_err()
                .to_string()
        };
        let missing = told("no-such-server", "/bin:/usr/bin");
        assert!(missing.contains("\"no-such-server\" in any directory of PATH"));
        assert!(told("/no/such", "").contains("/no/such"));
        assert!(told("/etc", "").contains("may be run"));
        assert!(
            find_program("sh", &[])
                .unwrap_err()
                .to_string()
                .contains("PATH is not set")
        );
        // Neither "here" nor a directory relative to it.
        assert!(find_program("sh", &variables(":.:bin")).is_err());
    }

    #[test]
    fn a_server_gets_what_is_declared_and_little_else() {
        let gate = Environment::given([
            ("PATH", "/bin"),
            ("HOME", "/home/x"),
            ("SECRET", "of the gate"),
            ("TMPDIR", "/tmp"),
        ]);
        let declared = [
            ("KEY".to_owned(), OsString::from("value")),
            ("HOME".to_owned(), OsString::from("/elsewhere")),
        ];
        let mut got = server_environment(&gate, declared);
        got.sort();
        let want: Vec<(String, OsString)> = [
            ("HOME", "/elsewhere"),
            ("KEY", "value"),
            ("PATH", "/bin"),
            ("TMPDIR", "/tmp"),
        ]
        .map(|(name, value)| (name.to_owned(), value.into()))
        .to_vec();
        assert_eq!(got, want);
    }
}
