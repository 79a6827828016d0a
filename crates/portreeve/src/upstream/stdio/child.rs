//! One process of a server, from the gate's side: asked, told, listened to, and watched over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::super::UpstreamError;
use super::answers::{Answers, Carrier};
use super::backoff::Backoff;
use super::chatter::{Noise, log_stderr};
use super::children::{Children, Place};
use super::launch::Launch;
use super::mux::{Route, Serves, Table};
use super::process::{self, Process};
use crate::budget::Budget;
use crate::mcp::lines::{self, Lines};
use crate::mcp::parts::{self, Parts};
use crate::name::Name;

/// What may lie in the queue to one process, in bytes.
const QUEUE: u32 = 32 * 1024 * 1024;
/// How many lines of our own may lie there. Only a server that asks and reads nothing gets so far.
const OWN_WORDS: usize = 10_000;
/// How long a session's client may take to make room before its stream is given up. Who shares a
/// process with others is not waited for.
const CLIENT_STALL: Duration = Duration::from_secs(10);
/// How long output that is still in the pipe may take to be read once the process has ended.
const REST: Duration = Duration::from_secs(2);

/// The handle to a process. Dropping it ends the process.
#[derive(Debug)]
pub(super) struct Child(Arc<Shared>);

impl Drop for Child {
    fn drop(&mut self) {
        self.0.order_end();
    }
}

/// What the tasks of one process share.
#[derive(Debug)]
pub(super) struct Shared {
    serves: Serves,
    server: Name,
    /// Tells one server from another, in any configuration.
    places: Arc<Semaphore>,
    table: Mutex<Table>,
    queue: mpsc::UnboundedSender<Line>,
    room: Arc<Semaphore>,
    own_words: Arc<Semaphore>,
    stall: Duration,
    end: watch::Sender<bool>,
}

#[derive(Debug)]
struct Line {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// What a process is started with.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub server: &'a Name,
    pub serves: Serves,
    pub launch: &'a Launch,
    pub children: &'a Children,
    pub places: &'a Arc<Semaphore>,
    pub backoff: &'a Arc<Backoff>,
    /// How long it may be of no use.
    pub idle: Duration,
}

impl Child {
    /// Starts a process. It must be called in a runtime, in which its tasks live.
    pub(super) async fn start(start: Start<'_>) -> Result<Self, UpstreamError> {
        let place = start.children.place(start.places).await?;
        let settings = start.children.settings();
        let (process, pipes) = process::start(&settings.own_program, start.launch)?;
        let (queue, lines) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            serves: start.serves,
            server: start.server.clone(),
            places: Arc::clone(start.places),
            table: Mutex::new(Table::new(start.serves)),
            queue,
            room: Arc::new(Semaphore::new(QUEUE as usize)),
            own_words: Arc::new(Semaphore::new(OWN_WORDS)),
            stall: settings.stall,
            end: watch::Sender::new(false),
        });
        start.children.enter(&place, &shared);
        let secrets = start.launch.secrets().to_vec();
        let watch = Watch {
            stderr: tokio::spawn(log_stderr(start.server.clone(), pipes.stderr, secrets)),
            reader: tokio::spawn(read(
                Arc::clone(&shared),
                Lines::new(pipes.stdout, settings.max_line),
                start.children.budget().clone(),
            )),
            writer: tokio::spawn(write(pipes.stdin, lines, settings.stall)),
            shared: Arc::clone(&shared),
            backoff: Arc::clone(start.backoff),
            idle: start.idle,
            place,
        };
        tokio::spawn(watch.over(process));
        tracing::debug!(server = %start.server, serves = ?start.serves, "started a process");
        Ok(Self(shared))
    }

    pub(super) fn is_gone(&self) -> bool {
        self.0.table().gone().is_some()
    }

    /// Sends a request; its answers come by themselves.
    pub(super) async fn ask(&self, line: &Bytes, parts: &Parts) -> Result<Answers, UpstreamError> {
        let room = self.0.take_room(line.len()).await?;
        let begun = self.0.table().begin(line, parts)?;
        let carrier = Arc::clone(&self.0) as Arc<dyn Carrier>;
        let answers = Answers::of_request(carrier, begun.wire_id, begun.written, begun.answers);
        let sent = Line {
            bytes: begun.line,
            _room: room,
        };
        match self.0.queue.send(sent) {
            Ok(()) => Ok(answers),
            Err(_) => Err(UpstreamError::Unreachable("its process is ending".into())),
        }
    }

    /// Sends what has no answer.
    pub(super) async fn tell(&self, line: Bytes) -> Result<(), UpstreamError> {
        let room = self.0.take_room(line.len()).await?;
        self.0.table().touch();
        let sent = Line {
            bytes: line,
            _room: room,
        };
        let ending = |_| UpstreamError::Unreachable("its process is ending".into());
        self.0.queue.send(sent).map_err(ending)
    }

    /// Passes a client's cancellation on. Its request is not waited for any longer.
    pub(super) async fn cancel(&self, line: Bytes, parts: &Parts) -> Result<(), UpstreamError> {
        let found = parts.cancels.as_ref().and_then(|mark| {
            let wire_id = self.0.table().find_own(mark)?.to_owned();
            Some((mark.clone(), wire_id))
        });
        let Some((mark, wire_id)) = found else {
            return self.tell(line).await;
        };
        let line = if mark.value == wire_id {
            line
        } else {
            parts::patched(&line, vec![mark.replaced(&wire_id)])
        };
        self.tell(line).await?;
        self.0.table().fail(&wire_id, UpstreamError::Cancelled);
        Ok(())
    }

    /// The stream on which the process speaks unasked.
    pub(super) fn listen(&self) -> Answers {
        Answers::of_session(self.0.table().listen())
    }
}

