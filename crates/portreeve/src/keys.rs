//! The data directory's one secret, and everything derived from it.
//!
//! Owns `DATA_DIR/key`: 32 random bytes from which the checkpoint key, the MAC key and the sealing
//! key are derived, each by its own label, so that none tells anything of another. Leaves to
//! others what is signed, compared or sealed; nothing here ever hands out secret bytes.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::aead::{self, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::hex;

const MASTER_LEN: usize = 32;
const HEADING: &str = "portreeve-key-v1";
/// A key file is one short line; whatever is longer is another file.
const FILE_MAX: u64 = 1_024;
const SEALED_V1: u8 = 1;

/// Why the key can't be had or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot {doing} the key file {}: {source}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "the key file {} is open to others (mode {mode:03o}): run `chmod 600 {}`, and consider \
         who could have read it",
        path.display(), path.display()
    )]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error(
        "the key file {} is damaged ({what}): restore it from a backup; without it nothing sealed \
         can be opened",
        path.display()
    )]
    Damaged { path: PathBuf, what: &'static str },
    #[error(
        "the key file {} is missing, and what it belongs to is there: restore it from a backup; \
         without it no secret that was stored can be read, no token is known and the ledger cannot \
         be continued",
        path.display()
    )]
    Missing { path: PathBuf },
    #[error("the system gives no random bytes, so no key can be made and nothing sealed")]
    NoRandomness,
    #[error("what was sealed does not open: it was changed, or sealed under another key or name")]
    DoesNotOpen,
    #[error("too long to be sealed")]
    TooLong,
}

/// The public half of the checkpoint key: what a verifier needs and may know.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 lower-case hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::decode(text.as_bytes()).map(Self)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `signature` is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::encode(&self.0).fmt(f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// Everything derived from the master.
pub struct Keys {
    checkpoint: Ed25519KeyPair,
    mac: hmac::Key,
    seal: LessSafeKey,
    random: SystemRandom,
}

impl fmt::Debug for Keys {
    // INVARIANT: no secret byte is printed; the public key says which key it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("public_key", &self.public_key())
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// Loads `DATA_DIR/key`; makes the directory and the key if there is none.
    pub fn load_or_create(data_dir: &Path) -> Result<Self, KeyError> {
        let path = data_dir.join("key");
        let random = SystemRandom::new();
        let master = match load(&path)? {
            Some(master) => master,
            None => create(data_dir, &path, &random)?,
        };
        Self::derived(path, &master, random)
    }

    /// Loads `DATA_DIR/key`, which must be there.
    pub fn load(data_dir: &Path) -> Result<Self, KeyError> {
        let path = data_dir.join("key");
        match load(&path)? {
            Some(master) => Self::derived(path, &master, SystemRandom::new()),
            None => Err(KeyError::Missing { path }),
        }
    }

    fn derived(
        path: PathBuf,
        master: &[u8; MASTER_LEN],
        random: SystemRandom,
    ) -> Result<Self, KeyError> {
        Self::derive(master, random).ok_or(KeyError::Damaged {
            path,
            what: "no keys can be derived from it",
        })
    }

    fn derive(master: &[u8; MASTER_LEN], random: SystemRandom) -> Option<Self> {
        let root = Salt::new(HKDF_SHA256, b"portreeve key v1").extract(master);
        let seed = expand(&root, b"ledger checkpoint ed25519 v1")?;
        let mac = expand(&root, b"mac hmac-sha256 v1")?;
        let seal = expand(&root, b"seal chacha20-poly1305 v1")?;
        Some(Self {
            checkpoint: Ed25519KeyPair::from_seed_unchecked(&seed).ok()?,
            mac: hmac::Key::new(hmac::HMAC_SHA256, &mac),
            seal: LessSafeKey::new(UnboundKey::new(&aead::CHACHA20_POLY1305, &seal).ok()?),
            random,
        })
    }

