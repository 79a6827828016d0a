//! A configuration file: it is understood, or every problem says where it is.

use std::path::Path;

use portreeve::config::{ConfigError, Environment, Problem, Severity, parse};

pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    // An operator may name any file, so nothing is to be learnt from waiting for a device to answer.
    if text.contains("file") && text.contains(['/', '\\']) {
        return;
    }
    let path = Path::new("/nowhere/portreeve.toml");
    let environment = Environment::given([
        ("TOKEN", "a-token-0123456789-abcdefghijklmnop"),
        ("KEY", "Bearer x"),
    ]);
    let problems = match parse(path, text, &environment) {
        Ok(config) => {
            let any = |p: &Problem| p.severity == Severity::Error;
            assert!(!config.warnings.iter().any(any), "an error let through");
            let again = parse(path, text, &environment).expect("the same text again");
            assert_eq!(config, again);
            config.warnings
        }
        Err(error @ ConfigError::Wrong(_)) => {
            assert!(!error.to_string().is_empty());
            let ConfigError::Wrong(problems) = error else {
                return;
            };
            assert!(problems.iter().any(|p| p.severity == Severity::Error));
            problems
        }
        Err(error) => panic!("the text was given, and yet: {error}"),
    };
    for problem in &problems {
        assert_eq!(problem.file, path);
        assert!(!problem.message.is_empty());
        assert!(is_within(text, problem), "no such place: {problem}");
        if let Some(excerpt) = &problem.excerpt {
            let places = 1..=excerpt.line.chars().count() + 1;
            assert!(places.contains(&excerpt.column), "{excerpt:?}");
        }
    }
}

/// The end of a line and of the text are places too.
fn is_within(text: &str, problem: &Problem) -> bool {
    let line = problem
        .line
        .checked_sub(1)
        .and_then(|index| text.split('\n').nth(index));
    line.is_some_and(|line| (1..=line.chars().count() + 1).contains(&problem.column))
}