impl Carrier for Shared {
    /// A request whose client is gone: the server need not go on.
    fn abandon(self: Arc<Self>, wire_id: &str, written: &str) {
        if self.table().abandon(wire_id) {
            self.push(parts::cancellation(written));
        }
    }
}

impl Shared {
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn order_end(&self) {
        self.end.send_replace(true);
    }

    pub(super) fn is_of(&self, places: &Arc<Semaphore>) -> bool {
        Arc::ptr_eq(&self.places, places)
    }

    /// How long nobody has used it; `None` while somebody does.
    pub(super) fn idle(&self) -> Option<Duration> {
        self.table().idle()
    }

    async fn take_room(&self, length: usize) -> Result<OwnedSemaphorePermit, UpstreamError> {
        let length = u32::try_from(length).unwrap_or(QUEUE).clamp(1, QUEUE);
        let taking = Arc::clone(&self.room).acquire_many_owned(length);
        if let Ok(Ok(room)) = timeout(self.stall, taking).await {
            Ok(room)
        } else {
            let why = "it does not read what it is sent".to_owned();
            Err(UpstreamError::Unreachable(why))
        }
    }

    /// Queues words of our own, which are short.
    fn push(&self, bytes: Bytes) {
        let Ok(room) = Arc::clone(&self.own_words).try_acquire_owned() else {
            return;
        };
        // A process that has ended needs no words.
        self.queue.send(Line { bytes, _room: room }).ok();
    }

    /// Hands a line on to whoever it is for.
    async fn hear(&self, line: Bytes, noise: &mut Noise) {
        let length = line.len();
        let route = self.table().route(line);
        match route {
            Route::Done => {}
            Route::Noise(kind) => noise.note(kind, length),
            Route::Reply(words) => self.push(Bytes::from(words)),
            Route::To(outlet, message, request) => {
                let patience = match self.serves {
                    Serves::Session => CLIENT_STALL,
                    Serves::Everybody => Duration::ZERO,
                };
                if outlet.send(message, patience).await.is_err() {
                    self.give_up(request.as_deref());
                }
            }
        }
    }

    /// A client takes its messages too slowly to be waited for.
    fn give_up(&self, request: Option<&str>) {
        let Some(wire_id) = request else {
            tracing::warn!(server = %self.server, "a message for a client that takes none was dropped");
            return;
        };
        let why = "the client does not take what the server sends".to_owned();
        if self.table().fail(wire_id, UpstreamError::Broken(why)) {
            self.push(parts::cancellation(wire_id));
        }
    }
}

