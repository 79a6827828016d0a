//! Request bodies: read whole, within a cap and a deadline.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

/// How long a client may take to send a body.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body did not arrive within {} s", DEADLINE.as_secs())]
    TooSlow,
    #[error("the body broke off")]
    Broken,
}

pub(super) async fn read(mut body: Incoming, max: usize) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > max as u64 {
        return Err(BodyError::TooLarge(max));
    }
    let reading = async {
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
                continue;
            };
            if rest.is_empty() && first.is_none() {
                // A body in one piece is not copied.
                first = Some(data);
            } else {
                if let Some(begun) = first.take() {
                    rest.extend_from_slice(&begun);
                }
                rest.extend_from_slice(&data);
            }
            if rest.len().max(first.as_ref().map_or(0, Bytes::len)) > max {
                return Err(BodyError::TooLarge(max));
            }
        }
        Ok(first.unwrap_or_else(|| rest.freeze()))
    };
    timeout(DEADLINE, reading)
        .await
        .map_err(|_| BodyError::TooSlow)?
}
