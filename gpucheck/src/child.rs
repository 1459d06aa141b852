//! The measuring process, seen from the one that started it: its crash, its silence and its nonsense are findings.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::events::Event;
use crate::report::{Incident, Level, Report};

/// The longest line that is read: a report of a node of 16 GPUs has some 200 KiB.
const LONGEST_LINE: u64 = 16 << 20;
/// How much is kept of what it says of its errors.
const KEPT: usize = 2000;
/// How long a process that is ended may take to be gone. One that hangs in the driver may never be.
const GRACE: u32 = 50;

/// What came of it.
#[derive(Debug)]
pub enum Supervised {
    /// There is nothing to measure here, and why.
    Absent(String),
    /// What was measured, with what went wrong.
    Measured(Report),
}

enum Message {
    Line(Vec<u8>),
    Closed,
    TimeIsOver,
}

/// Starts the command, which must tell events on its standard output, and hears it to its end, or until the time is over.
pub fn supervise(
    mut command: Command,
    level: Level,
    limit: Duration,
    hear: &mut dyn FnMut(&Event),
) -> Result<Supervised, std::io::Error> {
    // It ends when its standard input does: nobody is left to hear it then.
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (sender, receiver) = channel();
    if let Some(stdout) = child.stdout.take() {
        let sender = sender.clone();
        thread::spawn(move || read_lines(BufReader::new(stdout), &sender));
    }
    let said = child.stderr.take().map(|stderr| thread::spawn(move || read_end(stderr)));
    thread::spawn(move || {
        thread::sleep(limit);
        let _ = sender.send(Message::TimeIsOver);
    });
    let mut heard = Heard { report: Report::new(level), during: Vec::new(), absent: None, done: false };
    let incident = heard.listen(&receiver, limit, hear);
    let status = match &incident {
        None => wait(&mut child, &receiver),
        Some(_) => end(&mut child),
    };
    // A process that can't be ended keeps its standard error open.
    let said = said.filter(|_| status.is_some()).and_then(|thread| thread.join().ok()).unwrap_or_default();
    let incident = incident.or_else(|| heard.ended(status, said, limit));
    heard.report.incidents.extend(incident);
    Ok(match heard.absent {
        Some(reason) => Supervised::Absent(reason),
        None => Supervised::Measured(heard.report),
    })
}

/// What was heard so far.
struct Heard {
    report: Report,
    during: Vec<String>,
    absent: Option<String>,
    done: bool,
}

impl Heard {
    /// Listens until there is no more to hear; what went wrong, if something did.
    fn listen(
        &mut self,
        receiver: &Receiver<Message>,
        limit: Duration,
        hear: &mut dyn FnMut(&Event),
    ) -> Option<Incident> {
        loop {
            match receiver.recv() {
                Ok(Message::Line(line)) => match serde_json::from_slice(&line) {
                    Ok(event) => {
                        hear(&event);
                        self.take(event);
                    }
                    Err(_) => return Some(Incident::Garbled { said: shortened(&line) }),
                },
                Ok(Message::TimeIsOver) => return Some(self.hung(limit)),
                Ok(Message::Closed) | Err(_) => return None,
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Absent { reason } => (self.absent, self.done) = (Some(reason), true),
            Event::Begin { step, .. } => self.during.push(step),
            Event::End { step } => self.during.retain(|begun| *begun != step),
            Event::Tick { .. } => {}
            Event::Report { report } => self.report = *report,
            Event::Done => self.done = true,
        }
    }

    fn hung(&self, limit: Duration) -> Incident {
        Incident::Hung { after: limit.as_secs(), during: self.during.clone() }
    }

    /// What its end says. None: it would not end.
    fn ended(&self, status: Option<ExitStatus>, said: String, limit: Duration) -> Option<Incident> {
        let during = self.during.clone();
        let Some(status) = status else { return Some(self.hung(limit)) };
        match status.signal() {
            Some(signal) => Some(Incident::Crashed { signal, during }),
            None if self.done && status.success() => None,
            None => Some(Incident::Ended { status: status.code().unwrap_or(-1), during, said }),
        }
    }
}

/// Waits for a process that has no more to say.
fn wait(child: &mut Child, receiver: &Receiver<Message>) -> Option<ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if let Ok(Message::TimeIsOver) = receiver.recv_timeout(Duration::from_millis(20)) {
            end(child);
            return None;
        }
    }
}

