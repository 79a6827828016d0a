//! stand-in
use crate::store::model::{Secret, SecretText};
pub fn resolve_secret(secret: &Secret) -> Result<SecretText, String> {
    match secret {
        Secret::Literal(t) => Ok(t.clone()),
        other => Err(format!("{other} not supported")),
    }
}
