//! Backups of real directories, whole and damaged.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::*;
use crate::name::Name;
use crate::store::seal::tests::Masking;
use crate::store::sqlite::SqliteStore;
use crate::store::{Policies, Store};
use portreeve_policy::time::Timestamp;

struct Source {
    dir: tempfile::TempDir,
    store: SqliteStore,
}

impl Source {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let data = dir.path().join("data");
        std::fs::create_dir_all(data.join("ledger")).expect("made");
        std::fs::create_dir_all(data.join("wrap-x")).expect("made");
        let store = SqliteStore::open(&data.join("portreeve.db"), Arc::new(Masking(1)));
        let store = store.expect("a store");
        let name = Name::new("p").expect("a name");
        let text = "text".to_owned();
        store
            .put_policy(&name, text, "ann", Timestamp(1))
            .await
            .expect("put");
        for (name, content) in [
            ("key", "secret key"),
            ("lock", "1"),
            ("counters.json", ""),
            ("portreeve.db.v1-backup", "old"),
            ("wrap-x/key", "another's"),
            ("ledger/000001.jsonl", "{\"seq\":1}\n"),
            ("ledger/000002.jsonl", "{\"seq\":2}\n{\"se"),
            ("ledger/000003.jsonl", "{\"half"),
        ] {
            std::fs::write(data.join(name), content).expect("written");
        }
        Self { dir, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn back_up(&self, to: &str) -> Result<Made, BackupError> {
        write(&self.store, &self.path("data"), &self.path(to)).await
    }
}

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for folder in [dir.to_owned(), dir.join("ledger")] {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let name = path.strip_prefix(dir).expect("below").display().to_string();
                all.insert(name, std::fs::read(&path).expect("read"));
            }
        }
    }
    all
}

#[tokio::test]
async fn what_is_backed_up_is_restored() {
    let source = Source::new().await;
    let written = source.back_up("b.tar").await.expect("made");
    let mode = std::fs::metadata(source.path("b.tar"))
        .expect("it")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!source.path("data/.backup.db").exists());

    let to = source.path("new/place");
    let restored = restore(&source.path("b.tar"), &to).expect("restored");
    assert_eq!(
        (restored.files, restored.bytes),
        (written.files, written.bytes)
    );
    let contents = contents(&to);
    let names: Vec<&str> = contents.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "counters.json",
            "key",
            "ledger/000001.jsonl",
            "ledger/000002.jsonl",
            "ledger/000003.jsonl",
            "portreeve.db"
        ]
    );
    assert_eq!(contents["key"], b"secret key");
    // Only whole records are taken.
    assert_eq!(contents["ledger/000002.jsonl"], b"{\"seq\":2}\n");
    assert_eq!(contents["ledger/000003.jsonl"], b"");
    for path in [to.clone(), to.join("ledger"), to.join("key")] {
        let mode = std::fs::metadata(&path).expect("it").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    let store = SqliteStore::open(&to.join("portreeve.db"), Arc::new(Masking(1)));
    let snapshot = store.expect("opens").load_all().await.expect("loads");
    assert_eq!(snapshot.policies[0].text, "text");
}

#[tokio::test]
async fn nothing_is_called_a_backup_that_has_not_the_key() {
    let source = Source::new().await;
    std::fs::remove_file(source.path("data/key")).expect("removed");
    let refused = source.back_up("b.tar").await.expect_err("no key");
    assert!(matches!(refused, BackupError::NoKey(_)), "{refused}");
    assert!(!source.path("b.tar").exists(), "nothing is left of it");
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let source = Source::new().await;
    source.back_up("b.tar").await.expect("made");
    let again = source.back_up("b.tar").await.expect_err("it exists");
    assert!(matches!(again, BackupError::Exists(_)), "{again}");
    let full = restore(&source.path("b.tar"), &source.path("data")).expect_err("not empty");
    assert!(matches!(full, BackupError::NotEmpty(_)), "{full}");
    std::fs::create_dir(source.path("empty")).expect("made");
    restore(&source.path("b.tar"), &source.path("empty")).expect("into an empty one");
}

#[tokio::test]
async fn a_damaged_backup_restores_nothing_at_all() {
    let source = Source::new().await;
    source.back_up("b.tar").await.expect("made");
    let whole = std::fs::read(source.path("b.tar")).expect("read");
    // Every header, every content and the manifest are hit by one step or another.
    let mut damaged: Vec<Vec<u8>> = (0..whole.len() - 1024)
        .step_by(397)
        .map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x20;
            bytes
        })
        .collect();
    damaged.extend([0, 1, 511, 512, 5_000].map(|length| whole[..length].to_vec()));
    let mut refused = 0;
    for bytes in &damaged {
        std::fs::write(source.path("damaged.tar"), bytes).expect("written");
        match restore(&source.path("damaged.tar"), &source.path("to")) {
            Err(BackupError::Damaged { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
            // Blanks in the manifest and around it mean nothing.
            Ok(_) => std::fs::remove_dir_all(source.path("to")).expect("removed"),
        }
        assert!(!source.path("to").exists());
    }
    assert!(
        refused * 100 >= damaged.len() * 99,
        "{refused} of {}",
        damaged.len()
    );
    let left = std::fs::read_dir(source.dir.path())
        .expect("the folder")
        .count();
    assert_eq!(left, 3, "data, b.tar and damaged.tar");
}

#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    for name in [
        "../x", "/etc/x", "a/../x", "a/b/c", ".hidden", "a//b", "a\\b",
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let mut bytes = Vec::new();
        assert!(
            tar::begin_file(&mut bytes, name, 0).expect("written"),
            "{name}"
        );
        tar::end(&mut bytes).expect("written");
        std::fs::write(dir.path().join("b.tar"), bytes).expect("written");
        let error = restore(&dir.path().join("b.tar"), &dir.path().join("to")).expect_err(name);
        assert!(error.to_string().contains("not one of a backup"), "{error}");
    }
}

#[test]
fn other_tools_can_read_it() {
    // The header as GNU tar checks it: name, size, checksum and magic at their places.
    let mut bytes = Vec::new();
    tar::begin_file(&mut bytes, "ledger/1.jsonl", 10).expect("written");
    assert_eq!(&bytes[..14], b"ledger/1.jsonl");
    assert_eq!(&bytes[124..136], b"00000000012\0");
    assert_eq!(&bytes[257..265], b"ustar\x0000");
    let sum: u32 = bytes
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(*byte)
            }
        })
        .sum();
    assert_eq!(&bytes[148..156], format!("{sum:06o}\0 ").as_bytes());
    let mut long = Vec::new();
    assert!(!tar::begin_file(&mut long, &"x".repeat(101), 0).expect("nothing"));
    assert!(!tar::begin_file(&mut long, "x", 1 << 33).expect("nothing"));
}