/// Reads to the end of the output, and says why it ended if that is known.
async fn read(
    shared: Arc<Shared>,
    mut lines: Lines<ChildStdout>,
    budget: Budget,
) -> Option<String> {
    let mut noise = Noise::new(shared.server.clone());
    loop {
        match lines.next().await {
            Ok(Some(line)) => {
                // Where others hold what there is, the server waits with its next line.
                let line = budget.awaited(line).await;
                for message in parts::messages(line) {
                    shared.hear(message, &mut noise).await;
                }
                if shared.own_words.available_permits() == 0 {
                    return Some("it asks and asks, and reads no answers".to_owned());
                }
            }
            Ok(None) => return None,
            Err(trouble) => return Some(trouble.to_string()),
        }
    }
}

/// Writes line by line. Ends with an error when the process does not read, or reads no more.
async fn write(
    mut stdin: ChildStdin,
    mut queue: mpsc::UnboundedReceiver<Line>,
    stall: Duration,
) -> String {
    while let Some(line) = queue.recv().await {
        let writing = async {
            lines::write(&mut stdin, &line.bytes).await?;
            stdin.flush().await
        };
        match timeout(stall, writing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return format!("its input was closed: {error}"),
            Err(_) => return format!("it did not read its input for {} s", stall.as_secs_f32()),
        }
    }
    "nobody writes to it any more".to_owned()
}

/// The task that watches over a process to its end.
struct Watch {
    shared: Arc<Shared>,
    reader: JoinHandle<Option<String>>,
    writer: JoinHandle<String>,
    stderr: JoinHandle<()>,
    backoff: Arc<Backoff>,
    idle: Duration,
    place: Place,
}

/// How a process came to its end.
enum Fate {
    /// By itself.
    Died(String),
    /// It cannot be spoken with.
    Unfit(String),
    /// It was not needed any more.
    Dismissed(&'static str),
}

impl Watch {
    async fn over(mut self, mut process: Process) {
        let fate = self.fate(&mut process).await;
        let why = match &fate {
            Fate::Died(why) | Fate::Unfit(why) => {
                tracing::warn!(server = %self.shared.server, "{why}");
                let had_answered = self.shared.table().had_answered();
                self.backoff.died(why, had_answered);
                why.as_str()
            }
            Fate::Dismissed(why) => {
                tracing::debug!(server = %self.shared.server, "ending a process: {why}");
                why
            }
        };
        self.shared.table().end(why);
        // This closes the server's input, which is how it is asked to end.
        self.writer.abort();
        self.reader.abort();
        process.end(!matches!(fate, Fate::Unfit(_))).await;
        timeout(REST, &mut self.stderr).await.ok();
        self.stderr.abort();
        drop(self.place);
    }

    async fn fate(&mut self, process: &mut Process) -> Fate {
        let mut end = self.shared.end.subscribe();
        loop {
            let check = sleep(self.until_idle());
            tokio::select! {
                () = ordered(&mut end) => return Fate::Dismissed("its session has ended"),
                why = process.ended() => {
                    // What it said last may still be in the pipe.
                    timeout(REST, &mut self.reader).await.ok();
                    return Fate::Died(why);
                }
                read = &mut self.reader => {
                    return match read {
                        Ok(Some(why)) => Fate::Unfit(why),
                        _ => match timeout(REST, process.ended()).await {
                            Ok(why) => Fate::Died(why),
                            Err(_) => Fate::Unfit("it closed its output".to_owned()),
                        },
                    };
                }
                wrote = &mut self.writer => {
                    return match timeout(REST, process.ended()).await {
                        Ok(why) => Fate::Died(why),
                        Err(_) => Fate::Unfit(wrote.unwrap_or_default()),
                    };
                }
                () = check => {
                    if self.shared.idle().is_some_and(|idle| idle >= self.idle) {
                        return Fate::Dismissed("nobody used it for long");
                    }
                }
            }
        }
    }

    /// How long it takes at least until the process counts as idle.
    fn until_idle(&self) -> Duration {
        const AT_LEAST: Duration = Duration::from_millis(10);
        let idle = self.shared.idle().unwrap_or_default();
        self.idle.saturating_sub(idle).max(AT_LEAST)
    }
}

/// Resolves when the end is ordered.
async fn ordered(end: &mut watch::Receiver<bool>) {
    // An error says that nobody is left who could order it, which is an order as well.
    end.wait_for(|end| *end).await.ok();
}
