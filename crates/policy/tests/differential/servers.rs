//! Database servers of our own: each in a directory of its own, gone with its test.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::programs::missing;

pub(crate) struct Postgres {
    directory: tempfile::TempDir,
    programs: PathBuf,
}

impl Postgres {
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            missing("PostgreSQL's initdb is not in /usr/lib/postgresql/*/bin");
            return None;
        };
        let directory = tempfile::tempdir().expect("a directory");
        let server = Self {
            directory,
            programs,
        };
        if is_root() {
            run(Command::new("chown")
                .arg("postgres")
                .arg(server.directory.path()));
        }
        let data = server.data();
        let mut initdb = server.program("initdb");
        initdb
            .args(["--no-sync", "-A", "trust", "-U", "postgres", "-D"])
            .arg(&data);
        run(&mut initdb);
        let mut start = server.program("pg_ctl");
        let options = format!(
            "-k {} -c listen_addresses='' -c fsync=off",
            server.directory.path().display()
        );
        start
            .args(["-w", "-o", &options, "-l"])
            .arg(data.join("log"))
            .arg("-D")
            .arg(&data)
            .arg("start");
        run(&mut start);
        Some(server)
    }

    /// Where its socket is.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// PostgreSQL refuses to be root.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command
            .current_dir(self.directory.path())
            .stdout(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = self.program("pg_ctl");
        stop.args(["-w", "-m", "immediate", "-D"])
            .arg(self.data())
            .arg("stop");
        run(&mut stop);
    }
}

pub(crate) struct MariaDb {
    directory: tempfile::TempDir,
    server: Child,
}

impl MariaDb {
    /// Takes `PORTREEVE_MARIADBD`, or what Debian installs.
    pub(crate) fn start() -> Option<Self> {
        let path = std::env::var("PORTREEVE_MARIADBD").unwrap_or("/usr/sbin/mariadbd".to_owned());
        let path = Path::new(&path);
        if !path.exists() {
            missing("MariaDB's mariadbd is not there");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let mut command = if is_root() {
            run(Command::new("chown").arg("nobody").arg(directory.path()));
            let mut command = Command::new("runuser");
            command.args(["-u", "nobody", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        let option = |name: &str, value: &Path| format!("--{name}={}", value.display());
        let messages = path.with_file_name("../share/mysql");
        let child = command
            .args(["--no-defaults", "--skip-grant-tables", "--skip-networking"])
            .arg(option("datadir", directory.path()))
            .arg(option("secure-file-priv", directory.path()))
            .arg(option("socket", &directory.path().join("socket")))
            .arg(option("pid-file", &directory.path().join("pid")))
            .arg(option("lc-messages-dir", &messages))
            .current_dir(directory.path())
            .stderr(Stdio::piped())
            .spawn();
        let mut server = child.expect("MariaDB starts");
        let mut log = BufReader::new(server.stderr.take().expect("it is piped")).lines();
        let ready = log.any(|line| line.is_ok_and(|l| l.contains("ready for connections")));
        assert!(ready, "MariaDB did not get ready");
        // Whatever it writes further must go somewhere, or it waits.
        std::thread::spawn(move || log.count());
        Some(Self { directory, server })
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.directory.path().join("pid")).expect("its pid");
        run(Command::new("kill").args(["-TERM", pid.trim()]));
        self.server.wait().expect("MariaDB ends");
    }
}

fn run(command: &mut Command) {
    let status = command
        .status()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(status.success(), "{command:?} failed");
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout == b"0\n"
}

fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(Path::new("/usr/lib/postgresql")).ok()?;
    let bins = versions.flatten().map(|v| v.path().join("bin"));
    bins.filter(|bin| bin.join("initdb").exists()).max()
}
