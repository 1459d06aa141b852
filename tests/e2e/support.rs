//! A place to run the program in: a working directory, a home and the machine's directory, all gone afterwards with every process
//! that was started from there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value as Json;

/// The longest that one command may take. Nothing here comes near it.
const LONGEST: Duration = Duration::from_mins(2);

/// A server that answers every GET with `ok`, and `/env` with the variable `WORDS`.
const SERVER: &str = r"import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ.get('WORDS', '').encode() if self.path == '/env' else b'ok')
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
";

/// A bucket, an artifact in it, a registry and an endpoint that reads the artifact.
pub(crate) const DEMO: &str = r#"blueprint: demo
providers: { local: {} }
variables:
  words: { type: string, default: hello }
resources:
  data: { kind: bucket, tags: { team: a } }
  weights: { kind: artifact, bucket: "{{ data }}", source: ./model }
  images: { kind: registry }
  chat:
    kind: endpoint
    command: [python3, serve.py]
    working_dir: .
    model: "{{ weights.uri }}"
    env: { WORDS: "{{ var.words }}" }
outputs:
  url: "{{ chat.url }}"
  where: "{{ weights.uri }}"
"#;

/// Two buckets, which are made at once.
pub(crate) const BUCKETS: &str = r"blueprint: demo
providers: { local: {} }
resources:
  one: { kind: bucket, tags: { team: a } }
  two: { kind: bucket }
";

/// What the program said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The same, if it ended so.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self
    }

    /// The same, if the standard output has this.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text), "`{text}` is not in\n{}{}", self.out, self.err);
        self
    }

    /// The same, if the standard output does not have this.
    #[track_caller]
    pub(crate) fn says_not(self, text: &str) -> Self {
        assert!(!self.out.contains(text), "`{text}` is in\n{}{}", self.out, self.err);
        self
    }

    /// The same, if the standard error stream has this.
    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Self {
        assert!(self.err.contains(text), "`{text}` is not in\n{}{}", self.out, self.err);
        self
    }

    /// The standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in\n{}{}", self.out, self.err))
    }

    /// The standard output as JSON, one value a line.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Json> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in\n{line}"));
        self.out.lines().map(parse).collect()
    }
}

/// What is where, with its size and the time of its last change.
pub(crate) type Listing = BTreeMap<PathBuf, (u64, SystemTime)>;