/// Ends it, and waits for a while until it is gone.
fn end(child: &mut Child) -> Option<ExitStatus> {
    let _ = child.kill();
    for _ in 0..GRACE {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(20));
    }
    None
}

fn read_lines(mut from: impl BufRead, to: &Sender<Message>) {
    loop {
        let mut line = Vec::new();
        match from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(1..) if to.send(Message::Line(line)).is_ok() => {}
            _ => break,
        }
    }
    let _ = to.send(Message::Closed);
}

/// Reads all, and keeps the last of it.
fn read_end(mut from: impl Read) -> String {
    let mut kept = Vec::new();
    let mut part = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut part) {
        kept.extend_from_slice(&part[..count]);
        let more = kept.len().saturating_sub(KEPT);
        kept.drain(..more);
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

fn shortened(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(200)]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    /// What comes of a shell script in the child's place.
    fn script(text: &str, limit: Duration) -> Supervised {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        supervise(command, Level::Quick, limit, &mut |_| ()).unwrap()
    }

    fn incidents(text: &str) -> Vec<Incident> {
        match script(text, LONG) {
            Supervised::Measured(report) => report.incidents,
            Supervised::Absent(reason) => panic!("absent: {reason}"),
        }
    }

    const BEGIN: &str = r#"echo '{"event":"begin","step":"x on GPU 0","done":0,"of":1}'; "#;
    const DONE: &str = r#"echo '{"event":"done"}'; "#;

    #[test]
    fn one_that_is_done_is_no_incident() {
        assert_eq!(incidents(DONE), []);
        assert!(
            matches!(script(r#"echo '{"event":"absent","reason":"none"}'"#, LONG), Supervised::Absent(why) if why == "none")
        );
    }

    #[test]
    fn a_crash_is_told_with_what_was_under_way() {
        let wanted = Incident::Crashed { signal: 11, during: vec!["x on GPU 0".into()] };
        assert_eq!(incidents(&format!("{BEGIN} kill -SEGV $$")), [wanted]);
        let ended = r#"echo '{"event":"end","step":"x on GPU 0"}'; kill -ABRT $$"#;
        assert_eq!(incidents(&format!("{BEGIN} {ended}")), [Incident::Crashed { signal: 6, during: vec![] }]);
    }

    #[test]
    fn an_end_before_the_end_is_told_with_what_it_said_last() {
        let wanted =
            |status, said: &str| Incident::Ended { status, during: vec!["x on GPU 0".into()], said: said.into() };
        assert_eq!(incidents(&format!("{BEGIN} echo why >&2; exit 7")), [wanted(7, "why")]);
        assert_eq!(incidents(BEGIN), [wanted(0, "")]);
        assert_eq!(incidents(&format!("{DONE} exit 3")).len(), 1);
    }

    #[test]
    fn nonsense_is_told_and_ends_it() {
        assert_eq!(incidents("echo Segmentation; exec sleep 600"), [Incident::Garbled { said: "Segmentation".into() }]);
        assert_eq!(incidents(r#"echo '{"event":"dance"}'"#).len(), 1);
        assert!(matches!(&incidents("head -c 300 /dev/zero; echo")[..], [Incident::Garbled { .. }]));
    }

    #[test]
    fn one_that_hangs_is_ended_when_its_time_is_over() {
        let hangs = |text: &str| match script(text, Duration::from_secs(3)) {
            Supervised::Measured(report) => report.incidents,
            Supervised::Absent(reason) => panic!("absent: {reason}"),
        };
        let wanted = Incident::Hung { after: 3, during: vec!["x on GPU 0".into()] };
        assert_eq!(hangs(&format!("{BEGIN} exec sleep 600")), [wanted]);
        // One that closes its output and stays hangs too.
        assert_eq!(hangs("exec >&- 2>&-; exec sleep 600").len(), 1);
    }

    #[test]
    fn what_was_known_before_a_crash_is_kept() {
        let report = Report { driver: Some("12.4".into()), ..Report::new(Level::Quick) };
        let event = serde_json::to_string(&Event::Report { report: Box::new(report) }).unwrap();
        let Supervised::Measured(found) = script(&format!("echo '{event}'; kill -SEGV $$"), LONG) else {
            panic!("absent");
        };
        assert_eq!((found.driver.as_deref(), found.incidents.len()), (Some("12.4"), 1));
    }
}
