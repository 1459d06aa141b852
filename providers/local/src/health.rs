//! Asks a replica whether it works: one GET over plain HTTP on this machine.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// The most of an answer that is read, in bytes.
const MOST: u64 = 64 * 1024;

/// Whether `GET path` on a port of this machine answers 200 within a time.
pub(crate) fn answers(port: u16, path: &str, timeout: Duration) -> bool {
    status(port, path, timeout.max(Duration::from_millis(1))) == Some(200)
}

fn status(port: u16, path: &str, timeout: Duration) -> Option<u16> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, timeout).ok()?;
    stream.set_read_timeout(Some(timeout)).ok()?;
    stream.set_write_timeout(Some(timeout)).ok()?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: trueup\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    // `HTTP/1.1 200` is all that counts. The rest is read too, within a bound: a server whose answer is cut off logs an error.
    let mut answer = Vec::new();
    let read = stream.take(MOST).read_to_end(&mut answer);
    if read.is_err() && answer.len() < 12 {
        return None;
    }
    let text = std::str::from_utf8(answer.get(..12)?).ok()?;
    text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..)).and_then(|code| code.parse().ok())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn server(answer: &'static str) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 512]);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        port
    }

    #[test]
    fn only_200_is_healthy() {
        let second = Duration::from_secs(1);
        assert!(answers(server("HTTP/1.0 200 OK\r\n\r\n"), "/", second));
        assert!(!answers(server("HTTP/1.1 503 Loading\r\n\r\n"), "/", second));
        assert!(!answers(server("SSH-2.0-OpenSSH_9.6\r\n"), "/", second));
        assert!(!answers(server(""), "/", second));
    }
}
