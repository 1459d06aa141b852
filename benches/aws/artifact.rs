//! A large artifact, beside rclone with the same file and the same server.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::aws::Aws;
use crate::python::python;
use crate::{median, trueup};

const GIB: u64 = 1 << 30;
const TIMES: usize = 3;

/// The server of `benches/s3`, over a directory.
struct Server {
    child: Child,
    /// It serves for as long as this is open.
    _open: ChildStdin,
    url: String,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/s3/Cargo.toml");
        let mut command = Command::new(env!("CARGO"));
        command.args(["run", "--quiet", "--release", "--manifest-path", manifest, "--"]).arg(directory);
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-s3");
        command.env("CARGO_TARGET_DIR", target).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let open = child.stdin.take().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { child, _open: open, url: format!("http://127.0.0.1:{}", port.trim()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long a command takes that succeeds, and the most memory that it has at once, in bytes.
fn watched(command: &mut Command) -> (Duration, u64) {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let ended = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        most = most.max(high_water(&fs::read_to_string(&status).unwrap_or_default()));
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(ended.success(), "{command:?}");
    (start.elapsed(), most)
}

/// `VmHWM` of a process, in bytes.
fn high_water(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// A file that can't be compressed.
fn write(path: &Path, size: u64) {
    let mut noise = File::open("/dev/urandom").unwrap();
    let mut block = vec![0; 1 << 26];
    noise.read_exact(&mut block).unwrap();
    let mut file = File::create(path).unwrap();
    for number in 0..size / (1 << 26) {
        // No two blocks are the same.
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block).unwrap();
    }
    file.sync_all().unwrap();
}

/// What was stored of a file under a directory.
fn stored(directory: &Path, size: u64) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        match fs::metadata(&entry).unwrap() {
            of if of.is_dir() => found.extend(stored(&entry, size)),
            of if of.len() == size => found.push(entry),
            _ => {}
        }
    }
    found
}

pub(crate) fn measure(gib: u64) {
    let Some(python) = python("rclone", include_str!("rclone.txt")) else { return };
    let rclone = python.with_file_name("rclone");
    let top = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let models = top.path().join("models");
    fs::create_dir(&models).unwrap();
    write(&models.join("weights.bin"), gib * GIB);
    let (mut ours, mut theirs, mut most) = (Vec::new(), Vec::new(), 0);
    for _ in 0..TIMES {
        let (taken, memory) = by_trueup(&models, gib * GIB);
        ours.push(taken);
        most = most.max(memory);
        theirs.push(by_rclone(&rclone, &models, gib * GIB));
    }
    let (ours, theirs) = (median(ours).as_secs_f64(), median(theirs).as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "it is printed with two digits")]
    let (rate, mib) = ((gib << 10) as f64, most as f64 / f64::from(1 << 20));
    println!(
        "| an artifact of {gib} GiB to an S3 server on this machine, beside `rclone copy` | {:.0} MiB/s and at most {mib:.0} MiB of memory, rclone {:.0} MiB/s: {:.2} times its rate |",
        rate / ours,
        rate / theirs,
        theirs / ours,
    );
}

/// A directory with a bucket in it, and who serves it.
fn bucket() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::create_dir(directory.path().join("models")).unwrap();
    let server = Server::start(directory.path());
    (directory, server)
}

fn by_trueup(models: &Path, size: u64) -> (Duration, u64) {
    // Who this account is, moto tells.
    let aws = Aws::start().unwrap();
    let (stored_in, server) = bucket();
    let place = tempfile::tempdir().unwrap();
    let reference =
        "{ address: models, kind: bucket, provider: aws, attributes: { name: models, uri: \"s3://models\" } }";
    let blueprint = format!(
        "blueprint: large\nproviders: {{ aws: {{}} }}\nresources:\n  weights:\n    kind: artifact\n    provider: aws\n    bucket: {reference}\n    source: {}\n",
        models.display()
    );
    fs::write(place.path().join("blueprint.yaml"), blueprint).unwrap();
    let mut environment = aws.environment();
    environment.push(("AWS_ENDPOINT_URL_S3".to_owned(), server.url.clone()));
    let taken = watched(&mut trueup(place.path(), &environment, &["apply", "--yes"]));
    assert_eq!(stored(stored_in.path(), size).len(), 1, "it is there, whole");
    taken
}

fn by_rclone(rclone: &Path, models: &Path, size: u64) -> Duration {
    let (stored_in, server) = bucket();
    let mut command = Command::new(rclone);
    command.arg("copy").arg(models).arg(":s3:models/weights").env_clear().env("HOME", stored_in.path());
    command.args(["--s3-provider", "Other", "--s3-access-key-id", "tester", "--s3-secret-access-key", "tester"]);
    command.args(["--s3-endpoint", &server.url, "--s3-region", "us-east-1", "--s3-no-check-bucket"]);
    let (taken, _) = watched(&mut command);
    assert_eq!(stored(stored_in.path(), size).len(), 1, "it is there, whole");
    taken
}
