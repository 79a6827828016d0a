//! The process between the gate and a stdio server: it sees to it that nothing of the server
//! outlives the gate, however the gate ends.
//!
//! ```text
//! gate ── stdin, stdout: pipes the server inherits ──────────────── server (a session of its own)
//!      └─ stderr: a socket ── warden (parent of the server, adopts what the server leaves behind)
//! ```
//!
//! The socket carries the server's stderr to the gate, and orders to the warden. When the gate is
//! gone, killed or not, the kernel closes its end, and the warden ends the server. Should the warden
//! be killed, the kernel kills the server with it. Both need no code that runs in a forked process,
//! and so no `unsafe`: the server's process first runs this program ([`become_server`]), asks for
//! all that, and then becomes the server.
//!
//! Linux alone has adoption and death signals. Elsewhere the warden still ends the server's process
//! group with the gate; only what leaves the group can stay.

use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus};

/// Orders of the gate, one byte each.
pub(super) const TERMINATE: u8 = b'T';
pub(super) const KILL: u8 = b'K';

/// How long a server may take to end by itself when the gate is gone.
const LAST_MOMENT: Duration = Duration::from_millis(500);
/// What the server left behind is looked for again after this pause.
const PAUSE: Duration = Duration::from_millis(2);
/// How often it is looked for. What is left then cannot be killed (it hangs in the kernel).
const ROUNDS: usize = 2_000;
/// The exit code for a server that could not be started, as shells use it.
const NOT_STARTED: u8 = 127;

/// A server's program and arguments, and the program that serves as its warden.
#[derive(Debug)]
pub struct Ward {
    pub own_program: PathBuf,
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

/// The warden's whole life. Returns the exit code: the server's own, or 128 and the signal.
pub fn watch(ward: &Ward) -> u8 {
    adopt_orphans();
    let (server, pump) = match start(ward) {
        Ok(started) => started,
        Err(error) => {
            // This is heard by the gate, as the server's stderr is.
            eprintln!(
                "portreeve: cannot start {}: {error}",
                ward.program.display()
            );
            return NOT_STARTED;
        }
    };
    let orders = Arc::clone(&server);
    thread::spawn(move || follow_orders(&orders));
    let code = server.wait();
    server.end_the_rest();
    // Everybody who could write to it is gone, so it ends.
    pump.join().ok();
    code
}

fn start(ward: &Ward) -> io::Result<(Arc<Server>, thread::JoinHandle<()>)> {
    let (from_server, stderr) = io::pipe()?;
    let mut command = Command::new(&ward.own_program);
    command
        .args(["child", "--become"])
        .arg(std::process::id().to_string())
        .arg("--")
        .arg(&ward.program)
        .args(&ward.arguments)
        .stderr(stderr);
    let child = command.spawn()?;
    // The warden's own copies: the server must see the end of its input, and the gate that of its
    // output, when the other side closes and not when the warden ends.
    drop(command);
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("it has no process id"))?;
    let server = Server {
        pid,
        lives: Mutex::new(true),
    };
    let pump = thread::spawn(move || pass_on(from_server));
    Ok((Arc::new(server), pump))
}

/// Hands the server's stderr to the gate, for as long as there is one.
fn pass_on(mut from_server: PipeReader) {
    let mut piece = [0; 4096];
    let mut gate_listens = true;
    while let Ok(count @ 1..) = from_server.read(&mut piece) {
        let piece = piece.get(..count).unwrap_or_default();
        // A server must not be stopped because nobody hears it any more.
        gate_listens = gate_listens && io::stderr().write_all(piece).is_ok();
    }
}

/// Carries out what the gate says; its silence for good is an order, too.
fn follow_orders(server: &Server) {
    let mut order = [0];
    loop {
        match rustix::io::read(rustix::stdio::stderr(), &mut order) {
            Ok(1..) if order == [TERMINATE] => server.signal(Signal::TERM),
            Ok(1..) => server.signal(Signal::KILL),
            Err(Errno::INTR) => {}
            Ok(0) | Err(_) => break,
        }
    }
    server.signal(Signal::TERM);
    thread::sleep(LAST_MOMENT);
    server.signal(Signal::KILL);
}

/// The server's process, which leads a group and a session of its own.
struct Server {
    pid: Pid,
    /// False once the process is reaped and its number may be another's.
    lives: Mutex<bool>,
}

impl Server {
    fn signal(&self, signal: Signal) {
        let lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
        // Before it has its own group there is no such group.
        if *lives && rustix::process::kill_process_group(self.pid, signal).is_err() {
            rustix::process::kill_process(self.pid, signal).ok();
        }
    }

    /// Waits for the server and reaps what it leaves behind on the way.
    fn wait(&self) -> u8 {
        loop {
            let some_dead = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            match rustix::process::waitid(WaitId::All, some_dead) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return NOT_STARTED,
            }
            // Reaped under the lock, so that nobody signals a number that is free again.
            let mut lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.pid => {
                    *lives = false;
                    return code_of(status);
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return NOT_STARTED,
            }
        }
    }

    /// Kills whatever the server started and left running, also what has left its group.
    fn end_the_rest(&self) {
        for _ in 0..ROUNDS {
            rustix::process::kill_process_group(self.pid, Signal::KILL).ok();
            for orphan in own_children() {
                rustix::process::kill_process(orphan, Signal::KILL).ok();
            }
            loop {
                match rustix::process::wait(WaitOptions::NOHANG) {
                    Ok(Some(_)) | Err(Errno::INTR) => {}
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
            thread::sleep(PAUSE);
        }
    }
}

fn code_of(status: WaitStatus) -> u8 {
    let signal = status.terminating_signal().map(|signal| 128 + signal);
    let code = status.exit_status().or(signal);
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(NOT_STARTED)
}

fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).ok();
}

/// The processes whose parent this one is.
fn own_children() -> Vec<Pid> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok())
        .flat_map(|children| {
            let pids = children.split_ascii_whitespace();
            pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
                .collect::<Vec<Pid>>()
        })
        .collect()
}

/// The beginning of the server's process: away from the gate's terminal and group, bound to the
/// warden's life. Returns only if the program cannot be started.
pub fn become_server(warden: i32, program: &Path, arguments: &[String]) -> u8 {
    rustix::process::setsid().ok();
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).ok();
    // A warden that died before it was asked for is told by nobody.
    if rustix::process::getppid().map(Pid::as_raw_pid) != Some(warden) {
        return NOT_STARTED;
    }
    let error = Command::new(program)
        .args(arguments)
        .stdin(Stdio::inherit())
        .exec();
    eprintln!("portreeve: cannot start {}: {error}", program.display());
    NOT_STARTED
}