    /// Signs with the checkpoint key. Ed25519: the same message has the same signature.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        for (to, from) in bytes.iter_mut().zip(self.checkpoint.sign(message).as_ref()) {
            *to = *from;
        }
        bytes
    }

    pub fn public_key(&self) -> PublicKey {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(self.checkpoint.public_key().as_ref()) {
            *to = *from;
        }
        PublicKey(bytes)
    }

    /// A fingerprint that can be compared but not guessed: equal `data` under one `purpose` are
    /// equal, and without the key nothing more is learnt.
    pub fn mac(&self, purpose: &'static str, data: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.mac);
        // The length in front keeps purpose and data apart: ("ab", "c") is not ("a", "bc").
        context.update(&(purpose.len() as u64).to_be_bytes());
        context.update(purpose.as_bytes());
        context.update(data);
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        bytes
    }

    /// Encrypts for storage. `aad` names what it is and where it belongs: it opens there only.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        self.random
            .fill(&mut nonce)
            .map_err(|_| KeyError::NoRandomness)?;
        let mut sealed = plaintext.to_vec();
        self.seal
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                &mut sealed,
            )
            .map_err(|_| KeyError::TooLong)?;
        let mut out = Vec::with_capacity(1 + NONCE_LEN + sealed.len());
        out.push(SEALED_V1);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what [`Keys::seal`] made under the same `aad`.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (version, rest) = sealed.split_first().ok_or(KeyError::DoesNotOpen)?;
        let (nonce, body) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(KeyError::DoesNotOpen)?;
        if *version != SEALED_V1 {
            return Err(KeyError::DoesNotOpen);
        }
        let mut opened = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self
            .seal
            .open_in_place(nonce, Aad::from(aad), &mut opened)
            .map_err(|_| KeyError::DoesNotOpen)?
            .len();
        opened.truncate(length);
        Ok(opened)
    }
}

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

fn expand(root: &Prk, label: &[u8]) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    root.expand(&[label], Len32).ok()?.fill(&mut out).ok()?;
    Some(out)
}

fn load(path: &Path) -> Result<Option<[u8; MASTER_LEN]>, KeyError> {
    let fail = |source| KeyError::Io {
        doing: "read",
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let mode = file.metadata().map_err(fail)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(KeyError::OpenToOthers { path, mode });
    }
    let mut text = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut text).map_err(fail)?;
    decode(&text).map(Some).map_err(|what| KeyError::Damaged {
        path: path.to_owned(),
        what,
    })
}

/// The file's one line: heading, the master in hex, and a checksum that finds a typing error.
fn encode(master: &[u8; MASTER_LEN]) -> String {
    format!("{HEADING} {} {}\n", hex::encode(master), checksum(master))
}

fn decode(text: &[u8]) -> Result<[u8; MASTER_LEN], &'static str> {
    let text = str::from_utf8(text).map_err(|_| "it is not text")?;
    let mut words = text.split_ascii_whitespace();
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(HEADING), Some(master), Some(check), None) => {
            let master = hex::decode(master.as_bytes()).ok_or("its key is not 64 hex digits")?;
            if checksum(&master) == check {
                Ok(master)
            } else {
                Err("its checksum does not fit")
            }
        }
        (None, ..) => Err("it is empty"),
        _ => Err("it is no portreeve key"),
    }
}

fn checksum(master: &[u8; MASTER_LEN]) -> String {
    let mut labelled = HEADING.as_bytes().to_vec();
    labelled.extend_from_slice(master);
    let sum = digest(&SHA256, &labelled);
    sum.as_ref()
        .iter()
        .take(4)
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Makes the key under a name of its own and links it into place: whoever comes second finds the
/// first one's key whole, and nobody ever sees half a key.
fn create(
    data_dir: &Path,
    path: &Path,
    random: &SystemRandom,
) -> Result<[u8; MASTER_LEN], KeyError> {
    let fail = |source| KeyError::Io {
        doing: "create",
        path: path.to_owned(),
        source,
    };
    let mut drawn = [0; MASTER_LEN + 8];
    random
        .fill(&mut drawn)
        .map_err(|_| KeyError::NoRandomness)?;
    let (master, name) = drawn
        .split_first_chunk::<MASTER_LEN>()
        .ok_or(KeyError::NoRandomness)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .map_err(fail)?;
    let fresh = data_dir.join(format!("key.{}.new", u64::from_be_bytes(tail8(name))));
    let placed = write_private(&fresh, encode(master).as_bytes())
        .and_then(|()| fs::hard_link(&fresh, path))
        .and_then(|()| File::open(data_dir)?.sync_all());
    // The link holds the key now, or another process was first; the other name serves nobody.
    let removed = fs::remove_file(&fresh);
    match placed {
        Ok(()) => removed.map_err(fail).map(|()| *master),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            load(path)?.ok_or_else(|| fail(error))
        }
        Err(error) => Err(fail(error)),
    }
}

