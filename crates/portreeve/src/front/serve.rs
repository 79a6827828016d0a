//! Accepting connections, and ending well.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use super::answer::in_beat;
use super::crowd::Crowd;
use super::patience::{Patience, Patient, Pulse};
use super::places::Allowed;
use super::sse::Streams;
use super::strangers::{Counted, Strangers};
use crate::budget::Budget;
use crate::eras::Eras;
use crate::gate::Gate;
use crate::joint::Joint;

/// How long running answers may take to end once the gate is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// The bounds of the face.
#[derive(Clone, Debug)]
pub struct FrontSettings {
    pub max_body: usize,
    pub max_connections: usize,
    /// What request bodies beyond 64 KiB may take together.
    pub max_large_bodies: usize,
    /// What servers' answers and events beyond 64 KiB may take together.
    pub max_large_answers: usize,
    /// How many requests of one grant are answered at a time.
    pub max_per_grant: usize,
    pub patience: Patience,
    /// Whether clients of the oldest transport are answered.
    pub sse: bool,
}

impl Default for FrontSettings {
    fn default() -> Self {
        Self {
            max_body: 16 * 1024 * 1024,
            max_connections: 10_000,
            max_large_bodies: 256 * 1024 * 1024,
            max_large_answers: 256 * 1024 * 1024,
            max_per_grant: 1_000,
            patience: Patience::default(),
            sse: false,
        }
    }
}

/// The face that agents see.
#[derive(Debug)]
pub struct Front {
    pub(super) gate: Arc<Gate>,
    pub(super) eras: Arc<Eras>,
    pub(super) joint: Arc<Joint>,
    pub(super) allowed: Allowed,
    pub(super) settings: FrontSettings,
    pub(super) strangers: Strangers,
    pub(super) crowd: Arc<Crowd>,
    pub(super) budget: Budget,
    pub(super) streams: Streams,
}

impl Front {
    pub fn new(gate: Arc<Gate>, allowed: Allowed, settings: FrontSettings) -> Arc<Self> {
        let eras = Eras::new(Arc::clone(&gate));
        Arc::new(Self {
            joint: Joint::new(Arc::clone(&gate), Arc::clone(&eras)),
            eras,
            gate,
            allowed,
            crowd: Crowd::new(settings.max_per_grant),
            budget: Budget::new(settings.max_large_bodies),
            settings,
            strangers: Strangers::default(),
            streams: Streams::default(),
        })
    }

    /// How many requests without a valid grant came since this was last asked.
    pub fn take_strangers(&self) -> Counted {
        self.strangers.take()
    }

    /// Forgets conversations of other eras that lay idle for too long.
    pub fn sweep(&self) {
        self.eras.sweep();
    }

    /// Serves until `stop` turns true, then lets what runs come to its end.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(self.settings.max_connections));
        let server = protocols();
        loop {
            // Waiting for a place before accepting leaves further clients in the kernel's queue.
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let Ok(place) = place else { break };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: accepting again at once would spin.
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // Small answers are whole; waiting to fill a packet would only delay them.
            stream.set_nodelay(true).ok();
            let connection = self.connection(&server, stream, peer.ip());
            let watched = graceful.watch(connection);
            tokio::spawn(async move {
                if let Err(error) = watched.await {
                    tracing::debug!(%peer, %error, "a connection ended badly");
                }
                drop(place);
            });
        }
        drop(listener);
        tokio::select! {
            () = graceful.shutdown() => {}
            () = sleep(DRAIN) => tracing::warn!("some answers were still running at the end"),
        }
    }

    /// Serves one connection to its end: for whoever does the listening, and for tests without
    /// a network.
    pub async fn serve_connection<I>(self: &Arc<Self>, stream: I, peer: IpAddr)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if let Err(error) = self.connection(&protocols(), stream, peer).await {
            tracing::debug!(%peer, %error, "a connection ended badly");
        }
    }

    fn connection<I>(
        self: &Arc<Self>,
        server: &auto::Builder<TokioExecutor>,
        stream: I,
        peer: IpAddr,
    ) -> impl GracefulConnection<Error = BoxError> + Send + 'static
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let front = Arc::clone(self);
        let pulse = Arc::new(Pulse::default());
        let stream = Patient::new(stream, self.settings.patience, Arc::clone(&pulse));
        let service = service_fn(move |request: Request<Incoming>| {
            let (front, pulse) = (Arc::clone(&front), Arc::clone(&pulse));
            let one_of_many = request.version() == Version::HTTP_2;
            let beat = pulse.beat(one_of_many);
            async move {
                let answer = in_beat(front.answer(request, peer).await, beat);
                Ok::<_, Infallible>(pulse.untaken.in_pieces(answer, one_of_many))
            }
        });
        server
            .serve_connection(TokioIo::new(stream), service)
            .into_owned()
    }
}

/// What is spoken on a connection, and within which bounds.
fn protocols() -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    // How long a request's head may take is `patience`'s to say: a timer of hyper's own for every
    // request would be one more to set and to clear.
    server.http1().header_read_timeout(None);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(250);
    server
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