/// A place to run the program in.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    /// An empty one, but for what blueprints here need: `serve.py` and `model/`.
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for directory in ["work/model", "home", "machine"] {
            fs::create_dir_all(place.0.path().join(directory)).unwrap();
        }
        place.write("serve.py", SERVER);
        place.write("model/weights.bin", "0123456789");
        place
    }

    /// One with this as its `blueprint.yaml`.
    pub(crate) fn with(blueprint: &str) -> Self {
        let place = Self::new();
        place.write("blueprint.yaml", blueprint);
        place
    }

    /// One with this as its `blueprint.yaml`, applied.
    #[track_caller]
    pub(crate) fn applied(blueprint: &str) -> Self {
        let place = Self::with(blueprint);
        place.run(&["apply", "--yes"]).exits(0);
        place
    }

    /// A path below the working directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("work").join(name)
    }

    /// Writes a file of the working directory.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Replaces a text of `blueprint.yaml`.
    #[track_caller]
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("blueprint.yaml")).unwrap();
        assert!(text.contains(from), "{from}");
        self.write("blueprint.yaml", &text.replace(from, to));
    }

    /// Runs the program.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[])
    }

    /// Runs the program with more environment variables.
    #[track_caller]
    pub(crate) fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
        self.run_in(&self.path(""), arguments, environment)
    }

    /// Runs the program in another working directory.
    #[track_caller]
    pub(crate) fn run_in(&self, directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
        let mut command = assert_cmd::Command::from_std(self.command(arguments));
        command.current_dir(directory).envs(environment.iter().copied());
        let output = command.timeout(LONGEST).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().expect("it ends by itself and in time");
        Ran { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs the program without a home and any other variable.
    #[track_caller]
    pub(crate) fn run_bare(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        command.env_clear();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running(child).wait()
    }

    /// Runs the program with its standard output in a file.
    pub(crate) fn run_into(&self, arguments: &[&str], file: fs::File) -> Ran {
        let mut command = self.command(arguments);
        let child = command.stdin(Stdio::null()).stdout(file).stderr(Stdio::piped()).spawn().unwrap();
        Running(child).wait()
    }

    /// Starts the program and goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, &[])
    }

    /// Starts the program with more environment variables, and goes on.
    pub(crate) fn start_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Running {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running(child)
    }

    /// Runs the program at a terminal, and types this once it asks.
    pub(crate) fn run_at_terminal(&self, arguments: &str, typed: &[u8]) -> Ran {
        let program = assert_cmd::cargo::cargo_bin!("trueup");
        let line = format!("exec {} {arguments}", program.display());
        let environment = self.command(&[]);
        let mut command = Command::new("script");
        command.args(["-q", "-e", "-c", &line, "/dev/null"]).current_dir(self.path("")).env_clear();
        command.envs(environment.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // Held open to the end: a terminal that closes is another thing than one that is silent.
        let mut keyboard = child.stdin.take().unwrap();
        let mut screen = child.stdout.take().unwrap();
        let (mut shown, mut byte) = (Vec::new(), [0]);
        let asks = |shown: &[u8]| shown.ends_with(b"does it: ");
        while !asks(&shown) && screen.read(&mut byte).unwrap() == 1 {
            shown.push(byte[0]);
        }
        // Who asks nothing may be gone by now.
        let typing = keyboard.write_all(typed);
        assert!(typing.is_ok() || !asks(&shown), "{typing:?}");
        screen.read_to_end(&mut shown).unwrap();
        let code = child.wait().unwrap().code().unwrap();
        Ran { code, out: String::from_utf8_lossy(&shown).into_owned(), err: String::new() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("trueup"));
        command.args(arguments);
        self.at_home(command)
    }

    /// A shell with a command of its own, at home here.
    pub(crate) fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        self.at_home(command)
    }

    fn at_home(&self, mut command: Command) -> Command {
        command.current_dir(self.path("")).env_clear().env("PATH", search_path());
        command.env("HOME", self.0.path().join("home")).env("XDG_STATE_HOME", self.0.path().join("machine"));
        command
    }

    /// Every file and directory of the place with its size and the time of its last change. Logs are left out: an endpoint that
    /// is asked whether it works may say so there.
    pub(crate) fn listing(&self) -> Listing {
        let mut listing = BTreeMap::new();
        walk(self.0.path(), &mut |path| {
            if path.extension().is_some_and(|extension| extension == "log") {
                return;
            }
            let metadata = fs::symlink_metadata(path).unwrap();
            listing.insert(path.to_owned(), (metadata.len(), metadata.modified().unwrap()));
        });
        listing
    }

    /// Everything is still as it was listed.
    #[track_caller]
    pub(crate) fn is_as(&self, before: &Listing) {
        let after = self.listing();
        let changed: Vec<&PathBuf> =
            before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
        assert!(changed.is_empty(), "touched: {changed:#?}");
    }

    /// The files below `.trueup` and the machine's directory, as paths from there.
    pub(crate) fn kept(&self) -> Vec<String> {
        let mut files = Vec::new();
        for top in [self.path(".trueup"), self.0.path().join("machine")] {
            walk(&top, &mut |path| {
                if !path.is_dir() {
                    files.push(path.strip_prefix(&top).unwrap().display().to_string());
                }
            });
        }
        files.sort();
        files
    }

    /// Nothing that was made is left: only the state, and where it was needed the key.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
        let mut kept = self.kept();
        kept.retain(|file| file != "key");
        assert_eq!(kept, [".gitignore", "state.db"]);
        assert!(self.replicas().is_empty(), "a replica runs");
    }

    /// All files of the place.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(self.0.path(), &mut |path| {
            if path.is_file() {
                found.push(path.to_owned());
            }
        });
        found
    }

    /// All files of the place whose content has these bytes.
    pub(crate) fn files_with(&self, needle: &str) -> Vec<PathBuf> {
        let has = |bytes: Vec<u8>| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
        let mut found = self.files();
        found.retain(|path| fs::read(path).is_ok_and(has));
        found
    }

    /// The only file or directory with this name, or with a name that begins so, below `.trueup/local`.
    #[track_caller]
    pub(crate) fn made(&self, start: &str) -> PathBuf {
        Self::made_in(&self.path(""), start)
    }

    /// The same in another working directory.
    #[track_caller]
    pub(crate) fn made_in(directory: &Path, start: &str) -> PathBuf {
        let mut found = Vec::new();
        walk(&directory.join(".trueup/local"), &mut |path| {
            let is_card = path.extension().is_some_and(|extension| extension == "json");
            if !is_card && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)) {
                found.push(path.to_owned());
            }
        });
        assert_eq!(found.len(), 1, "{start}: {found:?}");
        found.remove(0)
    }

    /// The replicas that run from here: processes that bear this place's home.
    pub(crate) fn replicas(&self) -> Vec<Pid> {
        self.processes(true)
    }

    fn processes(&self, replicas_only: bool) -> Vec<Pid> {
        let home = format!("HOME={}", self.0.path().join("home").display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let variables: Vec<&[u8]> = environment.split(|byte| *byte == 0).collect();
            let replica = variables.iter().any(|variable| variable.starts_with(b"TRUEUP_REPLICA="));
            if variables.contains(&home.as_bytes()) && (replica || !replicas_only) {
                found.extend(Pid::from_raw(pid));
            }
        }
        found
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for pid in self.processes(false) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The program at work.
pub(crate) struct Running(Child);

impl Running {
    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Sends a signal to one that may have ended.
    pub(crate) fn signal_if_there(&self, signal: Signal) {
        let _ = kill_process(self.pid(), signal);
    }

    #[allow(dead_code, reason = "the tests of AWS use it")]
    /// Whether it has ended, which [`Running::wait`] tells of still.
    pub(crate) fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid()), options).unwrap().is_some()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap()
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> Ran {
        let output = self.0.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        // One that was killed has no code.
        Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1200 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("never: {what}");
}

/// Whether a program is there that a test needs. Without it the test is left out, which is an error where none may be.
pub(crate) fn require(program: &str) -> bool {
    let found = std::env::split_paths(&search_path()).any(|directory| directory.join(program).is_file());
    assert!(found || std::env::var_os("TRUEUP_REQUIRE_ALL").is_none(), "{program} is needed, and not there");
    if !found {
        let _ = writeln!(std::io::stderr(), "skipped: needs {program}");
    }
    found
}

/// The answer to an HTTP request, without its head.
pub(crate) fn http(url: &str, method: &str, path: &str, body: &str) -> String {
    let host = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// The permissions of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Where programs are looked for. A `python3` that is a shim over several needs a home of its own, so the real one goes first.
fn search_path() -> std::ffi::OsString {
    static PATH: OnceLock<std::ffi::OsString> = OnceLock::new();
    let find = || {
        let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
        let python = asked.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
        let first = Path::new(python.trim()).parent().map(Path::to_owned);
        let rest = std::env::var_os("PATH").unwrap_or_default();
        std::env::join_paths(first.into_iter().chain(std::env::split_paths(&rest))).unwrap()
    };
    PATH.get_or_init(find).clone()
}

fn walk(path: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        visit(&entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), visit);
        }
    }
}
