//! What a machine of Google's is told of itself: its project. Nobody else is asked, and nothing where this machine is none of them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::OnceLock;
use std::time::Duration;

/// Where it is told (*About VM metadata*).
const HOST: &str = "169.254.169.254:80";
/// What says where else, as Google's own tools have it.
const SAID: &str = "GCE_METADATA_HOST";
/// Where the firmware of a machine says whose it is.
const FIRMWARE: &str = "/sys/class/dmi/id/product_name";
/// How long it may take: it is in the same host.
const WAIT: Duration = Duration::from_secs(1);

/// Whether somebody says where machines are told of themselves.
pub(crate) fn is_said() -> bool {
    said().is_some()
}

fn said() -> Option<String> {
    std::env::var(SAID).ok().filter(|host| !host.is_empty())
}

/// The project of this machine; none where it is none of Google's.
pub(crate) fn project() -> Option<String> {
    static PROJECT: OnceLock<Option<String>> = OnceLock::new();
    let is_googles = || std::fs::read_to_string(FIRMWARE).is_ok_and(|name| name.contains("Google"));
    let host = || said().or_else(|| is_googles().then(|| HOST.to_owned()));
    PROJECT.get_or_init(|| ask(&host()?, "project/project-id")).clone()
}

/// What is told at a path.
fn ask(host: &str, path: &str) -> Option<String> {
    let address: SocketAddr =
        if host.contains(':') { host.to_owned() } else { format!("{host}:80") }.to_socket_addrs().ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&address, WAIT).ok()?;
    stream.set_read_timeout(Some(WAIT)).ok()?;
    let asked = format!(
        "GET /computeMetadata/v1/{path} HTTP/1.0\r\nHost: {host}\r\nMetadata-Flavor: Google\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(asked.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer).ok()?;
    said_in(&answer)
}

/// The text of an answer that is one.
fn said_in(answer: &str) -> Option<String> {
    let (head, text) = answer.split_once("\r\n\r\n")?;
    let is_it = head.lines().next()?.split(' ').nth(1) == Some("200")
        && head.lines().any(|line| line.to_ascii_lowercase().replace(' ', "") == "metadata-flavor:google");
    Some(text.trim().to_owned()).filter(|text| is_it && !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_googles_own_answer_counts() {
        let answer = |status: &str, flavor: &str| format!("HTTP/1.0 {status}\r\n{flavor}\r\n\r\nacme-research\n");
        assert_eq!(said_in(&answer("200 OK", "Metadata-Flavor: Google")).as_deref(), Some("acme-research"));
        // Somebody else's network may answer anything.
        assert_eq!(said_in(&answer("200 OK", "Server: captive")), None);
        assert_eq!(said_in(&answer("404 Not Found", "Metadata-Flavor: Google")), None);
        assert_eq!(said_in("nonsense"), None);
    }
}
