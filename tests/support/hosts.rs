//! Machines for a fleet that is rehearsed: each is this one, behind an SSH server of its own that starts when its machine is made, as
//! cloud-init would have it, and stops when that goes.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value as Json;

/// Debian's, by its whole path: it starts itself anew for each who comes.
const SSHD: &str = "/usr/sbin/sshd";

/// Machines that wait to be made.
pub(crate) struct Hosts {
    directory: tempfile::TempDir,
    /// Where they answer.
    pub(crate) addresses: Vec<String>,
    stop: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
}

/// One of them.
struct Host {
    /// What it is told, which is there for as long as its machine.
    file: PathBuf,
    home: PathBuf,
    port: u16,
    environment: Vec<(String, String)>,
    server: Option<Child>,
}

/// Whether there is a server; without one the test is left out, which is an error where none may be.
pub(crate) fn has_sshd() -> bool {
    let found = Path::new(SSHD).is_file();
    assert!(found || std::env::var_os("TRUEUP_REQUIRE_ALL").is_none(), "{SSHD} is needed, and not there");
    if !found {
        let _ = writeln!(std::io::stderr(), "skipped: needs {SSHD}");
    }
    found
}

/// The user who runs this, who alone can log in to a server that is not root's.
pub(crate) fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Hosts {
    /// As many as there are environments: what programs find on each.
    pub(crate) fn new(environments: Vec<Vec<(String, String)>>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let hosts: Vec<Host> = environments
            .into_iter()
            .enumerate()
            .map(|(index, environment)| Host {
                file: directory.path().join(format!("{index}.json")),
                home: directory.path().join(format!("host-{index}")),
                port: free_port(),
                environment,
                server: None,
            })
            .collect();
        let addresses = hosts.iter().map(|host| format!("127.0.0.1:{}", host.port)).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let keeper = std::thread::spawn(move || keep(hosts, &stopped));
        Self { directory, addresses, stop, keeper: Some(keeper) }
    }

    /// What a blueprint says of them.
    pub(crate) fn settings(&self) -> Json {
        serde_json::json!({ "directory": self.directory.path(), "ssh": self.addresses })
    }

    /// What a machine was told at its start; none where there is none.
    pub(crate) fn told(&self, index: usize) -> Option<Json> {
        let text = fs::read(self.directory.path().join(format!("{index}.json"))).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// A path on a machine.
    pub(crate) fn path(&self, index: usize, name: &str) -> PathBuf {
        self.directory.path().join(format!("host-{index}")).join(name)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// A port that nobody has.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn keep(mut hosts: Vec<Host>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        hosts.iter_mut().for_each(Host::follow);
        std::thread::sleep(Duration::from_millis(30));
    }
    hosts.iter_mut().for_each(Host::end);
}

impl Host {
    fn follow(&mut self) {
        match (fs::read(&self.file), &self.server) {
            (Ok(told), None) => {
                let told = serde_json::from_slice(&told).unwrap();
                self.boot(&told);
            }
            (Err(_), Some(_)) => self.end(),
            _ => {}
        }
    }

    /// Does what cloud-init does: the host key and who may log in are as the machine is told.
    fn boot(&mut self, told: &Json) {
        fs::create_dir_all(&self.home).unwrap();
        if told["check"]["startup"].is_object() {
            return self.check_itself(told);
        }
        let ssh = &told["check"]["ssh"];
        // As root it looks for a directory that its package makes at its start.
        let _ = fs::create_dir_all("/run/sshd");
        let key = self.home.join("ssh_host_ed25519_key");
        fs::write(&key, ssh["host_key"]["private"].as_str().unwrap()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let mut keys = vec![ssh["authorized_key"].as_str().unwrap().to_owned()];
        let others = told["ssh"]["public_keys"].as_array().into_iter().flatten();
        keys.extend(others.filter_map(Json::as_str).map(str::to_owned));
        fs::write(self.home.join("authorized_keys"), keys.join("\n")).unwrap();
        fs::write(self.home.join("sshd_config"), self.config(&key)).unwrap();
        let mut command = Command::new(SSHD);
        command.args(["-D", "-e", "-f"]).arg(self.home.join("sshd_config"));
        let log = fs::File::create(self.home.join("sshd.log")).unwrap();
        self.server = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    /// Runs what a machine runs that checks itself. What it fetches and leaves are files here.
    fn check_itself(&mut self, told: &Json) {
        let startup = &told["check"]["startup"];
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        let places = [&startup["program"], &told["left"]].map(|path| format!("file://{}", text(path)));
        let words = startup["words"].as_array().unwrap().iter().map(text);
        let lines: Vec<String> = [text(&startup["digest"])].into_iter().chain(places).chain(words).collect();
        let file = self.home.join("check");
        fs::write(&file, lines.join("\n") + "\n").unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", &text(&startup["script"]), "sh"]).arg(&file).current_dir(&self.home);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.server = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
    }

    fn config(&self, key: &Path) -> String {
        let home = self.home.display();
        let ours = [("TRUEUP_SSHD", home.to_string()), ("XDG_CACHE_HOME", format!("{home}/cache"))];
        let ours = ours.into_iter().map(|(name, value)| (name.to_owned(), value));
        let environment = ours.chain(self.environment.iter().cloned());
        let words: Vec<String> = environment
            .map(|(name, value)| format!("\"{name}={}\"", value.replace('\\', r"\\").replace('"', "\\\"")))
            .collect();
        format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile {home}/sshd.pid\nAuthorizedKeysFile {home}/authorized_keys\n\
             UsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nLogLevel VERBOSE\nSetEnv {}\n",
            self.port,
            key.display(),
            words.join(" ")
        )
    }

    fn end(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
