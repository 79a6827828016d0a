//! How long a client may take: a connection that asks nothing, or does not take its answer, ends.
//!
//! The deadlines stand below HTTP, for a client need not speak it: hyper waits without end for the
//! bytes that tell its versions apart, and for a client that stops reading.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::taking::Untaken;
use crate::clock::{Alarm, Due};

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To send a request's head: the first, and on a connection that has one request at a time
    /// (HTTP/1) each, from when the answer before is taken.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// To take any more of an answer.
    pub stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            stall: Duration::from_mins(1),
        }
    }
}

/// What one connection is asked, as the side that answers knows it.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    has_asked: AtomicBool,
    /// Whether it can have many requests at a time (HTTP/2).
    has_many: AtomicBool,
    running: AtomicUsize,
    /// The answers that are handed over in pieces.
    pub(super) untaken: Untaken,
}

impl Pulse {
    /// A request has come; it runs until the guard is dropped.
    pub(super) fn beat(self: &Arc<Self>, one_of_many: bool) -> Beat {
        self.has_asked.store(true, Ordering::Release);
        self.has_many.store(one_of_many, Ordering::Release);
        self.running.fetch_add(1, Ordering::AcqRel);
        Beat(Arc::clone(self))
    }

    fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire) > 0
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Beat(Arc<Pulse>);

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A connection under deadlines.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    patience: Patience,
    pulse: Arc<Pulse>,
    /// When a request is due, while the client owes one. Bytes that are none yet do not renew it.
    owed: Option<Due>,
    /// When its head is.
    head: Option<Due>,
    alarm: Alarm,
    /// Runs while the client takes nothing.
    taking: Option<Pin<Box<Sleep>>>,
    /// Runs until single answers are looked at again.
    reviewing: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, patience: Patience, pulse: Arc<Pulse>) -> Self {
        Self {
            stream,
            patience,
            pulse,
            owed: None,
            head: None,
            alarm: Alarm::default(),
            taking: None,
            reviewing: None,
        }
    }

    /// Whether a request is owed for too long.
    fn poll_asking(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.pulse.is_running() {
            (self.owed, self.head) = (None, None);
            return Poll::Pending;
        }
        let Patience { head, idle, .. } = self.patience;
        let has_asked = self.pulse.has_asked.load(Ordering::Acquire);
        let within = if has_asked { idle } else { head };
        let owed = *self.owed.get_or_insert_with(|| Due::after(within));
        // Who still takes the answer before does not send a head yet.
        let due = if self.taking.is_some() || self.pulse.has_many.load(Ordering::Acquire) {
            self.head = None;
            owed
        } else {
            owed.min(*self.head.get_or_insert_with(|| Due::after(head)))
        };
        ready!(self.alarm.poll(due, cx));
        Poll::Ready(too_slow("no request came in time"))
    }

    /// Whether too many single answers were not taken.
    fn poll_untaken(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let stall = self.patience.stall;
        while !self.pulse.untaken.is_empty() {
            let reviewing = || Box::pin(sleep(stall / 2));
            let reviewing = self.reviewing.get_or_insert_with(reviewing);
            ready!(reviewing.as_mut().poll(cx));
            self.reviewing = None;
            if !self.pulse.untaken.review(stall) {
                return Poll::Ready(too_slow("the client does not take its answers"));
            }
        }
        self.reviewing = None;
        Poll::Pending
    }

    /// What became of a write, or that it waits for too long.
    fn judge_write<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.taking = None;
            return written;
        }
        let within = self.patience.stall;
        let taking = self.taking.get_or_insert_with(|| Box::pin(sleep(within)));
        ready!(taking.as_mut().poll(cx));
        Poll::Ready(Err(too_slow("the client does not take its answer")))
    }
}

fn too_slow(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.poll_asking(cx) {
            return Poll::Ready(Err(error));
        }
        if let Poll::Ready(error) = self.poll_untaken(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge_write(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge_write(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