fn tail8(bytes: &[u8]) -> [u8; 8] {
    bytes.first_chunk::<8>().copied().unwrap_or_default()
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn fresh() -> (tempfile::TempDir, Keys) {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::load_or_create(dir.path()).unwrap();
        (dir, keys)
    }

    #[test]
    fn a_key_is_made_once_private_and_alone() {
        let (dir, first) = fresh();
        let again = Keys::load_or_create(dir.path()).unwrap();
        assert_eq!(first.public_key(), again.public_key());
        assert_eq!(first.mac("p", b"x"), again.mac("p", b"x"));
        let mode = fs::metadata(dir.path().join("key")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn all_who_start_at_once_get_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("deeper/still");
        let keys: Vec<PublicKey> = std::thread::scope(|scope| {
            let start = || Keys::load_or_create(&root).unwrap().public_key();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| Some(key) == keys.first()));
    }

    #[test]
    fn a_key_others_can_read_is_refused_with_the_way_out() {
        let (dir, _) = fresh();
        let path = dir.path().join("key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Keys::load_or_create(dir.path()).unwrap_err();
        assert!(matches!(error, KeyError::OpenToOthers { mode: 0o640, .. }));
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_damaged_key_is_an_error_and_is_never_replaced() {
        let (dir, _) = fresh();
        let path = dir.path().join("key");
        let whole = fs::read(&path).unwrap();
        let flipped: Vec<u8> = whole
            .iter()
            .enumerate()
            .map(|(i, b)| {
                if i == 30 {
                    if *b == b'0' { b'1' } else { b'0' }
                } else {
                    *b
                }
            })
            .collect();
        for damaged in [
            Vec::new(),
            b"hello\n".to_vec(),
            whole[..40].to_vec(),
            flipped,
        ] {
            fs::write(&path, &damaged).unwrap();
            let error = Keys::load_or_create(dir.path()).unwrap_err();
            assert!(matches!(error, KeyError::Damaged { .. }), "{error}");
            assert_eq!(fs::read(&path).unwrap(), damaged);
        }
    }

    #[test]
    fn what_is_sealed_opens_under_its_own_name_only() {
        let (_dir, keys) = fresh();
        let sealed = keys.seal(b"server:runs", b"hunter2").unwrap();
        assert_eq!(keys.open(b"server:runs", &sealed).unwrap(), b"hunter2");
        assert!(keys.open(b"server:other", &sealed).is_err());
        assert_ne!(keys.seal(b"server:runs", b"hunter2").unwrap(), sealed);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys.open(b"server:runs", &changed).is_err(), "byte {at}");
            assert!(keys.open(b"server:runs", &sealed[..at]).is_err());
        }
    }

    #[test]
    fn macs_differ_by_purpose_and_the_border_between_purpose_and_data_counts() {
        let (_dir, keys) = fresh();
        assert_ne!(keys.mac("a", b"x"), keys.mac("b", b"x"));
        assert_ne!(keys.mac("ab", b"c"), keys.mac("a", b"bc"));
        let (_other_dir, other) = fresh();
        assert_ne!(keys.mac("a", b"x"), other.mac("a", b"x"));
    }

    #[test]
    fn signatures_are_checked_with_the_public_key_alone() {
        let (_dir, keys) = fresh();
        let public = PublicKey::from_hex(&keys.public_key().to_string()).unwrap();
        let signature = keys.sign(b"head");
        assert!(public.verifies(b"head", &signature));
        assert!(!public.verifies(b"tail", &signature));
    }

    // INVARIANT: Debug prints no secret.
    #[test]
    fn debug_shows_the_public_key_and_nothing_of_the_master() {
        let (dir, keys) = fresh();
        let file = fs::read_to_string(dir.path().join("key")).unwrap();
        let master = file.split(' ').nth(1).unwrap();
        let shown = format!("{keys:?}");
        assert!(shown.contains(&keys.public_key().to_string()));
        assert!(!shown.contains(master) && !shown.contains(&master[..16]));
    }
}
