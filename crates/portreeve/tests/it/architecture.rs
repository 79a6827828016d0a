//! The map in ARCHITECTURE.md, held against the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, from the top down: a room may use rooms in later lines only.
const FLOORS: &[&[&str]] = &[
    &["cli"],
    &["node"],
    &["bridge"],
    &["front", "admin"],
    &["joint"],
    &["eras"],
    &["gate"],
    &["backup", "counters", "upstream"],
    &["ledger"],
    &["data_dir"],
    &["config"],
    &["verdicts"],
    &["store"],
    &["people"],
    &["demo", "grants", "keys", "mcp", "policy_text", "server_url"],
    &["name", "nearest", "duration"],
    &[
        "base64",
        "budget",
        "clock",
        "excerpt",
        "hex",
        "open_files",
        "parts",
        "pieces",
        "refused",
    ],
];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The room a file belongs to.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(src()).unwrap();
    let first = inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The production part of a file: its tests may look where they like.
fn production(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path.file_name().is_some_and(|name| name == "tests.rs")
}

#[test]
fn dependencies_point_down() {
    let floor: BTreeMap<&str, usize> = FLOORS
        .iter()
        .enumerate()
        .flat_map(|(i, rooms)| rooms.iter().map(move |room| (*room, i)))
        .collect();
    let mut upward = Vec::new();
    for path in sources(&src()).iter().filter(|path| !is_test(path)) {
        let from = room(path);
        if from == "lib" || from == "main" {
            continue;
        }
        let own = *floor
            .get(from.as_str())
            .unwrap_or_else(|| panic!("{from} has no floor"));
        for used in production(path).split("crate::").skip(1) {
            let to: String = used
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            let Some(below) = floor.get(to.as_str()) else {
                continue;
            };
            if to != from && *below <= own {
                upward.push(format!("{} uses {to}", path.display()));
            }
        }
    }
    assert!(
        upward.is_empty(),
        "dependencies that point up or sideways: {upward:#?}"
    );
}

/// The files whose production code contains `text`.
fn containing(text: &str) -> Vec<String> {
    let mut found: Vec<String> = sources(&src())
        .iter()
        .filter(|path| !is_test(path) && production(path).contains(text))
        .map(|path| path.strip_prefix(src()).unwrap().display().to_string())
        .collect();
    found.sort();
    found
}

#[test]
fn only_admit_makes_permits() {
    assert_eq!(containing("Permit {"), ["gate/admit.rs"]);
}

#[test]
fn only_forward_sends() {
    let senders = containing("connector.send(");
    assert_eq!(senders, ["gate/forward.rs", "upstream/discover.rs"]);
}

/// Nothing goes from the one URL to a server but through the same door as at the server's own.
#[test]
fn the_joint_forwards_through_the_gate() {
    for door in ["post(", "listen(", "end_session("] {
        let in_joint = |holder: &str| {
            let users = containing(&format!(".{holder}.{door}"));
            let users = users.into_iter().filter(|file| file.starts_with("joint/"));
            users.collect::<Vec<_>>()
        };
        assert_eq!(in_joint("eras"), ["joint/way.rs"], "{door}");
        assert!(in_joint("gate").is_empty(), "{door}");
    }
    for other in ["crate::upstream", "crate::counters", "crate::ledger"] {
        let users = containing(other);
        assert!(
            !users.iter().any(|file| file.starts_with("joint/")),
            "{users:?}"
        );
    }
}

#[test]
fn sql_stays_in_the_store() {
    for word in ["SELECT ", "INSERT INTO", "DELETE FROM"] {
        let users = containing(word);
        assert!(
            users.iter().all(|file| file.starts_with("store/")),
            "{word}: {users:?}"
        );
    }
}

#[test]
fn the_demo_server_shares_nothing_but_the_clock() {
    for path in sources(&src())
        .iter()
        .filter(|path| room(path) == "demo" && !is_test(path))
    {
        for used in production(path).split("crate::").skip(1) {
            let own = used.starts_with("demo") || used.starts_with("clock");
            assert!(
                own,
                "{}: crate::{}",
                path.display(),
                used.lines().next().unwrap()
            );
        }
    }
}

#[test]
fn there_is_no_fail_open_switch() {
    for word in ["fail_open", "failopen", "fail-open"] {
        let users = containing(word);
        let only_denied = |file: &String| {
            let text = fs::read_to_string(src().join(file)).unwrap();
            text.lines()
                .filter(|line| line.contains(word))
                .all(|line| line.contains("no fail-open"))
        };
        assert!(users.iter().all(only_denied), "{word}: {users:?}");
    }
}
