//! Every seed and every finding of the fuzzer, once through its target: what was found once stays
//! mended, and the targets themselves stay true on any machine that runs the tests.

use std::path::{Path, PathBuf};

#[path = "../../../../fuzz/src/lib.rs"]
mod targets;

/// The inputs of one target, from both of its folders.
fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let folders = ["seeds", "findings"].map(|folder| fuzz.join(folder).join(target));
    let mut paths: Vec<PathBuf> = folders
        .iter()
        .filter(|folder| folder.is_dir())
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
        .collect()
}

fn replay(target: &str) {
    let (_, check) = targets::TARGETS
        .iter()
        .find(|(name, _)| *name == target)
        .unwrap();
    let inputs = inputs(target);
    assert!(!inputs.is_empty(), "{target} has no seeds");
    for (path, input) in inputs {
        let outcome = std::panic::catch_unwind(|| check(&input));
        assert!(outcome.is_ok(), "{} does not pass", path.display());
    }
}

macro_rules! targets {
    ($($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*

        /// A target without a test would replay nothing.
        #[test]
        fn every_target_is_replayed() {
            let tested = [$(stringify!($name)),*];
            let targets: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(targets, tested);
        }
    };
}

targets!(
    conditions,
    configuration,
    envelope,
    http_framing,
    ledger_line,
    limits,
    operators,
    policy_document,
    sse,
    upstream_answer
);
