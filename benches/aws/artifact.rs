//! A large artifact, beside `rclone copy` to the same server.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::aws::{Aws, REGION};
use crate::python::python;
use crate::{median, timed, trueup};

const TIMES: usize = 3;

/// `rclone`, as an S3 server of a directory.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(rclone: &Path, directory: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(rclone);
        command.args(["serve", "s3", "--auth-key", "tester,tester", "--addr", &format!("127.0.0.1:{port}")]);
        command.arg(directory).env_clear().env("HOME", directory).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            thread::sleep(Duration::from_millis(20));
        }
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of bytes that don't repeat.
fn fill(path: &Path, mib: usize) {
    let (mut file, mut random) = (File::create(path).unwrap(), File::open("/dev/urandom").unwrap());
    let mut block = vec![0; 1 << 20];
    for _ in 0..mib {
        random.read_exact(&mut block).unwrap();
        file.write_all(&block).unwrap();
    }
    file.sync_all().unwrap();
}

/// The most memory that a process had, in MiB, as the kernel says, while it ran.
fn most_memory(mut command: Command) -> (Duration, u64) {
    let start = std::time::Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let ended = loop {
        if let Ok(file) = File::open(&status) {
            let peak = BufReader::new(file).lines().map_while(Result::ok).find(|line| line.starts_with("VmHWM:"));
            let kib = peak.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            most = most.max(kib.unwrap_or_default() / 1024);
        }
        match child.try_wait().unwrap() {
            Some(ended) => break ended,
            None => thread::sleep(Duration::from_millis(20)),
        }
    };
    assert!(ended.success(), "{command:?}");
    (start.elapsed(), most)
}

pub(crate) fn measure() {
    let Some(python) = python("rclone", include_str!("rclone.txt")) else { return };
    let rclone = python.with_file_name("rclone");
    let Some(aws) = Aws::start() else { return };
    let mib: usize = std::env::var("SIZE_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(5 * 1024);
    let place = tempfile::tempdir().unwrap();
    let (model, kept) = (place.path().join("model"), place.path().join("kept"));
    fs::create_dir_all(&model).unwrap();
    fill(&model.join("weights.bin"), mib);
    let (mut ours, mut theirs, mut memory) = (Vec::new(), Vec::new(), 0);
    for time in 0..TIMES {
        for bucket in ["ours", "theirs"] {
            let _ = fs::remove_dir_all(kept.join(bucket));
            fs::create_dir_all(kept.join(bucket)).unwrap();
        }
        let server = Server::start(&rclone, &kept);
        let work = place.path().join(format!("work-{time}"));
        fs::create_dir_all(&work).unwrap();
        let blueprint = format!(
            "blueprint: large\nproviders: {{ aws: {{}} }}\nresources:\n  kept: {{ kind: bucket, existing: ours }}\n  weights: {{ kind: artifact, bucket: \"{{{{ kept }}}}\", source: {} }}\n",
            model.display()
        );
        fs::write(work.join("blueprint.yaml"), blueprint).unwrap();
        let mut environment = aws.environment();
        environment.push(("AWS_ENDPOINT_URL_S3".to_owned(), server.url.clone()));
        let (taken, most) = most_memory(trueup(&work, &environment, &["apply", "--yes"]));
        ours.push(taken);
        memory = memory.max(most);
        let mut copy = Command::new(&rclone);
        copy.args(["copy", "--s3-provider", "Other", "--s3-endpoint", &server.url, "--s3-region", REGION]);
        copy.args(["--s3-access-key-id", "tester", "--s3-secret-access-key", "tester"]);
        copy.arg(&model).arg(":s3:theirs/weights").env_clear().env("HOME", place.path());
        theirs.push(timed(&mut copy).0);
    }
    let rate = |time: Duration| mib as f64 / time.as_secs_f64();
    let (ours, theirs) = (rate(median(ours)), rate(median(theirs)));
    println!(
        "| an artifact of {mib} MiB to an S3 server on this machine, beside `rclone copy` | {ours:.0} MiB/s, `rclone` {theirs:.0} MiB/s: {:.2} of its rate; {memory} MiB of memory at most |",
        ours / theirs
    );
}
